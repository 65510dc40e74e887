//! Predictions that await their labels, and the losses that came of them. Written in bulk by the
//! joiner of `watch`, which moves its offset in the same transaction, so that every record of
//! the gateway's join log counts once.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::error::Result;

/// What a version answered to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The key that its label will carry.
    pub request_id: String,
    /// The version that answered.
    pub version: u32,
    /// The answer.
    pub y: f64,
    /// When it happened, by the request; arrival when the request did not say.
    pub event_at: Timestamp,
    /// When it was answered.
    pub arrived_at: Timestamp,
}

/// The truth for a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// The key of the request.
    pub request_id: String,
    /// The true value.
    pub label: f64,
    /// When it happened, if the label says; it then takes the place of the prediction's.
    pub event_at: Option<Timestamp>,
    /// When the label arrived.
    pub arrived_at: Timestamp,
}

/// A prediction with its label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// Its place in the order of joining, over all routes.
    pub seq: u64,
    /// The key of the request.
    pub request_id: String,
    /// The version that answered.
    pub version: u32,
    /// When it happened.
    pub event_at: Timestamp,
    /// When the request was answered.
    pub predicted_at: Timestamp,
    /// When the label arrived.
    pub labelled_at: Timestamp,
    /// The answer.
    pub prediction: f64,
    /// The true value.
    pub label: f64,
}

/// What became of a batch of labels or predictions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// Found their other half and are losses now.
    pub joined: u64,
    /// Wait for their other half.
    pub waiting: u64,
    /// Came a second time and were ignored; the first one counts.
    pub repeated: u64,
    /// Labels that came later than allowed and were ignored.
    pub late: u64,
}

/// Which losses to read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LossFilter {
    /// Of this version only.
    pub version: Option<u32>,
    /// Only after this place in the order.
    pub after: u64,
    /// Only what happened at or after this time.
    pub since: Option<Timestamp>,
    /// Only what was answered at or after this time.
    pub predicted_since: Option<Timestamp>,
    /// At most so many; 0 means 10,000.
    pub limit: u32,
}

/// Counts over a route since its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinCounts {
    /// Predictions that still wait for a label.
    pub waiting_predictions: u64,
    /// Labels that still wait for a prediction.
    pub waiting_labels: u64,
    /// Losses kept.
    pub losses: u64,
    /// Labels that came again.
    pub repeated: u64,
    /// Labels that came too late.
    pub late: u64,
}

/// Predictions, labels, losses and the joiner's place in the log. A `route` is
/// `project/environment/service`.
pub trait JoinLog {
    /// Takes predictions; those whose label is here already become losses. The first prediction
    /// of a request counts.
    fn add_predictions(&mut self, route: &str, predictions: &[Prediction]) -> Result<Joined>;
    /// Takes labels; the first label of a request counts, and only when it came `within` that
    /// long after the answer.
    fn add_labels(
        &mut self,
        route: &str,
        labels: &[Label],
        within: SignedDuration,
    ) -> Result<Joined>;
    /// The losses that match, in the order of joining.
    fn losses(&mut self, route: &str, filter: &LossFilter) -> Result<Vec<Loss>>;
    /// The losses that were joined last, of one version or of all, newest first.
    fn newest_losses(&mut self, route: &str, version: Option<u32>, limit: u32)
    -> Result<Vec<Loss>>;
    /// Counts over the route.
    fn join_counts(&mut self, route: &str) -> Result<JoinCounts>;
    /// Forgets predictions, labels and (when `losses_before` is given) losses that arrived
    /// before the times given, some thousand of each at a time so that nobody waits long;
    /// returns how many rows went: call it again until that is 0.
    fn expire_joins(
        &mut self,
        route: &str,
        before: Timestamp,
        losses_before: Option<Timestamp>,
    ) -> Result<u64>;
    /// The routes that have any record.
    fn join_routes(&mut self) -> Result<Vec<String>>;
    /// Where a reader of a log stands.
    fn offset(&mut self, reader: &str) -> Result<Option<Json>>;
    /// Moves the reader on.
    fn set_offset(&mut self, reader: &str, offset: &Json) -> Result<()>;
}
