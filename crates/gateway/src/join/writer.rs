//! The thread that writes the join log.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Lane;
use super::lane::Buffer;
use super::segments::Segments;

/// Predictions are in the file at most this long after their answer.
const TICK: Duration = Duration::from_millis(20);
/// Predictions survive a power cut at most this long after their answer.
const SYNC: Duration = Duration::from_secs(1);
/// Batches of labels that wait for the disk.
const QUEUE: usize = 1024;

/// Labels that were not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LabelError {
    /// Too many wait.
    #[error("too many labels are waiting for the disk; send these again in a moment")]
    Full,
    /// They could not be written.
    #[error(
        "the labels could not be kept ({0}); make room on the gateway's disk and send them again"
    )]
    Disk(String),
}

/// Lines of labels and who waits for them.
#[derive(Debug)]
struct Batch {
    lines: Vec<u8>,
    records: u64,
    done: oneshot::Sender<Result<(), LabelError>>,
}

/// A handle on the log. The writer ends, after a last sync, when all handles are gone.
#[derive(Debug, Clone)]
pub(crate) struct JoinLog {
    labels: SyncSender<Batch>,
}

impl JoinLog {
    /// Opens the log in `folder` and starts its writer.
    pub(crate) fn start(
        folder: &Path,
        rotate: u64,
        lanes: Vec<Arc<Lane>>,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let segments = Segments::open(folder, rotate)?;
        let (labels, queue) = sync_channel(QUEUE);
        let writer = Writer {
            segments,
            lanes,
            buffer: Buffer::default(),
            dirty: false,
        };
        let thread = std::thread::Builder::new()
            .name("join-log".into())
            .spawn(move || writer.run(&queue))?;
        Ok((Self { labels }, thread))
    }

    /// Keeps lines of labels; returns when they are on the disk.
    pub(crate) async fn keep(&self, lines: Vec<u8>, records: u64) -> Result<(), LabelError> {
        let (done, kept) = oneshot::channel();
        let batch = Batch {
            lines,
            records,
            done,
        };
        self.labels.try_send(batch).map_err(|_| LabelError::Full)?;
        let stopped = || LabelError::Disk("the gateway is stopping".into());
        kept.await.unwrap_or_else(|_| Err(stopped()))
    }
}

struct Writer {
    segments: Segments,
    lanes: Vec<Arc<Lane>>,
    buffer: Buffer,
    dirty: bool,
}

impl Writer {
    fn run(mut self, queue: &Receiver<Batch>) {
        let mut synced = Instant::now();
        loop {
            let mut batches = Vec::new();
            let ended = match queue.recv_timeout(TICK) {
                Ok(first) => {
                    batches.push(first);
                    batches.extend(queue.try_iter().take(QUEUE));
                    false
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            // First, so that a label stands after the prediction that its client saw.
            self.predictions();
            if !batches.is_empty() {
                self.labels(batches);
            }
            if self.dirty && (ended || synced.elapsed() >= SYNC) {
                self.sync();
                synced = Instant::now();
            }
            if ended {
                return;
            }
        }
    }

    /// Moves what the lanes hold into the file.
    fn predictions(&mut self) {
        for lane in &self.lanes {
            self.buffer.clear();
            lane.swap(&mut self.buffer);
            let records = self.buffer.records();
            if records == 0 {
                continue;
            }
            if let Err(error) = self.segments.append(&self.buffer.bytes, records) {
                tracing::error!(%error, records, "predictions not kept for their labels");
                for (counters, count) in &self.buffer.counts {
                    counters.unlogged(*count);
                }
            } else {
                self.dirty = true;
            }
        }
    }

    /// Writes labels with one sync for all of them, and tells who waits.
    fn labels(&mut self, batches: Vec<Batch>) {
        let mut written = Vec::with_capacity(batches.len());
        for batch in batches {
            let result = self.segments.append(&batch.lines, batch.records);
            written.push((
                batch.done,
                result.map_err(|e| LabelError::Disk(e.to_string())),
            ));
        }
        let synced = self
            .segments
            .sync()
            .map_err(|e| LabelError::Disk(e.to_string()));
        self.dirty &= synced.is_err();
        for (done, result) in written {
            let result = result.and_then(|()| synced.clone());
            if let Err(error) = &result {
                tracing::error!(%error, "labels not kept");
            }
            // Whoever asked may have gone.
            let _ = done.send(result);
        }
    }

    fn sync(&mut self) {
        match self.segments.sync() {
            Ok(()) => self.dirty = false,
            Err(error) => tracing::error!(%error, "join log not synced"),
        }
    }
}
