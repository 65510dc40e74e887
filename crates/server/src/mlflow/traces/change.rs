//! Changes to traces: tags, links to runs and prompts, and their end.

use super::{AT, ONE, find, missing};
use crate::mlflow::{
    access,
    call::Call,
    convert,
    failure::{Answer, Refuse as _},
    find::is_default,
    routes::Table,
    runs::own,
};
use axum::{
    Json,
    routing::{delete, patch, post},
};
use guard::Permission;
use http::Method;
use mlflow::{
    Error, limits, names, required,
    traces::{Delete, DeleteTag, LinkPrompts, LinkToRun, SHOWN_TAG, SetTag, keys},
};
use serde_json::{Value, json};
use store::{TagChange, TraceDeletion, TraceLink, Traces as _};

/// Traces that one request links.
const LINKS: usize = 100;

pub(super) fn routes(table: Table) -> Table {
    let write = Permission::TrackingWrite;
    let table = ["2.0", "3.0"].into_iter().fold(table, |table, version| {
        table
            .under(
                version,
                Method::PATCH,
                &format!("{ONE}/tags"),
                write,
                "MLflow: tag a trace",
                patch(set_tag),
            )
            .under(
                version,
                Method::DELETE,
                &format!("{ONE}/tags"),
                write,
                "MLflow: untag a trace",
                delete(delete_tag),
            )
            .under(
                version,
                Method::POST,
                &format!("{AT}/delete-traces"),
                write,
                "MLflow: delete traces",
                post(remove),
            )
    });
    table
        .write(
            Method::POST,
            &format!("{AT}/link-to-run"),
            "MLflow: link traces to a run",
            post(link_run),
        )
        .write(
            Method::POST,
            &format!("{AT}/link-prompts"),
            "MLflow: link prompts to a trace",
            post(link_prompts),
        )
}

/// Tags that only the server sets.
fn mutable(key: &str, deleted: bool) -> Result<(), Error> {
    let ours = [keys::SPANS_LOCATION, keys::ARCHIVE_LOCATION].contains(&key)
        || (key == keys::ARCHIVAL_FAILURE && !deleted);
    if !ours {
        return Ok(());
    }
    let how = if deleted { "deleted" } else { "set" };
    Err(Error::invalid(format!(
        "Tag '{key}' is immutable and cannot be {how} on a trace."
    )))
}

async fn set_tag(call: Call<SetTag>) -> Answer<Value> {
    let SetTag { key, value } = &call.message;
    required("key", key)?;
    mutable(key, false)?;
    names::entry("key", key)?;
    limits::at_most("key", key, limits::KEY)?;
    if key == keys::NAME {
        limits::at_most("Trace name", value, SHOWN_TAG.1)?;
    }
    access::tag(&call.caller.identity, key)?;
    let change = TagChange {
        key: key.clone(),
        value: Some(limits::cut(value, limits::RUN_TAG_VALUE).to_owned()),
    };
    tag(&call, change, missing).await
}

async fn delete_tag(call: Call<DeleteTag>) -> Answer<Value> {
    let key = required("key", &call.message.key)?.to_owned();
    mutable(&key, true)?;
    access::tag(&call.caller.identity, &key)?;
    let change = TagChange {
        key: key.clone(),
        value: None,
    };
    let none = move |id: &str| {
        Error::missing(format!(
            "No trace tag with key '{key}' for trace with ID '{id}'"
        ))
    };
    tag(&call, change, none).await
}

/// Changes a tag, or answers what `none` says of the trace.
async fn tag<M>(
    call: &Call<M>,
    change: TagChange,
    none: impl Fn(&str) -> Error + Send + 'static,
) -> Answer<Value> {
    let (project, id, who) = (
        call.project().to_owned(),
        call.param("trace_id").to_owned(),
        call.caller.identity.clone(),
    );
    call.log(move |tx| {
        let trace = tx.trace(&project, &id)?.ok_or_else(|| none(&id)).refuse()?;
        access::trace(tx, &who, &trace)?;
        match tx.tag_trace(&project, &id, &change)? {
            true => Ok(()),
            false => Err(none(&id)).refuse(),
        }
    })
    .await?;
    Ok(Json(json!({})))
}

