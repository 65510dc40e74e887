//! Which program a process runs: a file, which is another one once it was replaced.
//!
//! Asked by the supervisor and by the server, to find out what still runs a binary that is no longer the one on disk.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The file of a program. Two are equal if and only if they are the same file with the same content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    device: u64,
    inode: u64,
    /// An inode may be used again, but not at the same nanosecond for as many bytes.
    modified: (i64, i64),
    len: u64,
}

impl Program {
    /// The one that is started at a path now.
    pub fn at(path: &Path) -> io::Result<Self> {
        let found = std::fs::metadata(path)?;
        Ok(Self {
            device: found.dev(),
            inode: found.ino(),
            modified: (found.mtime(), found.mtime_nsec()),
            len: found.len(),
        })
    }

    /// The one that a process runs, wherever its path leads now.
    pub fn of(pid: u32) -> io::Result<Self> {
        Self::at(Path::new(&format!("/proc/{pid}/exe")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_process_keeps_the_program_that_it_was_started_from() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cat");
        let place = |path: &Path| std::fs::copy("/bin/cat", path).unwrap();
        place(&path);
        let mut process = Command::new(&path).stdin(Stdio::piped()).spawn().unwrap();
        assert_eq!(
            Program::of(process.id()).unwrap(),
            Program::at(&path).unwrap()
        );
        let next = folder.path().join("next");
        place(&next);
        std::fs::rename(&next, &path).unwrap();
        assert_ne!(
            Program::of(process.id()).unwrap(),
            Program::at(&path).unwrap()
        );
        drop(process.stdin.take());
        process.wait().unwrap();
        assert!(Program::at(&next).is_err());
    }
}
