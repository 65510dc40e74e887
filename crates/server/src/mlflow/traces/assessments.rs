//! Feedback, expectations and issues of a trace.

use super::{ONE, find, start::new_id};
use crate::mlflow::{
    access,
    call::{Call, Nothing},
    convert::assessment::{change, told, wire},
    failure::{Answer, Refuse as _},
    routes::Table,
};
use axum::{
    Json,
    routing::{delete, get, patch, post},
};
use guard::Permission;
use http::Method;
use mlflow::{
    Error,
    traces::{CreateAssessment, UpdateAssessment},
};
use serde_json::{Value, json};
use store::{Assessment, Assessments as _, Traces as _, Tx};

pub(super) fn routes(table: Table) -> Table {
    let (read, write) = (Permission::TrackingRead, Permission::TrackingWrite);
    let all = format!("{ONE}/assessments");
    let one = format!("{all}/{{assessment_id}}");
    table
        .under(
            "3.0",
            Method::POST,
            &all,
            write,
            "MLflow: assess a trace",
            post(create),
        )
        .under(
            "3.0",
            Method::GET,
            &one,
            read,
            "MLflow: one assessment",
            get(get_one),
        )
        .under(
            "3.0",
            Method::PATCH,
            &one,
            write,
            "MLflow: change an assessment",
            patch(update),
        )
        .under(
            "3.0",
            Method::DELETE,
            &one,
            write,
            "MLflow: delete an assessment",
            delete(remove),
        )
}

fn missing(trace_id: &str, id: &str) -> Error {
    Error::missing(format!(
        "Assessment with ID '{id}' not found for trace '{trace_id}'"
    ))
}

fn known(tx: &mut Tx<'_>, project: &str, trace_id: &str, id: &str) -> store::Result<Assessment> {
    if tx.trace(project, trace_id)?.is_none() {
        let error = Error::missing(format!("Trace with request_id '{trace_id}' not found"));
        return Err(error).refuse();
    }
    tx.assessment(project, trace_id, id)?
        .ok_or_else(|| missing(trace_id, id))
        .refuse()
}

async fn create(call: Call<CreateAssessment>) -> Answer<Value> {
    let said = call.message.assessment.clone();
    let said = said.ok_or_else(|| Error::missing_value("assessment"))?;
    let (project, who, trace_id) = (
        call.project().to_owned(),
        call.caller.identity.clone(),
        call.param("trace_id").to_owned(),
    );
    let one = told(&said, &trace_id, &new_id(), call.app.now())?;
    let made = call
        .log(move |tx| {
            let trace = find(tx, &project, &trace_id)?;
            access::trace(tx, &who, &trace)?;
            overridden(tx, &project, &one, false)?;
            tx.create_assessment(&project, &one)?;
            Ok(one.clone())
        })
        .await?;
    Ok(Json(json!({ "assessment": wire(made) })))
}

/// Marks the assessment whose place another takes, or whose place is free again.
fn overridden(tx: &mut Tx<'_>, project: &str, by: &Assessment, valid: bool) -> store::Result<()> {
    let Some(id) = &by.overrides else {
        return Ok(());
    };
    match tx.assessment(project, &by.trace_id, id)? {
        Some(other) => tx.update_assessment(project, &Assessment { valid, ..other }),
        None if valid => Ok(()),
        None => Err(missing(&by.trace_id, id)).refuse(),
    }
}

async fn get_one(call: Call<Nothing>) -> Answer<Value> {
    let (project, trace_id, id) = (
        call.project().to_owned(),
        call.param("trace_id").to_owned(),
        call.param("assessment_id").to_owned(),
    );
    let found = call
        .read(move |tx| known(tx, &project, &trace_id, &id))
        .await?;
    Ok(Json(json!({ "assessment": wire(found) })))
}

async fn update(call: Call<UpdateAssessment>) -> Answer<Value> {
    let UpdateAssessment {
        assessment,
        update_mask,
    } = call.message.clone();
    let new = assessment.ok_or_else(|| Error::missing_value("assessment"))?;
    let mask = update_mask.ok_or_else(|| Error::missing_value("update_mask"))?;
    let (project, trace_id, id) = (
        call.project().to_owned(),
        call.param("trace_id").to_owned(),
        call.param("assessment_id").to_owned(),
    );
    let (who, now) = (call.caller.identity.clone(), call.app.now());
    let changed = call
        .log(move |tx| {
            let mut one = known(tx, &project, &trace_id, &id)?;
            let trace = find(tx, &project, &trace_id)?;
            access::trace(tx, &who, &trace)?;
            change(&mut one, &new, &mask.0, now).refuse()?;
            tx.update_assessment(&project, &one)?;
            Ok(one)
        })
        .await?;
    Ok(Json(json!({ "assessment": wire(changed) })))
}

/// Deleting what is not there is no mistake.
async fn remove(call: Call<Nothing>) -> Answer<Value> {
    let (project, trace_id, id) = (
        call.project().to_owned(),
        call.param("trace_id").to_owned(),
        call.param("assessment_id").to_owned(),
    );
    let who = call.caller.identity.clone();
    call.log(move |tx| {
        let Some(one) = tx.assessment(&project, &trace_id, &id)? else {
            return Ok(());
        };
        let trace = find(tx, &project, &trace_id)?;
        access::trace(tx, &who, &trace)?;
        overridden(tx, &project, &one, true)?;
        tx.delete_assessment(&project, &trace_id, &id).map(drop)
    })
    .await?;
    Ok(Json(json!({})))
}
