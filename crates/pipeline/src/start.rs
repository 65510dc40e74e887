//! Starting a run: the snapshot is taken and the run recorded; the executor does the rest.

use crate::{
    git::{GitError, Repository},
    snapshot::{self, SnapshotError},
    work::{Trigger, Work},
};
use indexmap::IndexMap;
use jiff::Timestamp;
use spec::{ProjectFile, Scalar};
use std::collections::BTreeMap;
use store::{
    Blobs, Events as _, Idempotency as _, NewEvent, Priority, Run, RunState, Runs as _, Store,
};

/// What to run.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which pipeline of the file.
    pub pipeline: String,
    /// Why.
    pub trigger: Trigger,
    /// The commit to run; the work tree as it is now without one.
    pub commit: Option<String>,
    /// Values for declared parameters.
    pub params: IndexMap<String, Scalar>,
    /// Run every step even where a result is kept.
    pub no_cache: bool,
    /// The project's generation.
    pub generation: u64,
    /// The same key starts one run, however often it is asked and whenever we are killed.
    pub key: Option<String>,
}

/// A run that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No such pipeline.
    #[error("no pipeline `{name}` in the project file: it has {known}")]
    NoPipeline {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// No such parameter.
    #[error("pipeline `{pipeline}` has no parameter `{name}`: it has {known}")]
    NoParameter {
        /// The pipeline.
        pipeline: String,
        /// What was given.
        name: String,
        /// What there is.
        known: String,
    },
    /// The snapshot cannot be taken.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The repository cannot be read.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The store failed.
    #[error("cannot record the run")]
    Store(#[from] store::Error),
}

/// Takes the snapshot and records a queued run, which is returned; under a key that was used before, the run of then.
///
/// # Errors
/// See [`StartError`]; nothing is recorded then.
pub async fn start(
    store: &Store,
    blobs: &Blobs,
    repository: &Repository,
    file: &ProjectFile,
    request: Request,
    id: String,
    now: Timestamp,
) -> Result<Run, StartError> {
    let Some(pipeline) = file.pipelines.get(&request.pipeline) else {
        return Err(StartError::NoPipeline {
            name: request.pipeline,
            known: list(file.pipelines.keys()),
        });
    };
    let params = parameters(&request, &pipeline.params)?;
    let (files, commit, dirty) = match &request.commit {
        Some(commit) => (
            snapshot::of_commit(repository, commit, blobs).await?,
            Some(commit.clone()),
            false,
        ),
        None => {
            let dirty = repository.is_dirty().await?;
            let head = repository.head().await.ok().map(|(_, commit)| commit);
            (snapshot::of_worktree(repository, blobs).await?, head, dirty)
        }
    };
    let datasets = pipeline.datasets().into_iter().filter_map(|name| {
        file.datasets
            .get(name)
            .map(|dataset| (name.to_owned(), dataset.clone()))
    });
    let registers = pipeline.register.as_ref().map(|register| &register.model);
    let serving = file
        .services
        .values()
        .filter(|service| Some(&service.model) == registers);
    let work = Work {
        engines: serving.map(|service| service.engine).collect(),
        datasets: datasets.collect(),
        root: repository.root().join(repository.prefix()),
        last_environment: file.last_environment().to_owned(),
        no_cache: request.no_cache,
        champion: None,
        toolchain: None,
        checkout: None,
        params: params.clone(),
        pipeline: pipeline.clone(),
        files: files.clone(),
    };
    let run = Run {
        id,
        project: file.project.clone(),
        pipeline: request.pipeline,
        trigger: serde_json::to_value(&request.trigger).expect("a trigger is plain text"),
        commit,
        dirty,
        snapshot: Some(files.digest()),
        generation: request.generation,
        params: serde_json::to_value(&params).expect("parameters are plain values"),
        datasets: BTreeMap::new(),
        lock: None,
        state: RunState::Queued,
        reason: request.trigger.describe(),
        created_at: now,
        started_at: None,
        ended_at: None,
        mlflow_run_id: None,
        spec: work.to_spec(),
    };
    let record = run.clone();
    let event = NewEvent {
        project: Some(run.project.clone()),
        at: now,
        actor: actor(&request.trigger),
        kind: "run.queued".to_owned(),
        subject: format!("run/{}", run.id),
        reason: run.reason.clone(),
        before: None,
        after: Some(
            serde_json::json!({ "pipeline": run.pipeline, "commit": run.commit, "dirty": run.dirty }),
        ),
    };
    let key = request.key;
    let known = store.write(Priority::Normal, move |tx| {
        if let Some(key) = &key {
            if let Some(earlier) = tx.recall(key)? {
                return tx.run(earlier.as_str().unwrap_or_default());
            }
            tx.remember(key, &record.id.as_str().into(), now)?;
        }
        tx.insert_run(&record)?;
        tx.append_event(&event)?;
        Ok(None)
    });
    Ok(known.await?.unwrap_or(run))
}

fn actor(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Manual { by } => by.clone(),
        _ => "trigger".to_owned(),
    }
}

fn parameters(
    request: &Request,
    declared: &IndexMap<String, Scalar>,
) -> Result<IndexMap<String, Scalar>, StartError> {
    let mut params = declared.clone();
    for (name, value) in &request.params {
        let Some(slot) = params.get_mut(name) else {
            return Err(StartError::NoParameter {
                pipeline: request.pipeline.clone(),
                name: name.clone(),
                known: list(declared.keys()),
            });
        };
        *slot = value.clone();
    }
    Ok(params)
}

fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}
