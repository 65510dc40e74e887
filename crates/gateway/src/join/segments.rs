//! The files of the join log: append, rotate, and mend what a crash left.
//!
//! A gateway that is leaving and the one that takes its place may both append: each does so under a lock, after
//! it has looked at what the other appended. So the files themselves say which number is next.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::durable;

/// The log, open at its end.
#[derive(Debug)]
pub(super) struct Segments {
    folder: PathBuf,
    /// Lets one process at a time append.
    lock: Arc<File>,
    file: File,
    /// The number of the file's first record.
    first: u64,
    /// Bytes of whole lines in `file`.
    len: u64,
    /// The number of the next record.
    next: u64,
    rotate: u64,
}

impl Segments {
    /// Opens the log in `folder`. A last line that a crash cut off is cut away: nobody was told
    /// that it is kept, and readers take whole lines only.
    pub(super) fn open(folder: &Path, rotate: u64) -> io::Result<Self> {
        durable::directory(folder)?;
        let lock = durable::lock_file(&folder.with_extension("lock"))?;
        let (file, first) = durable::locked(&lock, || last(folder, 0))?;
        let mut log = Self {
            folder: folder.to_owned(),
            lock: Arc::new(lock),
            file,
            first,
            len: 0,
            next: first,
            rotate,
        };
        log.alone(Self::catch_up)?;
        Ok(log)
    }

    /// Appends whole lines. On an error nothing of them is kept.
    pub(super) fn append(&mut self, lines: &[u8], records: u64) -> io::Result<()> {
        self.alone(|log| {
            log.catch_up()?;
            if log.len >= log.rotate {
                log.file.sync_all()?;
                log.begin(create(&log.folder, log.next)?, log.next);
            }
            if let Err(error) = log.file.write_all(lines) {
                // A half line would join with the next one.
                log.file.set_len(log.len)?;
                return Err(error);
            }
            log.len += lines.len() as u64;
            log.next += records;
            Ok(())
        })
    }

    /// Makes everything appended durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn alone<T>(&mut self, work: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        let lock = Arc::clone(&self.lock);
        durable::locked(&lock, || work(self))
    }

    /// Goes to the end of the log, wherever another process has moved it.
    fn catch_up(&mut self) -> io::Result<()> {
        loop {
            let found = self.file.metadata()?;
            if found.len() != self.len {
                self.read_on(found.len())?;
            }
            // Readers remove files in their order, so where this one is gone, a newer one is there.
            let newer = self.next > self.first && self.folder.join(name(self.next)).exists();
            if found.nlink() > 0 && !newer {
                return Ok(());
            }
            self.file.sync_all()?;
            let (file, first) = last(&self.folder, self.next)?;
            self.begin(file, first);
        }
    }

    /// Counts lines that another process appended, and cuts off one that it did not finish.
    fn read_on(&mut self, found: u64) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.len))?;
        let (bytes, lines) = whole_lines(&self.file)?;
        self.len += bytes;
        self.next += lines;
        if found > self.len {
            tracing::warn!(keep = self.len, "cutting a torn line off the join log");
            self.file.set_len(self.len)?;
            self.file.sync_all()?;
        }
        Ok(())
    }

    fn begin(&mut self, file: File, first: u64) {
        self.file = file;
        self.first = first;
        self.next = first;
        self.len = 0;
    }
}

fn name(first: u64) -> String {
    format!("join-{first:020}.log")
}

fn create(folder: &Path, first: u64) -> io::Result<File> {
    let path = folder.join(name(first));
    let file = File::options()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path)?;
    durable::sync_parent(&path)?;
    Ok(file)
}

/// The newest file and its first record's number; if there is none, one that begins with `next`.
fn last(folder: &Path, next: u64) -> io::Result<(File, u64)> {
    match last_segment(folder)? {
        None => Ok((create(folder, next)?, next)),
        Some((path, first)) => {
            let file = File::options().read(true).append(true).open(path)?;
            Ok((file, first))
        }
    }
}

/// The newest file and its first record's number.
fn last_segment(folder: &Path) -> io::Result<Option<(PathBuf, u64)>> {
    let mut last = None;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_prefix("join-"))
            .and_then(|name| name.strip_suffix(".log"))
            .and_then(|digits| digits.parse::<u64>().ok());
        if let Some(first) = number
            && last.as_ref().is_none_or(|(_, newest)| first > *newest)
        {
            last = Some((path, first));
        }
    }
    Ok(last)
}

/// How many bytes from here on are in lines that end, and how many such lines there are.
fn whole_lines(file: &File) -> io::Result<(u64, u64)> {
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let (mut offset, mut len, mut lines) = (0_u64, 0_u64, 0_u64);
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            return Ok((len, lines));
        }
        let ends = |byte: &&u8| **byte == b'\n';
        lines += chunk.iter().filter(ends).count() as u64;
        if let Some(last) = chunk.iter().rposition(|byte| *byte == b'\n') {
            len = offset + last as u64 + 1;
        }
        let read = chunk.len();
        offset += read as u64;
        reader.consume(read);
    }
}
