//! The count of one attempt: made exactly once, whatever becomes of it.

use std::time::Instant;

use crate::evidence::{Counters, Outcome};
use crate::live::LiveArm;

/// An attempt under way. Dropped without an end, it was abandoned: its client went away.
#[must_use]
pub(super) struct Attempt<'a> {
    counters: Option<&'a Counters>,
    began: Instant,
}

impl<'a> Attempt<'a> {
    /// Begins one. A pinned request is counted as such, and its end is not.
    pub(super) fn begin(arm: &'a LiveArm, pinned: Option<u32>, began: Instant) -> Self {
        let counters = match pinned {
            None => Some(&*arm.counters),
            Some(_) => {
                arm.counters.pin();
                None
            }
        };
        Self { counters, began }
    }

    /// It ended.
    pub(super) fn ended(mut self, outcome: Outcome) {
        self.count(outcome);
    }

    /// Nothing was sent.
    pub(super) fn never_was(mut self) {
        self.counters = None;
    }

    fn count(&mut self, outcome: Outcome) {
        if let Some(counters) = self.counters.take() {
            counters.attempt(outcome, self.began.elapsed());
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.count(Outcome::Abandoned);
    }
}
