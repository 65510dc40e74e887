//! Files that are replaced whole: old or new after a crash, never half; and locks among processes.
//!
//! Called for `routes.json`, the evidence and `gateway.json`. Blocks; never call it on a thread
//! that serves requests.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Replaces a file: temporary file, fsync, rename, fsync of the directory.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_parent(path)
}

/// Makes a rename or a creation in a file's directory durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// Makes a directory, and those above it, for this user only.
pub(crate) fn directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// The content of a file, `None` when there is none.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Which file has a name: another one after each [`replace`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    inode: u64,
    /// An inode may be used again, but not at the same nanosecond with as many bytes.
    modified: (i64, i64),
    len: u64,
}

impl Identity {
    /// Of the file at a path, if there is one.
    pub(crate) fn of(path: &Path) -> io::Result<Option<Self>> {
        let found = match fs::metadata(path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(Self {
            inode: found.ino(),
            modified: (found.mtime(), found.mtime_nsec()),
            len: found.len(),
        }))
    }
}

/// Opens a file that is there to be locked; the system unlocks it when the process ends, however.
pub(crate) fn lock_file(path: &Path) -> io::Result<File> {
    File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// Does something while no other process does what needs the same lock.
pub(crate) fn locked<T>(lock: &File, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    lock.lock()?;
    let done = work();
    lock.unlock()?;
    done
}
