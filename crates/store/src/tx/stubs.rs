//! To be replaced: every trait answers that it is not there yet.

use super::*;
use crate::*;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;
use std::collections::BTreeMap;

impl Alarms for Tx<'_> {
    fn put_alarm(&mut self, _alarm: &Alarm) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn alarm(&mut self, _id: &str) -> Result<Option<Alarm>> {
        Err(Error::Stopped("not there yet"))
    }
    fn alarms(&mut self, _filter: &AlarmFilter) -> Result<Vec<Alarm>> {
        Err(Error::Stopped("not there yet"))
    }
    fn monitor_state(
        &mut self,
        _project: &str,
        _environment: &str,
        _service: &str,
        _monitor: &str,
    ) -> Result<Option<MonitorState>> {
        Err(Error::Stopped("not there yet"))
    }
    fn monitor_states(&mut self, _project: &str) -> Result<Vec<MonitorState>> {
        Err(Error::Stopped("not there yet"))
    }
    fn put_monitor_state(&mut self, _state: &MonitorState) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
}

impl Datasets for Tx<'_> {
    fn put_dataset(&mut self, _version: &DatasetVersion) -> Result<bool> {
        Err(Error::Stopped("not there yet"))
    }
    fn dataset(
        &mut self,
        _project: &str,
        _dataset: &str,
        _digest: &Digest,
    ) -> Result<Option<DatasetVersion>> {
        Err(Error::Stopped("not there yet"))
    }
    fn latest_dataset(&mut self, _project: &str, _dataset: &str) -> Result<Option<DatasetVersion>> {
        Err(Error::Stopped("not there yet"))
    }
    fn datasets(
        &mut self,
        _project: &str,
        _dataset: Option<&str>,
        _limit: u32,
    ) -> Result<Vec<DatasetVersion>> {
        Err(Error::Stopped("not there yet"))
    }
}

impl Deployments for Tx<'_> {
    fn put_deployment(&mut self, _deployment: &Deployment) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn deployment(
        &mut self,
        _project: &str,
        _environment: &str,
        _service: &str,
    ) -> Result<Option<Deployment>> {
        Err(Error::Stopped("not there yet"))
    }
    fn deployments(&mut self, _project: Option<&str>) -> Result<Vec<Deployment>> {
        Err(Error::Stopped("not there yet"))
    }
    fn delete_deployment(
        &mut self,
        _project: &str,
        _environment: &str,
        _service: &str,
    ) -> Result<bool> {
        Err(Error::Stopped("not there yet"))
    }
}

impl Events for Tx<'_> {
    fn append_event(&mut self, _event: &NewEvent) -> Result<u64> {
        Err(Error::Stopped("not there yet"))
    }
    fn events(&mut self, _filter: &EventFilter) -> Result<Vec<Event>> {
        Err(Error::Stopped("not there yet"))
    }
    fn event(&mut self, _seq: u64) -> Result<Option<Event>> {
        Err(Error::Stopped("not there yet"))
    }
    fn last_event(&mut self) -> Result<u64> {
        Err(Error::Stopped("not there yet"))
    }
}

impl JoinLog for Tx<'_> {
    fn add_predictions(&mut self, _route: &str, _predictions: &[Prediction]) -> Result<Joined> {
        Err(Error::Stopped("not there yet"))
    }
    fn add_labels(
        &mut self,
        _route: &str,
        _labels: &[Label],
        _within: SignedDuration,
    ) -> Result<Joined> {
        Err(Error::Stopped("not there yet"))
    }
    fn losses(&mut self, _route: &str, _filter: &LossFilter) -> Result<Vec<Loss>> {
        Err(Error::Stopped("not there yet"))
    }
    fn join_counts(&mut self, _route: &str) -> Result<JoinCounts> {
        Err(Error::Stopped("not there yet"))
    }
    fn expire_joins(
        &mut self,
        _route: &str,
        _before: Timestamp,
        _losses_before: Option<Timestamp>,
    ) -> Result<u64> {
        Err(Error::Stopped("not there yet"))
    }
    fn join_routes(&mut self) -> Result<Vec<String>> {
        Err(Error::Stopped("not there yet"))
    }
    fn offset(&mut self, _reader: &str) -> Result<Option<Json>> {
        Err(Error::Stopped("not there yet"))
    }
    fn set_offset(&mut self, _reader: &str, _offset: &Json) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
}

