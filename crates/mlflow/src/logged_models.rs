//! Logged models (MLflow 3): a model as a thing of its own beside the run that made it.

use crate::{
    runs::Metric,
    tag::{Pair, integer},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `POST logged-models`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Create {
    /// Where.
    pub experiment_id: String,
    /// Its name; made up when empty.
    pub name: Option<String>,
    /// Flavour or purpose.
    pub model_type: Option<String>,
    /// The run that makes it.
    pub source_run_id: Option<String>,
    /// Its parameters.
    pub params: Vec<Pair>,
    /// Its tags.
    pub tags: Vec<Pair>,
}

/// `PATCH logged-models/{id}`: the upload ended.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Finalize {
    /// `LOGGED_MODEL_READY` or `LOGGED_MODEL_UPLOAD_FAILED`, or its number.
    pub status: Value,
}

/// `PATCH logged-models/{id}/tags`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SetTags {
    /// New values.
    pub tags: Vec<Pair>,
}

/// `POST logged-models/{id}/params`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LogParams {
    /// More parameters.
    pub params: Vec<Pair>,
}

/// `logged-models/{id}/artifacts/directories`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ListFiles {
    /// Folder below the model's root.
    pub artifact_directory_path: Option<String>,
}

/// `POST logged-models/search`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Search {
    /// In which experiments.
    pub experiment_ids: Option<Vec<String>>,
    /// Search grammar.
    pub filter: Option<String>,
    /// Page size.
    #[serde(deserialize_with = "integer::deserialize")]
    pub max_results: Option<i64>,
    /// How it is sorted.
    pub order_by: Vec<OrderBy>,
    /// Metrics on these datasets only.
    pub datasets: Vec<OnDataset>,
    /// Where the last page ended.
    pub page_token: Option<String>,
}

/// One key of a search's order.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct OrderBy {
    /// `metrics.mae` or an attribute.
    pub field_name: String,
    /// Smallest first, unless it says no.
    pub ascending: Option<bool>,
    /// Metrics on this dataset only.
    pub dataset_name: Option<String>,
    /// And with this digest.
    pub dataset_digest: Option<String>,
}

/// A dataset that metrics were measured on.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct OnDataset {
    /// Its name.
    pub dataset_name: String,
    /// Its digest.
    pub dataset_digest: Option<String>,
}

/// A page of logged models.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Found {
    /// The models.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<LoggedModel>,
    /// Where the next page starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}

/// What a logged model is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// `m-` and 32 hex digits.
    pub model_id: String,
    /// Its experiment.
    pub experiment_id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Milliseconds since 1970.
    pub creation_timestamp_ms: i64,
    /// Milliseconds since 1970.
    pub last_updated_timestamp_ms: i64,
    /// Root of its artifacts.
    pub artifact_uri: String,
    /// `LOGGED_MODEL_PENDING`, `LOGGED_MODEL_READY` or `LOGGED_MODEL_UPLOAD_FAILED`.
    pub status: String,
    /// Flavour or purpose.
    #[serde(default)]
    pub model_type: String,
    /// The run that made it; shown when there is none, too.
    #[serde(default)]
    pub source_run_id: String,
    /// Why the status is what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// Its tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Pair>,
}

/// What a logged model holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// Its parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Pair>,
    /// Metrics that were measured on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
}

/// A logged model as every answer shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoggedModel {
    /// What it is.
    pub info: Info,
    /// What it holds.
    #[serde(default)]
    pub data: Data,
}
