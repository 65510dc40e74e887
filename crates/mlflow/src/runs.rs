//! Runs with their parameters, metrics, tags, inputs and outputs: requests and answers.

use crate::tag::{Double, Pair, integer, word};
use crate::{Error, limits, names};
use serde::{Deserialize, Serialize};
use std::fmt::Display;

/// A run's status by MLflow's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE", try_from = "StatusWord")]
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

/// A status as clients send it: by name or by number.
#[derive(Deserialize)]
#[serde(untagged)]
enum StatusWord {
    Number(i64),
    Name(String),
}

impl TryFrom<StatusWord> for Status {
    type Error = String;

    fn try_from(word: StatusWord) -> Result<Self, String> {
        let name = match word {
            StatusWord::Number(number) => number.to_string(),
            StatusWord::Name(name) => name,
        };
        Ok(match name.as_str() {
            "RUNNING" | "1" => Status::Running,
            "SCHEDULED" | "2" => Status::Scheduled,
            "FINISHED" | "3" => Status::Finished,
            "FAILED" | "4" => Status::Failed,
            "KILLED" | "5" => Status::Killed,
            _ => {
                return Err(format!(
                    "no status `{name}`: use RUNNING, SCHEDULED, FINISHED, FAILED or KILLED"
                ));
            }
        })
    }
}

/// What a run is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// 32 hex digits.
    pub run_id: String,
    /// The same, for old clients.
    #[serde(default)]
    pub run_uuid: String,
    /// Name for people.
    #[serde(default)]
    pub run_name: String,
    /// Its experiment.
    pub experiment_id: String,
    /// Who started it.
    #[serde(default)]
    pub user_id: String,
    /// State.
    pub status: Status,
    /// Milliseconds since 1970.
    #[serde(default)]
    pub start_time: i64,
    /// Milliseconds since 1970, once ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<i64>,
    /// Root of its artifacts.
    #[serde(default)]
    pub artifact_uri: String,
    /// `active` or `deleted`.
    pub lifecycle_stage: String,
}

/// One point of a metric, as answers show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Name.
    pub key: String,
    /// Value.
    pub value: Double,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// Step.
    #[serde(default)]
    pub step: i64,
    /// Dataset it was measured on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_name: Option<String>,
    /// Digest of that dataset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset_digest: Option<String>,
    /// Logged model it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_id: Option<String>,
    /// The run that logged it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
}

/// One point of a metric, as clients send it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct NewMetric {
    /// Name.
    pub key: String,
    /// Value.
    pub value: Option<Double>,
    /// Milliseconds since 1970.
    #[serde(deserialize_with = "integer::deserialize")]
    pub timestamp: Option<i64>,
    /// Step.
    #[serde(deserialize_with = "integer::deserialize")]
    pub step: Option<i64>,
    /// Logged model it belongs to.
    pub model_id: Option<String>,
    /// Dataset it was measured on.
    pub dataset_name: Option<String>,
    /// Digest of that dataset.
    pub dataset_digest: Option<String>,
}

impl NewMetric {
    /// Checks one point; `at` is what comes before the names of its fields, such as `metrics[3].`, or nothing.
    ///
    /// # Errors
    /// INVALID_PARAMETER_VALUE naming the field.
    pub fn check(&self, at: impl Display + Copy) -> Result<(), Error> {
        if self.key.is_empty() {
            return Err(Error::missing_value(format_args!("{at}key")));
        }
        if self.value.is_none() {
            return Err(Error::missing_value(format_args!("{at}value")));
        }
        let Some(timestamp) = self.timestamp else {
            return Err(Error::missing_value(format_args!("{at}timestamp")));
        };
        if self.dataset_name.is_some() != self.dataset_digest.is_some() {
            return Err(Error::invalid(
                "Both dataset_name and dataset_digest must be provided if one is provided",
            ));
        }
        names::entry(format_args!("{at}name"), &self.key)?;
        limits::at_most("Metric name", &self.key, limits::KEY)?;
        if timestamp < 0 {
            return Err(Error::invalid(format!(
                "Invalid value {timestamp} for parameter '{at}timestamp' supplied: metric '{}' (value={}). Timestamp must be a nonnegative long (64-bit integer) ",
                self.key,
                self.value.map_or(f64::NAN, |value| value.0)
            )));
        }
        Ok(())
    }
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
    #[serde(default)]
    pub data: Data,
    /// Datasets and models that went in.
    #[serde(default)]
    pub inputs: Inputs,
    /// Models that came out; left out of the answer to a creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Outputs>,
}

