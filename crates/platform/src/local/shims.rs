//! Shims: starting them, telling them what to run, and keeping those that wait for the next unit.
//!
//! The driver begins units here and its watchers bring the shims back. Starting a process is the
//! larger part of what a short unit costs, so a shim that is done waits a moment for another one. It
//! ends when its stdin does: when it was not needed for that moment, or when the driver goes. A unit
//! must never be told to two shims, unless the first is dead and has not touched it.

use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, WaitOptions, pidfd_open, waitpid};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::unix::pipe;

use super::Inner;
use crate::layout::Running;
use crate::shim::OVER;

/// How long a shim waits for its next unit. What a unit that comes later pays for a new one is little
/// beside what it waited for.
const WAIT: Duration = Duration::from_secs(3);
/// What is read of a shim's words at once: more than it says about a unit.
const WORDS: usize = 256;

/// A shim that can be waited for.
#[derive(Debug)]
pub(super) struct Alive {
    pub(super) pid: i32,
    pub(super) fd: Arc<OwnedFd>,
}

/// A shim that we have started.
#[derive(Debug)]
pub(super) struct Shim {
    pub(super) alive: Alive,
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

/// The shims that are free.
#[derive(Debug, Default)]
pub(super) struct Shims(Mutex<Free>);

#[derive(Debug, Default)]
struct Free {
    /// Since when each is, the last one last.
    shims: Vec<(Instant, Shim)>,
    /// Whether somebody looks after those that are not needed.
    is_swept: bool,
}

impl Shims {
    /// A shim that was free and has been told a unit, whose directory is complete.
    pub(super) fn take(&self, id: &str) -> Option<Shim> {
        while let Some((_, mut shim)) = self.with(|free| free.shims.pop()) {
            if shim.tell(id).is_ok() {
                return Some(shim);
            }
            // It was killed while it waited.
            shim.alive.reap();
        }
        None
    }

    /// Keeps a shim that is free for the next unit.
    pub(super) fn give(inner: &Arc<Inner>, shim: Shim) {
        let is_swept = inner.shims.with(|free| {
            free.shims.push((Instant::now(), shim));
            std::mem::replace(&mut free.is_swept, true)
        });
        if is_swept {
            return;
        }
        let (owner, shutdown) = (Arc::clone(inner), inner.shutdown.clone());
        inner
            .tasks
            .spawn(async move { shutdown.run_until_cancelled(owner.shims.sweep()).await });
    }

    /// Ends shims that are not needed, until there are none.
    async fn sweep(&self) {
        loop {
            tokio::time::sleep(WAIT).await;
            let (unneeded, is_done) = self.with(|free| {
                let count = free
                    .shims
                    .partition_point(|(since, _)| since.elapsed() >= WAIT);
                let unneeded: Vec<Shim> = free.shims.drain(..count).map(|(_, shim)| shim).collect();
                free.is_swept = !free.shims.is_empty();
                (unneeded, !free.is_swept)
            });
            let unneeded: Vec<Alive> = unneeded.into_iter().map(|shim| shim.alive).collect();
            for alive in unneeded {
                if let Err(error) = alive.ended().await {
                    tracing::warn!(pid = alive.pid, %error, "cannot wait for a shim to end");
                }
            }
            if is_done {
                return;
            }
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Free) -> T) -> T {
        // Whoever panicked left a whole list behind.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shim {
    /// Starts one and tells it a unit, whose directory is complete. It leaves our session by itself; a
    /// signal from the terminal that reaches it before has stopped nothing, as the unit is begun again.
    pub(super) fn start(command: &[String], units: &Path, id: &str) -> io::Result<Self> {
        let (program, arguments) = command.split_first().ok_or(io::ErrorKind::NotFound)?;
        let mut child = Command::new(program)
            .args(arguments)
            .arg(units)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .current_dir("/")
            .spawn()?;
        let alive = Alive::child(&child)?;
        let (Some(orders), Some(words)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("it has no stdin and stdout"));
        };
        let words = pipe::Receiver::from_owned_fd(words.into())?;
        let mut shim = Self {
            alive,
            orders,
            words: BufReader::with_capacity(WORDS, words).lines(),
        };
        match shim.tell(id) {
            // It is dead already, which its watcher sees.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(shim),
            told => told.map(|()| shim),
        }
    }

    /// Says which unit is next. The pipe is empty, so this does not block.
    fn tell(&mut self, id: &str) -> io::Result<()> {
        self.orders.write_all(format!("{id}\n").as_bytes())
    }

    /// Waits for what the shim says next.
    pub(super) async fn word(&mut self) -> io::Result<Word> {
        while let Some(line) = self.words.next_line().await? {
            if line == OVER {
                return Ok(Word::Over);
            }
            if let Ok(running) = serde_json::from_str(&line) {
                return Ok(Word::Running(running));
            }
        }
        Ok(Word::Gone)
    }
}

impl Alive {
    /// Our own child, which is not waited for yet, so that its pid is its own.
    fn child(child: &Child) -> io::Result<Self> {
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        let fd = Pid::from_raw(pid)
            .ok_or(rustix::io::Errno::SRCH)
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()))?;
        Ok(Self {
            pid,
            fd: Arc::new(fd),
        })
    }

    /// Waits for its end.
    pub(super) async fn ended(&self) -> io::Result<()> {
        #[expect(
            deprecated,
            reason = "its sound successor is an unsafe function; an `Arc<OwnedFd>` stays open and the same"
        )]
        let fd = AsyncFd::with_interest(Arc::clone(&self.fd), tokio::io::Interest::READABLE)?;
        let _ready = fd.readable().await?;
        self.reap();
        Ok(())
    }

    /// Takes in one that is dead. It is not our child if an earlier server has started it; then
    /// somebody else does.
    fn reap(&self) {
        let _ = waitpid(Pid::from_raw(self.pid), WaitOptions::NOHANG);
    }
}
