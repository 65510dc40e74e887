//! To be replaced: every trait answers that it is not there yet.

use super::*;
use crate::*;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;
use std::collections::BTreeMap;

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
