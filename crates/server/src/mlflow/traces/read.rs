//! Traces as clients fetch them: with their spans or without.

use super::{AT, ONE, find, missing};
use crate::mlflow::{
    call::{Call, Nothing},
    convert::trace::wire,
    failure::{Answer, Failure},
    page,
    routes::Table,
    runs::own,
};
use axum::{
    Json,
    body::Body,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use guard::{Permission, path};
use http::{Method, header};
use mlflow::{
    Error, ErrorCode, artifacts,
    traces::{self, BatchGet, Get, Started, keys},
};
use serde_json::{Value, json};
use std::time::Duration;
use store::{Artifacts as _, Span, Trace, Traces as _};

pub(super) fn routes(table: Table) -> Table {
    let read = Permission::TrackingRead;
    let table = table
        .under(
            "3.0",
            Method::GET,
            ONE,
            read,
            "MLflow: what is known of a trace",
            get(info),
        )
        .under(
            "3.0",
            Method::GET,
            &format!("{AT}/get"),
            read,
            "MLflow: a trace with its spans",
            get(whole),
        )
        .under(
            "3.0",
            Method::GET,
            &format!("{AT}/batchGet"),
            read,
            "MLflow: traces with their spans",
            get(batch),
        )
        .under(
            "3.0",
            Method::POST,
            &format!("{AT}/batchGetInfos"),
            read,
            "MLflow: what is known of traces",
            post(infos),
        );
    let summary = "MLflow: spans or attachments of a trace as a file";
    ["2.0", "3.0"].into_iter().fold(table, |table, version| {
        table.under(
            version,
            Method::GET,
            "/mlflow/get-trace-artifact",
            read,
            summary,
            get(artifact),
        )
    })
}

async fn info(call: Call<Nothing>) -> Answer<Value> {
    let (project, id) = (call.project().to_owned(), call.param("trace_id").to_owned());
    let trace = call.read(move |tx| find(tx, &project, &id)).await?;
    Ok(Json(json!({ "trace": { "trace_info": wire(trace) } })))
}

/// How long a reader waits for spans that are still on their way from the client, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(200);

async fn whole(call: Call<Get>) -> Answer<Value> {
    let id = mlflow::required("trace_id", &call.message.trace_id)?.to_owned();
    let partial = [json!(true), json!("true")].contains(&call.message.allow_partial);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let (trace, spans) = load(&call, &id).await?;
        if partial || complete(&trace, &spans) {
            return Ok(Json(json!({ "trace": shown(trace, &spans) })));
        }
        if tokio::time::Instant::now() > deadline {
            return Err(Error::missing(format!(
                "Trace with ID {id} is not fully exported yet, please try again later."
            ))
            .into());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A trace whose spans are records.
async fn load<M>(call: &Call<M>, id: &str) -> Result<(Trace, Vec<Span>), Failure> {
    let (project, wanted) = (call.project().to_owned(), id.to_owned());
    let found = call
        .read(move |tx| {
            let trace = tx.trace(&project, &wanted)?;
            Ok((trace, tx.spans(&project, &wanted)?))
        })
        .await?;
    let (Some(trace), spans) = found else {
        return Err(Error::missing(format!("Trace with ID {id} is not found.")).into());
    };
    in_store(&trace)?;
    Ok((trace, spans))
}

fn in_store(trace: &Trace) -> Result<(), Error> {
    match trace.tags.get(keys::SPANS_LOCATION).map(String::as_str) {
        Some(keys::IN_STORE) => Ok(()),
        _ => Err(Error::new(
            ErrorCode::InternalError,
            "Trace data not stored in tracking store",
        )),
    }
}

/// Whether as many spans are there as the client says.
fn complete(trace: &Trace, spans: &[Span]) -> bool {
    let stats = trace.metadata.get(keys::SIZE_STATS);
    let stats: Option<Value> = stats.and_then(|text| serde_json::from_str(text).ok());
    let expected = stats
        .and_then(|stats| stats["num_spans"].as_u64())
        .unwrap_or(0);
    !spans.is_empty() && spans.len() as u64 >= expected
}

fn shown(trace: Trace, spans: &[Span]) -> Started {
    Started {
        trace_info: wire(trace),
        spans: spans
            .iter()
            .map(|span| traces::wire(&span.content))
            .collect(),
    }
}

async fn batch(call: Call<BatchGet>) -> Answer<Value> {
    let found = named(&call, true).await?;
    let mut all = Vec::with_capacity(found.len());
    for (trace, spans) in found {
        in_store(&trace)?;
        if complete(&trace, &spans) {
            all.push(shown(trace, &spans));
        }
    }
    Ok(Json(page::answer("traces", &all, None)))
}

async fn infos(call: Call<BatchGet>) -> Answer<Value> {
    let found = named(&call, false).await?;
    let all: Vec<_> = found.into_iter().map(|(trace, _)| wire(trace)).collect();
    Ok(Json(page::answer("trace_infos", &all, None)))
}

/// The traces of a request in its order, with their spans when they are wanted.
async fn named(
    call: &Call<BatchGet>,
    with_spans: bool,
) -> Result<Vec<(Trace, Vec<Span>)>, Failure> {
    let BatchGet {
        trace_ids,
        experiment_ids,
    } = call.message.clone();
    if trace_ids.is_empty() {
        return Err(Error::missing_value("trace_ids").into());
    }
    let project = call.project().to_owned();
    call.read(move |tx| {
        let mut found = tx.traces(&project, &trace_ids)?;
        if let Some(ids) = experiment_ids {
            let own = own(tx, &project, &ids)?;
            found.retain(|trace| own.contains(&trace.experiment_id));
        }
        let spans = |trace: Trace| {
            let spans = if with_spans {
                tx.spans(&project, &trace.trace_id)?
            } else {
                Vec::new()
            };
            Ok((trace, spans))
        };
        found.into_iter().map(spans).collect()
    })
    .await
}

/// Which file of which trace.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Wanted {
    request_id: String,
    path: String,
}

async fn artifact(call: Call<Wanted>) -> Result<Response, Failure> {
    let Wanted { request_id, path } = &call.message;
    if request_id.is_empty() {
        let error = "Request must include the \"request_id\" query parameter.";
        return Err(Error::new(ErrorCode::BadRequest, error).into());
    }
    if !path.is_empty() {
        return file(
            &call,
            request_id,
            &format!("attachments/{}", attachment(path)?),
            true,
        )
        .await;
    }
    match load(&call, request_id).await {
        Ok((_, spans)) => {
            let text = traces::artifact(spans.iter().map(|span| span.content.as_str()));
            Ok(attached(Body::from(text), "traces.json"))
        }
        Err(_) => file(&call, request_id, "traces.json", false).await,
    }
}

/// A name of a file without folders.
fn attachment(name: &str) -> Result<String, Error> {
    let checked = path::relative(name)
        .ok()
        .filter(|checked| !checked.is_empty() && !checked.contains('/'));
    checked.ok_or_else(|| Error::invalid("Invalid path: an attachment's name has no folders"))
}

/// A file that the client put beside the trace.
async fn file<M>(
    call: &Call<M>,
    id: &str,
    name: &str,
    attachment: bool,
) -> Result<Response, Failure> {
    let (project, id, name) = (call.project().to_owned(), id.to_owned(), name.to_owned());
    let wanted = name.clone();
    let found = call
        .read(move |tx| {
            let Some(trace) = tx.trace(&project, &id)? else {
                return Ok(Err(if attachment {
                    missing(&id)
                } else {
                    Error::missing(format!("Trace with ID {id} is not found."))
                }));
            };
            let place = trace
                .tags
                .get(keys::ARTIFACT_LOCATION)
                .map_or("", String::as_str);
            let Some(place) = artifacts::proxy_path(place) else {
                return Ok(Ok(None));
            };
            tx.artifact(&project, &format!("{place}/{wanted}")).map(Ok)
        })
        .await??;
    let found = found.ok_or_else(|| {
        Error::new(
            ErrorCode::NotFound,
            format!("Trace data not found for path={name}"),
        )
    })?;
    let base = name.rsplit('/').next().unwrap_or_default().to_owned();
    Ok(attached(
        Body::from_stream(call.app.blobs().read(&found.digest)),
        &base,
    ))
}

/// Whatever a client sent must not run as a page of this server.
fn attached(body: Body, name: &str) -> Response {
    let disposition = format!(
        "attachment; filename=\"{}\"",
        name.replace(['"', '\\', '\r', '\n'], "_")
    );
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, body).into_response()
}
