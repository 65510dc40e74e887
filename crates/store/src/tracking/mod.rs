//! What MLflow clients log: experiments, tracked runs, metric histories and logged models.
//!
//! A "tracked run" is an MLflow run. Our own [`Run`](crate::Run) is one execution of a pipeline
//! and points at the tracked run that shows it. Times are microseconds here as everywhere in the
//! store; MLflow's milliseconds are made at the edge.

mod records;

pub use records::{
    Experiment, Input, Lifecycle, LoggedModel, MetricPoint, NewExperiment, Output, RunHead,
    RunView, TagChange, TrackedRun, UsedDataset,
};

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::error::Result;
use crate::search::{Cursor, Page, Search};

/// Experiments.
pub trait Experiments {
    /// Creates an experiment and returns its id; an error when the project has that name.
    fn create_experiment(&mut self, experiment: &NewExperiment) -> Result<String>;
    /// Replaces name, artifact location, life cycle and times of a known experiment.
    fn update_experiment(&mut self, experiment: &Experiment) -> Result<()>;
    /// One experiment of the project.
    fn experiment(&mut self, project: &str, id: &str) -> Result<Option<Experiment>>;
    /// The experiment of that name, deleted or not.
    fn experiment_by_name(&mut self, project: &str, name: &str) -> Result<Option<Experiment>>;
    /// A page of experiments; attributes `name`, `experiment_id`, `creation_time`,
    /// `last_update_time`.
    fn search_experiments(
        &mut self,
        project: &str,
        view: RunView,
        search: &Search,
    ) -> Result<Page<Experiment>>;
    /// Sets or (with none) removes tags.
    fn tag_experiment(&mut self, id: &str, tags: &[TagChange]) -> Result<()>;
}

/// Changes to tracked runs. Every one is harmless when it comes twice.
pub trait Tracking {
    /// Creates a run; an error when the id is taken. Its `params`, `tags` and `metrics` are
    /// stored with it.
    fn create_tracked_run(&mut self, run: &TrackedRun) -> Result<()>;
    /// Replaces name, status, times, life cycle and artifact place of a known run; not its
    /// params, tags, metrics and inputs.
    fn update_tracked_run(&mut self, run: &TrackedRun) -> Result<()>;
    /// Sets status and end of a run; nothing happens when there is none.
    fn end_tracked_run(&mut self, run_id: &str, status: &str, at: Timestamp) -> Result<()>;
    /// Logs parameters: the same value again is accepted, another value is a conflict.
    fn log_params(&mut self, run_id: &str, params: &[(String, String)]) -> Result<()>;
    /// Logs points; a point that is there already is accepted and not kept twice.
    fn log_metrics(&mut self, run_id: &str, points: &[MetricPoint]) -> Result<()>;
    /// Sets or (with none) removes tags.
    fn tag_tracked_run(&mut self, run_id: &str, tags: &[TagChange]) -> Result<()>;
    /// Logs dataset inputs; the same dataset again is accepted.
    fn log_inputs(&mut self, run_id: &str, inputs: &[Input]) -> Result<()>;
    /// Logs models that the run made; the same one again is accepted.
    fn log_outputs(&mut self, run_id: &str, outputs: &[Output]) -> Result<()>;
    /// Removes a run for good, with all that was logged to it.
    fn purge_tracked_run(&mut self, run_id: &str) -> Result<bool>;
}

/// Reads of tracked runs.
pub trait TrackingRead {
    /// A run with its params, tags, latest metrics and inputs.
    fn tracked_run(&mut self, run_id: &str) -> Result<Option<TrackedRun>>;
    /// A run without what was logged to it.
    fn run_head(&mut self, run_id: &str) -> Result<Option<RunHead>>;
    /// One tag of a run.
    fn run_tag(&mut self, run_id: &str, key: &str) -> Result<Option<String>>;
    /// Those of the parameters that were logged, with their values.
    fn run_params(&mut self, run_id: &str, keys: &[&str]) -> Result<BTreeMap<String, String>>;
    /// A page of runs of these experiments, whole like [`TrackingRead::tracked_run`]'s. The
    /// tie-break is start time, newest first, then id.
    fn search_tracked_runs(
        &mut self,
        experiments: &[String],
        view: RunView,
        search: &Search,
    ) -> Result<Page<TrackedRun>>;
    /// The runs nested directly under a run.
    fn child_runs(&mut self, run_id: &str) -> Result<Vec<TrackedRun>>;
    /// The latest value of each metric.
    fn latest_metrics(&mut self, run_id: &str) -> Result<BTreeMap<String, f64>>;
    /// A page of the points of one metric by time, step and value, each once whatever it was measured on; at most `limit`,
    /// after where the last page ended.
    fn metric_history(
        &mut self,
        run_id: &str,
        key: &str,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Page<MetricPoint>>;
    /// At most `most` points of one metric by step, then time, spread evenly over all of them (or over those with steps in
    /// the interval, ends included): the first of each of `most` equal parts, and the very last.
    fn metric_sample(
        &mut self,
        run_id: &str,
        key: &str,
        steps: Option<(i64, i64)>,
        most: u32,
    ) -> Result<Vec<MetricPoint>>;
    /// The datasets that runs of these experiments used, each with its context once; at most 1000.
    fn datasets_of(&mut self, experiments: &[String]) -> Result<Vec<UsedDataset>>;
}

/// MLflow 3's logged models.
pub trait LoggedModels {
    /// Creates a logged model; an error when the id is taken.
    fn create_logged_model(&mut self, model: &LoggedModel) -> Result<()>;
    /// Replaces status, times, tags and params of a known one.
    fn update_logged_model(&mut self, model: &LoggedModel) -> Result<()>;
    /// One logged model.
    fn logged_model(&mut self, model_id: &str) -> Result<Option<LoggedModel>>;
    /// A page of the logged models of these experiments, newest first; attributes `name`,
    /// `model_id`, `model_type`, `status`, `source_run_id`, `lifecycle_stage`,
    /// `creation_timestamp`, `last_updated_timestamp`.
    fn search_logged_models(
        &mut self,
        experiments: &[String],
        search: &Search,
    ) -> Result<Page<LoggedModel>>;
    /// Removes a logged model; false when there was none.
    fn delete_logged_model(&mut self, model_id: &str) -> Result<bool>;
}