async fn link_run(call: Call<LinkToRun>) -> Answer<Value> {
    let LinkToRun { trace_ids, run_id } = call.message.clone();
    let ids = trace_ids.ok_or_else(|| Error::missing_value("trace_ids"))?;
    required("run_id", &run_id)?;
    limits::at_most("run_id", &run_id, limits::KEY)?;
    if ids.len() > LINKS {
        return Err(Error::invalid(format!(
            "Cannot link more than {LINKS} traces to a run in a single request. Provided {} traces.",
            ids.len()
        ))
        .into());
    }
    ids.iter().try_for_each(|id| convert::trace::id(id))?;
    let (project, who) = (call.project().to_owned(), call.caller.identity.clone());
    call.log(move |tx| {
        if ids.is_empty() {
            return Ok(());
        }
        access::linked_run(tx, &who, &project, &run_id)?;
        tx.link_traces(&project, &ids, &TraceLink::Run(run_id.clone()))
    })
    .await?;
    Ok(Json(json!({})))
}

async fn link_prompts(call: Call<LinkPrompts>) -> Answer<Value> {
    let LinkPrompts {
        trace_id,
        prompt_versions,
    } = call.message.clone();
    required("trace_id", &trace_id)?;
    let prompts = prompt_versions.ok_or_else(|| Error::missing_value("prompt_versions"))?;
    let mut links = Vec::with_capacity(prompts.len());
    for prompt in prompts {
        let version: u64 = prompt.version.parse().map_err(|_| {
            Error::invalid_value(
                "version",
                &prompt.version,
                "versions of prompts are numbers",
            )
        })?;
        limits::at_most("name", &prompt.name, limits::MODEL_NAME)?;
        links.push(TraceLink::Prompt(format!("{}/{version}", prompt.name)));
    }
    let (project, who) = (call.project().to_owned(), call.caller.identity.clone());
    call.log(move |tx| {
        if links.is_empty() {
            return Ok(());
        }
        let trace = find(tx, &project, &trace_id)?;
        access::trace(tx, &who, &trace)?;
        let ids = [trace_id.clone()];
        links
            .iter()
            .try_for_each(|link| tx.link_traces(&project, &ids, link))
    })
    .await?;
    Ok(Json(json!({})))
}

async fn remove(call: Call<Delete>) -> Answer<Value> {
    let which = doomed(&call.message)?;
    access::not_a_unit(&call.caller.identity, "traces are deleted by people")?;
    let (project, id) = (
        call.project().to_owned(),
        call.message.experiment_id.clone(),
    );
    if !is_default(&id) && id.parse::<i64>().is_err() {
        let error = format!("Invalid experiment ID '{id}'. Experiment ID must be a valid integer.");
        return Err(Error::invalid(error).into());
    }
    let deleted = call
        .write(
            move |tx| match own(tx, &project, std::slice::from_ref(&id))?.first() {
                Some(experiment) => tx.delete_traces(&project, experiment, &which),
                None => Ok(0),
            },
        )
        .await?;
    Ok(Json(json!({ "traces_deleted": deleted })))
}

fn doomed(asked: &Delete) -> Result<TraceDeletion, Error> {
    required("experiment_id", &asked.experiment_id)?;
    if asked.max_traces.is_some_and(|most| most <= 0) && asked.request_ids.is_empty() {
        return Err(Error::invalid("`max_traces` must be a positive integer."));
    }
    match (asked.max_timestamp_millis, asked.request_ids.is_empty()) {
        (None, true) => Err(Error::invalid(
            "Either `max_timestamp_millis` or `trace_ids` must be specified.",
        )),
        (Some(_), false) => Err(Error::invalid(
            "Only one of `max_timestamp_millis` and `trace_ids` can be specified.",
        )),
        (None, false) if asked.max_traces.is_some() => Err(Error::invalid(
            "`max_traces` can't be specified if `trace_ids` is specified.",
        )),
        (None, false) => Ok(TraceDeletion::Ids(asked.request_ids.clone())),
        (Some(millis), true) => Ok(TraceDeletion::Until {
            time: convert::time("max_timestamp_millis", millis)?,
            limit: asked
                .max_traces
                .map(|most| u32::try_from(most).unwrap_or(u32::MAX)),
        }),
    }
}
