//! One thread's counters of one version.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use inference::latency::{BUCKETS, Histogram, Micros, bucket};

use super::VersionEvidence;

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With an answer.
    Good,
    /// With a 4xx.
    ClientError,
    /// With a 5xx, or none.
    Error,
    /// Nobody waited for the answer any more.
    Abandoned,
}

/// Counts by one thread; read by any. Each count is exact, but a reader may see one of an
/// attempt's counts before another.
#[derive(Debug)]
pub(crate) struct Counters {
    requests: AtomicU64,
    errors: AtomicU64,
    client_errors: AtomicU64,
    abandoned: AtomicU64,
    unlogged: AtomicU64,
    traffic_dropped: AtomicU64,
    rejected: AtomicU64,
    pinned: AtomicU64,
    latency: Box<[AtomicU64]>,
}

impl Counters {
    /// All zero.
    pub(crate) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            requests: zero(),
            errors: zero(),
            client_errors: zero(),
            abandoned: zero(),
            unlogged: zero(),
            traffic_dropped: zero(),
            rejected: zero(),
            pinned: zero(),
            latency: (0..BUCKETS).map(|_| zero()).collect(),
        }
    }

    /// Counts an attempt that ended.
    pub(crate) fn attempt(&self, outcome: Outcome, took: Duration) {
        let part = match outcome {
            Outcome::Good => None,
            Outcome::ClientError => Some(&self.client_errors),
            Outcome::Error => Some(&self.errors),
            Outcome::Abandoned => Some(&self.abandoned),
        };
        if outcome != Outcome::ClientError {
            let micros = Micros::try_from(took.as_micros()).unwrap_or(Micros::MAX);
            self.latency[bucket(micros)].fetch_add(1, Relaxed);
        }
        if let Some(part) = part {
            part.fetch_add(1, Relaxed);
        }
        self.requests.fetch_add(1, Relaxed);
    }

    /// Counts a request that had to be refused.
    pub(crate) fn reject(&self) {
        self.rejected.fetch_add(1, Relaxed);
    }

    /// Counts a request that named this version itself.
    pub(crate) fn pin(&self) {
        self.pinned.fetch_add(1, Relaxed);
    }

    /// Counts predictions that the join log did not take.
    pub(crate) fn unlogged(&self, count: u64) {
        self.unlogged.fetch_add(count, Relaxed);
    }

    /// Counts rows that the traffic log did not take.
    pub(crate) fn traffic_dropped(&self, count: u64) {
        self.traffic_dropped.fetch_add(count, Relaxed);
    }

    /// Whether anything was counted that was not taken out.
    pub(crate) fn any(&self) -> bool {
        [
            &self.requests,
            &self.unlogged,
            &self.traffic_dropped,
            &self.rejected,
            &self.pinned,
        ]
        .iter()
        .any(|count| count.load(Relaxed) > 0)
    }

    /// Adds what was counted here.
    pub(crate) fn add_to(&self, sum: &mut VersionEvidence) {
        self.each(sum, |count| count.load(Relaxed));
    }

    /// Moves what was counted here.
    pub(super) fn move_to(&self, sum: &mut VersionEvidence) {
        // Most of the many are zero, and writing where a thread counts costs it something.
        self.each(sum, |count| match count.load(Relaxed) {
            0 => 0,
            _ => count.swap(0, Relaxed),
        });
    }

    fn each(&self, sum: &mut VersionEvidence, take: impl Fn(&AtomicU64) -> u64) {
        sum.requests += take(&self.requests);
        sum.errors += take(&self.errors);
        sum.client_errors += take(&self.client_errors);
        sum.abandoned += take(&self.abandoned);
        sum.unlogged += take(&self.unlogged);
        sum.traffic_dropped += take(&self.traffic_dropped);
        sum.rejected += take(&self.rejected);
        sum.pinned += take(&self.pinned);
        let counts: Vec<u64> = self.latency.iter().map(take).collect();
        if let Ok(mine) = Histogram::from_counts(&counts) {
            sum.latency.merge(&mine);
        }
    }
}
