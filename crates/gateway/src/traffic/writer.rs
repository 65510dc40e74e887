//! The thread that writes the traffic log.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::files::Files;
use super::label::LabelRow;
use super::pace::Pace;
use super::row::Row;
use super::{Tap, TrafficOptions};

/// How often the taps are emptied.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// How much less urgent writing is than answering, as `nice` has it.
const NICE: i32 = 5;

/// Starts the writer of `log/` and `labels/` in `folder`. It finishes its files and ends when what is returned first is
/// dropped.
pub(crate) fn start(
    folder: &Path,
    options: TrafficOptions,
    taps: Vec<Arc<Tap>>,
) -> io::Result<(SyncSender<()>, JoinHandle<()>)> {
    let rows = Files::open(folder.join("log"), options.clone())?;
    let labels = Files::open(folder.join("labels"), options)?;
    let (running, stop) = sync_channel(0);
    let writer = Writer { taps, rows, labels };
    let thread = std::thread::Builder::new()
        .name("traffic-log".into())
        .spawn(move || writer.run(&stop))?;
    Ok((running, thread))
}

struct Writer {
    taps: Vec<Arc<Tap>>,
    rows: Files<Row>,
    labels: Files<LabelRow>,
}

impl Writer {
    fn run(mut self, stop: &Receiver<()>) {
        // Of this thread alone. Where that is not allowed, it is as urgent as the others.
        let _ = rustix::process::nice(NICE);
        let pace = Pace::new(stop);
        loop {
            let ended = pace.rest(TICK);
            for tap in &self.taps {
                self.rows.add(tap.take(), &pace);
                self.labels.add(tap.take_labels(), &pace);
            }
            self.rows.close_due(ended, &pace);
            self.labels.close_due(ended, &pace);
            if ended {
                return;
            }
        }
    }
}