impl Models for Tx<'_> {
    fn create_model(&mut self, _model: &RegisteredModel) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn update_model(&mut self, _model: &RegisteredModel) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn rename_model(&mut self, _project: &str, _name: &str, _to: &str) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn delete_model(&mut self, _project: &str, _name: &str) -> Result<bool> {
        Err(Error::Stopped("not there yet"))
    }
    fn model(&mut self, _project: &str, _name: &str) -> Result<Option<RegisteredModel>> {
        Err(Error::Stopped("not there yet"))
    }
    fn models(&mut self, _project: &str) -> Result<Vec<RegisteredModel>> {
        Err(Error::Stopped("not there yet"))
    }
    fn search_models(&mut self, _project: &str, _search: &Search) -> Result<Page<RegisteredModel>> {
        Err(Error::Stopped("not there yet"))
    }
    fn create_version(&mut self, _version: &ModelVersion) -> Result<u32> {
        Err(Error::Stopped("not there yet"))
    }
    fn update_version(&mut self, _version: &ModelVersion) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn delete_version(&mut self, _project: &str, _model: &str, _version: u32) -> Result<bool> {
        Err(Error::Stopped("not there yet"))
    }
    fn version(
        &mut self,
        _project: &str,
        _model: &str,
        _version: u32,
    ) -> Result<Option<ModelVersion>> {
        Err(Error::Stopped("not there yet"))
    }
    fn versions(&mut self, _project: &str, _model: &str) -> Result<Vec<ModelVersion>> {
        Err(Error::Stopped("not there yet"))
    }
    fn search_versions(&mut self, _project: &str, _search: &Search) -> Result<Page<ModelVersion>> {
        Err(Error::Stopped("not there yet"))
    }
}

impl Aliases for Tx<'_> {
    fn set_alias(
        &mut self,
        _project: &str,
        _model: &str,
        _alias: &str,
        _version: u32,
    ) -> Result<Option<u32>> {
        Err(Error::Stopped("not there yet"))
    }
    fn delete_alias(&mut self, _project: &str, _model: &str, _alias: &str) -> Result<Option<u32>> {
        Err(Error::Stopped("not there yet"))
    }
    fn alias(&mut self, _project: &str, _model: &str, _alias: &str) -> Result<Option<u32>> {
        Err(Error::Stopped("not there yet"))
    }
    fn aliases(&mut self, _project: &str, _model: &str) -> Result<BTreeMap<String, u32>> {
        Err(Error::Stopped("not there yet"))
    }
}

impl Projects for Tx<'_> {
    fn put_project(&mut self, _project: &Project) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn project(&mut self, _name: &str) -> Result<Option<Project>> {
        Err(Error::Stopped("not there yet"))
    }
    fn projects(&mut self) -> Result<Vec<Project>> {
        Err(Error::Stopped("not there yet"))
    }
    fn delete_project(&mut self, _name: &str) -> Result<bool> {
        Err(Error::Stopped("not there yet"))
    }
    fn next_generation(&mut self, _name: &str, _expected: u64) -> Result<u64> {
        Err(Error::Stopped("not there yet"))
    }
    fn set_seen_commit(&mut self, _name: &str, _commit: &str) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn put_applied(&mut self, _applied: &AppliedSpec) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn applied(&mut self, _project: &str) -> Result<Option<AppliedSpec>> {
        Err(Error::Stopped("not there yet"))
    }
    fn applied_generation(
        &mut self,
        _project: &str,
        _generation: u64,
    ) -> Result<Option<AppliedSpec>> {
        Err(Error::Stopped("not there yet"))
    }
    fn applied_history(&mut self, _project: &str, _limit: u32) -> Result<Vec<AppliedSpec>> {
        Err(Error::Stopped("not there yet"))
    }
}

