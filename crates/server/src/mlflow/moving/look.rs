//! What is here already, for whoever copies records in: points and files, by number and digest.

use super::LIMIT;
use crate::{
    app::App,
    http::{ApiError, Caller, Routes},
    mlflow::convert::metric,
};
use axum::{
    Extension, Json,
    extract::{DefaultBodyLimit, State},
    routing::post,
};
use guard::Permission;
use http::Method;
use mlflow::{
    artifacts,
    moving::{AskFiles, AskPoints, FilesOf, Held, PointsOf},
    tally::{Shown, Tally},
};
use store::{Artifacts as _, TrackingRead as _, Tx};

/// How many points are read at once.
const PAGE: u32 = 25_000;
/// How many runs one question may name.
const RUNS: usize = 1000;

pub(super) fn routes(routes: Routes, base: &str) -> Routes {
    routes
        .add(
            Method::POST,
            &format!("{base}/points"),
            Permission::Deploy,
            "How many points runs have, and their digest",
            post(points).layer(DefaultBodyLimit::max(LIMIT)),
        )
        .add(
            Method::POST,
            &format!("{base}/files"),
            Permission::Deploy,
            "The files of a run or a model, with their digests",
            post(files),
        )
}

async fn points(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(asked): Json<AskPoints>,
) -> Result<Json<PointsOf>, ApiError> {
    if asked.run_ids.len() > RUNS {
        return Err(ApiError::invalid(format!(
            "ask for up to {RUNS} runs at once"
        )));
    }
    let mut of = PointsOf::default();
    for id in asked.run_ids {
        let (project, run) = (caller.project().to_owned(), id.clone());
        let shown = app
            .store()
            .read(move |tx| tally(tx, &project, &run))
            .await?;
        of.runs.extend(shown.map(|shown| (id, shown)));
    }
    Ok(Json(of))
}

fn tally(tx: &mut Tx<'_>, project: &str, run: &str) -> store::Result<Option<Shown>> {
    if tx.run_head(run)?.is_none_or(|head| head.project != project) {
        return Ok(None);
    }
    let mut tally = Tally::default();
    for key in tx.latest_metrics(run)?.into_keys() {
        let mut after = None;
        loop {
            let page = tx.metric_history(run, &key, after.as_ref(), PAGE)?;
            let points = page.items.into_iter();
            points.for_each(|point| tally.add(&metric::wire(point)));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
    }
    Ok(Some(tally.shown()))
}

async fn files(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(asked): Json<AskFiles>,
) -> Result<Json<FilesOf>, ApiError> {
    let Some(folder) = artifacts::proxy_path(&asked.artifact_uri).map(str::to_owned) else {
        return Err(ApiError::invalid(format!(
            "`{}` is not kept by this server: name a place that begins with mlflow-artifacts:/",
            asked.artifact_uri
        )));
    };
    let (project, below) = (caller.project().to_owned(), folder.clone());
    let found = app
        .store()
        .read(move |tx| tx.artifacts(&project, &below))
        .await?;
    let held = found.into_iter().map(|one| Held {
        path: one.path[folder.len()..].trim_start_matches('/').to_owned(),
        size: one.size,
        digest: one.digest.as_str().to_owned(),
    });
    Ok(Json(FilesOf {
        files: held.collect(),
    }))
}
