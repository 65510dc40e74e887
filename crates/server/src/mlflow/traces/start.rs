//! What a client tells of a trace when it begins or, mostly, when it has ended.

use super::AT;
use crate::mlflow::{
    access,
    call::Call,
    convert::{self, trace::told},
    failure::{Answer, Refuse as _},
    find,
    routes::Table,
};
use axum::{Json, routing::post};
use guard::{Identity, Permission};
use http::Method;
use jiff::Timestamp;
use mlflow::{
    Error,
    traces::{Start, Started, TraceInfo, keys},
};
use serde_json::{Value, json};
use store::{Assessment, Assessments as _, Traces as _, Tx};

pub(super) fn routes(table: Table) -> Table {
    table.under(
        "3.0",
        Method::POST,
        AT,
        Permission::TrackingWrite,
        "MLflow: begin a trace, or tell of one",
        post(start),
    )
}

async fn start(call: Call<Start>) -> Answer<Value> {
    let started = call.message.trace.clone();
    let info = started
        .ok_or_else(|| Error::missing_value("trace"))?
        .trace_info;
    let (project, who, now) = (
        call.project().to_owned(),
        call.caller.identity.clone(),
        call.app.now(),
    );
    let trace = call
        .log_quickly(move |tx| tell(tx, &who, &project, &info, now))
        .await?;
    let trace = Started {
        trace_info: convert::trace::wire(trace),
        spans: Vec::new(),
    };
    Ok(Json(json!({ "trace": trace })))
}

/// Keeps what is told on top of what is known, whichever of record and spans came first.
fn tell(
    tx: &mut Tx<'_>,
    who: &Identity,
    project: &str,
    info: &TraceInfo,
    now: Timestamp,
) -> store::Result<store::Trace> {
    let known = tx.trace(project, &info.trace_id)?;
    if let Some(known) = &known {
        access::trace(tx, who, known)?;
    }
    let mut trace = told(project, info, known.as_ref()).refuse()?;
    mlflow::required("trace_location", &trace.experiment_id).refuse()?;
    if find::is_default(&trace.experiment_id) {
        find::ensure_default(tx, project, now)?;
    }
    let experiment = find::active_experiment(tx, project, &trace.experiment_id)?;
    let place = convert::trace::place(&experiment, &trace.trace_id);
    trace.tags.insert(keys::ARTIFACT_LOCATION.to_owned(), place);
    trace.experiment_id = experiment.id;
    access::trace(tx, who, &trace)?;
    tx.put_trace(&trace)?;
    let said = known.map(|known| known.assessments).unwrap_or_default();
    for told in &info.assessments {
        let one = convert::assessment::told(told, &trace.trace_id, &new_id(), now).refuse()?;
        let given = told.assessment_id.is_some();
        judge(tx, project, &said, &one, given)?;
    }
    super::find(tx, project, &trace.trace_id)
}

/// Keeps an assessment that came with its trace. One that came before, in a request that a client sent again, is not
/// kept twice, although it may have no id of its own.
fn judge(
    tx: &mut Tx<'_>,
    project: &str,
    said: &[Assessment],
    one: &Assessment,
    has_id: bool,
) -> store::Result<()> {
    let same = |other: &&Assessment| match has_id {
        true => other.assessment_id == one.assessment_id,
        false => {
            let (name, value) = (&other.name, &other.value);
            (
                other.kind,
                name,
                value,
                &other.source_type,
                &other.source_id,
                &other.span_id,
            ) == (
                one.kind,
                &one.name,
                &one.value,
                &one.source_type,
                &one.source_id,
                &one.span_id,
            )
        }
    };
    match said.iter().find(same) {
        Some(_) if has_id => tx.update_assessment(project, one),
        Some(_) => Ok(()),
        None => tx.create_assessment(project, one),
    }
}

/// An id for an assessment.
pub(super) fn new_id() -> String {
    format!("a-{}", uuid::Uuid::now_v7().simple())
}
