//! Runs: start, list, look at, cancel, and read their logs.

use crate::{
    app::App,
    http::{ApiError, Caller, Routes},
    logs::{self, LogAnswer},
    reconcile::FILE,
    runs::{self, Asked, RunError},
};
use axum::{
    Extension, Json,
    extract::{Path, Query, State},
    routing::{get, post},
};
use guard::Permission;
use http::{HeaderMap, Method, StatusCode};
use indexmap::IndexMap;
use pipeline::{StartError, git::Repository};
use serde::{Deserialize, Serialize};
use spec::Scalar;
use store::{
    DatasetVersion, Datasets as _, Projects as _, Run, RunFilter, Runs as _, Step, Steps as _,
};

pub(super) fn routes(routes: Routes) -> Routes {
    let base = "/api/v1/projects/{project}/runs";
    routes
        .add(
            Method::GET,
            base,
            Permission::Read,
            "List runs, newest first",
            get(list),
        )
        .add(
            Method::POST,
            &format!("{base}/start"),
            Permission::Execute,
            "Start a pipeline",
            post(start),
        )
        .add(
            Method::GET,
            &format!("{base}/{{run}}"),
            Permission::Read,
            "A run with its steps",
            get(one),
        )
        .add(
            Method::POST,
            &format!("{base}/{{run}}/cancel"),
            Permission::Execute,
            "Cancel a run",
            post(cancel),
        )
        .add(
            Method::GET,
            &format!("{base}/{{run}}/logs"),
            Permission::Read,
            "Output of a step, from an offset",
            get(log),
        )
        .add(
            Method::GET,
            "/api/v1/projects/{project}/datasets",
            Permission::Read,
            "Versions of datasets, newest first",
            get(datasets),
        )
}

#[derive(Debug, Deserialize)]
struct ListQuery {
    pipeline: Option<String>,
    before: Option<String>,
    limit: Option<u32>,
}

/// What to start.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StartRequest {
    pipeline: String,
    /// A revision; the work tree as it is without one.
    revision: Option<String>,
    #[serde(default)]
    params: IndexMap<String, Scalar>,
    #[serde(default)]
    no_cache: bool,
}

/// A run and its steps.
#[derive(Debug, Serialize)]
struct RunAnswer {
    #[serde(flatten)]
    run: Run,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
struct LogQuery {
    step: String,
    #[serde(default)]
    offset: u64,
}

#[derive(Debug, Deserialize)]
struct DatasetQuery {
    dataset: Option<String>,
}

async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<Run>>, ApiError> {
    let filter = RunFilter {
        project: Some(caller.project().to_owned()),
        pipeline: query.pipeline,
        states: Vec::new(),
        before: query.before,
        limit: query.limit.unwrap_or(0).min(1000),
    };
    Ok(Json(app.store().read(move |tx| tx.runs(&filter)).await?))
}

async fn start(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Json(request): Json<StartRequest>,
) -> Result<(StatusCode, Json<Run>), ApiError> {
    let (repository, file) =
        working_copy(&app, caller.project(), request.revision.as_deref()).await?;
    let asked = Asked {
        pipeline: request.pipeline,
        revision: request.revision,
        params: request.params,
        no_cache: request.no_cache,
        by: caller.identity.actor(),
        key: idempotency_key(&caller, &headers),
    };
    let run = runs::start_by_hand(&app, &repository, &file, asked).await?;
    Ok((StatusCode::CREATED, Json(run)))
}

/// A caller's key counts within its project only.
fn idempotency_key(caller: &Caller, headers: &HeaderMap) -> Option<String> {
    let key = headers.get("idempotency-key")?.to_str().ok()?;
    Some(format!("client/{}/{key}", caller.project()))
}

/// The project's repository and the file of a revision, or of the work tree.
async fn working_copy(
    app: &App,
    project: &str,
    revision: Option<&str>,
) -> Result<(Repository, spec::ProjectFile), ApiError> {
    let name = project.to_owned();
    let known = app.store().read(move |tx| tx.project(&name)).await?;
    let known = known.ok_or_else(|| {
        ApiError::not_found(format!(
            "no project `{project}`: run `mainspan apply` in its folder first"
        ))
    })?;
    let root = known.root.ok_or_else(|| {
        ApiError::conflict(format!("project `{project}` has no folder on this machine"))
    })?;
    let folder = std::path::PathBuf::from(root);
    let repository = Repository::open(&folder).await.map_err(RunError::from)?;
    let bytes = match revision {
        Some(revision) => {
            let commit = repository.resolve(revision).await.map_err(RunError::from)?;
            repository
                .file(&commit, FILE)
                .await
                .map_err(RunError::from)?
        }
        None => tokio::fs::read(folder.join(FILE)).await.ok(),
    };
    let bytes = bytes.ok_or_else(|| {
        let of = revision.map_or_else(String::new, |revision| format!(" of `{revision}`"));
        ApiError::not_found(format!("there is no {FILE} in `{}`{of}", folder.display()))
    })?;
    let file = spec::parse_bytes(FILE, &bytes)
        .map_err(|wrong| ApiError::from(crate::apply::ApplyError::File(wrong)))?;
    Ok((repository, file))
}

async fn one(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<RunAnswer>, ApiError> {
    let (run, steps) = find(&app, &caller, id).await?;
    Ok(Json(RunAnswer { run, steps }))
}

async fn find(app: &App, caller: &Caller, id: String) -> Result<(Run, Vec<Step>), ApiError> {
    let project = caller.project().to_owned();
    let wanted = id.clone();
    let found = app
        .store()
        .read(move |tx| Ok((tx.run(&wanted)?, tx.steps(&wanted)?)))
        .await?;
    match found {
        (Some(run), steps) if run.project == project => Ok((run, steps)),
        _ => Err(ApiError::not_found(format!(
            "no run `{id}` in project `{project}`: `mainspan runs` lists them"
        ))),
    }
}

async fn cancel(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Run>, ApiError> {
    Ok(Json(
        runs::cancel(&app, caller.project(), &id, &caller.identity.actor()).await?,
    ))
}

async fn log(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((_, id)): Path<(String, String)>,
    Query(query): Query<LogQuery>,
) -> Result<Json<LogAnswer>, ApiError> {
    let (run, steps) = find(&app, &caller, id).await?;
    let step = steps.into_iter().find(|step| step.key == query.step);
    let step = step.ok_or_else(|| {
        ApiError::not_found(format!("run `{}` has no step `{}`", run.id, query.step))
    })?;
    Ok(Json(logs::read(&app, &run, &step, query.offset).await?))
}

async fn datasets(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<DatasetQuery>,
) -> Result<Json<Vec<DatasetVersion>>, ApiError> {
    let project = caller.project().to_owned();
    Ok(Json(
        app.store()
            .read(move |tx| tx.datasets(&project, query.dataset.as_deref(), 100))
            .await?,
    ))
}

impl From<RunError> for ApiError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Store(error) | RunError::Start(StartError::Store(error)) => error.into(),
            RunError::Start(StartError::Snapshot(pipeline::snapshot::SnapshotError::Store(
                error,
            ))) => error.into(),
            other => ApiError::invalid(other.to_string()),
        }
    }
}
