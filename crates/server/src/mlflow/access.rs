//! What a caller may change, beyond what its role allows: units are kept to their own runs, and runs of pipelines to
//! their units and to people with a token.
//!
//! Every writing handler goes through here, in the transaction that writes. Reads within the project are free.

use super::{failure::Refuse as _, find};
use guard::Identity;
use mlflow::{Error, artifacts, traces::keys};
use std::collections::BTreeMap;
use store::{
    Experiment, Lifecycle, LoggedModel, RunHead, Trace, Traces as _, TrackedRun, TrackingRead as _,
    Tx,
};

/// The pipeline run that an MLflow run belongs to.
const RUN_TAG: &str = "mainspan.run";
/// The attempt whose unit made an MLflow run.
const ATTEMPT_TAG: &str = "mainspan.attempt-run";
/// The run that a run is nested under.
const PARENT_TAG: &str = "mlflow.parentRunId";
/// Tags that units cannot set.
const OURS: &str = "mainspan.";

/// A run that the caller may write to. It must be active.
pub(super) fn writable_run(
    tx: &mut Tx<'_>,
    who: &Identity,
    project: &str,
    run_id: &str,
) -> store::Result<RunHead> {
    let run = changeable_run(tx, who, project, run_id)?;
    if run.lifecycle == Lifecycle::Active {
        return Ok(run);
    }
    Err(Error::invalid(format!(
        "The run {} must be in the 'active' state. Current state is {}.",
        run.run_id, run.lifecycle
    )))
    .refuse()
}

/// A run that the caller may write to, deleted or not.
pub(super) fn changeable_run(
    tx: &mut Tx<'_>,
    who: &Identity,
    project: &str,
    run_id: &str,
) -> store::Result<RunHead> {
    let run = find::head(tx, project, run_id)?;
    run_access(tx, who, &run)?;
    Ok(run)
}

/// Asks for a tag only where the run itself does not say enough.
fn run_access(tx: &mut Tx<'_>, who: &Identity, run: &RunHead) -> store::Result<()> {
    let refused = match who {
        Identity::Unit { mlflow_run, .. } if !belongs(tx, run, mlflow_run)? => format!(
            "this step may write to its own run {mlflow_run} and to runs it started, not to run {}",
            run.run_id
        ),
        Identity::Anonymous if tx.run_tag(&run.run_id, RUN_TAG)?.is_some() => format!(
            "run {} belongs to a pipeline: only its steps and callers with a token write to it (set MLFLOW_TRACKING_TOKEN; `mainspan tokens create` makes one)",
            run.run_id
        ),
        _ => return Ok(()),
    };
    Err(Error::denied(refused)).refuse()
}

fn belongs(tx: &mut Tx<'_>, run: &RunHead, attempt: &str) -> store::Result<bool> {
    if run.run_id == attempt || run.parent.as_deref() == Some(attempt) {
        return Ok(true);
    }
    let made_by = tx.run_tag(&run.run_id, ATTEMPT_TAG)?;
    Ok(made_by.as_deref() == Some(attempt))
}

/// The tags that a new run gets whatever its maker says.
pub(super) fn stamp(who: &Identity, tags: &mut BTreeMap<String, String>) {
    if let Identity::Unit {
        run, mlflow_run, ..
    } = who
    {
        tags.retain(|key, _| !key.starts_with(OURS));
        tags.insert(RUN_TAG.to_owned(), run.clone());
        tags.insert(ATTEMPT_TAG.to_owned(), mlflow_run.clone());
    }
}

/// Whether the caller may start a run there: a unit only in the experiment of its own run, below its own runs.
pub(super) fn new_run(
    tx: &mut Tx<'_>,
    who: &Identity,
    run: &TrackedRun,
    experiment: &Experiment,
) -> store::Result<()> {
    let Identity::Unit { mlflow_run, .. } = who else {
        return Ok(());
    };
    let own = find::head(tx, &run.project, mlflow_run)?;
    if own.experiment_id != experiment.id {
        let elsewhere = Error::denied(format!(
            "a step starts runs in its own experiment {} only, not in {}: leave out `set_experiment`",
            own.experiment_id, experiment.id
        ));
        return Err(elsewhere).refuse();
    }
    match run.tags.get(PARENT_TAG) {
        Some(parent) => changeable_run(tx, who, &run.project, parent).map(drop),
        None => Ok(()),
    }
}

