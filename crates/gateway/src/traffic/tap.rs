//! One thread's rows on their way to the writer.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::evidence::Counters;
use crate::split;
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
    /// Bytes of bodies between two looks of the writer.
    budget: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    rows: Vec<Row>,
    bytes: usize,
    /// Bytes of all bodies that came since the writer's last look.
    offered: usize,
    /// The share of requests that is kept, by what came before that look.
    share: f64,
    /// Decides which; any sequence without a rhythm will do.
    dice: u64,
}

impl Tap {
    /// An empty one, that cuts bodies at `max_body`, and takes about `budget` bytes of them between two
    /// looks of the writer.
    pub(crate) fn new(max_body: usize, budget: usize) -> Self {
        let waiting = Waiting {
            rows: Vec::new(),
            bytes: 0,
            offered: 0,
            share: 1.0,
            dice: 0,
        };
        Self {
            max_body,
            budget,
            waiting: Mutex::new(waiting),
        }
    }

    /// Whether a request with so long a body is to be logged; one that is not is counted.
    pub(crate) fn admits(&self, body: usize, counters: &Counters) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.offered += body.min(self.max_body);
        if waiting.share >= 1.0 {
            return true;
        }
        waiting.dice = waiting.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (waiting.dice ^ (waiting.dice >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let admitted = split::fraction(mixed ^ (mixed >> 27)) < waiting.share;
        drop(waiting);
        if !admitted {
            counters.traffic_dropped(1);
        }
        admitted
    }

    /// Takes a row, or counts it as dropped.
    pub(crate) fn push(&self, mut row: Row) {
        // A slice would keep the buffer that it came in.
        row.body = Bytes::copy_from_slice(&row.body[..row.body.len().min(self.max_body)]);
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
        let offered = std::mem::take(&mut waiting.offered);
        waiting.share = (self.budget as f64 / offered.max(1) as f64).min(1.0);
        std::mem::take(&mut waiting.rows)
    }
}
