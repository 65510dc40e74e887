//! Models: their versions, where each serves, and why.

use crate::{
    app::App,
    http::{ApiError, Caller, Routes},
};
use axum::{
    Extension, Json,
    extract::{Path, State},
    routing::get,
};
use guard::Permission;
use http::Method;
use serde::Serialize;
use store::{
    Aliases as _, Deployments as _, ModelVersion, Models as _, RegisteredModel, Rollout,
    RolloutFilter, Rollouts as _,
};

pub(super) fn routes(routes: Routes) -> Routes {
    let base = "/api/v1/projects/{project}/models";
    routes
        .add(
            Method::GET,
            base,
            Permission::Read,
            "List models",
            get(list),
        )
        .add(
            Method::GET,
            &format!("{base}/{{model}}"),
            Permission::Read,
            "A model's versions and where they serve",
            get(one),
        )
}

/// A model with everything about it.
#[derive(Debug, Serialize)]
struct ModelAnswer {
    #[serde(flatten)]
    model: RegisteredModel,
    aliases: std::collections::BTreeMap<String, u32>,
    versions: Vec<VersionAnswer>,
}

/// A version, where it serves, and the roll-outs that moved it.
#[derive(Debug, Serialize)]
struct VersionAnswer {
    #[serde(flatten)]
    version: ModelVersion,
    /// Environments where it serves now, as `environment/service`.
    serves: Vec<String>,
    /// Newest first.
    rollouts: Vec<Rollout>,
}

async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Vec<RegisteredModel>>, ApiError> {
    let project = caller.project().to_owned();
    Ok(Json(app.store().read(move |tx| tx.models(&project)).await?))
}

async fn one(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path((_, name)): Path<(String, String)>,
) -> Result<Json<ModelAnswer>, ApiError> {
    let project = caller.project().to_owned();
    let asked = name.clone();
    let answer = app.store().read(move |tx| {
        let Some(model) = tx.model(&project, &name)? else {
            return Ok(None);
        };
        let deployments = tx.deployments(Some(&project))?;
        let filter = RolloutFilter {
            project: Some(project.clone()),
            limit: 1000,
            ..RolloutFilter::default()
        };
        let rollouts = tx.rollouts(&filter)?;
        let versions = tx
            .versions(&project, &name)?
            .into_iter()
            .map(|version| VersionAnswer {
                serves: deployments
                    .iter()
                    .filter(|d| d.model == name && d.version == Some(version.version))
                    .map(|d| format!("{}/{}", d.environment, d.service))
                    .collect(),
                rollouts: rollouts
                    .iter()
                    .filter(|r| r.model == name && r.to == version.version)
                    .cloned()
                    .collect(),
                version,
            });
        let versions = versions.collect();
        Ok(Some(ModelAnswer {
            aliases: tx.aliases(&project, &name)?,
            model,
            versions,
        }))
    });
    answer.await?.map(Json).ok_or_else(|| {
        ApiError::not_found(format!("no model `{asked}`: `mainspan models` lists them"))
    })
}
