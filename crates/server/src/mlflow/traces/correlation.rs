//! How much two filters go together.

use super::AT;
use crate::mlflow::{
    call::Call, convert::trace_search::clauses, failure::Answer, routes::Table, runs::own,
};
use axum::{Json, routing::post};
use guard::Permission;
use http::Method;
use mlflow::{
    Error, required,
    traces::{Correlation, Counts},
};
use serde_json::{Value, json};
use store::Traces as _;

pub(super) fn routes(table: Table) -> Table {
    table.under(
        "3.0",
        Method::POST,
        &format!("{AT}/calculate-filter-correlation"),
        Permission::TrackingRead,
        "MLflow: how much two filters of traces go together",
        post(correlation),
    )
}

async fn correlation(call: Call<Correlation>) -> Answer<Value> {
    let asked = &call.message;
    let ids = asked
        .experiment_ids
        .clone()
        .ok_or_else(|| Error::missing_value("experiment_ids"))?;
    required("filter_string1", &asked.filter_string1)?;
    required("filter_string2", &asked.filter_string2)?;
    let base = clauses(asked.base_filter.as_deref().unwrap_or_default())?;
    let one = [base.clone(), clauses(&asked.filter_string1)?].concat();
    let two = [base.clone(), clauses(&asked.filter_string2)?].concat();
    let both = [one.clone(), clauses(&asked.filter_string2)?].concat();
    let project = call.project().to_owned();
    let counts = call
        .read(move |tx| {
            let own = own(tx, &project, &ids)?;
            let mut count = |clauses: &[_]| tx.count_traces(&project, &own, clauses);
            Ok(Counts {
                filter1_count: count(&one)?,
                filter2_count: count(&two)?,
                joint_count: count(&both)?,
                total_count: count(&base)?,
            })
        })
        .await?;
    let mut answer = json!(counts);
    if let Some((counted, smoothed)) = counts.npmi() {
        answer["npmi"] = json!(counted);
        answer["npmi_smoothed"] = json!(smoothed);
    }
    Ok(Json(answer))
}
