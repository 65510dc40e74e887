//! Units as processes of this machine.
//!
//! `server` opens one [`Local`] per state directory and hands it on as `Arc<dyn Platform>`. Every
//! unit has a directory ([`crate::layout`]) and a shim that outlives us; what we keep in memory is
//! a view of those directories, rebuilt when we open. The driver must never run a unit twice and
//! never take a unit for over while something of it is alive.

mod leftovers;
mod options;
mod shims;
mod spares;
mod units;
mod watcher;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use options::LocalOptions;
pub(crate) use options::{cpus, gpus, memory};

use crate::capacity::{Admit, Capacity, Claim, admit, pick_gpus};
use crate::cgroup::Hierarchies;
use crate::driver::{Error, LogChunk, Pending, Platform};
use crate::layout::{Prepared, StopOrder, UnitDir};
use crate::shim;
use crate::spec::{UnitSpec, check_id};
use crate::status::{State, UnitStatus};
use options::Machine;
use shims::{Shim, Shims};
use spares::Spares;
use units::{Entry, Units};

/// The longest path of a Unix socket (unix(7)), without the NUL at its end.
const SOCKET_PATH_MAX: usize = 107;

/// The driver. Cheap to clone; its tasks end when the shutdown token does or the last clone goes.
#[derive(Debug, Clone)]
pub struct Local(Arc<Owner>);

#[derive(Debug)]
struct Owner {
    inner: Arc<Inner>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.inner.shutdown.cancel();
    }
}

#[derive(Debug)]
struct Inner {
    options: LocalOptions,
    machine: Machine,
    groups: Hierarchies,
    units: Units,
    spares: Arc<Spares>,
    shims: Arc<Shims>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Local {
    /// Opens the driver on its directory and adopts the units that it finds there: those that run
    /// are watched again, those whose shim has died are cleared away and reported as lost, and one
    /// that was accepted but never begun is begun.
    ///
    /// Cancelling `shutdown` ends the driver's tasks and no unit.
    ///
    /// # Errors
    /// [`Error::Io`] if the directory cannot be made or read.
    pub async fn open(options: LocalOptions, shutdown: &CancellationToken) -> Result<Self, Error> {
        let tasks = TaskTracker::new();
        let shutdown = shutdown.child_token();
        let opened = tokio::task::spawn_blocking(move || {
            let action = || format!("cannot use the units directory {}", options.dir.display());
            fs::create_dir_all(&options.dir).map_err(|source| Error::Io {
                action: action(),
                source,
            })?;
            let options = options.absolute()?;
            let machine = Machine::detect(&options);
            let groups = if options.control_groups {
                Hierarchies::detect()
            } else {
                Hierarchies::default()
            };
            let found = units::scan(&options.dir)?;
            Ok::<_, Error>((options, machine, groups, found))
        });
        let (options, machine, groups, found) = opened.await.map_err(interrupted)??;
        let shims = Shims::new(
            options.shim.clone(),
            options.dir.clone(),
            options.shim_wait,
            tasks.clone(),
            shutdown.clone(),
        );
        let inner = Arc::new(Inner {
            options,
            machine,
            groups,
            units: Units::default(),
            spares: Arc::default(),
            shims: Arc::new(shims),
            tasks,
            shutdown,
        });
        for (dir, prepared) in found {
            Inner::adopt(&inner, dir, &prepared).await;
        }
        Ok(Self(Arc::new(Owner { inner })))
    }

    /// Waits until the driver's tasks have ended, after its shutdown token was cancelled.
    pub async fn closed(&self) {
        self.0.inner.tasks.close();
        self.0.inner.tasks.wait().await;
    }
}

impl Platform for Local {
    fn start(&self, spec: UnitSpec) -> Pending<'_, UnitStatus> {
        Box::pin(async move {
            let inner = Arc::clone(&self.0.inner);
            // It goes on to its end even if the caller goes away, so that nothing is left half done.
            let started = self.0.inner.tasks.spawn_blocking(move || inner.start(spec));
            started.await.map_err(interrupted)?
        })
    }

