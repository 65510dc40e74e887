//! Searches of traces.

use super::AT;
use crate::mlflow::{
    call::Call,
    convert::{trace::wire, trace_search},
    failure::{Answer, Failure},
    page,
    routes::Table,
    runs::own,
};
use axum::{Json, routing::post};
use guard::Permission;
use http::Method;
use mlflow::{Error, traces::Search};
use serde_json::Value;
use store::{Page, Trace, TraceSearch, Traces as _};

pub(super) fn routes(table: Table) -> Table {
    table.under(
        "3.0",
        Method::POST,
        &format!("{AT}/search"),
        Permission::TrackingRead,
        "MLflow: search traces",
        post(search),
    )
}

async fn search(call: Call<Search>) -> Answer<Value> {
    let asked = &call.message;
    let locations = asked
        .locations
        .as_ref()
        .ok_or_else(|| Error::missing_value("locations"))?;
    let experiments = locations
        .iter()
        .filter_map(|place| place.mlflow_experiment.as_ref());
    let experiments = experiments
        .map(|experiment| experiment.experiment_id.clone())
        .collect();
    let search = trace_search::search(
        asked.filter.as_deref(),
        &asked.order_by,
        asked.max_results,
        asked.page_token.as_deref(),
    )?;
    let found = found(&call, experiments, search).await?;
    let traces: Vec<_> = found.items.into_iter().map(wire).collect();
    Ok(Json(page::answer("traces", &traces, found.next)))
}

/// A page of traces of those of the experiments that the project has.
pub(super) async fn found<M>(
    call: &Call<M>,
    experiments: Vec<String>,
    search: TraceSearch,
) -> Result<Page<Trace>, Failure> {
    let project = call.project().to_owned();
    call.read(move |tx| {
        let own = own(tx, &project, &experiments)?;
        tx.search_traces(&project, &own, &search)
    })
    .await
}
