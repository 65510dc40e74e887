//! Projects: plan, apply, destroy.

use crate::{
    app::App,
    apply::{self, ApplyError, Source},
    compare::{OnItsWay, on_their_way},
    follow, frozen,
    http::{ApiError, Caller, Routes},
    outlook,
    reconcile::FILE,
    room,
};
use axum::{
    Extension, Json,
    extract::State,
    routing::{get, post},
};
use guard::Permission;
use http::{Method, StatusCode};
use pipeline::git::Repository;
use rollout::outlook::Outlook;
use serde::{Deserialize, Serialize};
use spec::plan::Plan;
use std::{collections::BTreeMap, path::Path};
use store::{Project, Projects as _};

pub(super) fn routes(routes: Routes) -> Routes {
    let base = "/api/v1/projects";
    routes
        .add(
            Method::GET,
            base,
            Permission::Read,
            "List projects",
            get(list),
        )
        .add(
            Method::POST,
            &format!("{base}/{{project}}/plan"),
            Permission::Read,
            "Show what applying a file would change",
            post(plan),
        )
        .add(
            Method::POST,
            &format!("{base}/{{project}}/apply"),
            Permission::Deploy,
            "Apply a file exactly as planned",
            post(apply),
        )
        .add(
            Method::GET,
            &format!("{base}/{{project}}/destroy"),
            Permission::Read,
            "Show what destroying would take away",
            get(destroyed),
        )
        .add(
            Method::POST,
            &format!("{base}/{{project}}/destroy"),
            Permission::Deploy,
            "Remove a project and all it runs",
            post(destroy),
        )
}

/// A file to plan or apply.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRequest {
    /// The file's text.
    text: String,
    /// The folder it is in, on the server's machine.
    root: Option<String>,
    /// Delete what it no longer names.
    #[serde(default)]
    prune: bool,
    /// The project moves to this folder.
    #[serde(default, rename = "move")]
    moves: bool,
    /// Digest of the plan that was agreed to (apply only).
    plan: Option<String>,
}

/// A plan and its digest.
#[derive(Debug, Serialize)]
struct PlanAnswer {
    /// The plan.
    plan: Plan,
    /// Send it back to apply exactly this plan.
    digest: String,
    /// As people read it.
    text: String,
    /// What whoever applies it should know besides.
    notes: Vec<String>,
    /// What roll-outs could find at present traffic, and how soon (plan only).
    rollouts: Vec<Outlook>,
    /// The same as people read it.
    rollouts_text: String,
    /// Versions on their way, and how their answers compare with those of what serves (plan only).
    versions: Vec<OnItsWay>,
    /// The same as people read it.
    versions_text: String,
}

/// The answers that a plan is completed with.
#[derive(Default)]
struct Beside {
    notes: Vec<String>,
    rollouts: Vec<Outlook>,
    versions: Vec<OnItsWay>,
}

async fn list(State(app): State<App>) -> Result<Json<Vec<Project>>, ApiError> {
    Ok(Json(app.store().read(|tx| tx.projects()).await?))
}

async fn plan(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<FileRequest>,
) -> Result<Json<PlanAnswer>, ApiError> {
    let (source, mut notes) = source(request).await?;
    let planned = named(&caller, apply::plan(&app, &source).await?)?;
    let rollouts = outlook::outlooks(&app, &planned.file).await?;
    notes.extend(rollouts.iter().filter_map(Outlook::note));
    notes.extend(room::notes(&planned.file, &app.platform().capacity()));
    notes.extend(frozen::notes(&planned.file, app.now()));
    let project = planned.file.project.clone();
    let versions = app.store().read(move |tx| on_their_way(tx, &project));
    let beside = Beside {
        notes,
        rollouts,
        versions: versions.await?,
    };
    Ok(answer(planned, beside))
}

async fn apply(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<FileRequest>,
) -> Result<Json<PlanAnswer>, ApiError> {
    let shown = request.plan.clone();
    let (source, notes) = source(request).await?;
    named(&caller, apply::plan(&app, &source).await?)?;
    Ok(answer(
        apply::apply(&app, &source, shown.as_deref(), &caller.identity.actor()).await?,
        Beside {
            notes,
            ..Beside::default()
        },
    ))
}

async fn destroyed(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Vec<String>>, ApiError> {
    Ok(Json(apply::destroyed(&app, caller.project()).await?))
}

async fn destroy(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<StatusCode, ApiError> {
    apply::destroy(&app, caller.project(), &caller.identity.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A token for one project must not apply a file that names another.
fn named(caller: &Caller, planned: apply::Planned) -> Result<apply::Planned, ApiError> {
    if planned.file.project == caller.project() {
        return Ok(planned);
    }
    Err(ApiError::invalid(format!(
        "the file names project `{}`, and the request is about `{}`",
        planned.file.project,
        caller.project()
    )))
}

/// The file with what its folder says of it, and what a person should know.
async fn source(request: FileRequest) -> Result<(Source, Vec<String>), ApiError> {
    let mut source = Source {
        text: request.text,
        name: FILE.to_owned(),
        root: request.root,
        branch: None,
        commit: None,
        heads: BTreeMap::new(),
        prune: request.prune,
        moves: request.moves,
    };
    let Some(root) = source.root.clone() else {
        return Ok((source, Vec::new()));
    };
    let repository = Repository::open(Path::new(&root)).await.ok();
    let file = spec::parse(FILE, &source.text).ok();
    let notes = file
        .as_ref()
        .map(|file| follow::notes(repository.as_ref(), file, &root))
        .unwrap_or_default();
    let Some(repository) = repository else {
        return Ok((source, notes));
    };
    let Ok((branch, head)) = repository.head().await else {
        return Ok((source, notes));
    };
    if !repository
        .is_dirty()
        .await
        .map_err(|error| ApiError::internal(&error))?
    {
        source.commit = Some(head.clone());
    }
    if let Some(file) = file {
        source.heads = follow::heads(&repository, &follow::branches(&file, branch.as_deref()));
    }
    source.branch = branch;
    Ok((source, notes))
}

fn answer(planned: apply::Planned, beside: Beside) -> Json<PlanAnswer> {
    let (digest, text) = (planned.plan.digest(), planned.plan.render(false));
    Json(PlanAnswer {
        plan: planned.plan,
        digest,
        text,
        notes: beside.notes,
        rollouts_text: beside.rollouts.iter().map(Outlook::text).collect(),
        rollouts: beside.rollouts,
        versions_text: beside.versions.iter().map(OnItsWay::text).collect(),
        versions: beside.versions,
    })
}

impl From<ApplyError> for ApiError {
    fn from(error: ApplyError) -> Self {
        match &error {
            ApplyError::File(diagnostics) => {
                let details = serde_json::to_value(diagnostics).unwrap_or_default();
                ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "file", error.to_string())
                    .with(details)
            }
            ApplyError::Stale { .. } | ApplyError::Different => {
                ApiError::new(StatusCode::CONFLICT, "stale", error.to_string())
            }
            ApplyError::Elsewhere { .. } => ApiError::conflict(error.to_string()),
            ApplyError::Store(_) => match error {
                ApplyError::Store(error) => error.into(),
                other => ApiError::internal(&other),
            },
        }
    }
}
