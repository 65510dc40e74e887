//! Finding what a request names, in its own project only, or refusing as MLflow does.

use super::failure::Refuse as _;
use jiff::Timestamp;
use mlflow::{Error, artifacts};
use std::collections::BTreeMap;
use store::{
    Experiment, Experiments as _, Lifecycle, LoggedModel, LoggedModels as _, NewExperiment,
    RunHead, TrackedRun, TrackingRead as _, Tx,
};

/// MLflow's experiment 0, which every project has once it is asked for.
pub(super) const DEFAULT: &str = "Default";

/// Whether an id means the project's default experiment.
pub(super) fn is_default(id: &str) -> bool {
    id.is_empty() || id == "0"
}

/// An experiment by id, deleted or not; `0` is the project's own default.
pub(super) fn experiment(tx: &mut Tx<'_>, project: &str, id: &str) -> store::Result<Experiment> {
    let found = if is_default(id) {
        tx.experiment_by_name(project, DEFAULT)?
    } else {
        check_experiment_id(id)?;
        tx.experiment(project, id)?
    };
    found.ok_or_else(|| no_experiment(id)).refuse()
}

fn no_experiment(id: &str) -> Error {
    Error::missing(format!("No Experiment with id={id} exists"))
}

/// Refuses what cannot be an experiment's id.
pub(super) fn check_experiment_id(id: &str) -> store::Result<()> {
    if is_default(id) || id.parse::<i64>().is_ok() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Invalid experiment ID '{id}'. Experiment ID must be a valid integer."
    )))
    .refuse()
}

/// The same, but it must be active.
pub(super) fn active_experiment(
    tx: &mut Tx<'_>,
    project: &str,
    id: &str,
) -> store::Result<Experiment> {
    let found = experiment(tx, project, id)?;
    if found.lifecycle == Lifecycle::Active {
        return Ok(found);
    }
    Err(Error::invalid(format!(
        "The experiment {} must be in the 'active' state. Current state is {}.",
        found.id, found.lifecycle
    )))
    .refuse()
}

/// The same where a deleted one is as good as none.
pub(super) fn present_experiment(
    tx: &mut Tx<'_>,
    project: &str,
    id: &str,
) -> store::Result<Experiment> {
    let found = experiment(tx, project, id)?;
    match found.lifecycle {
        Lifecycle::Active => Ok(found),
        Lifecycle::Deleted => Err(no_experiment(id)).refuse(),
    }
}

/// Makes the default experiment when the project has none yet.
pub(super) fn ensure_default(tx: &mut Tx<'_>, project: &str, now: Timestamp) -> store::Result<()> {
    tx.unguarded(|tx| make_default(tx, project, now))
}

fn make_default(tx: &mut Tx<'_>, project: &str, now: Timestamp) -> store::Result<()> {
    if tx.experiment_by_name(project, DEFAULT)?.is_some() {
        return Ok(());
    }
    tx.create_experiment(&NewExperiment {
        project: project.to_owned(),
        name: DEFAULT.to_owned(),
        artifact_location: artifacts::experiment_root("{id}"),
        created_at: now,
        tags: BTreeMap::new(),
    })
    .map(drop)
}

/// A run of the project, deleted or not.
pub(super) fn run(tx: &mut Tx<'_>, project: &str, run_id: &str) -> store::Result<TrackedRun> {
    tx.tracked_run(run_id)?
        .filter(|run| run.project == project)
        .ok_or_else(|| missing_run(run_id))
        .refuse()
}

/// The same without what was logged to it, which is quick however much that is.
pub(super) fn head(tx: &mut Tx<'_>, project: &str, run_id: &str) -> store::Result<RunHead> {
    tx.run_head(run_id)?
        .filter(|run| run.project == project)
        .ok_or_else(|| missing_run(run_id))
        .refuse()
}

fn missing_run(run_id: &str) -> Error {
    Error::missing(format!("Run with id={run_id} not found"))
}

/// A logged model of the project.
pub(super) fn logged_model(
    tx: &mut Tx<'_>,
    project: &str,
    model_id: &str,
) -> store::Result<LoggedModel> {
    tx.logged_model(model_id)?
        .filter(|model| model.project == project)
        .ok_or_else(|| Error::missing(format!("Logged model with ID '{model_id}' not found.")))
        .refuse()
}
