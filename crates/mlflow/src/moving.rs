//! MLflow's records on their way into a project: what Mainspan's own import takes and answers.
//!
//! Records are written as MLflow's protocol shows them, so that what a server says of itself can be sent on as it is.
//! Ids of experiments are those of the server that takes them; everything else keeps the id it had.

use crate::{
    evaluation_datasets::{Dataset, Record},
    experiments::Experiment,
    logged_models::LoggedModel,
    registry::{ModelVersion, RegisteredModel},
    runs::{Metric, Run},
    scorers::Scorer,
    tally::Shown,
    webhooks::Webhook,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Records to write, in one transaction and in this order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// The records.
    pub items: Vec<Item>,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// An experiment; its name says which one it is here.
    Experiment(Experiment),
    /// A run. Its metrics are not looked at: [`Item::Points`] bring them.
    Run(Box<Run>),
    /// Points of a run's metrics.
    Points(Points),
    /// A logged model. Its metrics are not looked at: they come with the points of the runs that measured them.
    LoggedModel(LoggedModel),
    /// A registered model or a prompt, without versions and aliases.
    Model(Model),
    /// A version.
    Version(ModelVersion),
    /// An alias.
    Alias(AliasAt),
    /// An evaluation dataset without its records, with the experiments that it belongs to.
    EvaluationDataset(Dataset),
    /// A record of an evaluation dataset that is here.
    EvaluationRecord(Record),
    /// A version of a scorer.
    Scorer(Scorer),
    /// A webhook. Nobody shows its secret, so that it is not told of anything before somebody says so here.
    Webhook(Webhook),
}

/// Points of the metrics of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Points {
    /// The run.
    pub run_id: String,
    /// Its points, those of one metric or of several.
    pub metrics: Vec<Metric>,
}

/// A registered model or a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// As the protocol shows it.
    pub model: RegisteredModel,
    /// The highest number that was ever given to a version, also of deleted ones, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_version: Option<u32>,
}

/// An alias of a version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliasAt {
    /// The model.
    pub name: String,
    /// The alias.
    pub alias: String,
    /// The version.
    pub version: String,
}

/// What became of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It was written.
    Copied,
    /// It was here from an earlier copy, and was brought up to date.
    Updated,
    /// It was here already, the same in every field.
    Same,
    /// It was here already and differs; it was left as it is.
    Different,
    /// It cannot be here, by a rule that the reason names.
    LeftOut,
    /// It could not be written.
    Failed,
}

/// What became of one record, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// What.
    pub state: State,
    /// The id that it has here, where it could not keep its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Where its files belong, when it has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_uri: Option<String>,
    /// Why, or what differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What became of a [`Batch`], in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// One for each record.
    pub outcomes: Vec<Outcome>,
}

/// Asks what the runs hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskPoints {
    /// The runs.
    pub run_ids: Vec<String>,
}

/// The points of each run; a run that is not here is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointsOf {
    /// By run.
    pub runs: BTreeMap<String, Shown>,
}

/// Asks which files are below a place.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskFiles {
    /// The URI of a run's or a model's artifacts.
    pub artifact_uri: String,
}

/// A file with the name of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Below the place that was asked for.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// `sha256:` and 64 hex digits.
    pub digest: String,
}

/// The files below a place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesOf {
    /// By path.
    pub files: Vec<Held>,
}
