//! The files of the join log: append, rotate, and mend what a crash left.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::durable;

/// The log, open at its end.
#[derive(Debug)]
pub(super) struct Segments {
    folder: PathBuf,
    file: File,
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
        let last = last_segment(folder)?;
        let (file, len, next) = match last {
            None => (create(folder, 0)?, 0, 0),
            Some((path, first)) => {
                let file = File::options().read(true).append(true).open(path)?;
                let (len, lines) = whole_lines(&file)?;
                if file.metadata()?.len() > len {
                    tracing::warn!(keep = len, "cutting a torn line off the join log");
                    file.set_len(len)?;
                    file.sync_all()?;
                }
                (file, len, first + lines)
            }
        };
        Ok(Self {
            folder: folder.to_owned(),
            file,
            len,
            next,
            rotate,
        })
    }

    /// Appends whole lines. On an error nothing of them is kept.
    pub(super) fn append(&mut self, lines: &[u8], records: u64) -> io::Result<()> {
        if self.len >= self.rotate {
            self.file.sync_all()?;
            self.file = create(&self.folder, self.next)?;
            self.len = 0;
        }
        if let Err(error) = self.file.write_all(lines) {
            // A half line would join with the next one.
            self.file.set_len(self.len)?;
            return Err(error);
        }
        self.len += lines.len() as u64;
        self.next += records;
        Ok(())
    }

    /// Makes everything appended durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn name(first: u64) -> String {
    format!("join-{first:020}.log")
}

fn create(folder: &Path, first: u64) -> io::Result<File> {
    let path = folder.join(name(first));
    let file = File::options()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path)?;
    durable::sync_parent(&path)?;
    Ok(file)
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

/// How many bytes are in lines that end, and how many such lines there are.
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
