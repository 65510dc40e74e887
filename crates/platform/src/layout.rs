//! The directory of a unit: which files it has, who writes them and how they are read.
//!
//! | file | written by | says |
//! |---|---|---|
//! | `unit.json` | driver, before the directory gets its name; then shim, or the driver for a lost unit | what to run, which process the shim is, which runs, how it ended; locked by the shim while it lives |
//! | `stop` | driver | that it should end, and with what grace |
//! | `shim.error` | shim | why it could not do its work, if it could not |
//! | `log-<offset>` | shim | output from that byte of the whole on |
//! | `work/`, `out/` | the unit | its files |
//!
//! Driver and shim meet only in these files. `unit.json` has four records: shim and running at fixed
//! places, blank until they are written, what to run in one line after them, and then the exit. One
//! file costs less than four, and the exit record needs neither free space on the disk nor a change of
//! the directory. Nothing here may wait for more than the end of somebody's look.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
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

/// The one file that every unit has.
const FILE: &str = "unit.json";
/// Where the records begin; the exit record follows the line that says what to run, and may grow.
const SHIM: usize = 0;
const RUNNING: usize = 512;
const SPEC: usize = 1024;
/// What is reserved for the exit record beside twice what the line takes, which it repeats in part and
/// with whole paths.
const RESERVED: usize = 3072;

/// How often to look whether the lock is free, which it is within moments.
const LOOK: Duration = Duration::from_millis(1);

/// What is known of a unit so far.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// Which process the shim is; from before it starts anything.
    pub(crate) shim: Option<ProcessId>,
    pub(crate) running: Option<Running>,
    /// How it ended. A record that was cut off by a crash is none.
    pub(crate) exit: Option<UnitStatus>,
}

/// The records as they were read.
#[derive(Debug)]
pub(crate) struct Read(Vec<u8>);

impl Read {
    fn part(&self, from: usize, to: usize) -> &[u8] {
        self.0.get(from..to.min(self.0.len())).unwrap_or_default()
    }

    /// Where the exit record begins; nowhere if not all that to run was written.
    fn exit_at(&self) -> Option<usize> {
        let line = self.part(SPEC, usize::MAX);
        Some(SPEC + line.iter().position(|byte| *byte == b'\n')? + 1)
    }

    /// Whether what to run is missing or has holes, as after a power cut. Text has no zeros.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.exit_at()
            .is_none_or(|end| self.part(SPEC, end).contains(&0))
    }

    /// What to run.
    pub(crate) fn prepared(&self) -> io::Result<Prepared> {
        let end = self.exit_at().unwrap_or(SPEC);
        Ok(serde_json::from_slice(self.part(SPEC, end))?)
    }

    pub(crate) fn records(&self) -> Records {
        let end = self.exit_at().unwrap_or(usize::MAX);
        Records {
            shim: serde_json::from_slice(self.part(SHIM, RUNNING)).ok(),
            running: serde_json::from_slice(self.part(RUNNING, SPEC)).ok(),
            exit: first(self.part(end, usize::MAX)),
        }
    }
}

/// The first record: what follows it was left by a longer one that could not be written whole.
fn first<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::Deserializer::from_slice(bytes)
        .into_iter()
        .next()?
        .ok()
}

/// The records as their writer holds them.
#[derive(Debug)]
pub(crate) struct StatusFile {
    file: File,
    exit_at: usize,
}

impl StatusFile {
    fn of(file: File, read: &Read) -> io::Result<Self> {
        let exit_at = read
            .exit_at()
            .ok_or_else(|| io::Error::other(format!("{FILE} does not say what to run")))?;
        Ok(Self { file, exit_at })
    }

    fn write(&self, at: usize, size: usize, record: &impl Serialize) -> io::Result<()> {
        let mut record = serde_json::to_vec(record)?;
        record.resize(record.len().max(size), b' ');
        self.file.write_all_at(&record, at as u64)
    }

    pub(crate) fn write_shim(&self, shim: ProcessId) -> io::Result<()> {
        self.write(SHIM, RUNNING - SHIM, &shim)
    }

    pub(crate) fn write_running(&self, running: &Running) -> io::Result<()> {
        self.write(RUNNING, SPEC - RUNNING, running)
    }

    /// Takes the room that the exit record will need. A power cut may lose this and all that was
    /// written before, and the unit is then lost with it.
    pub(crate) fn reserve(&self) -> io::Result<()> {
        let line = self.exit_at - SPEC;
        let room = vec![b' '; RESERVED + 2 * line];
        self.file.write_all_at(&room, self.exit_at as u64)
    }