    fn stop<'a>(&'a self, id: &'a str, grace: Option<Duration>) -> Pending<'a, ()> {
        Box::pin(self.0.inner.stop(id, grace))
    }

    fn list(&self) -> Pending<'_, Vec<UnitStatus>> {
        Box::pin(async { Ok(self.0.inner.units.list()) })
    }

    fn status<'a>(&'a self, id: &'a str) -> Pending<'a, UnitStatus> {
        Box::pin(async {
            self.0
                .inner
                .units
                .status(id)
                .ok_or_else(|| Error::Unknown(id.into()))
        })
    }

    fn logs<'a>(&'a self, id: &'a str, offset: u64) -> Pending<'a, LogChunk> {
        Box::pin(self.0.inner.logs(id, offset))
    }

    fn remove<'a>(&'a self, id: &'a str) -> Pending<'a, ()> {
        Box::pin(self.0.inner.remove(id, None))
    }

    fn put_away<'a>(&'a self, id: &'a str, log: &'a Path) -> Pending<'a, ()> {
        Box::pin(self.0.inner.remove(id, Some(log)))
    }

    fn capacity(&self) -> Capacity {
        self.0
            .inner
            .units
            .with(|units| self.0.inner.machine.capacity(units.values()))
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.0.inner.units.changed()
    }
}

impl Inner {
    fn dir(&self, id: &str) -> UnitDir {
        UnitDir::new(self.options.dir.join(id))
    }

    fn start(self: &Arc<Self>, spec: UnitSpec) -> Result<UnitStatus, Error> {
        spec.validate().map_err(Error::Invalid)?;
        let dir = self.dir(&spec.id);
        check_socket(&dir, &spec)?;
        let (id, claim) = (spec.id.clone(), Claim::of(&spec));
        let mut prepared = Prepared {
            group: self.group_of(&spec),
            spec,
            gpus: None,
        };
        let (status, is_new) = self.units.with(|units| {
            if let Some(entry) = units.get(&id) {
                return Ok((entry.status.clone(), false));
            }
            let capacity = self.machine.capacity(units.values());
            match admit(&capacity, &claim) {
                Admit::Now => {}
                Admit::Wait(reason) => return Err(Error::NoRoom(reason)),
                Admit::Never(reason) => return Err(Error::TooLarge(reason)),
            }
            let held: Vec<u32> = units.values().flat_map(Entry::gpus).copied().collect();
            prepared.gpus = (capacity.gpus > 0)
                .then(|| pick_gpus(capacity.gpus, &held, claim.gpus))
                .flatten();
            let entry = Entry::new(shim::status(&dir, &prepared, State::Starting), &prepared);
            let status = entry.status.clone();
            units.insert(id.clone(), entry);
            Ok((status, true))
        })?;
        if is_new {
            let shim = self
                .begin(&dir, &prepared)
                .inspect_err(|_| self.units.forget(&id))?;
            watcher::watch(self, id, dir, Some(shim));
        }
        Ok(status)
    }

    /// Writes the unit's directory and tells it to a shim.
    fn begin(&self, dir: &UnitDir, prepared: &Prepared) -> Result<Shim, Error> {
        let action = || format!("cannot write the unit's directory {}", dir.path().display());
        self.write_dir(dir, prepared).map_err(|source| Error::Io {
            action: action(),
            source,
        })?;
        self.shims.begin(&prepared.spec.id).inspect_err(|_| {
            // Whoever opens the driver next would begin what was refused here.
            if let Err(error) = fs::remove_dir_all(dir.path()) {
                tracing::error!(path = %dir.path().display(), %error, "cannot remove a unit that was not started");
            }
        })
    }

    /// The directory gets its name when it is complete, so that one with a name can be run.
    fn write_dir(&self, dir: &UnitDir, prepared: &Prepared) -> io::Result<()> {
        let new = self.options.dir.join(format!(".new-{}", prepared.spec.id));
        let temporary = UnitDir::new(self.spares.take(new)?);
        temporary.write_prepared(prepared)?;
        fs::rename(temporary.path(), dir.path())
    }

