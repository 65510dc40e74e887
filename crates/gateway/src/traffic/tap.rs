//! One thread's rows on their way to the writer.

use std::sync::{Mutex, PoisonError};

use super::chunk::Chunk;
use super::file::Record;
use super::label::LabelRow;
use super::row::{Payload, Row};
use crate::evidence::Counters;
use crate::split;

/// Most requests that wait.
const MAX_ROWS: usize = 4096;
/// Most labels that wait: they come in batches.
const MAX_LABELS: usize = 65_536;
/// Most bytes of either that wait.
const MAX_BYTES: usize = 8 << 20;

/// Bounded buffers. The locks are held for a copy only.
#[derive(Debug)]
pub(crate) struct Tap {
    max_body: usize,
    /// Bytes of bodies and answers between two looks of the writer.
    budget: usize,
    rows: Mutex<(Waiting<Row>, Chunk)>,
    labels: Mutex<Waiting<LabelRow>>,
    share: Mutex<Share>,
}

#[derive(Debug)]
struct Waiting<R> {
    rows: Vec<R>,
    bytes: usize,
    most: usize,
}

impl<R: Record> Waiting<R> {
    fn new(most: usize) -> Self {
        Self {
            rows: Vec::new(),
            bytes: 0,
            most,
        }
    }

    /// Takes a row, or gives it back.
    fn push(&mut self, row: R) -> Result<(), R> {
        let bytes = self.bytes + row.len();
        if self.rows.len() >= self.most || bytes > MAX_BYTES {
            return Err(row);
        }
        self.bytes = bytes;
        self.rows.push(row);
        Ok(())
    }

    fn take(&mut self) -> Vec<R> {
        self.bytes = 0;
        std::mem::take(&mut self.rows)
    }
}

/// How much of the traffic is kept.
#[derive(Debug)]
struct Share {
    /// Bytes of all bodies and answers that came since the writer's last look.
    offered: usize,
    /// The share of requests that is kept, by what came before that look.
    kept: f64,
    /// Decides which; any sequence without a rhythm will do.
    dice: u64,
}

impl Tap {
    /// An empty one, that cuts bodies and answers at `max_body`, and takes about `budget` bytes of them between two
    /// looks of the writer.
    pub(crate) fn new(max_body: usize, budget: usize) -> Self {
        Self {
            max_body,
            budget,
            rows: Mutex::new((Waiting::new(MAX_ROWS), Chunk::default())),
            labels: Mutex::new(Waiting::new(MAX_LABELS)),
            share: Mutex::new(Share {
                offered: 0,
                kept: 1.0,
                dice: 0,
            }),
        }
    }

    /// Longest part of a body or an answer that is kept.
    pub(crate) fn max_body(&self) -> usize {
        self.max_body
    }

    /// Whether a request with these is to be logged; one that is not is counted.
    pub(crate) fn admits(&self, payloads: [&Payload; 2], counters: &Counters) -> bool {
        let offered: usize = payloads
            .map(|payload| payload.kept(self.max_body))
            .iter()
            .sum();
        let mut share = self.share.lock().unwrap_or_else(PoisonError::into_inner);
        share.offered += offered;
        if share.kept >= 1.0 {
            return true;
        }
        share.dice = share.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (share.dice ^ (share.dice >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let admitted = split::fraction(mixed ^ (mixed >> 27)) < share.kept;
        drop(share);
        if !admitted {
            counters.traffic_dropped(1);
        }
        admitted
    }

    /// Takes a row, or counts it as dropped.
    pub(crate) fn push(&self, row: impl FnOnce(&mut Chunk) -> Row) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let (waiting, chunk) = &mut *rows;
        let mut row = row(chunk);
        row.body.cut(self.max_body, chunk);
        row.answer.cut(self.max_body, chunk);
        let pushed = waiting.push(row);
        drop(rows);
        if let Err(row) = pushed {
            row.lost();
        }
    }

    /// Takes labels, or counts those that it does not.
    pub(crate) fn label(&self, labels: Vec<LabelRow>) {
        let mut waiting = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        for label in labels {
            if let Err(label) = waiting.push(label) {
                label.lost();
            }
        }
    }

    /// Takes all requests out, and looks how much came.
    pub(super) fn take(&self) -> Vec<Row> {
        let mut share = self.share.lock().unwrap_or_else(PoisonError::into_inner);
        let offered = std::mem::take(&mut share.offered);
        share.kept = (self.budget as f64 / offered.max(1) as f64).min(1.0);
        drop(share);
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.0.take()
    }

    /// Takes all labels out.
    pub(super) fn take_labels(&self) -> Vec<LabelRow> {
        let mut waiting = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.take()
    }
}
