//! Shims: starting them, telling them what to run, and keeping those that wait for the next unit.
//!
//! The driver begins units here and its watchers bring the shims back. Starting a process is the
//! larger part of what a short unit costs, so a shim that is done waits a moment for another one. It
//! ends when its stdin does: when it was not needed for that moment, or when the driver goes. A unit
//! must never be told to two shims, unless the first is dead and has not touched it.

use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::unix::pipe;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::driver::Error;
use crate::layout::Running;
use crate::shim::OVER;

/// What is read of a shim's words at once: more than it says about a unit.
const WORDS: usize = 256;

/// A shim that can be waited for.
#[derive(Debug)]
pub(super) struct Alive(AsyncFd<Arc<OwnedFd>>);

/// A shim that we have started.
#[derive(Debug)]
pub(super) struct Shim {
    alive: Alive,
    orders: ChildStdin,
    words: Lines<BufReader<pipe::Receiver>>,
}

/// What a shim says.
#[derive(Debug)]
pub(super) enum Word {
    Running(Running),
    /// The unit is over and the shim free.
    Over,
    /// The shim is gone.
    Gone,
}

/// Where shims come from and wait.
#[derive(Debug)]
pub(super) struct Shims {
    command: Vec<String>,
    units: PathBuf,
    /// How long one waits for its next unit.
    wait: Duration,
    free: Mutex<Free>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

#[derive(Debug, Default)]
struct Free {
    /// Since when each is free, the last one last.
    shims: Vec<(Instant, Shim)>,
    /// Whether somebody looks after those that are not needed.
    is_swept: bool,
}

impl Shims {
    /// Of the units in a directory, run by a command to which that is added.
    pub(super) fn new(
        command: Vec<String>,
        units: PathBuf,
        wait: Duration,
        tasks: TaskTracker,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            command,
            units,
            wait,
            free: Mutex::default(),
            tasks,
            shutdown,
        }
    }

    /// Tells a unit, whose directory is complete, to a shim that is free, or to a new one. It blocks
    /// for as long as a process takes to start.
    pub(super) fn begin(&self, id: &str) -> Result<Shim, Error> {
        while let Some((_, mut shim)) = self.with(|free| free.shims.pop()) {
            if shim.tell(id).is_ok() {
                return Ok(shim);
            }
            // It was killed while it waited.
            self.dismiss(shim);
        }
        self.start(id)
    }

    /// Tells a unit to a new shim. Where one is dead before it could be told, its watcher sees that.
    pub(super) fn start(&self, id: &str) -> Result<Shim, Error> {
        let started = self.spawn().and_then(|mut shim| match shim.tell(id) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(shim),
        });
        started.map_err(|source| Error::Io {
            action: format!("cannot start the unit's shim `{}`", self.command.join(" ")),
            source,
        })
    }

    /// The process leaves our session by itself; a signal from the terminal that reaches it before has
    /// stopped nothing, as the unit is begun again.
    fn spawn(&self) -> io::Result<Shim> {
        let (program, arguments) = self.command.split_first().ok_or(io::ErrorKind::NotFound)?;
        let mut child = Command::new(program)
            .args(arguments)
            .arg(&self.units)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .current_dir("/")
            .spawn()?;
        // It is our child and not waited for, so the pid is its own.
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        let fd = Pid::from_raw(pid)
            .ok_or(rustix::io::Errno::SRCH)
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()))?;
        let (Some(orders), Some(words)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("it has no stdin and stdout"));
        };
        let words = pipe::Receiver::from_owned_fd(words.into())?;
        Ok(Shim {
            alive: Alive::new(fd)?,
            orders,
            words: BufReader::with_capacity(WORDS, words).lines(),
        })
    }

    /// Keeps a shim that is free for the next unit.
    pub(super) fn give(self: &Arc<Self>, shim: Shim) {
        let is_swept = self.with(|free| {
            free.shims.push((Instant::now(), shim));
            std::mem::replace(&mut free.is_swept, true)
        });
        if !is_swept {
            let shims = Arc::clone(self);
            self.tasks.spawn(async move {
                shims.shutdown.run_until_cancelled(shims.sweep()).await;
            });
        }
    }

    /// Lets shims go that are not needed, until there are none.
    async fn sweep(&self) {
        let mut is_done = false;
        while !is_done {
            tokio::time::sleep(self.wait).await;
            let unneeded: Vec<_> = self.with(|free| {
                let count = free
                    .shims
                    .partition_point(|(since, _)| since.elapsed() >= self.wait);
                let unneeded = free.shims.drain(..count).collect();
                is_done = free.shims.is_empty();
                free.is_swept = !is_done;
                unneeded
            });
            for (_, shim) in unneeded {
                self.dismiss(shim);
            }
        }
    }

    /// Lets a shim go and waits for its end, so that nothing is left of it.
    pub(super) fn dismiss(&self, shim: Shim) {
        let (alive, shutdown) = (shim.alive, self.shutdown.clone());
        self.tasks.spawn(async move {
            if let Some(Err(error)) = shutdown.run_until_cancelled(alive.ended()).await {
                tracing::warn!(%error, "cannot wait for a shim to end");
            }
        });
    }

    fn with<T>(&self, change: impl FnOnce(&mut Free) -> T) -> T {
        // Whoever panicked left a whole list behind.
        change(&mut self.free.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shim {
    /// Its process.
    pub(super) fn fd(&self) -> Arc<OwnedFd> {
        self.alive.fd()
    }

    /// Says which unit is next. The pipe is empty, so this does not block.
    fn tell(&mut self, id: &str) -> io::Result<()> {
        self.orders.write_all(format!("{id}\n").as_bytes())
    }

    /// Waits for what the shim says next. Its end counts, not that of its pipe: somebody else may hold
    /// that open.
    pub(super) async fn word(&mut self) -> io::Result<Word> {
        loop {
            let line = tokio::select! {
                biased;
                line = self.words.next_line() => line?,
                ended = self.alive.ended() => {
                    ended?;
                    return Ok(Word::Gone);
                }
            };
            match line {
                None => {
                    self.alive.ended().await?;
                    return Ok(Word::Gone);
                }
                Some(line) if line == OVER => return Ok(Word::Over),
                Some(line) => {
                    if let Ok(running) = serde_json::from_str(&line) {
                        return Ok(Word::Running(running));
                    }
                }
            }
        }
    }
}

impl Alive {
    /// Needs a runtime, as whoever waits does.
    pub(super) fn new(fd: OwnedFd) -> io::Result<Self> {
        #[expect(
            deprecated,
            reason = "its sound successor is an unsafe function; an `Arc<OwnedFd>` stays open and the same"
        )]
        let fd = AsyncFd::with_interest(Arc::new(fd), tokio::io::Interest::READABLE)?;
        Ok(Self(fd))
    }

    pub(super) fn fd(&self) -> Arc<OwnedFd> {
        Arc::clone(self.0.get_ref())
    }

    /// Waits for its end.
    pub(super) async fn ended(&self) -> io::Result<()> {
        let _ready = self.0.readable().await?;
        // Not our child if an earlier server has started it; then somebody else takes it in.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let _ = waitid(WaitId::PidFd(self.0.get_ref().as_fd()), options);
        Ok(())
    }
}
