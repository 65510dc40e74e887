//! Experiments, runs, their points, and logged models.

use super::{
    Into,
    merge::{self, Step},
};
use crate::mlflow::{
    convert::{self, filled, inputs, labels, time},
    failure::Refuse as _,
    find,
};
use mlflow::{
    Error, artifacts,
    moving::{Outcome, Points, State},
    runs::{DatasetInput, Run},
};
use std::collections::BTreeMap;
use store::{
    Experiment, Experiments as _, Lifecycle, LoggedModel, LoggedModels as _, MetricPoint,
    NewExperiment, Output, TagChange, TrackedRun, Tracking as _, TrackingRead as _, Tx,
};

pub(super) fn experiment(
    tx: &mut Tx<'_>,
    into: &Into,
    comes: &mlflow::experiments::Experiment,
) -> store::Result<Outcome> {
    let key = ("experiment", comes.name.as_str());
    let lifecycle = life(&comes.lifecycle_stage).refuse()?;
    let created_at = time("creation_time", comes.creation_time).refuse()?;
    let updated_at = time("last_update_time", comes.last_update_time).refuse()?;
    let here = tx.experiment_by_name(&into.project, &comes.name)?;
    let id = match &here {
        Some(here) => here.id.clone(),
        None => tx.create_experiment(&NewExperiment {
            project: into.project.clone(),
            name: comes.name.clone(),
            artifact_location: artifacts::experiment_root("{id}"),
            created_at,
            tags: BTreeMap::new(),
        })?,
    };
    let wanted = Experiment {
        artifact_location: match &here {
            Some(here) => here.artifact_location.clone(),
            None => artifacts::experiment_root(&id),
        },
        id,
        project: into.project.clone(),
        name: comes.name.clone(),
        lifecycle,
        created_at,
        updated_at,
        tags: labels(&comes.tags),
    };
    let mut step = merge::step(tx, into, key, here.as_ref(), &wanted)?;
    if here.as_ref().is_some_and(is_untouched_default) && matches!(step, Step::Differs(_)) {
        step = Step::Update;
    }
    if matches!(step, Step::Create | Step::Update) {
        tx.update_experiment(&wanted)?;
        let old = here.map(|here| here.tags).unwrap_or_default();
        tx.tag_experiment(&wanted.id, &changes(&old, &wanted.tags))?;
    }
    merge::remember(tx, into, key, &step, &wanted)?;
    Ok(Outcome {
        id: Some(wanted.id),
        artifact_uri: Some(wanted.artifact_location),
        ..merge::outcome(step)
    })
}

/// Every server makes its default experiment by itself: it is nobody's work yet.
fn is_untouched_default(here: &Experiment) -> bool {
    here.name == find::DEFAULT && here.tags.is_empty() && here.lifecycle == Lifecycle::Active
}

fn life(stage: &str) -> Result<Lifecycle, Error> {
    stage
        .parse()
        .map_err(|_| Error::invalid(format!("`{stage}` is not a life cycle: active or deleted")))
}

