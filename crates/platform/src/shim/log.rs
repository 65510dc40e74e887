//! The unit's output in a bounded number of bounded files, named by the offset they begin at.
//!
//! The shim writes, [`read`] serves the driver. Names say the offset, so that a reader needs no
//! index and rotation cannot confuse it. A full disk must never stop the unit: what cannot be
//! written is dropped and counted in the offset.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::spec::LogLimits;

const PREFIX: &str = "log-";
/// The most that one read returns.
const CHUNK: u64 = 1 << 20;

/// The writing end.
pub(super) struct Log {
    dir: PathBuf,
    limits: LogLimits,
    file: Option<File>,
    /// Where the current file begins.
    begin: u64,
    /// Where the next byte goes.
    offset: u64,
}

impl Log {
    /// Begins an empty log in `dir`. There is no file before there is output.
    pub(super) fn create(dir: &Path, limits: LogLimits) -> Self {
        Self {
            dir: dir.to_owned(),
            limits,
            file: None,
            begin: 0,
            offset: 0,
        }
    }

    /// Appends output, in as many files as it takes.
    pub(super) fn append(&mut self, mut bytes: &[u8]) {
        if self.offset == 0 {
            self.begin_file();
        }
        while !bytes.is_empty() {
            let room = self
                .limits
                .max_bytes
                .saturating_sub(self.offset - self.begin);
            if room == 0 {
                self.begin_file();
                continue;
            }
            let (now, later) =
                bytes.split_at(bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
            if let Some(Err(_)) = self.file.as_mut().map(|file| file.write_all(now)) {
                // The file no longer has what its offsets say; the next one will again.
                self.file = None;
            }
            self.offset += now.len() as u64;
            bytes = later;
        }
    }

    fn begin_file(&mut self) {
        self.begin = self.offset;
        self.file = File::create(self.dir.join(name(self.begin))).ok();
        if self.begin == 0 {
            return;
        }
        let mut begins = begins(&self.dir).unwrap_or_default();
        begins.retain(|begin| *begin < self.begin);
        let surplus = begins.len().saturating_sub(self.limits.keep as usize);
        for begin in begins.into_iter().take(surplus) {
            let _ = fs::remove_file(self.dir.join(name(begin)));
        }
    }
}

/// Output from `offset` on, and the offset at which it really begins: later if that was dropped.
pub(crate) fn read(dir: &Path, offset: u64) -> io::Result<(u64, Vec<u8>)> {
    // A file may be rotated away between listing and opening; then the list is out of date.
    loop {
        let begins = begins(dir)?;
        let Some(first) = begins.first() else {
            return Ok((offset, Vec::new()));
        };
        let index = begins.partition_point(|begin| *begin <= offset);
        let begin = if index == 0 {
            *first
        } else {
            begins[index - 1]
        };
        let next = begins.get(index.max(1)).copied();
        match read_file(&dir.join(name(begin)), offset.saturating_sub(begin)) {
            Ok(bytes) if bytes.is_empty() && next.is_some() => {
                // The end of a full file, or what a full disk has swallowed: go on in the next.
                let Some(next) = next else {
                    return Ok((offset, bytes));
                };
                return Ok((
                    next,
                    read_file(&dir.join(name(next)), 0).unwrap_or_default(),
                ));
            }
            Ok(bytes) => return Ok((offset.max(begin), bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
}

/// Moves the whole output to the file `place`. Without output, or once it was moved, nothing happens.
pub(crate) fn keep(dir: &Path, place: &Path) -> io::Result<()> {
    let files: Vec<PathBuf> = begins(dir)?
        .into_iter()
        .map(|begin| dir.join(name(begin)))
        .collect();
    match files.as_slice() {
        [] => return Ok(()),
        [only] if fs::rename(only, place).is_ok() => return Ok(()),
        // In several files, or on another file system.
        _ => {}
    }
    let making = place.with_extension("tmp");
    let mut whole = File::create(&making)?;
    for file in &files {
        io::copy(&mut File::open(file)?, &mut whole)?;
    }
    fs::rename(making, place)
}

fn read_file(path: &Path, from: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(CHUNK).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn name(begin: u64) -> String {
    format!("{PREFIX}{begin:020}")
}

fn begins(dir: &Path) -> io::Result<Vec<u64>> {
    let mut begins = Vec::new();
    for entry in fs::read_dir(dir)? {
        let file = entry?.file_name();
        begins.extend(
            file.to_str()
                .and_then(|file| file.strip_prefix(PREFIX)?.parse::<u64>().ok()),
        );
    }
    begins.sort_unstable();
    Ok(begins)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_of(writes: &[&[u8]], max_bytes: u64, keep: u32) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::create(dir.path(), LogLimits { max_bytes, keep });
        for bytes in writes {
            log.append(bytes);
        }
        dir
    }

    fn read_all(dir: &Path, mut offset: u64) -> (u64, Vec<u8>) {
        let mut all = Vec::new();
        let mut first = None;
        loop {
            let (at, bytes) = read(dir, offset).unwrap();
            if bytes.is_empty() {
                return (first.unwrap_or(at), all);
            }
            first.get_or_insert(at);
            offset = at + bytes.len() as u64;
            all.extend(bytes);
        }
    }

    #[test]
    fn output_is_read_across_files_from_any_offset() {
        let dir = log_of(&[b"hello ", b"wonderful", b" world"], 4, 100);
        for (offset, expect) in [
            (0, "hello wonderful world"),
            (3, "lo wonderful world"),
            (4, "o wonderful world"),
            (21, ""),
        ] {
            assert_eq!(
                read_all(dir.path(), offset),
                (offset, expect.into()),
                "{offset}"
            );
        }
    }

    #[test]
    fn old_output_is_dropped_and_reading_begins_at_what_is_left() {
        let dir = log_of(&[b"0123456789abcdefgh"], 4, 1);
        assert_eq!(begins(dir.path()).unwrap(), [12, 16]);
        assert_eq!(read_all(dir.path(), 0), (12, b"cdefgh".into()));
        assert_eq!(read_all(dir.path(), 17), (17, b"h".into()));
    }

    #[test]
    fn a_log_is_kept_whole_and_only_once() {
        let place = tempfile::tempdir().unwrap();
        let place = place.path().join("u.log");
        for (text, max_bytes, expect) in [
            (Some(b"one file".as_slice()), 100, "one file"),
            (Some(b"some files"), 4, "some files"),
            // What is there already stays.
            (None, 100, "some files"),
        ] {
            let dir = log_of(text.as_slice(), max_bytes, 100);
            keep(dir.path(), &place).unwrap();
            assert_eq!(fs::read_to_string(&place).unwrap(), expect);
        }
        let nowhere = place.with_file_name("no/such/folder");
        assert!(keep(log_of(&[b"x"], 9, 1).path(), &nowhere).is_err());
    }

    #[test]
    fn a_log_that_nobody_wrote_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path(), 0).unwrap(), (0, Vec::new()));
        assert_eq!(
            read(&dir.path().join("gone"), 0).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
