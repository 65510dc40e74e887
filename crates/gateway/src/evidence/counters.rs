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

    /// A number that grows whenever anything was counted.
    pub(crate) fn ticks(&self) -> u64 {
        [
            &self.requests,
            &self.unlogged,
            &self.traffic_dropped,
            &self.rejected,
            &self.pinned,
        ]
        .iter()
        .map(|count| count.load(Relaxed))
        .sum()
    }

    /// Adds what was counted here.
    pub(crate) fn add_to(&self, sum: &mut VersionEvidence) {
        sum.requests += self.requests.load(Relaxed);
        sum.errors += self.errors.load(Relaxed);
        sum.client_errors += self.client_errors.load(Relaxed);
        sum.abandoned += self.abandoned.load(Relaxed);
        sum.unlogged += self.unlogged.load(Relaxed);
        sum.traffic_dropped += self.traffic_dropped.load(Relaxed);
        sum.rejected += self.rejected.load(Relaxed);
        sum.pinned += self.pinned.load(Relaxed);
        let counts: Vec<u64> = self.latency.iter().map(|n| n.load(Relaxed)).collect();
        if let Ok(mine) = Histogram::from_counts(&counts) {
            sum.latency.merge(&mine);
        }
    }
}