    /// Writes the exit record durably: it is on disk when this returns, and with it the other records
    /// and the name of the file.
    pub(crate) fn write_exit(&self, status: &UnitStatus) -> io::Result<()> {
        self.write(self.exit_at, RESERVED, status)?;
        self.file.sync_all()
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
        let mut records = vec![b' '; SPEC];
        serde_json::to_writer(&mut records, prepared)?;
        records.push(b'\n');
        fs::write(self.join(FILE), records)
    }

    /// Reads the records.
    pub(crate) fn read(&self) -> io::Result<Read> {
        Ok(Read(fs::read(self.join(FILE))?))
    }

    /// Takes the lock that says that a shim lives, and reads and opens the records; nothing if a shim
    /// was here already. The lock is that of the file, as long as it is open.
    pub(crate) fn lock(&self) -> io::Result<Option<(Read, StatusFile)>> {
        let mut file = self.open()?;
        while let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if error != Errno::WOULDBLOCK {
                return Err(error.into());
            }
            if self.records().shim.is_some() {
                return Ok(None);
            }
            // Somebody only looks, or has not said yet who it is.
            std::thread::park_timeout(LOOK);
        }
        let mut bytes = Vec::with_capacity(RESERVED);
        file.read_to_end(&mut bytes)?;
        let read = Read(bytes);
        if read.records().shim.is_some() {
            return Ok(None);
        }
        let file = StatusFile::of(file, &read)?;
        Ok(Some((read, file)))
    }

    /// Puts all records on disk, whoever wrote them.
    pub(crate) fn sync(&self) -> io::Result<()> {
        File::open(self.join(FILE))?.sync_all()
    }

    /// Whether a shim holds the lock.
    pub(crate) fn is_locked(&self) -> io::Result<bool> {
        let file = File::open(self.join(FILE))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(false),
            Err(Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the records for writing where no shim does it.
    pub(crate) fn open_status(&self) -> io::Result<StatusFile> {
        StatusFile::of(self.open()?, &self.read()?)
    }

    /// What is known so far; nothing before a shim was there.
    pub(crate) fn records(&self) -> Records {
        self.read()
            .map_or_else(|_| Records::default(), |read| read.records())
    }

    fn open(&self) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.join(FILE))
    }

    pub(crate) fn write_stop(&self, order: StopOrder) -> io::Result<()> {
        self.replace("stop", &order)
    }

    pub(crate) fn stop(&self) -> Option<StopOrder> {
        serde_json::from_slice(&fs::read(self.join("stop")).ok()?).ok()
    }

    pub(crate) fn write_shim_error(&self, error: &str) {
        // There is no other place to say it.
        let _ = fs::write(self.join("shim.error"), error);
    }

    pub(crate) fn shim_error(&self) -> Option<String> {
        fs::read_to_string(self.join("shim.error")).ok()
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
        assert!(dir.records().shim.is_none() && dir.read().is_err());
        let mut spec = UnitSpec::new("u", "p", vec!["a\nb".into()]);
        spec.labels.insert("text".into(), "y".repeat(9000));
        let prepared = Prepared {
            spec: spec.clone(),
            group: Group::default(),
            gpus: None,
        };
        dir.write_prepared(&prepared).unwrap();
        let (read, file) = dir.lock().unwrap().unwrap();
        assert_eq!(read.prepared().unwrap().spec, spec);
        assert!(read.records().shim.is_none() && dir.is_locked().unwrap());
        let shim = ProcessId {
            pid: 7,
            started: u64::MAX,
        };
        file.write_shim(shim).unwrap();
        assert_eq!(dir.records().shim, Some(shim));
        assert!(dir.lock().unwrap().is_none());
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
        assert_eq!(dir.read().unwrap().prepared().unwrap().spec, spec);
        file.file.set_len(file.exit_at as u64 + 5000).unwrap();
        assert!(dir.records().exit.is_none());
        file.file.set_len(5000).unwrap();
        assert!(dir.records().exit.is_none() && dir.records().shim.is_some());
        assert!(dir.read().unwrap().prepared().is_err() && dir.open_status().is_err());
        assert!(dir.read().unwrap().is_cut_off());
    }

    #[test]
    fn a_record_is_read_before_what_a_longer_one_left() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = UnitDir::new(temporary.path());
        dir.write_prepared(&Prepared {
            spec: UnitSpec::new("u", "p", vec!["true".into()]),
            group: Group::default(),
            gpus: None,
        })
        .unwrap();
        assert!(!dir.read().unwrap().is_cut_off());
        let (_, file) = dir.lock().unwrap().unwrap();
        let status = |text: String| UnitStatus {
            id: "u".into(),
            project: "p".into(),
            labels: [("text".to_owned(), text)].into(),
            endpoint: None,
            state: State::Lost {
                at: Timestamp::UNIX_EPOCH,
            },
        };
        file.write_exit(&status("x".repeat(9000))).unwrap();
        file.write_exit(&status("short".into())).unwrap();
        assert_eq!(dir.records().exit, Some(status("short".into())));
    }
}