/// What went into a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inputs {
    /// Datasets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dataset_inputs: Vec<DatasetInput>,
    /// Logged models.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub model_inputs: Vec<ModelInput>,
}

/// What came out of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outputs {
    /// Logged models.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub model_outputs: Vec<ModelOutput>,
}

/// A dataset and what it was used for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DatasetInput {
    /// `mlflow.data.context` and its kin.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Pair>,
    /// The dataset.
    pub dataset: Option<Dataset>,
}

/// A dataset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dataset {
    /// Its name.
    pub name: String,
    /// Its digest by the client's reckoning.
    pub digest: String,
    /// Kind of source.
    pub source_type: String,
    /// Where it came from.
    pub source: String,
    /// Its schema, as the client wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Its profile, as the client wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
}

/// A logged model that a run used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelInput {
    /// Which.
    pub model_id: String,
}

/// A logged model that a run made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelOutput {
    /// Which.
    pub model_id: String,
    /// At which step.
    pub step: i64,
}

/// A page of runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Found {
    /// The runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Run>,
    /// Where the next page starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}

/// A page of a metric's history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Points {
    /// The points.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// Where the next page starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
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
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LogMetric {
    /// Which run.
    pub run_id: Option<String>,
    /// The same, from old clients.
    pub run_uuid: Option<String>,
    /// The point.
    #[serde(flatten)]
    pub metric: NewMetric,
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
    pub metrics: Vec<NewMetric>,
    /// Parameters.
    pub params: Vec<Pair>,
    /// Tags.
    pub tags: Vec<Pair>,
}

/// `runs/log-inputs`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LogInputs {
    /// Which run.
    pub run_id: String,
    /// Datasets with their tags.
    pub datasets: Vec<DatasetInput>,
    /// Logged models.
    pub models: Vec<ModelInput>,
}

/// `runs/outputs`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LogOutputs {
    /// Which run.
    pub run_id: String,
    /// Logged models with their step.
    pub models: Option<Vec<ModelOutput>>,
}

/// `runs/log-model`, from clients before 3.0.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LogModel {
    /// Which run.
    pub run_id: String,
    /// The MLmodel file as JSON.
    pub model_json: String,
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
    #[serde(deserialize_with = "word::deserialize")]
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
    #[serde(deserialize_with = "integer::deserialize")]
    pub max_results: Option<i64>,
    /// Where the last page ended.
    pub page_token: Option<String>,
}

/// `metrics/get-history-bulk`, for pages.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct BulkHistory {
    /// Which runs; the query repeats `run_id` for each.
    #[serde(rename = "run_id[]")]
    pub run_id: Vec<String>,
    /// Which metric.
    pub metric_key: Option<String>,
    /// At most so many points in all.
    #[serde(deserialize_with = "integer::deserialize")]
    pub max_results: Option<i64>,
}

/// `metrics/get-history-bulk-interval`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SampledHistory {
    /// Which runs.
    pub run_ids: Vec<String>,
    /// Which metric.
    pub metric_key: String,
    /// From this step on; both bounds or none.
    #[serde(deserialize_with = "integer::deserialize")]
    pub start_step: Option<i64>,
    /// Up to this step.
    #[serde(deserialize_with = "integer::deserialize")]
    pub end_step: Option<i64>,
    /// At most so many points of each run.
    #[serde(deserialize_with = "integer::deserialize")]
    pub max_results: Option<i64>,
}

/// `log-batch` and its kin name the run by either field.
///
/// # Errors
/// INVALID_PARAMETER_VALUE when neither is there.
pub fn run_id<'a>(run_id: Option<&'a str>, run_uuid: Option<&'a str>) -> Result<&'a str, Error> {
    run_id
        .filter(|id| !id.is_empty())
        .or(run_uuid.filter(|id| !id.is_empty()))
        .ok_or_else(|| Error::missing_value("run_id"))
}
