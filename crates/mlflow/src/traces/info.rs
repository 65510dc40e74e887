//! Traces of the protocol's third version: what is known of a trace beside its spans.

use super::Assessment;
use crate::tag::integer;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// `POST traces`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Start {
    /// What begins, or has ended.
    pub trace: Option<Started>,
}

/// A trace within a request or an answer.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Started {
    /// All but its spans.
    pub trace_info: TraceInfo,
    /// Spans as protobuf's JSON shows OTLP.
    #[serde(skip_deserializing, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Value>,
}

/// What is known of a trace. Times are RFC 3339, durations seconds with an `s`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct TraceInfo {
    /// `tr-` and 32 hex digits, made by the client.
    pub trace_id: String,
    /// The client's own name for the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_request_id: Option<String>,
    /// Its experiment.
    pub trace_location: Location,
    /// The beginning of what was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_preview: Option<String>,
    /// The beginning of what was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_preview: Option<String>,
    /// When it began.
    pub request_time: String,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_duration: Option<String>,
    /// `OK`, `ERROR`, `IN_PROGRESS`, `STATE_UNSPECIFIED`, or its number.
    pub state: Value,
    /// What does not change.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub trace_metadata: BTreeMap<String, String>,
    /// What people and programs said of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assessments: Vec<Assessment>,
    /// What may change.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// Where traces are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Location {
    /// `MLFLOW_EXPERIMENT`.
    #[serde(rename = "type")]
    pub kind: Value,
    /// The experiment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mlflow_experiment: Option<Experiment>,
}

/// An experiment as a place of traces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Experiment {
    /// Its number as a text.
    pub experiment_id: String,
}

impl Location {
    /// The place that an experiment is.
    pub fn experiment(id: impl Into<String>) -> Self {
        Location {
            kind: "MLFLOW_EXPERIMENT".into(),
            mlflow_experiment: Some(Experiment {
                experiment_id: id.into(),
            }),
        }
    }
}

/// A state by its name; none for what is no state. `unspecified` is the name that the version has for it.
pub fn state(given: &Value) -> Option<&'static str> {
    const STATES: [&str; 4] = ["STATE_UNSPECIFIED", "OK", "ERROR", "IN_PROGRESS"];
    if given.is_null() {
        return Some(STATES[0]);
    }
    let name = given.as_str().map(|name| match name {
        "TRACE_STATUS_UNSPECIFIED" => STATES[0],
        other => other,
    });
    let by_name = name.and_then(|name| STATES.into_iter().find(|state| *state == name));
    let number = given
        .as_u64()
        .and_then(|number| usize::try_from(number).ok());
    by_name.or_else(|| STATES.get(number?).copied())
}

/// `GET traces/get`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Get {
    /// Which.
    pub trace_id: String,
    /// Whether spans may be missing; a query has no types.
    pub allow_partial: Value,
}

/// `GET traces/batchGet` and `POST traces/batchGetInfos`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct BatchGet {
    /// Which.
    pub trace_ids: Vec<String>,
    /// Only of these experiments, when any are named.
    pub experiment_ids: Option<Vec<String>>,
}

/// `POST traces/search`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Search {
    /// In which experiments.
    pub locations: Option<Vec<Location>>,
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

/// `PATCH traces/{id}/tags`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SetTag {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// `DELETE traces/{id}/tags`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct DeleteTag {
    /// Its name.
    pub key: String,
}

/// `POST traces/delete-traces`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Delete {
    /// Of which experiment.
    pub experiment_id: String,
    /// Those that began by then: milliseconds since 1970.
    #[serde(deserialize_with = "integer::deserialize")]
    pub max_timestamp_millis: Option<i64>,
    /// At most so many, the oldest first.
    #[serde(deserialize_with = "integer::deserialize")]
    pub max_traces: Option<i64>,
    /// Or those by id.
    pub request_ids: Vec<String>,
}

/// `POST traces/link-to-run`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LinkToRun {
    /// Which.
    pub trace_ids: Option<Vec<String>>,
    /// To which run.
    pub run_id: String,
}

/// `POST traces/link-prompts`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LinkPrompts {
    /// Which.
    pub trace_id: String,
    /// With which versions of prompts.
    pub prompt_versions: Option<Vec<PromptVersion>>,
}

/// One version of a prompt.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PromptVersion {
    /// Its name.
    pub name: String,
    /// A number as a text.
    pub version: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn states_by_name_and_number() {
        for (given, expect) in [
            (json!(null), Some("STATE_UNSPECIFIED")),
            (json!("OK"), Some("OK")),
            (json!("TRACE_STATUS_UNSPECIFIED"), Some("STATE_UNSPECIFIED")),
            (json!(3), Some("IN_PROGRESS")),
            (json!(4), None),
            (json!("ok"), None),
        ] {
            assert_eq!(state(&given), expect, "{given}");
        }
    }
}
