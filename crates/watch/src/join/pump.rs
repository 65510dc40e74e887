//! One turn of the joiner: read a stretch of the log, store it and its end in one transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use store::{JoinLog as _, Joined, Priority, Store, Tx};

use super::{Batch, Position, Tail};
use crate::error::Error;

/// Bytes of one transaction: some ten thousand records.
const CHUNK: usize = 1 << 20;

/// How long after the answer a label still counts, by route.
#[derive(Debug, Clone, PartialEq)]
pub struct Windows {
    /// What project files say.
    pub by_route: BTreeMap<String, SignedDuration>,
    /// For routes whose file says nothing (any more).
    pub other: SignedDuration,
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            by_route: BTreeMap::new(),
            other: SignedDuration::from_hours(24 * 30),
        }
    }
}

/// What a turn did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pumped {
    /// Whether the end of the log was reached.
    pub at_end: bool,
    /// By route.
    pub routes: BTreeMap<String, Joined>,
    /// Answers that were no numbers.
    pub no_number: u64,
    /// Lines that could not be read.
    pub damaged: u64,
}

/// Joins the next stretch of the log. Call it until `at_end`.
pub async fn pump(store: &Store, tail: &Tail, windows: &Windows) -> Result<Pumped, Error> {
    let name = tail.reader().to_owned();
    let at = store.read(move |tx| position(tx, &name)).await?;
    let reader = tail.clone();
    let chunk = blocking(move || reader.read(at, CHUNK)).await?;
    if chunk.next == at {
        return Ok(Pumped {
            at_end: true,
            ..Pumped::default()
        });
    }
    let batch = Arc::new(Batch::of(&chunk.lines));
    let (work, windows, next) = (Arc::clone(&batch), Arc::new(windows.clone()), chunk.next);
    let name = tail.reader().to_owned();
    let routes = store
        .write(Priority::Bulk, move |tx| {
            if position(tx, &name)? != at {
                // Somebody else has joined it in the meantime.
                return Ok(BTreeMap::new());
            }
            let place = serde_json::to_value(next).map_err(store::Error::caller)?;
            tx.set_offset(&name, &place)?;
            add(tx, &work, &windows)
        })
        .await?;
    if next.segment > at.segment {
        let reader = tail.clone();
        blocking(move || reader.forget(next)).await?;
    }
    Ok(Pumped {
        at_end: chunk.lines.is_empty(),
        routes,
        no_number: batch.no_number,
        damaged: batch.damaged,
    })
}

fn add(
    tx: &mut Tx<'_>,
    batch: &Batch,
    windows: &Windows,
) -> store::Result<BTreeMap<String, Joined>> {
    let mut routes = BTreeMap::new();
    for (route, (predictions, labels)) in &batch.routes {
        let within = windows
            .by_route
            .get(route)
            .copied()
            .unwrap_or(windows.other);
        let of_predictions = tx.add_predictions(route, predictions)?;
        let of_labels = tx.add_labels(route, labels, within)?;
        let both = Joined {
            joined: of_predictions.joined + of_labels.joined,
            waiting: of_predictions.waiting + of_labels.waiting,
            repeated: of_predictions.repeated + of_labels.repeated,
            late: of_predictions.late + of_labels.late,
        };
        routes.insert(route.clone(), both);
    }
    Ok(routes)
}

fn position(tx: &mut Tx<'_>, reader: &str) -> store::Result<Position> {
    // A place that cannot be read would join everything again; better to stop than to count twice.
    let corrupt = |error: serde_json::Error| {
        store::Error::Corrupt(format!("the joiner's place in the log: {error}"))
    };
    tx.offset(reader)?.map_or(Ok(Position::default()), |json| {
        serde_json::from_value(json).map_err(corrupt)
    })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(Error::Log),
        Err(_) => Err(Error::Stopped),
    }
}
