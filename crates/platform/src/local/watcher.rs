//! Follows each unit from its shim's start to its end, across restarts of the driver.
//!
//! One task per unit that is not over. It waits on the shim's pidfd, which works whether or not the
//! shim is our child, then reads what the shim has left. It must never take a unit for over without
//! having seen its shim dead.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::Arc;

use jiff::Timestamp;
use rustix::process::{Pid, PidfdFlags, WaitOptions, pidfd_open, waitpid};
use tokio::io::AsyncReadExt;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;

use super::leftovers;
use super::units::Entry;
use super::{Inner, interrupted};
use crate::driver::Error;
use crate::layout::{Prepared, Running, UnitDir};
use crate::process;
use crate::shim;
use crate::status::{Exit, Reason, State};

/// How many shims may end without a word before the unit is given up.
const SHIMS_MAX: usize = 2;

/// A shim that we have just started.
#[derive(Debug)]
pub(super) struct Shim {
    alive: Alive,
    /// Says in a line which process runs, and ends when that will not happen.
    ready: OwnedFd,
}

/// A shim that can be waited for.
#[derive(Debug)]
struct Alive {
    pid: i32,
    fd: Arc<OwnedFd>,
    /// Its process, as far as is known.
    running: Option<Running>,
}

/// What a unit's directory says.
enum Seen {
    Over(State),
    Alive(Alive),
    /// No shim has been there yet.
    Untouched,
}

/// Starts the shim of a unit whose directory is complete. It leaves our session by itself; a signal
/// from the terminal that reaches it before has stopped nothing, as the unit is begun again.
pub(super) fn spawn_shim(command: &[String], dir: &UnitDir) -> Result<Shim, Error> {
    let error = |source| Error::Io {
        action: format!("cannot start the unit's shim `{}`", command.join(" ")),
        source,
    };
    let Some((program, arguments)) = command.split_first() else {
        return Err(error(io::Error::from(io::ErrorKind::NotFound)));
    };
    let mut child = Command::new(program)
        .args(arguments)
        .arg(dir.path())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .current_dir("/")
        .spawn()
        .map_err(error)?;
    let pid = i32::try_from(child.id()).map_err(|source| error(io::Error::other(source)))?;
    // It is our child and not waited for, so the pid is its own.
    let fd = Pid::from_raw(pid)
        .ok_or(rustix::io::Errno::SRCH)
        .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()));
    let fd = Arc::new(fd.map_err(|source| error(source.into()))?);
    let ready = child
        .stdout
        .take()
        .map(OwnedFd::from)
        .ok_or_else(|| error(io::Error::other("it has no stdout")))?;
    Ok(Shim {
        alive: Alive {
            pid,
            fd,
            running: None,
        },
        ready,
    })
}

/// Follows a unit to its end in a task of the driver.
pub(super) fn watch(inner: &Arc<Inner>, id: String, dir: UnitDir, shim: Option<Shim>) {
    if let Some(shim) = &shim {
        inner.units.set_shim(&id, Arc::clone(&shim.alive.fd));
    }
    let (owner, shutdown) = (Arc::clone(inner), inner.shutdown.clone());
    inner.tasks.spawn(async move {
        let followed = shutdown.run_until_cancelled(follow(&owner, &id, &dir, shim)).await;
        if let Some(Err(error)) = followed {
            tracing::error!(unit = id, error = %error, "cannot follow the unit; restart the server to take it up again");
        }
    });
}

impl Inner {
    /// Takes up a unit found on disk.
    pub(super) async fn adopt(self: &Arc<Self>, dir: UnitDir, prepared: &Prepared) {
        let id = prepared.spec.id.clone();
        let entry = Entry::new(shim::status(&dir, prepared, State::Starting), prepared);
        self.units.with(|units| units.insert(id.clone(), entry));
        match look(&dir).await {
            Ok(Seen::Over(state)) => self.units.set_state(&id, state),
            Ok(Seen::Alive(alive)) => {
                self.units.set_shim(&id, Arc::clone(&alive.fd));
                self.set_running(&id, alive.running);
                watch(self, id, dir, None);
            }
            // The watcher sees for itself, and does what is to be done.
            Ok(Seen::Untouched) | Err(_) => watch(self, id, dir, None),
        }
    }

    fn set_running(&self, id: &str, running: Option<Running>) {
        if let Some(Running { pid, since }) = running {
            self.units.set_state(id, State::Running { pid, since });
        }
    }
}

