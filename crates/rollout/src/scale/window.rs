//! What was counted of late: readings of counters that only grow, and what they say about a window before now.

use std::{collections::VecDeque, time::Duration};

/// What the gateway has counted of a version so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// When, by a clock that nobody sets.
    pub at: Duration,
    /// Requests that came.
    pub arrived: u64,
    /// Of those, the ones that are still there: at replicas, or waiting for one.
    pub present: u64,
    /// Their times there added up.
    pub time: Duration,
}

/// Readings of the last while.
#[derive(Debug, Clone, Default)]
pub(super) struct Window(VecDeque<Seen>);

#[derive(Debug, Clone, Copy)]
struct Seen {
    reading: Reading,
    /// Requests at replicas.
    at_replicas: f64,
    /// Request-seconds at replicas since the window began.
    worked: f64,
}

impl Window {
    /// Adds a reading, made while replicas had room for so many requests. Those that are older than
    /// `reach` go, and one that is closer than `apart` to the one before the last takes the last one's place.
    pub(super) fn push(&mut self, reading: Reading, room: f64, apart: Duration, reach: Duration) {
        let worked = self.0.back().map_or(0.0, |last| {
            let passed = reading.at.saturating_sub(last.reading.at).as_secs_f64();
            let there = reading.time.saturating_sub(last.reading.time).as_secs_f64();
            last.worked + there.min(room * passed)
        });
        if let [.., before, last] = self.0.make_contiguous()
            && last.reading.at < before.reading.at + apart
        {
            self.0.pop_back();
        }
        self.0.push_back(Seen {
            reading,
            at_replicas: (reading.present as f64).min(room),
            worked,
        });
        let begin = reading.at.saturating_sub(reach);
        while self.0.get(1).is_some_and(|next| next.reading.at <= begin) {
            self.0.pop_front();
        }
    }

    /// The newest reading.
    pub(super) fn last(&self) -> Option<&Reading> {
        self.0.back().map(|seen| &seen.reading)
    }

    /// Requests that came in the last `window`, or since the first reading.
    pub(super) fn arrived(&self, window: Duration) -> f64 {
        self.since(window, |seen| seen.reading.arrived as f64)
    }

    /// Request-seconds at replicas in the last `window`, and for how many requests those are: those that ended in it, and
    /// half of each that is under way, less half of each that was when it began.
    pub(super) fn worked(&self, window: Duration) -> (f64, f64) {
        let done = |seen: &Seen| {
            let ended = seen.reading.arrived.saturating_sub(seen.reading.present);
            ended as f64 + seen.at_replicas / 2.0
        };
        (
            self.since(window, |seen| seen.worked),
            self.since(window, done),
        )
    }

    /// How much a count grew in the last `window`; between two readings it grew evenly.
    fn since(&self, window: Duration, count: impl Fn(&Seen) -> f64) -> f64 {
        let Some(last) = self.0.back() else {
            return 0.0;
        };
        let begin = last.reading.at.saturating_sub(window);
        let after = self.0.partition_point(|seen| seen.reading.at < begin);
        let then = match (
            after.checked_sub(1).map(|at| &self.0[at]),
            self.0.get(after),
        ) {
            (Some(before), Some(after)) => {
                let whole = (after.reading.at - before.reading.at).as_secs_f64();
                let part = (begin - before.reading.at).as_secs_f64() / whole;
                count(before) + (count(after) - count(before)) * part
            }
            (Some(only), None) | (None, Some(only)) => count(only),
            (None, None) => 0.0,
        };
        (count(last) - then).max(0.0)
    }
}
