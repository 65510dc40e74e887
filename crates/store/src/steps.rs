//! Steps of runs, and the cache of finished ones.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::Result;
use crate::words::{numbers, words};

words! {
    /// Where a step is.
    StepState {
        /// Waits for the steps before it.
        Waiting = "waiting",
        /// Could start, waits for room on the machine or for its back-off.
        Queued = "queued",
        /// Its unit runs.
        Running = "running",
        /// Its unit ended well and its outputs and metrics are kept.
        Succeeded = "succeeded",
        /// No attempt is left.
        Failed = "failed",
        /// A step that it needed did not succeed.
        Skipped = "skipped",
        /// The run was cancelled.
        Cancelled = "cancelled",
    }
}

impl StepState {
    /// Whether nothing will change any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Failed | Self::Skipped | Self::Cancelled
        )
    }
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The run.
    pub run_id: String,
    /// The step's name, with its matrix cell or subject: `fit[depth=4]`, `evaluate@champion`.
    pub key: String,
    /// Its place in the run's order, for showing.
    pub position: u32,
    /// Where it is.
    pub state: StepState,
    /// How often it was started, infrastructure attempts apart; counts from 1 once started.
    pub attempt: u32,
    /// How often the machine, not the step, failed it.
    pub infra_attempts: u32,
    /// The unit of the present attempt.
    pub unit_id: Option<String>,
    /// The key under which its result is cached; none until its inputs are known.
    pub cache_key: Option<String>,
    /// The MLflow run of the present attempt.
    pub mlflow_run_id: Option<String>,
    /// The digests of what it wrote.
    pub outputs: BTreeMap<String, Digest>,
    /// The declared metrics, frozen when the unit ended.
    #[serde(with = "numbers")]
    pub metrics: BTreeMap<String, f64>,
    /// The run whose result was taken, when it was not run here.
    pub cached_from: Option<String>,
    /// Not before this time may the next attempt start.
    pub not_before: Option<Timestamp>,
    /// When the present attempt started.
    pub started_at: Option<Timestamp>,
    /// When it became final.
    pub ended_at: Option<Timestamp>,
    /// Why it is where it is, for people.
    pub reason: String,
}

impl Step {
    /// A step of a run that has just begun: it waits.
    #[must_use]
    pub fn new(run_id: &str, key: &str, position: u32) -> Self {
        Self {
            run_id: run_id.to_owned(),
            key: key.to_owned(),
            position,
            state: StepState::Waiting,
            attempt: 0,
            infra_attempts: 0,
            unit_id: None,
            cache_key: None,
            mlflow_run_id: None,
            outputs: BTreeMap::new(),
            metrics: BTreeMap::new(),
            cached_from: None,
            not_before: None,
            started_at: None,
            ended_at: None,
            reason: String::new(),
        }
    }
}

/// A finished step whose result may be used again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CachedStep {
    /// The project.
    pub project: String,
    /// The digest of command, files, inputs, lock and parameters.
    pub key: String,
    /// The run that made it.
    pub run_id: String,
    /// The step of that run.
    pub step_key: String,
    /// The MLflow run of the attempt that made it.
    pub mlflow_run_id: Option<String>,
    /// The digests of what it wrote.
    pub outputs: BTreeMap<String, Digest>,
    /// Its declared metrics.
    #[serde(with = "numbers")]
    pub metrics: BTreeMap<String, f64>,
    /// When.
    pub created_at: Timestamp,
}

/// Steps and their cache.
pub trait Steps {
    /// Records a new step.
    fn insert_step(&mut self, step: &Step) -> Result<()>;
    /// Replaces all of a known step.
    fn update_step(&mut self, step: &Step) -> Result<()>;
    /// One step.
    fn step(&mut self, run_id: &str, key: &str) -> Result<Option<Step>>;
    /// The steps of a run in order.
    fn steps(&mut self, run_id: &str) -> Result<Vec<Step>>;
    /// The step that runs as this unit.
    fn step_of_unit(&mut self, unit_id: &str) -> Result<Option<Step>>;
    /// The result kept under that key.
    fn cached_step(&mut self, project: &str, key: &str) -> Result<Option<CachedStep>>;
    /// Keeps a result; an older one under the same key stays, so that a cache hit points at the
    /// original.
    fn put_cached_step(&mut self, cached: &CachedStep) -> Result<()>;
    /// Forgets a result (its blobs are gone).
    fn forget_cached_step(&mut self, project: &str, key: &str) -> Result<()>;
}
