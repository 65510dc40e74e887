//! Traces of the protocol's second version, which older clients speak: pairs in place of maps, milliseconds in place of
//! texts.

use crate::tag::{Pair, integer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `POST traces`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Start {
    /// Where.
    pub experiment_id: String,
    /// When: milliseconds since 1970.
    #[serde(deserialize_with = "integer::deserialize")]
    pub timestamp_ms: Option<i64>,
    /// What does not change.
    pub request_metadata: Vec<Pair>,
    /// What may change.
    pub tags: Vec<Pair>,
}

/// `PATCH traces/{request_id}`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct End {
    /// When: milliseconds since 1970.
    #[serde(deserialize_with = "integer::deserialize")]
    pub timestamp_ms: Option<i64>,
    /// How, by name or number.
    pub status: Value,
    /// More metadata.
    pub request_metadata: Vec<Pair>,
    /// More tags.
    pub tags: Vec<Pair>,
}

/// `GET traces`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Search {
    /// In which experiments.
    pub experiment_ids: Vec<String>,
    /// Search grammar.
    pub filter: Option<String>,
    /// Page size.
    #[serde(deserialize_with = "integer::deserialize")]
    pub max_results: Option<i64>,
    /// How it is sorted.
    pub order_by: Vec<String>,
    /// Where the last page ended.
    pub page_token: Option<String>,
}

/// What is known of a trace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TraceInfo {
    /// Its id.
    pub request_id: String,
    /// Its experiment.
    pub experiment_id: String,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Milliseconds; 0 when it has not ended.
    pub execution_time_ms: i64,
    /// `OK`, `ERROR`, `IN_PROGRESS` or `TRACE_STATUS_UNSPECIFIED`.
    pub status: String,
    /// What does not change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub request_metadata: Vec<Pair>,
    /// What may change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Pair>,
}