impl Rollouts for Tx<'_> {
    fn insert_rollout(&mut self, _rollout: &Rollout) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn update_rollout(&mut self, _rollout: &Rollout) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn rollout(&mut self, _id: &str) -> Result<Option<Rollout>> {
        Err(Error::Stopped("not there yet"))
    }
    fn rollouts(&mut self, _filter: &RolloutFilter) -> Result<Vec<Rollout>> {
        Err(Error::Stopped("not there yet"))
    }
    fn append_verdict(&mut self, _verdict: &Verdict) -> Result<u64> {
        Err(Error::Stopped("not there yet"))
    }
    fn verdicts(&mut self, _rollout_id: &str, _limit: u32) -> Result<Vec<Verdict>> {
        Err(Error::Stopped("not there yet"))
    }
}

impl Runs for Tx<'_> {
    fn insert_run(&mut self, _run: &Run) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn update_run(&mut self, _run: &Run) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn run(&mut self, _id: &str) -> Result<Option<Run>> {
        Err(Error::Stopped("not there yet"))
    }
    fn run_of_mlflow(&mut self, _mlflow_run_id: &str) -> Result<Option<Run>> {
        Err(Error::Stopped("not there yet"))
    }
    fn runs(&mut self, _filter: &RunFilter) -> Result<Vec<Run>> {
        Err(Error::Stopped("not there yet"))
    }
    fn active_runs(&mut self) -> Result<Vec<Run>> {
        Err(Error::Stopped("not there yet"))
    }
    fn last_fired(&mut self, _project: &str, _pipeline: &str) -> Result<Option<Timestamp>> {
        Err(Error::Stopped("not there yet"))
    }
    fn set_last_fired(&mut self, _project: &str, _pipeline: &str, _at: Timestamp) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
}

impl Steps for Tx<'_> {
    fn insert_step(&mut self, _step: &Step) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn update_step(&mut self, _step: &Step) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn step(&mut self, _run_id: &str, _key: &str) -> Result<Option<Step>> {
        Err(Error::Stopped("not there yet"))
    }
    fn steps(&mut self, _run_id: &str) -> Result<Vec<Step>> {
        Err(Error::Stopped("not there yet"))
    }
    fn step_of_unit(&mut self, _unit_id: &str) -> Result<Option<Step>> {
        Err(Error::Stopped("not there yet"))
    }
    fn cached_step(&mut self, _project: &str, _key: &str) -> Result<Option<CachedStep>> {
        Err(Error::Stopped("not there yet"))
    }
    fn put_cached_step(&mut self, _cached: &CachedStep) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn forget_cached_step(&mut self, _project: &str, _key: &str) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
}

impl Tokens for Tx<'_> {
    fn insert_token(&mut self, _token: &Token) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn token(&mut self, _id: &str) -> Result<Option<Token>> {
        Err(Error::Stopped("not there yet"))
    }
    fn tokens(&mut self) -> Result<Vec<Token>> {
        Err(Error::Stopped("not there yet"))
    }
    fn delete_token(&mut self, _id: &str) -> Result<bool> {
        Err(Error::Stopped("not there yet"))
    }
    fn touch_token(&mut self, _id: &str, _at: Timestamp) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
}

impl Leases for Tx<'_> {
    fn acquire_lease(
        &mut self,
        _name: &str,
        _holder: &str,
        _now: Timestamp,
        _ttl: SignedDuration,
    ) -> Result<Option<Lease>> {
        Err(Error::Stopped("not there yet"))
    }
    fn release_lease(&mut self, _lease: &Lease) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn lease(&mut self, _name: &str) -> Result<Option<Lease>> {
        Err(Error::Stopped("not there yet"))
    }
    fn check_lease(&mut self, _lease: &Lease) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
}

