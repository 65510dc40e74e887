//! The shim: the small process that runs one unit after another and outlives whoever asks for them.
//!
//! The binary's role `mainspan unit <units' directory>` calls [`main`] before it does anything else,
//! since what the shim costs is paid by steps. It has one thread, no runtime and no tracing: what goes
//! wrong is written to the unit's exit record. It must never run a unit twice, never leave a process
//! behind, and never be done with a unit without an exit record unless it is killed.
//!
//! The driver says on stdin which unit is next, and hears on stdout that it runs, and that it is over
//! ([`OVER`]): a process for each unit would cost as much as all else that we do for it. Who has gone
//! away asks for nothing more: a shim whose stdin ends is done when its unit is.

mod log;
mod outputs;
mod spawn;
mod stage;
mod supervise;
mod verdict;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{getpid, set_child_subreaper, setsid};
use rustix::thread::set_no_new_privs;

use crate::layout::{Prepared, Running, StatusFile, UnitDir};
use crate::process::Stat;
use crate::spec::UNIT_DIR;
use crate::status::{Ending, Exit, OutputStatus, Reason, State, UnitStatus};
pub(crate) use log::{keep as keep_log, read as read_log};

use supervise::{Ended, Signals};
use verdict::Asked;

/// What the shim says when a unit is over and it could run another one.
pub(crate) const OVER: &str = "over";
/// A clock tick, as `/proc` counts on every Linux that we build for.
const TICK_MICROS: u64 = 10_000;

