//! Watches over a process until it and everything it started is gone.
//!
//! The shim calls [`supervise`] once. One loop waits for output, for signals (a child died, a stop
//! was ordered) and for the next deadline. Time is monotonic, so a clock that jumps ends nothing.
//! It must never return while anything that the unit started is alive.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process_group, wait};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};

use super::log::Log;
use super::spawn::Spawned;
use super::verdict::Asked;
use crate::layout::{Prepared, UnitDir};
use crate::process::{Stat, descendants, kill_until_none, open_all, snapshot};
use crate::spec::StopSignal;
use crate::status::Ending;

/// How often memory is looked at where no control group does it.
const LOOK: Duration = Duration::from_millis(200);
/// How much output is moved at once. Most units write little, and a larger buffer costs a page fault
/// for each page.
const BUFFER: usize = 8 << 10;
/// How long processes that were killed may take to die.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes in a page, as `/proc` counts on every Linux that we build for.
const PAGE: u64 = 4096;

/// Signals as readable bytes. They are caught from before the driver can send one.
pub(super) struct Signals {
    child: UnixStream,
    stop: UnixStream,
}

/// What was seen.
pub(super) struct Ended {
    pub(super) ending: Ending,
    pub(super) asked: Option<Asked>,
    pub(super) memory_peak: Option<u64>,
    /// What went wrong in cleaning up, if anything.
    pub(super) trouble: Option<String>,
}

impl Signals {
    pub(super) fn catch() -> io::Result<Self> {
        let catch = |signals: &[i32]| {
            let (read, write) = UnixStream::pair()?;
            read.set_nonblocking(true)?;
            for signal in signals {
                signal_hook::low_level::pipe::register(*signal, write.try_clone()?)?;
            }
            Ok::<_, io::Error>(read)
        };
        Ok(Self {
            child: catch(&[SIGCHLD])?,
            stop: catch(&[SIGTERM, SIGINT, SIGHUP])?,
        })
    }

    /// To wait for a stop with.
    pub(super) fn stop_fd(&self) -> PollFd<'_> {
        PollFd::new(&self.stop, PollFlags::IN)
    }

    /// Whether a stop was ordered since this was last asked.
    pub(super) fn take_stop(&self) -> bool {
        empty(&self.stop)
    }
}

/// Runs until nothing of the unit is left.
pub(super) fn supervise(
    dir: &UnitDir,
    prepared: &Prepared,
    spawned: Spawned,
    log: Log,
    signals: &Signals,
) -> Ended {
    let limits = &prepared.spec.limits;
    let now = Instant::now();
    let watched_memory = limits.memory.filter(|_| prepared.group.memory.is_none());
    let mut watch = Watch {
        dir,
        prepared,
        pid: spawned.pid,
        output: Some(spawned.output),
        log,
        buffer: vec![0; BUFFER],
        ending: None,
        asked: None,
        timeout_at: limits.time.and_then(|time| now.checked_add(time)),
        kill_at: None,
        look_at: watched_memory.map(|_| now + LOOK),
        memory_peak: None,
        trouble: None,
    };
    while watch.ending.is_none() {
        watch.wait(signals);
    }
    watch.clear();
    watch.drain(usize::MAX);
    Ended {
        ending: watch.ending.unwrap_or(Ending::NotStarted),
        asked: watch.asked,
        memory_peak: watch.memory_peak,
        trouble: watch.trouble,
    }
}

struct Watch<'a> {
    dir: &'a UnitDir,
    prepared: &'a Prepared,
    pid: i32,
    output: Option<OwnedFd>,
    log: Log,
    buffer: Vec<u8>,
    ending: Option<Ending>,
    asked: Option<Asked>,
    timeout_at: Option<Instant>,
    kill_at: Option<Instant>,
    look_at: Option<Instant>,
    memory_peak: Option<u64>,
    trouble: Option<String>,
}

