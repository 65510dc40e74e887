//! The rows of tracking.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::words::words;

words! {
    /// Whether a client still sees the thing.
    Lifecycle {
        /// It does.
        Active = "active",
        /// It was deleted and can be restored.
        Deleted = "deleted",
    }
}

/// Which life cycles a search sees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RunView {
    /// What is active.
    #[default]
    Active,
    /// What was deleted.
    Deleted,
    /// Both.
    All,
}

/// An experiment to create.
#[derive(Debug, Clone, PartialEq)]
pub struct NewExperiment {
    /// The project.
    pub project: String,
    /// Its name, unique in the project.
    pub name: String,
    /// Where its runs' artifacts go. `{id}` in it stands for the id to be given.
    pub artifact_location: String,
    /// When.
    pub created_at: Timestamp,
    /// Free labels.
    pub tags: BTreeMap<String, String>,
}

/// An experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// A number in digits, unique in the store.
    pub id: String,
    /// The project.
    pub project: String,
    /// Its name.
    pub name: String,
    /// Where its runs' artifacts go.
    pub artifact_location: String,
    /// Whether it is deleted.
    pub lifecycle: Lifecycle,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Free labels.
    pub tags: BTreeMap<String, String>,
}

/// A tag to set (a value) or to remove (none).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagChange {
    /// The key.
    pub key: String,
    /// Its new value.
    pub value: Option<String>,
}

/// An MLflow run without what was logged to it: as much as is needed to find it, and to say who
/// may write to it. It costs the same however much a run holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunHead {
    /// Its id.
    pub run_id: String,
    /// The experiment's id.
    pub experiment_id: String,
    /// The project.
    pub project: String,
    /// Where its artifacts are.
    pub artifact_uri: String,
    /// Whether it is deleted.
    pub lifecycle: Lifecycle,
    /// The run that it is nested under.
    pub parent: Option<String>,
}

/// An MLflow run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackedRun {
    /// 32 hex digits as we make them; any id that MLflow allows.
    pub run_id: String,
    /// The experiment's id.
    pub experiment_id: String,
    /// The project.
    pub project: String,
    /// Its name.
    pub name: String,
    /// Who started it.
    pub user_id: String,
    /// `RUNNING`, `SCHEDULED`, `FINISHED`, `FAILED` or `KILLED`.
    pub status: String,
    /// When it started.
    pub start_time: Timestamp,
    /// When it ended.
    pub end_time: Option<Timestamp>,
    /// Where its artifacts are.
    pub artifact_uri: String,
    /// Whether it is deleted.
    pub lifecycle: Lifecycle,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
    /// The run that it is nested under; follows the tag `mlflow.parentRunId`.
    pub parent: Option<String>,
    /// Free labels.
    pub tags: BTreeMap<String, String>,
    /// Parameters.
    pub params: BTreeMap<String, String>,
    /// The latest point of each metric.
    pub metrics: Vec<MetricPoint>,
    /// Dataset inputs.
    pub inputs: Vec<Input>,
    /// Logged models that it made.
    pub outputs: Vec<Output>,
}

/// One point of a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricPoint {
    /// The metric.
    pub key: String,
    /// Its value; NaN and the infinities are kept as they are.
    pub value: f64,
    /// When, by the client's clock.
    pub at: Timestamp,
    /// The client's step.
    pub step: i64,
    /// The logged model that it was measured on.
    pub model_id: Option<String>,
    /// The dataset (name and digest) that it was measured on.
    pub dataset: Option<(String, String)>,
}

/// A dataset that a run used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// The dataset's name.
    pub name: String,
    /// Its digest as the client computed it.
    pub digest: String,
    /// The kind of source (`local`, `code`).
    pub source_type: String,
    /// Where it came from.
    pub source: String,
    /// Its schema, as the client wrote it.
    pub schema: Option<String>,
    /// Its profile, as the client wrote it.
    pub profile: Option<String>,
    /// Labels of this use; `mlflow.data.context` says what for.
    pub tags: BTreeMap<String, String>,
}

/// A dataset that runs of an experiment used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedDataset {
    /// The experiment's id.
    pub experiment_id: String,
    /// The dataset's name.
    pub name: String,
    /// Its digest.
    pub digest: String,
    /// What it was used for.
    pub context: Option<String>,
}

/// An MLflow 3 logged model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoggedModel {
    /// `m-` and 32 hex digits.
    pub model_id: String,
    /// The experiment's id.
    pub experiment_id: String,
    /// The project.
    pub project: String,
    /// Its name.
    pub name: String,
    /// What kind of model it is, when the client says.
    pub model_type: String,
    /// The run that logged it.
    pub source_run_id: Option<String>,
    /// Where its files are.
    pub artifact_uri: String,
    /// `LOGGED_MODEL_PENDING`, `…_READY` or `…_UPLOAD_FAILED`.
    pub status: String,
    /// Why the status is what it is.
    pub status_message: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Free labels.
    pub tags: BTreeMap<String, String>,
    /// Parameters.
    pub params: BTreeMap<String, String>,
    /// All points that were measured on it, each with the id of the run that logged it; read only.
    pub metrics: Vec<(String, MetricPoint)>,
}

/// A logged model that a run made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The logged model.
    pub model_id: String,
    /// At which step.
    pub step: i64,
}
