//! The count of one attempt: made exactly once, whatever becomes of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::evidence::{Counters, Outcome};
use crate::live::LiveArm;

/// An attempt under way. Dropped without an end, it was abandoned: its client went away.
#[must_use]
pub(crate) struct Attempt {
    counters: Option<Arc<Counters>>,
    began: Instant,
    /// How long its answer took to begin, if that was before its end.
    took: Option<Duration>,
}

impl Attempt {
    /// Begins one. A pinned request is counted as such, and its end is not.
    pub(crate) fn begin(arm: &LiveArm, pinned: Option<u32>, began: Instant) -> Self {
        let counters = match pinned {
            None => Some(Arc::clone(&arm.counters)),
            Some(_) => {
                arm.counters.pin();
                None
            }
        };
        Self {
            counters,
            began,
            took: None,
        }
    }

    /// Its answer begins now: what it took is known, how it ends is not.
    pub(crate) fn answers(&mut self) {
        self.took = Some(self.began.elapsed());
    }

    /// It ended.
    pub(crate) fn ended(mut self, outcome: Outcome) {
        self.count(outcome);
    }

    /// Nothing was sent.
    pub(crate) fn never_was(mut self) {
        self.counters = None;
    }

    fn count(&mut self, outcome: Outcome) {
        if let Some(counters) = self.counters.take() {
            let took = self.took.unwrap_or_else(|| self.began.elapsed());
            counters.attempt(outcome, took);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.count(Outcome::Abandoned);
    }
}
