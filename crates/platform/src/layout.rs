//! The directory of a unit: which files it has, who writes them and how they are read.
//!
//! | file | written by | says |
//! |---|---|---|
//! | `spec.json` | driver, before the directory gets its name | what to run; locked by the shim while it lives |
//! | `status` | shim, or the driver for a lost unit | which process the shim is, which runs, how it ended |
//! | `stop` | driver | that it should end, and with what grace |
//! | `shim.error` | shim | why it could not do its work, if it could not |
//! | `log-<offset>` | shim | output from that byte of the whole on |
//! | `work/`, `out/` | the unit | its files |
//!
//! Driver and shim meet only in these files. `status` has three records of JSON at fixed places, blank
//! until they are written: one file costs less than three, and the exit record needs neither free
//! space on the disk nor a change of the directory. Nothing here may wait for anything.

use std::fs::{self, File, OpenOptions};
use std::io;
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
    pub(crate) pid: u32,
    pub(crate) since: Timestamp,
}

/// A wish that the unit should end.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct StopOrder {
    pub(crate) grace: Duration,
}

/// Where the records of `status` begin; the exit record is the last and may grow.
const SHIM: usize = 0;
const RUNNING: usize = 512;
const EXIT: usize = 1024;
/// What is reserved for all of them.
const RESERVED: usize = 4096;

/// What `status` says so far.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// Which process the shim is; from before it starts anything.
    pub(crate) shim: Option<ProcessId>,
    pub(crate) running: Option<Running>,
    /// How it ended. A record that was cut off by a crash is none.
    pub(crate) exit: Option<UnitStatus>,
}

/// The `status` file as its writer holds it.
#[derive(Debug)]
pub(crate) struct StatusFile(File);

impl StatusFile {
    fn write(&self, at: usize, end: usize, record: &impl Serialize) -> io::Result<()> {
        let mut record = serde_json::to_vec(record)?;
        record.resize(record.len().max(end - at), b' ');
        self.0.write_all_at(&record, at as u64)
    }

    pub(crate) fn write_shim(&self, shim: ProcessId) -> io::Result<()> {
        self.write(SHIM, RUNNING, &shim)
    }

    pub(crate) fn write_running(&self, running: &Running) -> io::Result<()> {
        self.write(RUNNING, EXIT, running)
    }

    /// Puts the room for the exit record, and the name of the file, on disk.
    pub(crate) fn reserve(&self) -> io::Result<()> {
        self.0.write_all_at(&[b' '; RESERVED - EXIT], EXIT as u64)?;
        self.0.sync_all()
    }

    /// Writes the exit record durably: it is on disk when this returns.
    pub(crate) fn write_exit(&self, status: &UnitStatus) -> io::Result<()> {
        self.write(EXIT, RESERVED, status)?;
        self.0.sync_data()
    }
}

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

    /// Opens `status` for writing, making it if need be.
    pub(crate) fn open_status(&self) -> io::Result<StatusFile> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.join("status"))?;
        Ok(StatusFile(file))
    }

    /// What is known so far; nothing before a shim was there.
    pub(crate) fn records(&self) -> Records {
        let bytes = fs::read(self.join("status")).unwrap_or_default();
        let part =
            |from: usize, to: usize| bytes.get(from..to.min(bytes.len())).unwrap_or_default();
        Records {
            shim: serde_json::from_slice(part(SHIM, RUNNING)).ok(),
            running: serde_json::from_slice(part(RUNNING, EXIT)).ok(),
            exit: serde_json::from_slice(part(EXIT, bytes.len())).ok(),
        }
    }

    pub(crate) fn write_stop(&self, order: StopOrder) -> io::Result<()> {
        self.replace("stop", &order)
    }

    pub(crate) fn stop(&self) -> Option<StopOrder> {
        self.read("stop")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::State;

    #[test]
    fn records_appear_one_after_the_other_and_half_a_record_is_none() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = UnitDir::new(temporary.path());
        assert!(dir.records().shim.is_none());
        let file = dir.open_status().unwrap();
        let shim = ProcessId {
            pid: 7,
            started: u64::MAX,
        };
        file.write_shim(shim).unwrap();
        assert_eq!(dir.records().shim, Some(shim));
        assert!(dir.records().running.is_none() && dir.records().exit.is_none());
        file.write_running(&Running {
            pid: 8,
            since: Timestamp::UNIX_EPOCH,
        })
        .unwrap();
        file.reserve().unwrap();
        assert_eq!(dir.records().running.unwrap().pid, 8);
        assert!(dir.records().exit.is_none());
        // Longer than the room for it.
        let status = UnitStatus {
            id: "u".into(),
            project: "p".into(),
            labels: [("text".to_owned(), "x".repeat(9000))].into(),
            endpoint: None,
            state: State::Lost {
                at: Timestamp::UNIX_EPOCH,
            },
        };
        file.write_exit(&status).unwrap();
        assert_eq!(dir.records().exit, Some(status));
        assert_eq!(dir.records().shim, Some(shim));
        file.0.set_len(5000).unwrap();
        assert!(dir.records().exit.is_none());
    }
}