/// The tags to set and to remove to get from one set to the other.
fn changes(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<TagChange> {
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    let gone = gone.map(|key| (key, None));
    let set = new
        .iter()
        .filter(|(key, value)| old.get(*key) != Some(value));
    gone.chain(set.map(|(key, value)| (key, Some(value.clone()))))
        .map(|(key, value)| TagChange {
            key: key.clone(),
            value,
        })
        .collect()
}

pub(super) fn run(tx: &mut Tx<'_>, into: &Into, comes: &Run) -> store::Result<Outcome> {
    let here = tx.tracked_run(&comes.info.run_id)?;
    if here
        .as_ref()
        .is_some_and(|here| here.project != into.project)
    {
        return Ok(merge::failed(
            "another project of this server has a run with this id: import into that project, or delete it there",
        ));
    }
    let here = here.map(comparable);
    let experiment = find::experiment(tx, &into.project, &comes.info.experiment_id)?;
    let wanted = wanted_run(into, comes, &experiment, here.as_ref()).refuse()?;
    let key = ("run", wanted.run_id.as_str());
    let step = merge::step(tx, into, key, here.as_ref(), &wanted)?;
    match &step {
        Step::Create => tx.create_tracked_run(&wanted)?,
        Step::Update => update_run(tx, here.as_ref().unwrap_or(&wanted), &wanted)?,
        Step::Keep | Step::Differs(_) => {}
    }
    merge::remember(tx, into, key, &step, &wanted)?;
    Ok(Outcome {
        artifact_uri: Some(wanted.artifact_uri),
        ..merge::outcome(step)
    })
}

/// A run without its points, and with lists in one order.
fn comparable(mut run: TrackedRun) -> TrackedRun {
    run.metrics = Vec::new();
    run.inputs
        .sort_by(|a, b| (&a.name, &a.digest).cmp(&(&b.name, &b.digest)));
    run.inputs
        .dedup_by(|a, b| (&a.name, &a.digest) == (&b.name, &b.digest));
    run.outputs.sort_by(|a, b| a.model_id.cmp(&b.model_id));
    run
}

fn wanted_run(
    into: &Into,
    comes: &Run,
    experiment: &Experiment,
    here: Option<&TrackedRun>,
) -> Result<TrackedRun, Error> {
    let info = &comes.info;
    let lifecycle = life(&info.lifecycle_stage)?;
    let root = format!("{}/artifacts", info.run_id);
    let tags = labels(&comes.data.tags);
    let dataset = |one: DatasetInput| inputs::dataset(one);
    let datasets = comes.inputs.dataset_inputs.iter().cloned().map(dataset);
    let mut used = datasets.collect::<Result<Vec<_>, _>>()?;
    used.extend(comes.inputs.model_inputs.iter().map(inputs::model));
    let outputs = comes.outputs.iter().flat_map(|all| &all.model_outputs);
    let deleted = here.and_then(|here| here.deleted_at).unwrap_or(into.now);
    Ok(comparable(TrackedRun {
        run_id: info.run_id.clone(),
        experiment_id: experiment.id.clone(),
        project: into.project.clone(),
        name: info.run_name.clone(),
        user_id: info.user_id.clone(),
        status: convert::run::word(info.status).to_owned(),
        start_time: time("start_time", info.start_time)?,
        end_time: info.end_time.map(|at| time("end_time", at)).transpose()?,
        artifact_uri: match here {
            Some(here) => here.artifact_uri.clone(),
            None => artifacts::below(&experiment.artifact_location, &root),
        },
        lifecycle,
        deleted_at: (lifecycle == Lifecycle::Deleted).then_some(deleted),
        parent: tags.get("mlflow.parentRunId").cloned(),
        tags,
        params: labels(&comes.data.params),
        metrics: Vec::new(),
        inputs: used,
        outputs: outputs
            .map(|one| Output {
                model_id: one.model_id.clone(),
                step: one.step,
            })
            .collect(),
    }))
}

fn update_run(tx: &mut Tx<'_>, here: &TrackedRun, wanted: &TrackedRun) -> store::Result<()> {
    tx.update_tracked_run(wanted)?;
    tx.tag_tracked_run(&wanted.run_id, &changes(&here.tags, &wanted.tags))?;
    let params: Vec<_> = wanted.params.clone().into_iter().collect();
    tx.log_params(&wanted.run_id, &params)?;
    tx.log_inputs(&wanted.run_id, &wanted.inputs)?;
    tx.log_outputs(&wanted.run_id, &wanted.outputs)
}

/// Points only ever come to a run; which ones are there is asked before and after.
pub(super) fn points(tx: &mut Tx<'_>, into: &Into, comes: &Points) -> store::Result<Outcome> {
    find::head(tx, &into.project, &comes.run_id)?;
    let point = |metric: &mlflow::runs::Metric| {
        Ok(MetricPoint {
            key: metric.key.clone(),
            value: metric.value.0,
            at: time("timestamp", metric.timestamp)?,
            step: metric.step,
            model_id: filled(metric.model_id.as_deref()),
            dataset: filled(metric.dataset_name.as_deref())
                .map(|name| (name, metric.dataset_digest.clone().unwrap_or_default())),
        })
    };
    let points: Result<Vec<_>, Error> = comes.metrics.iter().map(point).collect();
    tx.log_metrics(&comes.run_id, &points.refuse()?)?;
    Ok(Outcome {
        state: State::Copied,
        id: None,
        artifact_uri: None,
        why: None,
    })
}

pub(super) fn logged_model(
    tx: &mut Tx<'_>,
    into: &Into,
    comes: &mlflow::logged_models::LoggedModel,
) -> store::Result<Outcome> {
    let here = tx.logged_model(&comes.info.model_id)?;
    if here
        .as_ref()
        .is_some_and(|here| here.project != into.project)
    {
        return Ok(merge::failed(
            "another project of this server has a logged model with this id: import into that project, or delete it there",
        ));
    }
    let here = here.map(|here| LoggedModel {
        metrics: Vec::new(),
        ..here
    });
    let experiment = find::experiment(tx, &into.project, &comes.info.experiment_id)?;
    let wanted = wanted_model(into, comes, &experiment, here.as_ref()).refuse()?;
    let key = ("logged model", wanted.model_id.as_str());
    let step = merge::step(tx, into, key, here.as_ref(), &wanted)?;
    match &step {
        Step::Create => tx.create_logged_model(&wanted)?,
        Step::Update => tx.update_logged_model(&wanted)?,
        Step::Keep | Step::Differs(_) => {}
    }
    merge::remember(tx, into, key, &step, &wanted)?;
    Ok(Outcome {
        artifact_uri: Some(wanted.artifact_uri),
        ..merge::outcome(step)
    })
}

fn wanted_model(
    into: &Into,
    comes: &mlflow::logged_models::LoggedModel,
    experiment: &Experiment,
    here: Option<&LoggedModel>,
) -> Result<LoggedModel, Error> {
    let info = &comes.info;
    let root = format!("models/{}/artifacts", info.model_id);
    Ok(LoggedModel {
        model_id: info.model_id.clone(),
        experiment_id: experiment.id.clone(),
        project: into.project.clone(),
        name: info.name.clone(),
        model_type: info.model_type.clone(),
        source_run_id: filled(Some(&info.source_run_id)),
        artifact_uri: match here {
            Some(here) => here.artifact_uri.clone(),
            None => artifacts::below(&experiment.artifact_location, &root),
        },
        status: info.status.clone(),
        status_message: info.status_message.clone().unwrap_or_default(),
        created_at: time("creation_timestamp_ms", info.creation_timestamp_ms)?,
        updated_at: time("last_updated_timestamp_ms", info.last_updated_timestamp_ms)?,
        tags: labels(&info.tags),
        params: labels(&comes.data.params),
        metrics: Vec::new(),
    })
}