/// Whether the caller may make a logged model there: a unit only beside the run that makes it.
pub(super) fn new_model(
    tx: &mut Tx<'_>,
    who: &Identity,
    model: &LoggedModel,
    experiment: &Experiment,
) -> store::Result<()> {
    let (Identity::Unit { .. }, Some(run_id)) = (who, &model.source_run_id) else {
        return Ok(());
    };
    if find::head(tx, &model.project, run_id)?.experiment_id == experiment.id {
        return Ok(());
    }
    Err(Error::denied(format!(
        "a step logs models in the experiment of its run only, not in {}",
        experiment.id
    )))
    .refuse()
}

/// Whether the caller may set or remove a tag.
pub(super) fn tag(who: &Identity, key: &str) -> Result<(), Error> {
    match who {
        Identity::Unit { .. } if key.starts_with(OURS) => Err(Error::denied(format!(
            "tag '{key}' is Mainspan's own: choose a name that does not start with '{OURS}'"
        ))),
        _ => Ok(()),
    }
}

/// Refuses units: `what` is done by other means in a pipeline.
pub(super) fn not_a_unit(who: &Identity, what: &str) -> Result<(), Error> {
    match who {
        Identity::Unit { .. } => Err(Error::denied(format!(
            "a step may write to its own run only; {what}"
        ))),
        _ => Ok(()),
    }
}

/// Refuses units and callers without a token what would reach beyond runs.
pub(super) fn registry(who: &Identity) -> Result<(), Error> {
    not_a_unit(
        who,
        "`register` in mainspan.yaml registers models, after the gate",
    )
}

/// A logged model that the caller may change.
pub(super) fn writable_model(
    tx: &mut Tx<'_>,
    who: &Identity,
    project: &str,
    model_id: &str,
) -> store::Result<LoggedModel> {
    let model = find::logged_model(tx, project, model_id)?;
    source_access(tx, who, project, model.source_run_id.as_deref())?;
    Ok(model)
}

/// Whether the caller may make or change a logged model of that run.
pub(super) fn source_access(
    tx: &mut Tx<'_>,
    who: &Identity,
    project: &str,
    run_id: Option<&str>,
) -> store::Result<()> {
    match run_id.filter(|id| !id.is_empty()) {
        Some(id) if matches!(who, Identity::Unit { .. }) => {
            changeable_run(tx, who, project, id).map(drop)
        }
        Some(_) => Ok(()),
        None => not_a_unit(who, "log the model within a run").refuse(),
    }
}

/// Whether the caller may make or change that trace: a unit only in the experiment of its own run, and not those of
/// other runs.
pub(super) fn trace(tx: &mut Tx<'_>, who: &Identity, trace: &Trace) -> store::Result<()> {
    let Identity::Unit { mlflow_run, .. } = who else {
        return Ok(());
    };
    let own = find::head(tx, &trace.project, mlflow_run)?;
    if own.experiment_id != trace.experiment_id {
        let elsewhere = Error::denied(format!(
            "a step traces in its own experiment {} only, not in {}",
            own.experiment_id, trace.experiment_id
        ));
        return Err(elsewhere).refuse();
    }
    match trace.metadata.get(keys::SOURCE_RUN) {
        Some(run_id) => changeable_run(tx, who, &trace.project, run_id).map(drop),
        None => Ok(()),
    }
}

/// Whether the caller may link traces to that run, which others may do before it is there.
pub(super) fn linked_run(
    tx: &mut Tx<'_>,
    who: &Identity,
    project: &str,
    run_id: &str,
) -> store::Result<()> {
    match tx.run_head(run_id)?.filter(|run| run.project == project) {
        Some(run) => run_access(tx, who, &run),
        None => not_a_unit(who, "link traces to that one").refuse(),
    }
}

