//! Taking in what another MLflow server holds, with its ids, times and numbers: `/api/v1/projects/{project}/import`.
//!
//! `mainspan import` calls it. It is our own API, since MLflow's protocol can set none of these; the records are MLflow's.
//! A record that is here already is never overwritten, unless it is still as an earlier import wrote it.

mod evaluation;
mod look;
mod merge;
mod registry;
mod tracking;
mod webhooks;

use super::source;
use crate::{
    app::App,
    http::{ApiError, Caller, Routes},
};
use axum::{
    Extension, Json,
    extract::{DefaultBodyLimit, State},
    routing::post,
};
use guard::Permission;
use http::Method;
use jiff::Timestamp;
use mlflow::moving::{Batch, Item, Outcome, Outcomes};
use registry::Looked;
use store::{Priority, Tx};

/// The longest batch: a single dataset's profile may have 16 MB.
const LIMIT: usize = 64 << 20;

/// Adds the routes.
pub(super) fn routes(routes: Routes) -> Routes {
    let base = "/api/v1/projects/{project}/import";
    let routes = routes.add(
        Method::POST,
        base,
        Permission::Deploy,
        "Take in records of another MLflow server",
        post(take).layer(DefaultBodyLimit::max(LIMIT)),
    );
    look::routes(routes, base)
}

/// Where records go, in whose name and when.
#[derive(Clone)]
struct Into {
    project: String,
    actor: String,
    now: Timestamp,
}

async fn take(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Json(batch): Json<Batch>,
) -> Result<Json<Outcomes>, ApiError> {
    let into = Into {
        project: caller.project().to_owned(),
        actor: caller.identity.actor(),
        now: app.now(),
    };
    let looked = look_into(&app, &into.project, &batch.items).await?;
    let write = move |tx: &mut Tx<'_>| {
        let items = batch.items.iter().zip(&looked);
        items
            .map(|(item, looked)| one(tx, &into, item, looked.as_ref()))
            .collect::<store::Result<Vec<_>>>()
    };
    let outcomes = app.store().write(Priority::Bulk, write).await?;
    Ok(Json(Outcomes { outcomes }))
}

/// What the versions of a batch are made of; their files have come before them.
async fn look_into(
    app: &App,
    project: &str,
    items: &[Item],
) -> Result<Vec<Option<Looked>>, ApiError> {
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        all.push(match item {
            Item::Version(version) => Some(registry::look(app, project, version.clone()).await?),
            _ => None,
        });
    }
    Ok(all)
}

fn one(
    tx: &mut Tx<'_>,
    into: &Into,
    item: &Item,
    looked: Option<&Looked>,
) -> store::Result<Outcome> {
    let taken = match item {
        Item::Experiment(experiment) => tracking::experiment(tx, into, experiment),
        Item::Run(run) => tracking::run(tx, into, run),
        Item::Points(points) => tracking::points(tx, into, points),
        Item::LoggedModel(model) => tracking::logged_model(tx, into, model),
        Item::Model(model) => registry::model(tx, into, model),
        Item::Version(version) => registry::version(tx, into, version, looked),
        Item::Alias(alias) => registry::alias(tx, into, alias),
        Item::EvaluationDataset(dataset) => evaluation::dataset(tx, into, dataset),
        Item::EvaluationRecord(record) => evaluation::record(tx, into, record),
        Item::Scorer(scorer) => evaluation::scorer(tx, into, scorer),
        Item::Webhook(webhook) => webhooks::webhook(tx, into, webhook),
    };
    // What is wrong with one record is said of that record; a store that fails ends the batch.
    match taken.map_err(store::Error::into_caller::<mlflow::Error>) {
        Ok(outcome) => Ok(outcome),
        Err(Ok(refused)) => Ok(merge::failed(refused.message)),
        Err(Err(error)) => Err(error),
    }
}
