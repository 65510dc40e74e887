//! The directory of a unit: which files it has, who writes them and how they are read.
//!
//! | file | written by | says |
//! |---|---|---|
//! | `spec.json` | driver, before the directory gets its name | what to run; locked by the shim while it lives |
//! | `shim.pid` | shim, before it starts anything | which process the shim is |
//! | `pid` | shim | which process runs, and since when |
//! | `stop` | driver | that it should end, and with what grace |
//! | `exit.json` | shim, or the driver for a lost unit | how it ended; blank until then |
//! | `shim.error` | shim | why it could not do its work, if it could not |
//! | `log-<offset>` | shim | output from that byte of the whole on |
//! | `work/`, `out/` | the unit | its files |
//!
//! Driver and shim meet only in these files. Nothing here may wait for anything.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::cgroup::Group;
use crate::process::ProcessId;
use crate::spec::UnitSpec;
use crate::status::UnitStatus;

/// What the driver hands to the shim.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Prepared {
    pub(crate) spec: UnitSpec,
    /// Its control groups, not made yet; empty where none can be used.
    pub(crate) group: Group,
    /// The GPUs it may use; `None` on a machine without any.
    pub(crate) gpus: Option<Vec<u32>>,
}

/// Which process runs, and since when.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) process: ProcessId,
    pub(crate) since: Timestamp,
}

/// A wish that the unit should end.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct StopOrder {
    pub(crate) grace: Duration,
}

/// The exit record is written in place into a block that was reserved at the start, so that it
/// needs neither free space on the disk nor a change of the directory.
const EXIT_RESERVED: usize = 4096;

/// The directory of one unit.
#[derive(Debug, Clone)]
pub(crate) struct UnitDir(PathBuf);

impl UnitDir {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.0.join(relative)
    }

    pub(crate) fn write_prepared(&self, prepared: &Prepared) -> io::Result<()> {
        fs::write(self.join("spec.json"), serde_json::to_vec(prepared)?)
    }

    pub(crate) fn prepared(&self) -> io::Result<Prepared> {
        Ok(serde_json::from_slice(&fs::read(self.join("spec.json"))?)?)
    }

    /// Takes the lock that says that a shim lives, waiting for an earlier shim to end.
    pub(crate) fn lock(&self) -> io::Result<File> {
        let file = File::open(self.join("spec.json"))?;
        flock(&file, FlockOperation::LockExclusive)?;
        Ok(file)
    }

    /// Whether a shim holds the lock.
    pub(crate) fn is_locked(&self) -> io::Result<bool> {
        let file = File::open(self.join("spec.json"))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(false),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn write_shim(&self, shim: ProcessId) -> io::Result<()> {
        self.replace("shim.pid", &shim)
    }

    pub(crate) fn shim(&self) -> Option<ProcessId> {
        self.read("shim.pid")
    }

    pub(crate) fn write_running(&self, running: Running) -> io::Result<()> {
        self.replace("pid", &running)
    }

    pub(crate) fn running(&self) -> Option<Running> {
        self.read("pid")
    }

    pub(crate) fn write_stop(&self, order: StopOrder) -> io::Result<()> {
        self.replace("stop", &order)
    }

    pub(crate) fn stop(&self) -> Option<StopOrder> {
        self.read("stop")
    }

    /// Makes room for the exit record and puts the room, and the directory it is in, on disk.
    pub(crate) fn reserve_exit(&self) -> io::Result<File> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.join("exit.json"))?;
        file.write_all(&[b' '; EXIT_RESERVED])?;
        file.sync_all()?;
        Ok(file)
    }

    /// Writes the exit record durably: it is on disk when this returns.
    pub(crate) fn write_exit(file: &File, status: &UnitStatus) -> io::Result<()> {
        let mut record = serde_json::to_vec(status)?;
        if record.len() < EXIT_RESERVED {
            record.resize(EXIT_RESERVED, b' ');
        }
        file.write_all_at(&record, 0)?;
        file.sync_data()
    }

    /// The exit record, once there is one. A record that was cut off by a crash is none.
    pub(crate) fn exit(&self) -> Option<UnitStatus> {
        self.read("exit.json")
    }

    pub(crate) fn write_shim_error(&self, error: &str) {
        // There is no other place to say it.
        let _ = fs::write(self.join("shim.error"), error);
    }

    pub(crate) fn shim_error(&self) -> Option<String> {
        fs::read_to_string(self.join("shim.error")).ok()
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(&fs::read(self.join(name)).ok()?).ok()
    }

    /// Writes a small file so that a reader sees all of it or nothing.
    fn replace<T: Serialize>(&self, name: &str, value: &T) -> io::Result<()> {
        let temporary = self.join(format!("{name}.new"));
        fs::write(&temporary, serde_json::to_vec(value)?)?;
        fs::rename(temporary, self.join(name))
    }
}