impl Watch<'_> {
    /// Waits for one thing to happen and deals with it.
    fn wait(&mut self, signals: &Signals) {
        let next = [self.timeout_at, self.kill_at, self.look_at]
            .into_iter()
            .flatten()
            .min();
        let timeout = next
            .and_then(|at| Timespec::try_from(at.saturating_duration_since(Instant::now())).ok());
        let mut waited = vec![
            PollFd::new(&signals.child, PollFlags::IN),
            signals.stop_fd(),
        ];
        waited.extend(
            self.output
                .as_ref()
                .map(|output| PollFd::new(output, PollFlags::IN)),
        );
        // An interrupted wait shows nothing to be ready; the signal's byte is there the next time.
        let _ = poll(&mut waited, timeout.as_ref());
        let [child, stop, output] =
            [0, 1, 2].map(|index| waited.get(index).is_some_and(|fd| !fd.revents().is_empty()));
        if output {
            self.drain(128);
        }
        if child {
            empty(&signals.child);
            self.reap();
        }
        if stop && signals.take_stop() {
            let grace = self
                .dir
                .stop()
                .map_or(self.prepared.spec.grace, |order| order.grace);
            self.ask(Asked::Stop, grace);
        }
        self.keep_time();
    }

    /// Moves output to the log, at most `rounds` buffers of it.
    fn drain(&mut self, rounds: usize) {
        for _ in 0..rounds {
            let Some(output) = &self.output else { return };
            match rustix::io::read(output, &mut self.buffer) {
                Ok(0) => self.output = None,
                Ok(count) => self.log.append(&self.buffer[..count]),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => self.output = None,
            }
        }
    }

    /// Takes in every child that is dead; our own among them is the unit's end. Says whether there
    /// are any left.
    fn reap(&mut self) -> bool {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid.as_raw_pid() == self.pid => {
                    self.ending = Some(ending(status));
                }
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    fn keep_time(&mut self) {
        let now = Instant::now();
        if self.timeout_at.take_if(|at| *at <= now).is_some() {
            self.ask(Asked::Timeout, self.prepared.spec.grace);
        }
        if self.look_at.take_if(|at| *at <= now).is_some() {
            self.look_at = Some(now + LOOK);
            self.look_at_memory();
        }
        if self.kill_at.take_if(|at| *at <= now).is_some() {
            self.kill();
            self.reap();
        }
    }

    /// Asks the process group to end; the first reason stays, the shortest grace counts.
    fn ask(&mut self, reason: Asked, grace: Duration) {
        let kill_at = Instant::now() + grace;
        self.kill_at = Some(self.kill_at.map_or(kill_at, |earlier| earlier.min(kill_at)));
        self.asked.get_or_insert(reason);
        if self.ending.is_none() && !grace.is_zero() {
            let signal = match self.prepared.spec.stop_signal {
                StopSignal::Term => Signal::TERM,
                StopSignal::Int => Signal::INT,
                StopSignal::Quit => Signal::QUIT,
            };
            // The leader is not yet waited for, so the group is still ours.
            let _ = Pid::from_raw(self.pid).map(|pid| kill_process_group(pid, signal));
        }
    }

    fn look_at_memory(&mut self) {
        let Some(limit) = self.prepared.spec.limits.memory else {
            return;
        };
        let used = family().iter().map(|stat| stat.resident_pages * PAGE).sum();
        self.memory_peak = self.memory_peak.max(Some(used));
        if used > limit {
            self.asked.get_or_insert(Asked::OutOfMemory);
            self.kill();
            self.reap();
        }
    }

    /// After the process itself has ended: kills whatever it left behind.
    fn clear(&mut self) {
        while self.reap() && self.trouble.is_none() {
            self.kill();
        }
    }

    fn kill(&mut self) {
        let pids = || family().iter().map(|stat| stat.id.pid).collect();
        let killed = self
            .prepared
            .group
            .kill()
            .and_then(|()| kill_until_none(PATIENCE, || open_all(pids)));
        if let Err(error) = killed {
            self.trouble = Some(format!(
                "some of its processes could not be killed: {error}"
            ));
        }
    }
}

/// Everything the unit has running: nobody else descends from us.
fn family() -> Vec<Stat> {
    descendants(&snapshot(), getpid().as_raw_pid())
}

fn ending(status: WaitStatus) -> Ending {
    match status.terminating_signal() {
        Some(signal) => Ending::Signal(signal),
        None => Ending::Code(status.exit_status().unwrap_or(0)),
    }
}

/// Reads away what is there; says whether anything was.
fn empty(mut stream: &UnixStream) -> bool {
    let mut bytes = [0; 64];
    let mut found = false;
    while matches!(stream.read(&mut bytes), Ok(count) if count > 0) {
        found = true;
    }
    found
}
