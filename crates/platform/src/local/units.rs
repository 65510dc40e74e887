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

use tokio::sync::watch;

use crate::capacity::Claim;
use crate::driver::Error;
use crate::layout::{Prepared, UnitDir};
use crate::status::{State, UnitStatus};

/// One unit as the driver knows it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) status: UnitStatus,
    pub(super) claim: Claim,
    pub(super) grace: Duration,
    /// Its shim, while that is alive.
    pub(super) shim: Option<Arc<OwnedFd>>,
    gpus: Vec<u32>,
}

impl Entry {
    pub(super) fn new(status: UnitStatus, prepared: &Prepared) -> Self {
        Self {
            status,
            claim: Claim::of(&prepared.spec),
            grace: prepared.spec.grace,
            shim: None,
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

    pub(super) fn set_shim(&self, id: &str, shim: Arc<OwnedFd>) {
        self.with(|units| units.get_mut(id).map(|entry| entry.shim = Some(shim)));
    }

    /// From now on nobody can signal the unit's shim.
    pub(super) fn take_shim(&self, id: &str) {
        self.with(|units| units.get_mut(id).map(|entry| entry.shim = None));
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
        let unit = UnitDir::new(&path);
        match unit.read().and_then(|read| read.prepared()) {
            Ok(prepared) if !is_hidden => found.push((unit, prepared)),
            Ok(_) => remove(&path),
            Err(_) if is_hidden => remove(&path),
            // A power cut may lose all that was written before the exit record, which is on disk with
            // everything else in the file: the unit did not end, and can be begun again.
            Err(error) if is_cut_off(&error) => {
                tracing::warn!(path = %path.display(), %error, "what a power cut has left of a unit is removed");
                remove(&path);
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "unit directory without a readable spec is left alone");
            }
        }
    }
    Ok(found)
}

fn is_cut_off(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
    )
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_dir_all(path) {
        tracing::warn!(path = %path.display(), %error, "cannot remove what is left of a unit");
    }
}
