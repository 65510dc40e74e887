//! Evidence: what each version did, counted and never sampled.
//!
//! Gateway threads count into [`Counters`] of their own; [`Ledger`] adds them up for whoever
//! judges a roll-out. Counts only grow, across restarts too, within one [`Evidence::epoch`]. What
//! the admin socket has shown is on disk before it is shown. Two gateways of one state directory,
//! of which one is leaving, count into the same file. Must never make a request wait.

mod counters;
mod ledger;

use inference::latency::Histogram;
use serde::{Deserialize, Serialize};

pub(crate) use counters::{Counters, Outcome};
pub(crate) use ledger::Ledger;

/// All counters at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// When the counters began at zero (microseconds since 1970). Another epoch: compare nothing.
    pub epoch: i64,
    /// When they were read (microseconds since 1970).
    pub at: i64,
    /// By address, those without a route any more too.
    pub routes: Vec<RouteEvidence>,
}

/// The counters of a service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RouteEvidence {
    /// First part of its address.
    pub project: String,
    /// Second part.
    pub environment: String,
    /// Third part.
    pub service: String,
    /// By version, ascending.
    pub versions: Vec<VersionEvidence>,
}

/// The counters of a version. Each attempt counts as a request, so a request that was tried again
/// after its replica was lost counts twice, once with an error.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VersionEvidence {
    /// Which version.
    pub version: u32,
    /// Attempts that the split gave to this version and that ended, however.
    pub requests: u64,
    /// Of those, the version's fault: 5xx, a lost replica, no replica in time, no answer in time.
    pub errors: u64,
    /// Of those, the client's fault: 4xx.
    pub client_errors: u64,
    /// Of those, given up by the client before the answer. Their latency is how long they waited.
    #[serde(default)]
    pub abandoned: u64,
    /// Times of all attempts but the client's errors.
    pub latency: Histogram,
    /// Predictions with a request id that the join log could not take.
    #[serde(default)]
    pub unlogged: u64,
    /// Rows that the traffic log could not take.
    #[serde(default)]
    pub traffic_dropped: u64,
    /// Refused because the version already had all the requests it may have, or not sent because
    /// the client did not wait any more. Not in `requests`.
    #[serde(default)]
    pub rejected: u64,
    /// Sent to this version by its address, outside the split. Not in `requests`.
    #[serde(default)]
    pub pinned: u64,
}

impl VersionEvidence {
    /// Adds what was counted elsewhere of the same version.
    fn add(&mut self, other: &Self) {
        // Every count by its name, so that a new one cannot be forgotten.
        let Self {
            version: _,
            requests,
            errors,
            client_errors,
            abandoned,
            latency,
            unlogged,
            traffic_dropped,
            rejected,
            pinned,
        } = other;
        self.requests += requests;
        self.errors += errors;
        self.client_errors += client_errors;
        self.abandoned += abandoned;
        self.latency.merge(latency);
        self.unlogged += unlogged;
        self.traffic_dropped += traffic_dropped;
        self.rejected += rejected;
        self.pinned += pinned;
    }
}

#[cfg(test)]
mod tests;
