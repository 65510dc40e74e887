//! Health, version, and the one look at a project: what serves where, since when and why.

use crate::{
    app::App,
    compare::Kept,
    frozen::{self, FrozenService},
    http::{ApiError, Caller, Routes},
};
use axum::{Extension, Json, extract::State, routing::get};
use guard::Permission;
use http::Method;
use rollout::scaled::Scaled;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::{
    Alarm, AlarmFilter, Alarms as _, Deployment, Deployments as _, Project, Projects as _, Rollout,
    RolloutFilter, Rollouts as _, Run, RunFilter, RunState, Runs as _, Tx,
};

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .add(
            Method::GET,
            "/health",
            Permission::Public,
            "Whether the server answers",
            get(health),
        )
        .add(
            Method::GET,
            "/api/v1/version",
            Permission::Public,
            "The server's version",
            get(version),
        )
        .add(
            Method::GET,
            "/api/v1/reconcilers",
            Permission::Read,
            "What each reconciler did last",
            get(reconcilers),
        )
        .add(
            Method::GET,
            "/api/v1/projects/{project}/status",
            Permission::Read,
            "What serves where, and what goes on",
            get(status),
        )
}

async fn reconcilers(State(app): State<App>) -> Json<serde_json::Map<String, Value>> {
    Json(app.statuses())
}

/// A project at one instant.
#[derive(Debug, Serialize)]
struct StatusAnswer {
    project: Project,
    /// The newest commit of each followed branch that was dealt with.
    seen_commits: BTreeMap<String, String>,
    deployments: Vec<Deployment>,
    /// Those to which nothing is deployed for a while.
    frozen: Vec<FrozenService>,
    /// How many replicas versions should have, where that follows the requests.
    scales: Vec<Scaled>,
    /// Roll-outs that are not over.
    rollouts: Vec<Rollout>,
    /// How the answers of their versions compare, in a line, by the roll-out's id; those of which it is not known yet are
    /// missing.
    comparisons: BTreeMap<String, String>,
    /// Runs that are not over.
    active_runs: Vec<Run>,
    /// The newest runs.
    recent_runs: Vec<Run>,
    /// Alarms that are raised.
    alarms: Vec<Alarm>,
}

async fn health() -> &'static str {
    "OK"
}

async fn version() -> Json<Value> {
    Json(json!({ "version": env!("CARGO_PKG_VERSION") }))
}

async fn status(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<StatusAnswer>, ApiError> {
    let name = caller.project().to_owned();
    let (asked, now) = (name.clone(), app.now());
    let answer = app.store().read(move |tx| {
        let Some(project) = tx.project(&name)? else {
            return Ok(None);
        };
        let all = RunFilter {
            project: Some(name.clone()),
            limit: 10,
            ..RunFilter::default()
        };
        let active = RolloutFilter {
            project: Some(name.clone()),
            active: true,
            ..RolloutFilter::default()
        };
        let running = RunFilter {
            project: Some(name.clone()),
            states: vec![RunState::Queued, RunState::Running, RunState::Cancelling],
            ..RunFilter::default()
        };
        let raised = AlarmFilter {
            project: Some(name.clone()),
            raised: true,
            ..AlarmFilter::default()
        };
        let deployments = tx.deployments(Some(&name))?;
        let rollouts = tx.rollouts(&active)?;
        let mut comparisons = BTreeMap::new();
        for rollout in &rollouts {
            let headline = Kept::of(tx, &rollout.id)?.headline();
            comparisons.extend(headline.map(|line| (rollout.id.clone(), line)));
        }
        Ok(Some(StatusAnswer {
            frozen: frozen::services(&deployments, now),
            scales: scales(tx, &deployments, &rollouts)?,
            deployments,
            rollouts,
            comparisons,
            active_runs: tx.runs(&running)?,
            recent_runs: tx.runs(&all)?,
            alarms: tx.alarms(&raised)?,
            seen_commits: there(tx.seen_commits(&name)?),
            project,
        }))
    });
    answer.await?.map(Json).ok_or_else(|| {
        ApiError::not_found(format!(
            "no project `{asked}`: run `mainspan apply` in its folder first"
        ))
    })
}

/// Those of the versions that serve, are kept, or are rolled out.
fn scales(
    tx: &mut Tx<'_>,
    deployments: &[Deployment],
    rollouts: &[Rollout],
) -> store::Result<Vec<Scaled>> {
    let mut scales = Vec::new();
    for deployment in deployments {
        let here = rollouts.iter().find(|rollout| {
            (&rollout.environment, &rollout.service)
                == (&deployment.environment, &deployment.service)
        });
        let versions = [
            deployment.version,
            deployment.previous,
            here.map(|rollout| rollout.to),
        ];
        let versions: Vec<u32> = versions.into_iter().flatten().collect();
        scales.extend(rollout::scaled::read(tx, deployment, &versions)?);
    }
    Ok(scales)
}

/// Without branches that are gone.
fn there(mut seen: BTreeMap<String, String>) -> BTreeMap<String, String> {
    seen.retain(|_, commit| !commit.is_empty());
    seen
}
