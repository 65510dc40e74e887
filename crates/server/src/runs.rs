//! Starting runs for triggers and people: once per key, from the right commit.

use crate::app::App;
use indexmap::IndexMap;
use pipeline::{Request, StartError, Trigger, git::Repository};
use spec::{ProjectFile, Scalar};
use store::{Deployments as _, Idempotency as _, Models as _, Priority, Project, Run, Runs as _};

/// Why a run could not be started.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The pipeline refused.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The repository cannot be read.
    #[error(transparent)]
    Git(#[from] pipeline::git::GitError),
    /// The champion's commit has no usable project file.
    #[error("the project file of commit {commit} cannot be used: {why}")]
    File {
        /// The commit.
        commit: String,
        /// What is wrong.
        why: String,
    },
    /// The store failed.
    #[error("cannot start the run")]
    Store(#[from] store::Error),
}

/// What a person asks for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Which pipeline.
    pub pipeline: String,
    /// A revision; the work tree as it is without one.
    pub revision: Option<String>,
    /// Values for declared parameters.
    pub params: IndexMap<String, Scalar>,
    /// Run every step.
    pub no_cache: bool,
    /// Who asks.
    pub by: String,
    /// The same key starts one run, however often it is asked.
    pub key: Option<String>,
}

/// Starts a run that a person asked for.
///
/// # Errors
/// See [`RunError`].
pub async fn start_by_hand(
    app: &App,
    repository: &Repository,
    file: &ProjectFile,
    asked: Asked,
) -> Result<Run, RunError> {
    let commit = match &asked.revision {
        Some(revision) => Some(repository.resolve(revision).await?),
        None => None,
    };
    let request = Request {
        pipeline: asked.pipeline,
        trigger: Trigger::Manual { by: asked.by },
        commit,
        params: asked.params,
        no_cache: asked.no_cache,
        generation: generation(app, &file.project).await?,
        key: asked.key,
    };
    Ok(start(app, repository, file, request).await?)
}

/// Starts a run unless one was started under this key before; `None` then.
///
/// # Errors
/// See [`RunError`].
pub async fn start_once(
    app: &App,
    key: &str,
    repository: &Repository,
    file: &ProjectFile,
    pipeline: &str,
    trigger: Trigger,
    commit: Option<String>,
) -> Result<Option<Run>, RunError> {
    let asked = key.to_owned();
    if app
        .store()
        .read(move |tx| tx.recall(&asked))
        .await?
        .is_some()
    {
        return Ok(None);
    }
    let request = Request {
        pipeline: pipeline.to_owned(),
        trigger,
        commit,
        params: IndexMap::new(),
        no_cache: false,
        generation: generation(app, &file.project).await?,
        key: Some(key.to_owned()),
    };
    Ok(Some(start(app, repository, file, request).await?))
}

/// The same, of the champion's commit and its file, so that a bad last commit cannot come back by itself; of the
/// branch's head while there is no champion.
///
/// # Errors
/// See [`RunError`].
pub async fn start_from_champion(
    app: &App,
    key: &str,
    repository: &Repository,
    file: &ProjectFile,
    pipeline: &str,
    trigger: Trigger,
    project: &Project,
) -> Result<Option<Run>, RunError> {
    let commit = match champion_commit(app, file, pipeline).await? {
        Some(commit) => Some(commit),
        None => project
            .branch
            .as_deref()
            .and_then(|branch| repository.branch_head(branch)),
    };
    let Some(commit) = commit else {
        return start_once(app, key, repository, file, pipeline, trigger, None).await;
    };
    let unusable = |why: String| RunError::File {
        commit: commit.clone(),
        why,
    };
    let bytes = repository
        .file(&commit, "mainspan.yaml")
        .await?
        .ok_or_else(|| unusable("it is not there".to_owned()))?;
    let old =
        spec::parse_bytes("mainspan.yaml", &bytes).map_err(|wrong| unusable(wrong.to_string()))?;
    start_once(
        app,
        key,
        repository,
        &old,
        pipeline,
        trigger,
        Some(commit.clone()),
    )
    .await
}

async fn champion_commit(
    app: &App,
    file: &ProjectFile,
    pipeline: &str,
) -> store::Result<Option<String>> {
    let Some(register) = file
        .pipelines
        .get(pipeline)
        .and_then(|p| p.register.as_ref())
    else {
        return Ok(None);
    };
    let (project, environment, model) = (
        file.project.clone(),
        file.last_environment().to_owned(),
        register.model.clone(),
    );
    app.store()
        .read(move |tx| {
            let live = tx.deployments(Some(&project))?.into_iter().find_map(|d| {
                (d.environment == environment && d.model == model)
                    .then_some(d.version)
                    .flatten()
            });
            let Some(version) = live else { return Ok(None) };
            let row = tx.version(&project, &model, version)?;
            Ok(row.and_then(|row| row.lineage["commit"].as_str().map(str::to_owned)))
        })
        .await
}

async fn start(
    app: &App,
    repository: &Repository,
    file: &ProjectFile,
    request: Request,
) -> Result<Run, StartError> {
    let id = uuid::Uuid::now_v7().to_string();
    pipeline::start(
        app.store(),
        app.blobs(),
        repository,
        file,
        request,
        id,
        app.now(),
    )
    .await
}

async fn generation(app: &App, project: &str) -> store::Result<u64> {
    use store::Projects as _;
    let project = project.to_owned();
    Ok(app
        .store()
        .read(move |tx| tx.project(&project))
        .await?
        .map_or(0, |project| project.generation))
}

/// Asks a run to stop.
///
/// # Errors
/// When there is no such run.
pub async fn cancel(app: &App, project: &str, id: &str, by: &str) -> store::Result<Run> {
    use store::{Events as _, NewEvent, RunState};
    let (project, id, by, now) = (project.to_owned(), id.to_owned(), by.to_owned(), app.now());
    app.store()
        .write(Priority::Urgent, move |tx| {
            let found = tx.run(&id)?.filter(|run| run.project == project);
            let Some(mut run) = found else {
                return Err(store::Error::missing("run", id.clone()));
            };
            if run.state.is_final() || run.state == RunState::Cancelling {
                return Ok(run);
            }
            run.state = RunState::Cancelling;
            run.reason = format!("cancelled by {by}");
            tx.update_run(&run)?;
            tx.append_event(&NewEvent {
                project: Some(project.clone()),
                at: now,
                actor: by.clone(),
                kind: "run.cancelling".to_owned(),
                subject: format!("run/{id}"),
                reason: String::new(),
                before: None,
                after: None,
            })?;
            Ok(run)
        })
        .await
}