async fn follow(
    inner: &Arc<Inner>,
    id: &str,
    dir: &UnitDir,
    mut shim: Option<Shim>,
) -> Result<(), Error> {
    let mut begun = usize::from(shim.is_some());
    loop {
        let alive = match shim.take() {
            Some(shim) => {
                await_start(inner, id, shim.ready).await?;
                shim.alive
            }
            None => match look(dir).await? {
                Seen::Over(state) => {
                    inner.units.set_state(id, state);
                    return Ok(());
                }
                Seen::Alive(alive) => {
                    inner.units.set_shim(id, Arc::clone(&alive.fd));
                    inner.set_running(id, alive.running);
                    alive
                }
                Seen::Untouched if begun < SHIMS_MAX => {
                    begun += 1;
                    let (inner, dir) = (Arc::clone(inner), dir.clone());
                    let spawned =
                        tokio::task::spawn_blocking(move || spawn_shim(&inner.options.shim, &dir));
                    shim = Some(spawned.await.map_err(interrupted)??);
                    continue;
                }
                Seen::Untouched => {
                    inner.units.set_state(id, give_up(inner, dir));
                    return Ok(());
                }
            },
        };
        await_end(alive).await?;
        // The usual end. One read of a page that was just written does not block, and is cheaper than
        // handing it to another thread.
        if let Some(status) = dir.records().exit {
            inner.units.set_state(id, status.state);
            return Ok(());
        }
    }
}

/// The end of a unit whose shims could not even say that they were there.
fn give_up(inner: &Inner, dir: &UnitDir) -> State {
    let shim = inner.options.shim.join(" ");
    let why = dir.shim_error().unwrap_or_else(|| "it left no word".into());
    let message = format!(
        "its shim `{shim}` ended at once: {why}; check that it can be run and that the disk is not full"
    );
    let state = State::Exited(Exit::not_started(
        Reason::NotStarted,
        message,
        Timestamp::now(),
    ));
    let written = dir
        .read()
        .and_then(|read| read.prepared())
        .and_then(|prepared| {
            let file = dir.open_status()?;
            file.reserve()?;
            file.write_exit(&shim::status(dir, &prepared, state.clone()))
        });
    if let Err(error) = written {
        tracing::error!(path = %dir.path().display(), %error, "cannot write down that the unit did not start");
    }
    state
}

/// Waits until the unit's process runs or will not.
async fn await_start(inner: &Inner, id: &str, ready: OwnedFd) -> Result<(), Error> {
    let io = |source| Error::Io {
        action: "cannot wait for the unit's shim".into(),
        source,
    };
    let mut ready = pipe::Receiver::from_owned_fd(ready).map_err(io)?;
    let mut said = Vec::new();
    while !said.ends_with(b"\n") && ready.read_buf(&mut said).await.map_err(io)? > 0 {}
    inner.set_running(id, serde_json::from_slice(&said).ok());
    Ok(())
}

async fn await_end(alive: Alive) -> Result<(), Error> {
    let io = |source| Error::Io {
        action: "cannot wait for the unit's shim".into(),
        source,
    };
    #[expect(
        deprecated,
        reason = "its sound successor is an unsafe function; an `Arc<OwnedFd>` stays open and the same"
    )]
    let fd = AsyncFd::with_interest(alive.fd, tokio::io::Interest::READABLE).map_err(io)?;
    let _ready = fd.readable().await.map_err(io)?;
    // Not our child if an earlier server has started it; then somebody else takes it in.
    let _ = waitpid(Pid::from_raw(alive.pid), WaitOptions::NOHANG);
    Ok(())
}

/// Finds out what a unit is doing, and clears up after a shim that was killed.
async fn look(dir: &UnitDir) -> Result<Seen, Error> {
    let dir = dir.clone();
    let action = format!("cannot look at the unit in {}", dir.path().display());
    let looked = tokio::task::spawn_blocking(move || look_blocking(&dir));
    looked
        .await
        .map_err(interrupted)?
        .map_err(|source| Error::Io { action, source })
}

fn look_blocking(dir: &UnitDir) -> io::Result<Seen> {
    let records = dir.records();
    let Some(id) = records.shim else {
        return Ok(Seen::Untouched);
    };
    // First whether it is alive: what it writes while it is may not be on disk yet.
    if dir.is_locked()?
        && let Some(fd) = process::open(id)
    {
        return Ok(Seen::Alive(Alive {
            pid: id.pid,
            fd: Arc::new(fd),
            running: records.running,
        }));
    }
    if let Some(status) = dir.records().exit {
        return Ok(Seen::Over(status.state));
    }
    let prepared = dir.read()?.prepared()?;
    tracing::warn!(
        unit = prepared.spec.id,
        error = dir.shim_error(),
        "the unit's shim is gone without an exit record"
    );
    leftovers::clear(&prepared, id)?;
    let state = State::Lost {
        at: Timestamp::now(),
    };
    let file = dir.open_status()?;
    file.reserve()?;
    file.write_exit(&shim::status(dir, &prepared, state.clone()))?;
    Ok(Seen::Over(state))
}
