//! Follows each unit from its shim's start to its end, across restarts of the driver.
//!
//! One task per unit that is not over. It listens to the shim if we have started that, and otherwise
//! waits for its end by its pidfd; then it reads what the shim has left. It must never take a unit for
//! over without an exit record, or without having seen its shim dead.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::{Signal, pidfd_send_signal};

use super::leftovers;
use super::shims::{Alive, Shim, Word};
use super::units::Entry;
use super::{Inner, interrupted};
use crate::driver::Error;
use crate::layout::{Prepared, Running, UnitDir};
use crate::process;
use crate::shim;
use crate::status::{Exit, Reason, State};

/// How many shims may end without a word before the unit is given up.
const SHIMS_MAX: usize = 2;
/// How long to wait before a unit that could not be followed is looked at again: at first, and at most.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// What a unit's directory says.
enum Seen {
    Over(State),
    /// Its shim, and its process as far as is known.
    Alive(Alive, Option<Running>),
    /// No shim has been there yet.
    Untouched,
}

/// Follows a unit to its end in a task of the driver.
pub(super) fn watch(inner: &Arc<Inner>, id: String, dir: UnitDir, shim: Option<Shim>) {
    if let Some(shim) = &shim {
        inner.units.set_shim(&id, shim.fd());
    }
    let (owner, shutdown) = (Arc::clone(inner), inner.shutdown.clone());
    inner.tasks.spawn(async move {
        let mut shim = shim;
        let followed = async {
            let mut pause = PAUSE_MIN;
            while let Err(error) = follow(&owner, &id, &dir, shim.take()).await {
                tracing::error!(unit = id, error = %error, "cannot follow the unit; it is tried again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        };
        shutdown.run_until_cancelled(followed).await;
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
            Ok(Seen::Alive(alive, running)) => {
                self.units.set_shim(&id, alive.fd());
                self.set_running(&id, running);
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
        if let Some(shim) = shim.take()
            && let Some(state) = attend(inner, id, dir, shim).await?
        {
            inner.units.set_state(id, state);
            return Ok(());
        }
        match look(dir).await? {
            Seen::Over(state) => {
                inner.units.set_state(id, state);
                return Ok(());
            }
            Seen::Alive(alive, running) => {
                inner.units.set_shim(id, alive.fd());
                inner.set_running(id, running);
                alive.ended().await.map_err(unheard)?;
            }
            Seen::Untouched if begun < SHIMS_MAX => {
                begun += 1;
                let (shims, unit) = (Arc::clone(&inner.shims), id.to_owned());
                let started = tokio::task::spawn_blocking(move || shims.start(&unit));
                let started = started.await.map_err(interrupted)??;
                inner.units.set_shim(id, started.fd());
                shim = Some(started);
            }
            Seen::Untouched => {
                inner.units.set_state(id, give_up(inner, dir));
                return Ok(());
            }
        }
    }
}

/// Listens to the shim that runs a unit. The state is the unit's last, as the shim has written it
/// down; where there is none, the directory has to be looked at.
async fn attend(
    inner: &Arc<Inner>,
    id: &str,
    dir: &UnitDir,
    mut shim: Shim,
) -> Result<Option<State>, Error> {
    loop {
        match shim.word().await.map_err(unheard)? {
            Word::Running(running) => inner.set_running(id, Some(running)),
            Word::Gone => return Ok(None),
            Word::Over => break,
        }
    }
    // From here on no stop of this unit may reach the shim.
    inner.units.take_shim(id);
    // One read of a page that was just written does not block, and is cheaper than handing it to
    // another thread.
    let exit = dir.read().ok().and_then(|read| read.records().exit);
    match &exit {
        Some(_) => inner.shims.give(shim),
        // Another shim has run the unit, or it cannot be read now.
        None => inner.shims.dismiss(shim),
    }
    Ok(exit.map(|status| status.state))
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

fn unheard(source: io::Error) -> Error {
    Error::Io {
        action: "cannot wait for the unit's shim".into(),
        source,
    }
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
    let records = match dir.read() {
        Ok(read) => read.records(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Seen::Untouched),
        Err(error) => return Err(error),
    };
    let Some(id) = records.shim else {
        return Ok(Seen::Untouched);
    };
    // First whether it is alive: what it writes while it is may not be on disk yet.
    if dir.is_locked()?
        && let Some(fd) = process::open(id)
    {
        if dir.stop().is_some() {
            // Whoever ordered it may have gone before it could say so.
            let _ = pidfd_send_signal(&fd, Signal::TERM);
        }
        return Ok(Seen::Alive(Alive::new(fd)?, records.running));
    }
    let read = dir.read()?;
    if let Some(status) = read.records().exit {
        // The shim may have died between writing and syncing it.
        dir.sync()?;
        return Ok(Seen::Over(status.state));
    }
    let prepared = read.prepared()?;
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
