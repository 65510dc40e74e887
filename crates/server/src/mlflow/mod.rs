//! MLflow's REST protocol for unmodified clients.
//!
//! Each file adds the routes of one topic to a [`Table`], which serves every endpoint four times: under `/api` and
//! `/ajax-api`, at the bare root (project `default`, or the workspace of the header) and under `/p/{project}`. Handlers
//! take a [`Call`](call::Call) and answer JSON or a [`Failure`](failure::Failure) in MLflow's error shape; conversions
//! between the wire and the store live in `convert`.

mod access;
mod aliases;
mod artifacts;
mod call;
mod convert;
mod experiments;
mod failure;
mod find;
mod history;
mod info;
mod inputs;
mod listing;
mod logged_models;
mod logging;
mod models;
mod page;
mod registered;
mod routes;
mod runs;
mod source;
mod stages;
mod versions;

use crate::http::Routes;
use routes::Table;

/// Adds the routes.
#[must_use]
pub fn routes(routes: Routes) -> Routes {
    let table = Table::new(routes);
    let table = info::routes(table);
    let table = experiments::routes(table);
    let table = runs::routes(table);
    let table = logging::routes(table);
    let table = inputs::routes(table);
    let table = history::routes(table);
    let table = artifacts::routes(table);
    let table = listing::routes(table);
    let table = logged_models::routes(table);
    let table = models::routes(table);
    let table = versions::routes(table);
    let table = stages::routes(table);
    aliases::routes(table).finish()
}
