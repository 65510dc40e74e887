//! One thread's predictions on their way to the writer.

use std::sync::{Arc, Mutex, PoisonError};

use super::Prediction;
use crate::evidence::Counters;

/// Most bytes that wait. At 150 bytes a prediction and a drain each 20 ms this is above a million
/// predictions a second.
const MAX_BYTES: usize = 4 << 20;

/// A label comes back by an id that is not longer than this.
pub(crate) const MAX_ID: usize = 1024;

/// A bounded buffer of lines. The lock is held for a copy only.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    buffer: Mutex<Buffer>,
}

/// Lines, and whose they are.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    pub(super) bytes: Vec<u8>,
    pub(super) counts: Vec<(Arc<Counters>, u64)>,
}

impl Lane {
    /// Takes a prediction, or counts it as unlogged.
    pub(crate) fn push(&self, prediction: &Prediction<'_>, counters: &Arc<Counters>) {
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        let full = buffer.bytes.len() + prediction.max_len() > MAX_BYTES;
        if full || prediction.id.len() > MAX_ID {
            counters.unlogged(1);
            return;
        }
        prediction.append(&mut buffer.bytes);
        buffer.count(counters);
    }

    /// Takes everything out, leaving an empty buffer (whose allocation the caller gives back).
    pub(super) fn swap(&self, empty: &mut Buffer) {
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *buffer, empty);
    }
}

impl Buffer {
    fn count(&mut self, counters: &Arc<Counters>) {
        let same = self
            .counts
            .iter_mut()
            .find(|(c, _)| Arc::ptr_eq(c, counters));
        match same {
            Some((_, count)) => *count += 1,
            None => self.counts.push((Arc::clone(counters), 1)),
        }
    }

    pub(super) fn records(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.counts.clear();
    }
}
