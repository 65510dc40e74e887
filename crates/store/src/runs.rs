//! Runs: executions of a pipeline, and when its schedule last fired.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value as Json, value::RawValue};

use crate::digest::Digest;
use crate::error::Result;
use crate::words::words;

words! {
    /// Where a run is.
    RunState {
        /// Waits for its turn.
        Queued = "queued",
        /// Some step is at work or may be.
        Running = "running",
        /// Every step it needed is done and the gate was asked.
        Succeeded = "succeeded",
        /// A step, a check or the gate stopped it.
        Failed = "failed",
        /// Was told to stop; its units are being ended.
        Cancelling = "cancelling",
        /// Stopped because somebody asked.
        Cancelled = "cancelled",
    }
}

impl RunState {
    /// Whether nothing will change any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// One execution of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// UUIDv7, so that ids sort by creation.
    pub id: String,
    /// The project.
    pub project: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// What started it: an object with `kind` (`manual`, `push`, `schedule`, `alert`) and the
    /// details of that kind.
    pub trigger: Json,
    /// The commit that its snapshot was taken at.
    pub commit: Option<String>,
    /// Whether the tree had changes that were not committed.
    pub dirty: bool,
    /// The digest of the snapshot's tree; none until it is taken.
    pub snapshot: Option<Digest>,
    /// The project's generation that it runs.
    pub generation: u64,
    /// The parameters' values.
    pub params: Json,
    /// Which version of each dataset it read.
    pub datasets: BTreeMap<String, Digest>,
    /// The digest of its Python lock.
    pub lock: Option<Digest>,
    /// Where it is.
    pub state: RunState,
    /// Why it is there, for people.
    pub reason: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When its first step could start.
    pub started_at: Option<Timestamp>,
    /// When it became final.
    pub ended_at: Option<Timestamp>,
    /// Its MLflow run (32 hex digits).
    pub mlflow_run_id: Option<String>,
    /// The pipeline as the file described it then.
    pub spec: RunSpec,
}

/// What a run was told to do: JSON that is kept and told as it was written. It is long, and runs are looked at often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSpec(String);

impl RunSpec {
    /// Writes it.
    ///
    /// # Errors
    /// When the value has no form in JSON, such as a map whose keys are no texts.
    pub fn of(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        serde_json::to_string(value).map(Self)
    }

    /// Reads it.
    ///
    /// # Errors
    /// When it holds something else.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }

    /// The text.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// What was kept.
    pub(crate) fn kept(text: String) -> Self {
        Self(text)
    }
}

impl From<Json> for RunSpec {
    fn from(value: Json) -> Self {
        Self(value.to_string())
    }
}

impl Serialize for RunSpec {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(S::Error::custom)?;
        raw.serialize(to)
    }
}

impl<'de> Deserialize<'de> for RunSpec {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Json::deserialize(from).map(Self::from)
    }
}

/// Which runs to list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunFilter {
    /// Of this project only.
    pub project: Option<String>,
    /// Of this pipeline only.
    pub pipeline: Option<String>,
    /// In one of these states; empty means any.
    pub states: Vec<RunState>,
    /// Older than the run with this id (for paging).
    pub before: Option<String>,
    /// At most so many; 0 means 100.
    pub limit: u32,
}

/// A run that is not final, without what makes it heavy: what is looked at after every commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveRun {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub project: String,
    /// Of which pipeline.
    pub pipeline: String,
    /// Where it is.
    pub state: RunState,
}

/// Runs and schedules.
pub trait Runs {
    /// Records a new run.
    fn insert_run(&mut self, run: &Run) -> Result<()>;
    /// Replaces all of a known run.
    fn update_run(&mut self, run: &Run) -> Result<()>;
    /// One run.
    fn run(&mut self, id: &str) -> Result<Option<Run>>;
    /// The run that an MLflow run belongs to.
    fn run_of_mlflow(&mut self, mlflow_run_id: &str) -> Result<Option<Run>>;
    /// The runs that match, newest first.
    fn runs(&mut self, filter: &RunFilter) -> Result<Vec<Run>>;
    /// Where a run is.
    fn run_state(&mut self, id: &str) -> Result<Option<RunState>>;
    /// Every run that is not final, oldest first.
    fn active_runs(&mut self) -> Result<Vec<ActiveRun>>;
    /// When the pipeline's schedule last fired.
    fn last_fired(&mut self, project: &str, pipeline: &str) -> Result<Option<Timestamp>>;
    /// Remembers that the schedule fired.
    fn set_last_fired(&mut self, project: &str, pipeline: &str, at: Timestamp) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_spec_is_told_as_the_json_that_it_is() {
        let spec = RunSpec::of(&json!({ "b": [1, "x"], "a": null })).unwrap();
        let told = serde_json::to_value(&spec).unwrap();
        assert_eq!(told, json!({ "a": null, "b": [1, "x"] }));
        assert_eq!(serde_json::from_value::<RunSpec>(told).unwrap(), spec);
        assert_eq!(spec.read::<BTreeMap<String, Json>>().unwrap().len(), 2);
        assert!(spec.read::<Vec<Json>>().is_err());
    }
}
