//! The MLflow runs that show a pipeline's run and each attempt of its steps. Pure records; the caller stores them.

use jiff::Timestamp;
use std::collections::BTreeMap;
use store::{Lifecycle, Run, Step, TrackedRun};

/// The MLflow run of a whole pipeline run.
pub(super) fn of_run(
    run: &Run,
    id: &str,
    experiment: &str,
    now: Timestamp,
    params: BTreeMap<String, String>,
) -> TrackedRun {
    let short = run.id.rsplit('-').next().unwrap_or(&run.id);
    TrackedRun {
        params,
        ..record(
            run,
            id,
            experiment,
            format!("{} {short}", run.pipeline),
            None,
            now,
        )
    }
}

/// The MLflow run of one attempt, nested under the pipeline's.
pub(super) fn of_attempt(
    run: &Run,
    step: &Step,
    id: &str,
    experiment: &str,
    now: Timestamp,
) -> TrackedRun {
    let mut tracked = record(
        run,
        id,
        experiment,
        step.key.clone(),
        run.mlflow_run_id.clone(),
        now,
    );
    tracked
        .tags
        .insert("mainspan.step".to_owned(), step.key.clone());
    tracked
        .tags
        .insert("mainspan.attempt".to_owned(), step.attempt.to_string());
    tracked
}

fn record(
    run: &Run,
    id: &str,
    experiment: &str,
    name: String,
    parent: Option<String>,
    now: Timestamp,
) -> TrackedRun {
    let mut tags = BTreeMap::from([
        ("mlflow.runName".to_owned(), name.clone()),
        ("mlflow.user".to_owned(), "mainspan".to_owned()),
        ("mlflow.source.type".to_owned(), "PROJECT".to_owned()),
        (
            "mlflow.source.name".to_owned(),
            format!("{}/{}", run.project, run.pipeline),
        ),
        ("mainspan.run".to_owned(), run.id.clone()),
    ]);
    if let Some(commit) = &run.commit {
        tags.insert("mlflow.source.git.commit".to_owned(), commit.clone());
    }
    if let Some(parent) = &parent {
        tags.insert("mlflow.parentRunId".to_owned(), parent.clone());
    }
    TrackedRun {
        run_id: id.to_owned(),
        experiment_id: experiment.to_owned(),
        project: run.project.clone(),
        name,
        user_id: "mainspan".to_owned(),
        status: "RUNNING".to_owned(),
        start_time: now,
        end_time: None,
        artifact_uri: format!("mlflow-artifacts:/{experiment}/{id}/artifacts"),
        lifecycle: Lifecycle::Active,
        deleted_at: None,
        parent,
        tags,
        params: BTreeMap::new(),
        metrics: Vec::new(),
        inputs: Vec::new(),
        outputs: Vec::new(),
    }
}
