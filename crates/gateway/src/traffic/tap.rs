//! One thread's rows on their way to the writer.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::evidence::Counters;
use crate::table::Route;

/// Most rows that wait.
const MAX_ROWS: usize = 4096;
/// Most bytes of bodies that wait.
const MAX_BYTES: usize = 8 << 20;

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Arrival, microseconds since 1970.
    pub(crate) time: i64,
    /// Whose request.
    pub(crate) route: Arc<Route>,
    /// Who answered.
    pub(crate) version: u32,
    /// Empty when it had none.
    pub(crate) request_id: String,
    /// HTTP status of the answer.
    pub(crate) status: u16,
    /// From arrival to answer.
    pub(crate) latency_micros: i64,
    /// The request's body, cut.
    pub(crate) body: Bytes,
    /// First row's prediction; NaN when there is none.
    pub(crate) prediction: f64,
    /// Who counts it if it is dropped.
    pub(crate) counters: Arc<Counters>,
}

/// A bounded buffer of rows. The lock is held for a move only.
#[derive(Debug)]
pub(crate) struct Tap {
    max_body: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    rows: Vec<Row>,
    bytes: usize,
}

impl Tap {
    /// An empty one, that cuts bodies at `max_body`.
    pub(crate) fn new(max_body: usize) -> Self {
        Self {
            max_body,
            waiting: Mutex::default(),
        }
    }

    /// Takes a row, or counts it as dropped.
    pub(crate) fn push(&self, mut row: Row) {
        if row.body.len() > self.max_body {
            // A slice would keep the whole body in memory.
            row.body = Bytes::copy_from_slice(&row.body[..self.max_body]);
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = waiting.bytes + row.body.len() + row.request_id.len();
        if waiting.rows.len() >= MAX_ROWS || bytes > MAX_BYTES {
            drop(waiting);
            row.counters.traffic_dropped(1);
            return;
        }
        waiting.bytes = bytes;
        waiting.rows.push(row);
    }

    /// Takes everything out.
    pub(super) fn take(&self) -> Vec<Row> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.bytes = 0;
        std::mem::take(&mut waiting.rows)
    }
}
