//! The second version of the protocol, which older clients speak, on the same records.

use super::{AT, ONE, find, search};
use crate::mlflow::{
    access,
    call::{Call, Nothing},
    convert::{
        self, labels,
        trace::{KEPT, wire_v2},
        trace_search,
    },
    failure::{Answer, Refuse as _},
    find as place, page,
    routes::Table,
};
use axum::{
    Json,
    routing::{get, patch, post},
};
use http::Method;
use jiff::{SignedDuration, Timestamp};
use mlflow::{
    Error, required,
    traces::{
        cut, keys, state,
        v2::{End, Search, Start},
    },
};
use serde_json::{Value, json};
use store::{Trace, Traces as _};

pub(super) fn routes(table: Table) -> Table {
    table
        .write(Method::POST, AT, "MLflow 2: begin a trace", post(start))
        .write(Method::PATCH, ONE, "MLflow 2: end a trace", patch(end))
        .read(
            Method::GET,
            &format!("{ONE}/info"),
            "MLflow 2: what is known of a trace",
            get(info),
        )
        .read(Method::GET, AT, "MLflow 2: search traces", get(find_all))
}

async fn start(call: Call<Start>) -> Answer<Value> {
    required("experiment_id", &call.message.experiment_id)?;
    let trace = begun(&call)?;
    let (who, now) = (call.caller.identity.clone(), call.app.now());
    let made = call
        .log(move |tx| {
            if place::is_default(&trace.experiment_id) {
                place::ensure_default(tx, &trace.project, now)?;
            }
            let experiment = place::active_experiment(tx, &trace.project, &trace.experiment_id)?;
            let mut trace = trace.clone();
            let files = convert::trace::place(&experiment, &trace.trace_id);
            trace.tags.insert(keys::ARTIFACT_LOCATION.to_owned(), files);
            trace.experiment_id = experiment.id;
            access::trace(tx, &who, &trace)?;
            tx.put_trace(&trace)?;
            Ok(trace)
        })
        .await?;
    Ok(Json(json!({ "trace_info": wire_v2(made) })))
}

fn begun(call: &Call<Start>) -> Result<Trace, Error> {
    let asked = &call.message;
    Ok(Trace {
        trace_id: uuid::Uuid::now_v7().simple().to_string(),
        project: call.project().to_owned(),
        experiment_id: asked.experiment_id.clone(),
        request_time: convert::time("timestamp_ms", asked.timestamp_ms.unwrap_or(0))?,
        duration: None,
        state: "IN_PROGRESS".to_owned(),
        client_request_id: None,
        request_preview: None,
        response_preview: None,
        tags: cut(&labels(&asked.tags), KEPT).collect(),
        metadata: convert::trace::metadata(&labels(&asked.request_metadata), None)?,
        assessments: Vec::new(),
    })
}

async fn end(call: Call<End>) -> Answer<Value> {
    let asked = call.message.clone();
    let ended = convert::time("timestamp_ms", asked.timestamp_ms.unwrap_or(0))?;
    let (project, id, who) = (
        call.project().to_owned(),
        call.param("trace_id").to_owned(),
        call.caller.identity.clone(),
    );
    let trace = call
        .log(move |tx| {
            let mut trace = find(tx, &project, &id)?;
            access::trace(tx, &who, &trace)?;
            finish(&mut trace, &asked, ended).refuse()?;
            tx.put_trace(&trace)?;
            Ok(trace)
        })
        .await?;
    Ok(Json(json!({ "trace_info": wire_v2(trace) })))
}

/// The trace with how and when it ended.
fn finish(trace: &mut Trace, asked: &End, ended: Timestamp) -> Result<(), Error> {
    let hint = "use OK, ERROR or IN_PROGRESS";
    let state = state(&asked.status).filter(|_| !asked.status.is_null());
    let state =
        state.ok_or_else(|| Error::invalid_value("status", &asked.status.to_string(), hint))?;
    state.clone_into(&mut trace.state);
    let millis = ended.as_millisecond() - trace.request_time.as_millisecond();
    trace.duration = Some(SignedDuration::from_millis(millis));
    let metadata = convert::trace::metadata(&labels(&asked.request_metadata), Some(trace))?;
    trace.metadata.extend(metadata);
    trace.tags.extend(cut(&labels(&asked.tags), KEPT));
    Ok(())
}

async fn info(call: Call<Nothing>) -> Answer<Value> {
    let (project, id) = (call.project().to_owned(), call.param("trace_id").to_owned());
    let trace = call.read(move |tx| find(tx, &project, &id)).await?;
    Ok(Json(json!({ "trace_info": wire_v2(trace) })))
}

async fn find_all(call: Call<Search>) -> Answer<Value> {
    let asked = &call.message;
    if asked.experiment_ids.is_empty() {
        return Err(Error::missing_value("experiment_ids").into());
    }
    let wanted = trace_search::search(
        asked.filter.as_deref(),
        &asked.order_by,
        asked.max_results,
        asked.page_token.as_deref(),
    )?;
    let found = search::found(&call, asked.experiment_ids.clone(), wanted).await?;
    let traces: Vec<_> = found.items.into_iter().map(wire_v2).collect();
    Ok(Json(page::answer("traces", &traces, found.next)))
}