    async fn stop(&self, id: &str, grace: Option<Duration>) -> Result<(), Error> {
        let found = self.units.with(|units| {
            let entry = units.get(id)?;
            Some((entry.status.state.is_over(), entry.grace))
        });
        let (is_over, own_grace) = found.ok_or_else(|| Error::Unknown(id.into()))?;
        if is_over {
            return Ok(());
        }
        let (dir, order) = (
            self.dir(id),
            StopOrder {
                grace: grace.unwrap_or(own_grace),
            },
        );
        let action = || format!("cannot write the stop order for unit `{id}`");
        let is_heard = on_disk(action, move || {
            dir.write_stop(order)?;
            Ok(dir.records().shim.is_some())
        })
        .await?;
        // Before it has written who it is, the shim does not listen for signals but looks for the
        // order afterwards.
        if is_heard {
            self.units.stop(id);
        }
        Ok(())
    }

    async fn logs(&self, id: &str, offset: u64) -> Result<LogChunk, Error> {
        let status = self
            .units
            .status(id)
            .ok_or_else(|| Error::Unknown(id.into()))?;
        let dir = self.dir(id);
        let action = || format!("cannot read the log of unit `{id}`");
        let (offset, bytes) = on_disk(action, move || shim::read_log(dir.path(), offset)).await?;
        Ok(LogChunk {
            offset,
            next: offset + bytes.len() as u64,
            bytes,
            ended: status.state.is_over(),
        })
    }

    /// Removes a unit, after its output was kept in `log` if that is wanted.
    async fn remove(&self, id: &str, log: Option<&Path>) -> Result<(), Error> {
        check_id(id).map_err(Error::Invalid)?;
        // Shims remove their control groups; one that was killed may have left some behind.
        let left_behind = match self.units.status(id).map(|status| status.state) {
            None => return Ok(()),
            Some(State::Exited(_)) => None,
            Some(State::Lost { .. }) => Some(self.groups.group(&self.group_name(id))),
            Some(_) => return Err(Error::StillRunning(id.into())),
        };
        let (dir, hidden) = (self.dir(id), self.options.dir.join(self.spares.hide(id)));
        let (spares, log) = (Arc::clone(&self.spares), log.map(Path::to_owned));
        let action = || format!("cannot remove the directory of unit `{id}`");
        on_disk(action, move || {
            if let Some(log) = log {
                shim::keep_log(dir.path(), &log)?;
            }
            if let Some(group) = left_behind {
                group.remove();
            }
            // Under a hidden name first, so that half a directory is never taken for a unit.
            fs::rename(dir.path(), &hidden)?;
            spares.give(hidden)
        })
        .await?;
        self.units.forget(id);
        Ok(())
    }

    fn group_of(&self, spec: &UnitSpec) -> crate::cgroup::Group {
        self.groups
            .group(&self.group_name(&spec.id))
            .needed_for(&spec.limits)
    }

    fn group_name(&self, id: &str) -> String {
        format!("{}-{id}", self.options.tag())
    }
}

fn check_socket(dir: &UnitDir, spec: &UnitSpec) -> Result<(), Error> {
    let Some(endpoint) = &spec.endpoint else {
        return Ok(());
    };
    let path = dir.join(endpoint);
    if path.as_os_str().len() <= SOCKET_PATH_MAX {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "the path of its socket, {}, is longer than the {SOCKET_PATH_MAX} bytes that Unix sockets allow; choose a \
         shorter state directory",
        path.display()
    )))
}

/// Does what blocks on the blocking pool, and says what could not be done.
async fn on_disk<T: Send + 'static>(
    action: impl FnOnce() -> String,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(interrupted)?.map_err(|source| Error::Io {
        action: action(),
        source,
    })
}

fn interrupted(error: tokio::task::JoinError) -> Error {
    Error::Io {
        action: "the platform was shut down or failed in the middle of this".into(),
        source: io::Error::other(error),
    }
}
