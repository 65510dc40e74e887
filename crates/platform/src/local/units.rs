//! The driver's view of its units, and the counter that moves when it changes.
//!
//! Only the driver and its watchers use it. The lock is held for short, never across an await, and
//! nothing here waits for the disk but [`scan`], which runs once when the driver opens.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Signal, pidfd_send_signal};
use tokio::sync::watch;

use crate::capacity::Claim;
use crate::driver::Error;
use crate::layout::{Prepared, Read, UnitDir};
use crate::spec::check_id;
use crate::status::{State, UnitStatus};

/// One unit as the driver knows it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) status: UnitStatus,
    pub(super) claim: Claim,
    pub(super) grace: Duration,
    /// Its shim, while that is alive.
    shim: Option<Arc<OwnedFd>>,
    /// It was told to end, or will be as soon as its shim is known.
    is_stopped: bool,
    gpus: Vec<u32>,
}

impl Entry {
    pub(super) fn new(status: UnitStatus, prepared: &Prepared) -> Self {
        Self {
            status,
            claim: Claim::of(&prepared.spec),
            grace: prepared.spec.grace,
            shim: None,
            is_stopped: false,
            gpus: prepared.gpus.clone().unwrap_or_default(),
        }
    }

    /// The GPUs it holds now.
    pub(super) fn gpus(&self) -> &[u32] {
        if self.status.state.is_over() {
            &[]
        } else {
            &self.gpus
        }
    }
}

/// Every unit by id.
#[derive(Debug)]
pub(super) struct Units {
    map: Mutex<BTreeMap<String, Entry>>,
    changed: watch::Sender<u64>,
}

impl Default for Units {
    fn default() -> Self {
        Self {
            map: Mutex::default(),
            changed: watch::Sender::new(0),
        }
    }
}

impl Units {
    /// Looks at or changes the units; nobody is told.
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut BTreeMap<String, Entry>) -> T) -> T {
        // Whoever panicked left whole entries behind.
        look(&mut self.map.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn list(&self) -> Vec<UnitStatus> {
        self.with(|units| units.values().map(|entry| entry.status.clone()).collect())
    }

    pub(super) fn status(&self, id: &str) -> Option<UnitStatus> {
        self.with(|units| units.get(id).map(|entry| entry.status.clone()))
    }

    /// Changes a unit that is not over, and tells everybody.
    pub(super) fn set_state(&self, id: &str, state: State) {
        let is_news = self.with(|units| {
            let entry = units
                .get_mut(id)
                .filter(|entry| !entry.status.state.is_over() && entry.status.state != state)?;
            if state.is_over() {
                entry.shim = None;
            }
            entry.status.state = state;
            Some(())
        });
        if is_news.is_some() {
            self.announce();
        }
    }

    /// Says which shim runs the unit.
    pub(super) fn set_shim(&self, id: &str, shim: Arc<OwnedFd>) {
        self.with(|units| {
            let entry = units.get_mut(id)?;
            if entry.is_stopped {
                end(&shim);
            }
            entry.shim = Some(shim);
            Some(())
        });
    }

    /// From now on nobody can signal the unit's shim.
    pub(super) fn take_shim(&self, id: &str) {
        self.with(|units| units.get_mut(id).map(|entry| entry.shim = None));
    }

    /// Tells the unit's shim that there is an order to stop. Under the lock, as that may run another
    /// unit as soon as this one is over.
    pub(super) fn stop(&self, id: &str) {
        self.with(|units| {
            let entry = units.get_mut(id)?;
            entry.is_stopped = true;
            entry.shim.as_ref().map(end)
        });
    }

    /// Forgets a unit; one that was not over gives its room back, which others may wait for.
    pub(super) fn forget(&self, id: &str) {
        let gone = self.with(|units| units.remove(id));
        if gone.is_some_and(|entry| !entry.status.state.is_over()) {
            self.announce();
        }
    }

    fn announce(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    pub(super) fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

/// Asks a shim to end its unit.
fn end(shim: &Arc<OwnedFd>) {
    // One that is dead has nothing left to end.
    let _ = pidfd_send_signal(&**shim, Signal::TERM);
}

/// Every unit directory that is complete. What a crash left half made or half removed goes.
pub(super) fn scan(dir: &Path) -> Result<Vec<(UnitDir, Prepared)>, Error> {
    let io = |source| Error::Io {
        action: format!("cannot read the units directory {}", dir.display()),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if !path.is_dir() {
            continue;
        }
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if is_hidden {
            remove(&path);
            continue;
        }
        let unit = UnitDir::new(&path);
        let read = unit.read();
        match read.as_ref().map(Read::prepared) {
            Ok(Ok(prepared)) => found.push((unit, prepared)),
            // A power cut may lose all that was written before the exit record, which is on disk with
            // everything else in the file: the unit did not end, and can be begun again.
            _ if is_unit(&path) && is_cut_off(&read) => {
                tracing::warn!(path = %path.display(), "what a power cut has left of a unit is removed");
                remove(&path);
            }
            Ok(Err(error)) => leave_alone(&path, &error),
            Err(error) => leave_alone(&path, error),
        }
    }
    Ok(found)
}

fn leave_alone(path: &Path, error: &io::Error) {
    tracing::warn!(path = %path.display(), %error, "unit directory without a readable spec is left alone");
}

fn is_unit(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| check_id(name).is_ok())
}

/// Whether no shim can ever have begun, or go on with, what these records say.
fn is_cut_off(read: &io::Result<Read>) -> bool {
    match read {
        Ok(read) => read.is_cut_off(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_dir_all(path) {
        tracing::warn!(path = %path.display(), %error, "cannot remove what is left of a unit");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::Group;
    use crate::shim;
    use crate::spec::UnitSpec;
    use crate::status::State;
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Child, Command};

    fn units() -> Units {
        let prepared = Prepared {
            spec: UnitSpec::new("u", "p", vec!["true".into()]),
            group: Group::default(),
            gpus: None,
        };
        let status = shim::status(&UnitDir::new("/u"), &prepared, State::Starting);
        let units = Units::default();
        units.with(|all| all.insert("u".into(), Entry::new(status, &prepared)));
        units
    }

    fn process() -> (Child, Arc<OwnedFd>) {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = Pid::from_child(&child);
        (
            child,
            Arc::new(pidfd_open(pid, PidfdFlags::empty()).unwrap()),
        )
    }

    fn signal(mut child: Child) -> Option<i32> {
        child.wait().unwrap().signal()
    }

    #[test]
    fn a_stop_reaches_the_shim_that_is_known_and_the_one_that_will_be() {
        let term = Some(Signal::TERM.as_raw());
        for is_late in [false, true] {
            let (units, (child, fd)) = (units(), process());
            if is_late {
                units.stop("u");
                units.set_shim("u", fd);
            } else {
                units.set_shim("u", fd);
                units.stop("u");
            }
            assert_eq!(signal(child), term, "{is_late}");
        }
    }

    #[test]
    fn a_stop_does_not_reach_a_shim_that_is_done_with_the_unit() {
        let (units, (mut child, fd)) = (units(), process());
        units.set_shim("u", fd);
        units.take_shim("u");
        units.stop("u");
        child.kill().unwrap();
        assert_eq!(signal(child), Some(Signal::KILL.as_raw()));
    }
}