/// Runs the units of a directory whose ids come in on stdin, a line each. Success means that the exit
/// records are on disk, however the units themselves have ended.
#[must_use]
pub fn main(units: &Path) -> ExitCode {
    // Fails if we lead a session already, which is what we want.
    let _ = setsid();
    // Both are inherited by, or meant for, the units: their orphans come to us.
    let _ = set_no_new_privs(true);
    let _ = set_child_subreaper(Some(getpid()));
    let Ok(signals) = Signals::catch() else {
        return ExitCode::FAILURE;
    };
    while let Some(id) = next(&signals) {
        let dir = UnitDir::new(units.join(id));
        match run(&dir, &signals) {
            Ok(After::Next) => say(OVER.as_bytes()),
            Ok(After::Last) => break,
            Err(error) => {
                dir.write_shim_error(&error.to_string());
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Waits for the id of the next unit. There is none when nobody is there any more to ask for it, or
/// when we were asked to end.
fn next(signals: &Signals) -> Option<String> {
    let mut line = Vec::new();
    let stdin = rustix::stdio::stdin();
    while line.last() != Some(&b'\n') {
        let mut waited = [PollFd::new(&stdin, PollFlags::IN), signals.stop_fd()];
        match poll(&mut waited, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return None,
        }
        if !waited[0].revents().is_empty() {
            let mut bytes = [0; 512];
            match rustix::io::read(stdin, &mut bytes) {
                Ok(count @ 1..) => line.extend_from_slice(&bytes[..count]),
                Err(Errno::INTR) => {}
                Ok(0) | Err(_) => return None,
            }
        }
        // After the line was read: what was sent before it must not be taken for a stop of this unit.
        if signals.take_stop() {
            return None;
        }
    }
    line.pop();
    String::from_utf8(line).ok()
}

/// Whether the shim can run another unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Next,
    /// It has bounds, or a place, that the next one must not inherit.
    Last,
}

fn run(dir: &UnitDir, signals: &Signals) -> io::Result<After> {
    let Some((read, file)) = dir.lock()? else {
        // A shim is here, or was: whether the unit runs, is over or lost is the driver's to find out.
        return Ok(After::Next);
    };
    let own = Stat::own().ok_or_else(|| io::Error::other("/proc is not mounted"))?;
    file.write_shim(own.id)?;
    let prepared = read.prepared()?;
    let mut unit = Unit {
        dir,
        prepared: &prepared,
        file: &file,
        started: Timestamp::now(),
        ticks_before: own.children_ticks,
    };
    let (exit, after) = unit.run(signals);
    file.write_exit(&status(dir, &prepared, State::Exited(exit)))?;
    Ok(after)
}

/// The status of a unit whose state is known.
pub(crate) fn status(dir: &UnitDir, prepared: &Prepared, state: State) -> UnitStatus {
    let spec = &prepared.spec;
    UnitStatus {
        id: spec.id.clone(),
        project: spec.project.clone(),
        labels: spec.labels.clone(),
        endpoint: spec.endpoint.as_ref().map(|path| dir.join(path)),
        state,
    }
}

struct Unit<'a> {
    dir: &'a UnitDir,
    prepared: &'a Prepared,
    file: &'a StatusFile,
    started: Timestamp,
    /// CPU time of the units before this one.
    ticks_before: u64,
}

impl Unit<'_> {
    fn run(&mut self, signals: &Signals) -> (Exit, After) {
        if self.dir.stop().is_some() {
            let exit = Exit::not_started(
                Reason::Stopped,
                "it was stopped before it started".into(),
                Timestamp::now(),
            );
            return (exit, After::Next);
        }
        match self.supervise(signals) {
            Ok(done) => done,
            Err(message) => {
                self.prepared.group.remove();
                let exit = Exit::not_started(Reason::NotStarted, message, Timestamp::now());
                (exit, After::Last)
            }
        }
    }

    fn supervise(&mut self, signals: &Signals) -> Result<(Exit, After), String> {
        let spec = &self.prepared.spec;
        stage::prepare(self.dir, spec)?;
        let spawned = spawn::spawn(self.dir, self.prepared)?;
        self.started = Timestamp::now();
        let running = Running {
            pid: spawned.pid.unsigned_abs(),
            since: self.started,
        };
        // Without these the unit runs all the same: the driver shows it as starting for longer, and
        // the exit record has to find its room at the end.
        let _ = self.file.write_running(&running);
        say(&serde_json::to_vec(&running).unwrap_or_default());
        let _ = self.file.reserve();
        let log = log::Log::create(self.dir.path(), spec.log);
        let ended = supervise::supervise(self.dir, self.prepared, spawned, log, signals);
        let is_bound = spec.limits.pids.is_some() && self.prepared.group.pids.is_none();
        let after = if is_bound || ended.trouble.is_some() {
            After::Last
        } else {
            After::Next
        };
        Ok((self.conclude(&ended), after))
    }

    fn conclude(&self, ended: &Ended) -> Exit {
        let group = &self.prepared.group;
        let usage = group.usage(ended.ending != Ending::Code(0));
        group.remove();
        let outputs = outputs::find(self.dir, &self.prepared.spec.outputs);
        let missing = self.missing(&outputs);
        let asked = match ended.asked {
            None if usage.oom_kills > 0 => Some(Asked::OutOfMemory),
            asked => asked,
        };
        let (reason, mut message) =
            verdict::conclude(ended.ending, asked, &self.prepared.spec.limits, &missing);
        if let Some(trouble) = &ended.trouble {
            message = format!(
                "{message}{}{trouble}",
                if message.is_empty() { "" } else { "; " }
            );
        }
        Exit {
            ending: ended.ending,
            reason,
            message,
            started: self.started,
            at: Timestamp::now(),
            cpu_micros: self.cpu_micros(),
            memory_peak: usage.memory_peak.or(ended.memory_peak),
            outputs,
        }
    }

    /// CPU time of everything that the unit ran.
    fn cpu_micros(&self) -> Option<u64> {
        let ticks = Stat::own()?.children_ticks;
        Some(ticks.saturating_sub(self.ticks_before) * TICK_MICROS)
    }

    fn missing(&self, outputs: &[OutputStatus]) -> Vec<String> {
        let required = self
            .prepared
            .spec
            .outputs
            .iter()
            .filter(|output| output.required);
        required
            .filter(|output| {
                outputs
                    .iter()
                    .any(|found| found.name == output.name && found.found.is_none())
            })
            .map(|output| {
                format!(
                    "`{}` ({})",
                    output.name,
                    self.dir.join(&output.path).display()
                )
            })
            .collect()
    }
}

/// Tells the driver something, in a line. It may be gone.
fn say(word: &[u8]) {
    let _ = rustix::io::write(rustix::stdio::stdout(), &[word, b"\n"].concat());
}

/// Puts the unit's directory where a spec names it.
fn expand(text: &str, dir: &Path) -> String {
    if text.contains(UNIT_DIR) {
        text.replace(UNIT_DIR, &dir.to_string_lossy())
    } else {
        text.to_owned()
    }
}