impl Idempotency for Tx<'_> {
    fn recall(&mut self, _key: &str) -> Result<Option<Json>> {
        Err(Error::Stopped("not there yet"))
    }
    fn remember(&mut self, _key: &str, _response: &Json, _at: Timestamp) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn forget(&mut self, _key: &str) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn forget_before(&mut self, _before: Timestamp) -> Result<u64> {
        Err(Error::Stopped("not there yet"))
    }
}

impl Experiments for Tx<'_> {
    fn create_experiment(&mut self, _experiment: &NewExperiment) -> Result<String> {
        Err(Error::Stopped("not there yet"))
    }
    fn update_experiment(&mut self, _experiment: &Experiment) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn experiment(&mut self, _project: &str, _id: &str) -> Result<Option<Experiment>> {
        Err(Error::Stopped("not there yet"))
    }
    fn experiment_by_name(&mut self, _project: &str, _name: &str) -> Result<Option<Experiment>> {
        Err(Error::Stopped("not there yet"))
    }
    fn search_experiments(
        &mut self,
        _project: &str,
        _view: RunView,
        _search: &Search,
    ) -> Result<Page<Experiment>> {
        Err(Error::Stopped("not there yet"))
    }
    fn tag_experiment(&mut self, _id: &str, _tags: &[TagChange]) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
}

impl Tracking for Tx<'_> {
    fn create_tracked_run(&mut self, _run: &TrackedRun) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn update_tracked_run(&mut self, _run: &TrackedRun) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn log_params(&mut self, _run_id: &str, _params: &[(String, String)]) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn log_metrics(&mut self, _run_id: &str, _points: &[MetricPoint]) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn tag_tracked_run(&mut self, _run_id: &str, _tags: &[TagChange]) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn log_inputs(&mut self, _run_id: &str, _inputs: &[Input]) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn log_outputs(&mut self, _run_id: &str, _outputs: &[Output]) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn purge_tracked_run(&mut self, _run_id: &str) -> Result<bool> {
        Err(Error::Stopped("not there yet"))
    }
}

impl TrackingRead for Tx<'_> {
    fn tracked_run(&mut self, _run_id: &str) -> Result<Option<TrackedRun>> {
        Err(Error::Stopped("not there yet"))
    }
    fn search_tracked_runs(
        &mut self,
        _experiments: &[String],
        _view: RunView,
        _search: &Search,
    ) -> Result<Page<TrackedRun>> {
        Err(Error::Stopped("not there yet"))
    }
    fn child_runs(&mut self, _run_id: &str) -> Result<Vec<TrackedRun>> {
        Err(Error::Stopped("not there yet"))
    }
    fn latest_metrics(&mut self, _run_id: &str) -> Result<BTreeMap<String, f64>> {
        Err(Error::Stopped("not there yet"))
    }
    fn metric_history(
        &mut self,
        _run_id: &str,
        _key: &str,
        _skip: u64,
        _limit: u32,
    ) -> Result<Vec<MetricPoint>> {
        Err(Error::Stopped("not there yet"))
    }
}

impl LoggedModels for Tx<'_> {
    fn create_logged_model(&mut self, _model: &LoggedModel) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn update_logged_model(&mut self, _model: &LoggedModel) -> Result<()> {
        Err(Error::Stopped("not there yet"))
    }
    fn logged_model(&mut self, _model_id: &str) -> Result<Option<LoggedModel>> {
        Err(Error::Stopped("not there yet"))
    }
    fn search_logged_models(
        &mut self,
        _experiments: &[String],
        _search: &Search,
    ) -> Result<Page<LoggedModel>> {
        Err(Error::Stopped("not there yet"))
    }
    fn delete_logged_model(&mut self, _model_id: &str, _at: Timestamp) -> Result<bool> {
        Err(Error::Stopped("not there yet"))
    }
}
