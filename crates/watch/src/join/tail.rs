//! Reading the segment files `join-<number of the first record>.log` from where the last read ended.
//!
//! Blocking; run it on a blocking thread. Takes whole lines only: a line without its end is still being written, or
//! was cut by a crash and will be cut away by the gateway.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The name under which the joiner keeps its place.
pub const READER: &str = "watch/join";

/// A place in the log: everything before it has been read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The number in the segment's name.
    pub segment: u64,
    /// Bytes of it.
    pub offset: u64,
}

/// Whole lines, and the place after them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chunk {
    /// The lines with their ends; empty at the end of the log.
    pub lines: Vec<u8>,
    /// Where to read on.
    pub next: Position,
}

/// The reader of a folder of segments.
#[derive(Debug, Clone)]
pub struct Tail {
    folder: PathBuf,
    reader: String,
}

impl Tail {
    /// For the folder, which need not exist yet.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            reader: READER.to_owned(),
        }
    }

    /// The same, whose place is kept apart from those in other logs of the same store.
    #[must_use]
    pub fn named(self, log: &str) -> Self {
        Self {
            reader: format!("{READER}/{log}"),
            ..self
        }
    }

    /// Under what name the place in this log is kept.
    pub(super) fn reader(&self) -> &str {
        &self.reader
    }

    /// The next lines from `at` on, `limit` bytes or one longer line at the most.
    pub fn read(&self, at: Position, limit: usize) -> io::Result<Chunk> {
        // Listed before reading: when a newer segment is in the list, nothing is added to an older one any more.
        let segments = self.segments()?;
        let mut next = at;
        for &segment in segments.iter().filter(|segment| **segment >= at.segment) {
            if segment > next.segment {
                next = Position { segment, offset: 0 };
            }
            let lines = whole_lines(&self.path(segment), &mut next.offset, limit)?;
            if !lines.is_empty() {
                next.offset += lines.len() as u64;
                return Ok(Chunk { lines, next });
            }
        }
        Ok(Chunk {
            lines: Vec::new(),
            next,
        })
    }

    /// Removes segments that lie wholly before the place; call it when the place is durable.
    pub fn forget(&self, before: Position) -> io::Result<()> {
        for segment in self
            .segments()?
            .into_iter()
            .filter(|segment| *segment < before.segment)
        {
            match std::fs::remove_file(self.path(segment)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn path(&self, segment: u64) -> PathBuf {
        self.folder.join(format!("join-{segment:020}.log"))
    }

    fn segments(&self) -> io::Result<Vec<u64>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let digits = name
                .to_str()
                .and_then(|name| name.strip_prefix("join-")?.strip_suffix(".log"));
            found.extend(
                digits
                    .filter(|digits| digits.len() == 20)
                    .and_then(|digits| digits.parse::<u64>().ok()),
            );
        }
        found.sort_unstable();
        Ok(found)
    }
}

/// Whole lines from `offset` on. An offset behind the end means that the gateway cut off what it had not
/// acknowledged; then the end is where to go on.
fn whole_lines(path: &Path, offset: &mut u64, limit: usize) -> io::Result<Vec<u8>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let length = file.metadata()?.len();
    if *offset > length {
        tracing::warn!(
            offset = *offset,
            length,
            "join log is shorter than it was; going on at its end"
        );
        *offset = length;
    }
    file.seek(SeekFrom::Start(*offset))?;
    let mut lines = Vec::new();
    let mut wanted = limit.max(1) as u64;
    loop {
        let read = file.by_ref().take(wanted).read_to_end(&mut lines)?;
        if let Some(end) = lines.iter().rposition(|byte| *byte == b'\n') {
            lines.truncate(end + 1);
            return Ok(lines);
        }
        if read == 0 {
            return Ok(Vec::new());
        }
        wanted = limit.max(1) as u64;
    }
}
