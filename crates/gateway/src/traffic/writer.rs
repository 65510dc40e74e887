//! The thread that writes the traffic log.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::file::TrafficFile;
use super::{Row, Tap, TrafficOptions};
use crate::{clock, durable};

/// How often the taps are emptied.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// A row group is written when it has this many rows,
const GROUP_ROWS: usize = 16_384;
/// or this many bytes of bodies.
const GROUP_BYTES: usize = 4 << 20;

/// Starts the writer. It finishes its file and ends when what is returned first is dropped.
pub(crate) fn start(
    folder: &Path,
    options: TrafficOptions,
    taps: Vec<Arc<Tap>>,
) -> io::Result<(SyncSender<()>, JoinHandle<()>)> {
    durable::directory(folder)?;
    remove_unfinished(folder)?;
    let (running, stop) = sync_channel(0);
    let writer = Writer {
        folder: folder.to_owned(),
        options,
        taps,
        rows: Vec::new(),
        bytes: 0,
        open: None,
    };
    let thread = std::thread::Builder::new()
        .name("traffic-log".into())
        .spawn(move || writer.run(&stop))?;
    Ok((running, thread))
}

/// A file without its footer is of no use to anybody.
fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "tmp") {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

struct Writer {
    folder: PathBuf,
    options: TrafficOptions,
    taps: Vec<Arc<Tap>>,
    /// Rows of the next group.
    rows: Vec<Row>,
    /// Bytes of their bodies.
    bytes: usize,
    /// The file, and when its first row came.
    open: Option<(TrafficFile, Instant)>,
}

impl Writer {
    fn run(mut self, stop: &Receiver<()>) {
        loop {
            let ended = matches!(stop.recv_timeout(TICK), Err(RecvTimeoutError::Disconnected));
            for tap in self.taps.clone() {
                for row in tap.take() {
                    self.bytes += row.body.len();
                    self.rows.push(row);
                    if self.rows.len() >= GROUP_ROWS || self.bytes >= GROUP_BYTES {
                        self.group();
                    }
                }
            }
            if !self.rows.is_empty() && self.open.is_none() {
                self.create();
            }
            if ended || self.is_due() {
                self.group();
                self.finish();
            }
            if ended {
                return;
            }
        }
    }

    fn is_due(&self) -> bool {
        self.open.as_ref().is_some_and(|(file, since)| {
            since.elapsed() >= self.options.file_age || file.len() >= self.options.file_bytes
        })
    }

    /// Opens a file for the rows at hand, or drops and counts them.
    fn create(&mut self) {
        let name = file_name(clock::now_micros());
        match TrafficFile::create(self.folder.join(name)) {
            Ok(file) => self.open = Some((file, Instant::now())),
            Err(error) => self.lose(&error),
        }
    }

    /// Writes the rows at hand, or drops and counts them.
    fn group(&mut self) {
        if self.rows.is_empty() {
            return;
        }
        if self.open.is_none() {
            self.create();
        }
        let Some((file, _)) = &mut self.open else {
            return;
        };
        if let Err(error) = file.group(&self.rows) {
            // What the file already had goes with it: without a footer nobody can read it.
            self.open = None;
            self.lose(&error);
        }
        self.rows.clear();
        self.bytes = 0;
    }

    fn lose(&mut self, error: &io::Error) {
        tracing::error!(%error, rows = self.rows.len(), "traffic not logged");
        for row in self.rows.drain(..) {
            row.counters.traffic_dropped(1);
        }
        self.bytes = 0;
    }

    fn finish(&mut self) {
        let Some((file, _)) = self.open.take() else {
            return;
        };
        if let Err(error) = file.finish() {
            tracing::error!(%error, "traffic log file lost");
        }
        let now = clock::now_micros();
        if let Err(error) = forget_oldest(&self.folder, &self.options, now) {
            tracing::warn!(%error, "old traffic not removed");
        }
    }
}

/// Removes the oldest files until the rest fits and is young enough at `now`, in microseconds since 1970. Names sort by
/// time and say it.
pub(super) fn forget_oldest(folder: &Path, options: &TrafficOptions, now: i64) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "parquet")
        {
            files.push((path, entry.metadata()?.len()));
        }
    }
    files.sort();
    let age = i64::try_from(options.keep_age.as_micros()).unwrap_or(i64::MAX);
    let youngest = folder.join(file_name(now.saturating_sub(age).max(0)));
    let mut total: u64 = files.iter().map(|(_, len)| len).sum();
    for (path, len) in files {
        if total <= options.keep_bytes && path >= youngest {
            break;
        }
        std::fs::remove_file(path)?;
        total -= len;
    }
    Ok(())
}

/// The name of a file that was begun at a time.
pub(super) fn file_name(micros: i64) -> String {
    format!("traffic-{micros:020}.parquet")
}
