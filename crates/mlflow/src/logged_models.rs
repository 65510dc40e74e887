//! Logged models (MLflow 3): a model as a thing of its own beside the run that made it.

use crate::tag::Pair;
use serde::{Deserialize, Serialize};

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
    /// `LOGGED_MODEL_READY` or `LOGGED_MODEL_UPLOAD_FAILED`.
    pub status: String,
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

/// What a logged model is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// `m-` and 32 hex digits.
    pub model_id: String,
    /// Its experiment.
    pub experiment_id: String,
    /// Its name.
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_type: Option<String>,
    /// The run that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_run_id: Option<String>,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<Pair>,
}

/// What a logged model holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// Its parameters.
    #[serde(default)]
    pub params: Vec<Pair>,
}

/// A logged model as every answer shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedModel {
    /// What it is.
    pub info: Info,
    /// What it holds.
    pub data: Data,
}