/// Whether the caller may put or delete a file under the artifact proxy.
pub(super) fn artifact(
    tx: &mut Tx<'_>,
    who: &Identity,
    project: &str,
    path: &str,
) -> store::Result<()> {
    let Some((root, owner)) = owner(path) else {
        return not_a_unit(who, "files go below its artifacts").refuse();
    };
    unregistered(path).refuse()?;
    let held = match owner {
        Owner::Model(id) => match find::logged_model(tx, project, id) {
            Ok(model) if artifacts::proxy_path(&model.artifact_uri) == Some(root) => {
                return source_access(tx, who, project, model.source_run_id.as_deref());
            }
            other => other.map(drop),
        },
        Owner::Trace(id) => match tx.trace(project, id)? {
            Some(found) if trace_place(&found) == Some(root) => return trace(tx, who, &found),
            _ => Ok(()),
        },
        Owner::Run(id) => match find::head(tx, project, id) {
            Ok(run) if artifacts::proxy_path(&run.artifact_uri) == Some(root) => {
                return run_access(tx, who, &run);
            }
            other => other.map(drop),
        },
    };
    match held {
        Ok(()) => not_a_unit(who, "files go below its artifacts").refuse(),
        Err(error) if matches!(who, Identity::Unit { .. }) => Err(error),
        Err(_) => Ok(()),
    }
}

/// The folder of a trace's files.
fn trace_place(trace: &Trace) -> Option<&str> {
    artifacts::proxy_path(trace.tags.get(keys::ARTIFACT_LOCATION)?)
}

/// Refuses the files of registered versions, which never change.
pub(super) fn unregistered(path: &str) -> Result<(), Error> {
    match owner(path) {
        Some((root, Owner::Run(_)))
            if artifacts::is_ours(path[root.len()..].trim_start_matches('/')) =>
        {
            Err(Error::denied(format!(
                "'{path}' belongs to registered versions, whose files never change: choose another folder"
            )))
        }
        _ => Ok(()),
    }
}

#[derive(Debug, PartialEq)]
enum Owner<'p> {
    Run(&'p str),
    Model(&'p str),
    Trace(&'p str),
}

/// The artifact root that a path is in (`…/<run>/artifacts`, `…/models/<model>/artifacts` or
/// `…/traces/<trace>/artifacts`) and whose it is.
fn owner(path: &str) -> Option<(&str, Owner<'_>)> {
    let mut before = ("", "");
    let mut end = 0;
    for segment in path.split('/') {
        end += segment.len();
        if segment == "artifacts" && !before.1.is_empty() {
            let owner = match before.0 {
                "models" => Owner::Model(before.1),
                "traces" => Owner::Trace(before.1),
                _ => Owner::Run(before.1),
            };
            return Some((&path[..end], owner));
        }
        before = (before.1, segment);
        end += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_a_path_is() {
        let check = |path: &str, expect: Option<(&str, Owner<'_>)>| {
            assert_eq!(owner(path), expect, "{path}");
        };
        check(
            "3/ab/artifacts/m/x.onnx",
            Some(("3/ab/artifacts", Owner::Run("ab"))),
        );
        check("3/ab/artifacts", Some(("3/ab/artifacts", Owner::Run("ab"))));
        check(
            "3/models/m-1/artifacts/x",
            Some(("3/models/m-1/artifacts", Owner::Model("m-1"))),
        );
        check(
            "a/b/ab/artifacts/artifacts/x",
            Some(("a/b/ab/artifacts", Owner::Run("ab"))),
        );
        check(
            "3/traces/tr-1/artifacts/traces.json",
            Some(("3/traces/tr-1/artifacts", Owner::Trace("tr-1"))),
        );
        check("3/ab/x", None);
        for (path, free) in [
            ("3/ab/artifacts/mainspan/model/MLmodel", false),
            ("3/ab/artifacts/mainspan", false),
            ("3/ab/artifacts/mainspanner/x", true),
            ("3/ab/artifacts/m/mainspan/x", true),
            ("3/models/m-1/artifacts/mainspan/x", true),
        ] {
            assert_eq!(unregistered(path).is_ok(), free, "{path}");
        }
        check("artifacts/x", None);
        check("", None);
    }
}
