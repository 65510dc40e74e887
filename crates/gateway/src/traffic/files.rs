//! The files of one folder that are being written: one for each time that its rows are to be kept.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::file::{self, ParquetFile, Record};
use super::pace::Pace;
use super::{TrafficOptions, names, retention};
use crate::{clock, durable};

/// A row group is written when it has this many rows,
const GROUP_ROWS: usize = 16_384;
/// or this many bytes.
const GROUP_BYTES: usize = 4 << 20;

/// How often files are looked for that are not kept any longer.
const FORGET: Duration = Duration::from_secs(60);

/// A folder of Parquet files.
pub(super) struct Files<R> {
    folder: PathBuf,
    options: TrafficOptions,
    /// By how long they are to be kept.
    open: BTreeMap<Option<u64>, Open<R>>,
    /// When those that are not kept were last looked for.
    forgot: Option<Instant>,
}

/// A file, and the rows of its next group.
struct Open<R> {
    rows: Vec<R>,
    bytes: usize,
    /// When the first of its rows came.
    since: Instant,
    file: Option<ParquetFile<R>>,
}

impl<R: Record> Files<R> {
    /// Makes the folder, and clears it of what was not finished: a file without its footer is of no use to anybody, once
    /// nobody is writing it.
    pub(super) fn open(folder: PathBuf, options: TrafficOptions) -> io::Result<Self> {
        durable::directory(&folder)?;
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "tmp") {
                retention::gone(file::remove_unfinished(&path))?;
            }
        }
        Ok(Self {
            folder,
            options,
            open: BTreeMap::new(),
            forgot: None,
        })
    }

    /// Takes rows.
    pub(super) fn add(&mut self, rows: Vec<R>, pace: &Pace<'_>) {
        for mut row in rows {
            pace.breathe();
            row.prepare();
            let keep = row.keep_seconds();
            let open = self.open.entry(keep).or_insert_with(Open::new);
            open.bytes += row.len();
            open.rows.push(row);
            if open.rows.len() >= GROUP_ROWS || open.bytes >= GROUP_BYTES {
                let path = self
                    .folder
                    .join(names::name(R::PREFIX, clock::now_micros(), keep));
                open.group(path, pace);
            }
        }
    }

    /// Finishes the files that are old or long enough, or all; and removes those that are not kept any longer.
    pub(super) fn close_due(&mut self, all: bool, pace: &Pace<'_>) {
        let (folder, options) = (&self.folder, &self.options);
        let before = self.open.len();
        self.open.retain(|keep, open| {
            let long = open
                .file
                .as_ref()
                .is_some_and(|file| file.len() >= options.file_bytes);
            if !all && !long && open.since.elapsed() < options.file_age {
                return true;
            }
            let path = folder.join(names::name(R::PREFIX, clock::now_micros(), *keep));
            open.group(path, pace);
            open.finish();
            false
        });
        let rests = self.forgot.is_some_and(|last| last.elapsed() < FORGET);
        if self.open.len() == before && rests {
            return;
        }
        self.forgot = Some(Instant::now());
        if let Err(error) = retention::forget(folder, options, clock::now_micros()) {
            tracing::warn!(%error, "old traffic not removed");
        }
    }
}

impl<R: Record> Open<R> {
    fn new() -> Self {
        Self {
            rows: Vec::new(),
            bytes: 0,
            since: Instant::now(),
            file: None,
        }
    }

    /// Writes the rows at hand, into a file at `path` if there is none yet; or drops and counts them.
    fn group(&mut self, path: PathBuf, pace: &Pace<'_>) {
        if self.rows.is_empty() {
            return;
        }
        if let Err(error) = self.write(path, pace) {
            // What the file already had goes with it: without a footer nobody can read it.
            self.file = None;
            tracing::error!(%error, rows = self.rows.len(), "traffic not logged");
            self.rows.iter().for_each(Record::lost);
        }
        // Giving back what they take is work, too.
        for row in self.rows.drain(..) {
            drop(row);
            pace.breathe();
        }
        self.bytes = 0;
    }

    fn write(&mut self, path: PathBuf, pace: &Pace<'_>) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(ParquetFile::create(path)?),
        };
        file.group(&self.rows, pace)
    }

    fn finish(&mut self) {
        if let Some(file) = self.file.take()
            && let Err(error) = file.finish()
        {
            tracing::error!(%error, "traffic log file lost");
        }
    }
}
