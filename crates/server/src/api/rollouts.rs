//! Roll-outs: what moves, what the judge said, and people's word on it.

use crate::{
    app::App,
    compare::Kept,
    http::{ApiError, Caller, Routes},
};
use axum::{
    Extension, Json,
    extract::{Path, Query, State},
    routing::{get, post},
};
use guard::Permission;
use http::Method;
use rollout::manual::{self, Wish};
use serde::{Deserialize, Serialize};
use spec::plan::{ResourceKey, ResourceKind};
use store::{Priority, Projects as _, Rollout, RolloutFilter, Rollouts as _, Verdict};

pub(super) fn routes(routes: Routes) -> Routes {
    let base = "/api/v1/projects/{project}";
    routes
        .add(
            Method::GET,
            &format!("{base}/rollouts"),
            Permission::Read,
            "Roll-outs, newest first",
            get(list),
        )
        .add(
            Method::GET,
            &format!("{base}/rollouts/{{rollout}}"),
            Permission::Read,
            "A roll-out with its verdicts",
            get(one),
        )
        .add(
            Method::POST,
            &format!("{base}/services/{{service}}/promote"),
            Permission::Deploy,
            "Roll a version out by hand",
            post(promote),
        )
        .add(
            Method::POST,
            &format!("{base}/services/{{service}}/rollback"),
            Permission::Deploy,
            "Take traffic back",
            post(roll_back),
        )
        .add(
            Method::POST,
            &format!("{base}/services/{{service}}/pause"),
            Permission::Deploy,
            "Hold a roll-out at its stage",
            post(pause),
        )
        .add(
            Method::POST,
            &format!("{base}/services/{{service}}/resume"),
            Permission::Deploy,
            "Let a held roll-out go on",
            post(resume),
        )
}

#[derive(Debug, Deserialize)]
struct ListQuery {
    environment: Option<String>,
    service: Option<String>,
    #[serde(default)]
    active: bool,
    limit: Option<u32>,
}

/// A roll-out, what the judge said of it, newest first, and how the answers of its versions compare.
#[derive(Debug, Serialize)]
struct RolloutAnswer {
    #[serde(flatten)]
    rollout: Rollout,
    verdicts: Vec<Verdict>,
    comparison: Kept,
    /// The same as people read it.
    comparison_text: String,
}

/// Where, why, and which version.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Change {
    /// The last environment when left out.
    environment: Option<String>,
    reason: String,
    /// The version to promote, or to go back to.
    version: Option<u32>,
    /// Without stages.
    at_once: bool,
}

async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<Rollout>>, ApiError> {
    let filter = RolloutFilter {
        project: Some(caller.project().to_owned()),
        environment: query.environment,
        service: query.service,
        active: query.active,
        limit: query.limit.unwrap_or(0).min(1000),
    };
    Ok(Json(
        app.store().read(move |tx| tx.rollouts(&filter)).await?,
    ))
}

async fn one(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<RolloutAnswer>, ApiError> {
    let asked = id.clone();
    let found = app.store().read(move |tx| {
        let (rollout, verdicts) = (tx.rollout(&id)?, tx.verdicts(&id, 100)?);
        Ok((rollout, verdicts, Kept::of(tx, &id)?))
    });
    match found.await? {
        (Some(rollout), verdicts, comparison) if rollout.project == caller.project() => {
            Ok(Json(RolloutAnswer {
                rollout,
                verdicts,
                comparison_text: comparison.text(),
                comparison,
            }))
        }
        _ => Err(ApiError::not_found(format!(
            "no roll-out `{asked}`: `mainspan status` shows those under way"
        ))),
    }
}

async fn promote(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((_, service)): Path<(String, String)>,
    Json(change): Json<Change>,
) -> Result<Json<Rollout>, ApiError> {
    let version = change
        .version
        .ok_or_else(|| ApiError::invalid("say which version to promote"))?;
    let (wish, at_once) = (wish(&app, &caller, service, &change).await?, change.at_once);
    Ok(Json(
        app.store()
            .write(Priority::Urgent, move |tx| {
                manual::promote(tx, &wish, version, at_once)
            })
            .await?,
    ))
}

async fn roll_back(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((_, service)): Path<(String, String)>,
    Json(change): Json<Change>,
) -> Result<Json<Rollout>, ApiError> {
    let (wish, to) = (wish(&app, &caller, service, &change).await?, change.version);
    Ok(Json(
        app.store()
            .write(Priority::Urgent, move |tx| manual::roll_back(tx, &wish, to))
            .await?,
    ))
}

async fn pause(
    app: State<App>,
    caller: Extension<Caller>,
    path: Path<(String, String)>,
    change: Json<Change>,
) -> Result<Json<Rollout>, ApiError> {
    hold(app, caller, path, change, true).await
}

async fn resume(
    app: State<App>,
    caller: Extension<Caller>,
    path: Path<(String, String)>,
    change: Json<Change>,
) -> Result<Json<Rollout>, ApiError> {
    hold(app, caller, path, change, false).await
}

async fn hold(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((_, service)): Path<(String, String)>,
    Json(change): Json<Change>,
    paused: bool,
) -> Result<Json<Rollout>, ApiError> {
    let wish = wish(&app, &caller, service, &change).await?;
    Ok(Json(
        app.store()
            .write(Priority::Urgent, move |tx| manual::pause(tx, &wish, paused))
            .await?,
    ))
}

async fn wish(
    app: &App,
    caller: &Caller,
    service: String,
    change: &Change,
) -> Result<Wish, ApiError> {
    let project = caller.project().to_owned();
    let last = last_environment(app, &project).await?;
    let environment = change.environment.clone().unwrap_or_else(|| last.clone());
    Ok(Wish {
        last_environment: environment == last,
        project,
        environment,
        service,
        by: caller.identity.actor(),
        reason: change.reason.clone(),
        id: uuid::Uuid::now_v7().to_string(),
        now: app.now(),
    })
}

/// A project's last environment, which is meant where none is named.
pub(super) async fn last_environment(app: &App, project: &str) -> Result<String, ApiError> {
    let name = project.to_owned();
    let applied = app.store().read(move |tx| tx.applied(&name)).await?;
    let applied = applied.ok_or_else(|| {
        ApiError::not_found(format!(
            "no project `{project}`: run `mainspan apply` in its folder first"
        ))
    })?;
    let key = ResourceKey::new(ResourceKind::Project, project).to_string();
    let environments: Vec<String> =
        serde_json::from_value(applied.resources[key.as_str()]["environments"].clone())
            .unwrap_or_default();
    Ok(environments.last().cloned().unwrap_or_default())
}
