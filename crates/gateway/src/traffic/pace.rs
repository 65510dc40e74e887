//! How the log's thread keeps out of the way of those that answer: it works a little and rests for longer.
//!
//! A system that shares few cores lets a thread that computes have one for milliseconds, whatever its priority, and
//! every request on that core waits as long. What is written in a burst would be the tail of all of them.

use std::cell::Cell;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// About the longest that it works without a rest.
const WORK: Duration = Duration::from_micros(150);
/// How much longer it rests than it worked.
const SHARE: u32 = 4;

/// Rests, until it is to end.
#[derive(Debug)]
pub(super) struct Pace<'a> {
    stop: &'a Receiver<()>,
    ended: Cell<bool>,
    rested: Cell<Instant>,
}

impl<'a> Pace<'a> {
    /// The other half of `stop` is dropped when it is to end.
    pub(super) fn new(stop: &'a Receiver<()>) -> Self {
        Self {
            stop,
            ended: Cell::new(false),
            rested: Cell::new(Instant::now()),
        }
    }

    /// Waits for so long; says whether it is to end.
    pub(super) fn rest(&self, time: Duration) -> bool {
        if !self.ended.get() {
            let woken = self.stop.recv_timeout(time);
            self.ended
                .set(matches!(woken, Err(RecvTimeoutError::Disconnected)));
            self.rested.set(Instant::now());
        }
        self.ended.get()
    }

    /// To be called after every little piece of work. At the end nothing rests any more.
    pub(super) fn breathe(&self) {
        let worked = self.rested.get().elapsed();
        if worked >= WORK {
            self.rest(worked * SHARE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    #[test]
    fn it_rests_until_it_is_to_end() {
        let (running, stop) = sync_channel::<()>(0);
        let pace = Pace::new(&stop);
        assert!(!pace.rest(Duration::from_micros(1)));
        drop(running);
        // Longer than any test may take.
        assert!(pace.rest(Duration::from_secs(3600)));
        assert!(pace.rest(Duration::from_secs(3600)));
    }
}
