//! Runs with their parameters, metrics, tags, inputs and outputs: requests and answers.

use crate::tag::{Double, Pair, integer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A run's status by MLflow's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Going on.
    Running,
    /// Waiting to start.
    Scheduled,
    /// Ended well.
    Finished,
    /// Ended badly.
    Failed,
    /// Ended by somebody.
    Killed,
}

/// What a run is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// 32 hex digits.
    pub run_id: String,
    /// The same, for old clients.
    pub run_uuid: String,
    /// Name for people.
    pub run_name: String,
    /// Its experiment.
    pub experiment_id: String,
    /// Who started it.
    pub user_id: String,
    /// State.
    pub status: Status,
    /// Milliseconds since 1970.
    pub start_time: i64,
    /// Milliseconds since 1970, once ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<i64>,
    /// Root of its artifacts.
    pub artifact_uri: String,
    /// `active` or `deleted`.
    pub lifecycle_stage: String,
}

/// One point of a metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Name.
    pub key: String,
    /// Value.
    pub value: Double,
    /// Milliseconds since 1970.
    #[serde(default)]
    pub timestamp: i64,
    /// Step.
    #[serde(default)]
    pub step: i64,
    /// Logged model it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_id: Option<String>,
    /// Dataset it was measured on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_name: Option<String>,
    /// Digest of that dataset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_digest: Option<String>,
}

/// What a run holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// Latest point of each metric.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// Parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Pair>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Pair>,
}

/// A run as every answer shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// What it is.
    pub info: Info,
    /// What it holds.
    pub data: Data,
    /// Datasets and models that went in, as they were logged.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub inputs: Value,
    /// Models that came out, as they were logged.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub outputs: Value,
}

/// `runs/create`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Create {
    /// Where.
    pub experiment_id: String,
    /// Who.
    pub user_id: Option<String>,
    /// Name, else one is made up.
    pub run_name: Option<String>,
    /// Milliseconds since 1970.
    #[serde(deserialize_with = "integer::deserialize")]
    pub start_time: Option<i64>,
    /// First tags.
    pub tags: Vec<Pair>,
}

/// `runs/update`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Update {
    /// Which.
    pub run_id: Option<String>,
    /// The same, from old clients.
    pub run_uuid: Option<String>,
    /// New status.
    pub status: Option<Status>,
    /// Milliseconds since 1970.
    #[serde(deserialize_with = "integer::deserialize")]
    pub end_time: Option<i64>,
    /// New name.
    pub run_name: Option<String>,
}

/// Requests that name one run: get, delete, restore.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ById {
    /// Which.
    pub run_id: Option<String>,
    /// The same, from old clients.
    pub run_uuid: Option<String>,
}

/// `runs/log-metric`.
#[derive(Clone, Debug, Deserialize)]
pub struct LogMetric {
    /// Which run.
    #[serde(default)]
    pub run_id: Option<String>,
    /// The same, from old clients.
    #[serde(default)]
    pub run_uuid: Option<String>,
    /// The point.
    #[serde(flatten)]
    pub metric: Metric,
}

/// `runs/log-parameter`, `runs/set-tag`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LogPair {
    /// Which run.
    pub run_id: Option<String>,
    /// The same, from old clients.
    pub run_uuid: Option<String>,
    /// Name.
    pub key: String,
    /// Value.
    pub value: String,
}

/// `runs/delete-tag`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct DeleteTag {
    /// Which run.
    pub run_id: String,
    /// Which tag.
    pub key: String,
}

/// `runs/log-batch`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LogBatch {
    /// Which run.
    pub run_id: String,
    /// Points.
    pub metrics: Vec<Metric>,
    /// Parameters.
    pub params: Vec<Pair>,
    /// Tags.
    pub tags: Vec<Pair>,
}

/// `runs/log-inputs`: kept as sent, shown as sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LogInputs {
    /// Which run.
    pub run_id: String,
    /// Datasets with their tags.
    pub datasets: Vec<Value>,
    /// Logged models.
    pub models: Vec<Value>,
}

/// `runs/outputs`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LogOutputs {
    /// Which run.
    pub run_id: String,
    /// Logged models with their step.
    pub models: Vec<Value>,
}

/// `runs/search`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Search {
    /// In which experiments.
    pub experiment_ids: Vec<String>,
    /// Search grammar.
    pub filter: Option<String>,
    /// `ACTIVE_ONLY`, `DELETED_ONLY` or `ALL`.
    pub run_view_type: Option<String>,
    /// Page size.
    #[serde(deserialize_with = "integer::deserialize")]
    pub max_results: Option<i64>,
    /// `entity.key [ASC|DESC]`.
    pub order_by: Vec<String>,
    /// Where the last page ended.
    pub page_token: Option<String>,
}

/// `metrics/get-history`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct History {
    /// Which run.
    pub run_id: Option<String>,
    /// The same, from old clients.
    pub run_uuid: Option<String>,
    /// Which metric.
    pub metric_key: String,
    /// Page size.
    #[serde(deserialize_with = "text_integer")]
    pub max_results: Option<i64>,
    /// Where the last page ended.
    pub page_token: Option<String>,
}

fn text_integer<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<i64>, D::Error> {
    integer::deserialize(d)
}

/// `log-batch` and its kin name the run by either field.
pub fn run_id<'a>(
    run_id: Option<&'a str>,
    run_uuid: Option<&'a str>,
) -> Result<&'a str, crate::Error> {
    run_id
        .filter(|id| !id.is_empty())
        .or(run_uuid.filter(|id| !id.is_empty()))
        .ok_or_else(|| crate::Error::invalid("Missing value for required parameter 'run_id'."))
}
