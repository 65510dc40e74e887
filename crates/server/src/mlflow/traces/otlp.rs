//! Spans as OpenTelemetry exports them: `POST /v1/traces`, in protobuf or JSON, packed or not.
//!
//! Answers follow MLflow's own: errors of this layer are `{"detail": …}`, and those of the records behind it have
//! MLflow's shape. Sizes are bounded, also after unpacking.

use super::ingest::{Batch, Sender, ingest, kept};
use crate::{
    app::App,
    mlflow::{access, call, failure::Failure, routes::Table},
};
use axum::{
    Json,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::post,
};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, StatusCode, header};
use indexmap::IndexMap;
use mlflow::{
    limits,
    otlp::{Any, Export},
    traces::{Stored, roll_up, stored},
};
use serde_json::{Value, json};
use std::{io::Read, sync::Arc};
use store::{Priority, TraceLink, Traces as _};

/// Bytes of a request, packed and unpacked.
const LIMIT: usize = 64 << 20;
/// Spans of a request. Exporters send some hundreds.
const SPANS: usize = 20_000;
const EXPERIMENT: &str = "x-mlflow-experiment-id";
const RUN: &str = "x-mlflow-run-id";
const PROTOBUF: &str = "application/x-protobuf";

pub(super) fn routes(table: Table) -> Table {
    table.bare_write("/v1/traces", "OTLP: spans of traces", &post(export))
}

/// Why spans are not taken.
#[derive(Debug)]
enum Refused {
    /// An error of this layer.
    Here(StatusCode, Value),
    /// One of the records behind it.
    Behind(Failure),
}

impl Refused {
    fn bad(detail: impl Into<String>) -> Self {
        Refused::Here(StatusCode::BAD_REQUEST, Value::String(detail.into()))
    }

    fn large(detail: String) -> Self {
        Refused::Here(StatusCode::PAYLOAD_TOO_LARGE, Value::String(detail))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Refused::Here(status, detail) => {
                (status, Json(json!({ "detail": detail }))).into_response()
            }
            Refused::Behind(failure) => failure.into_response(),
        }
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Refused::Behind(failure)
    }
}

async fn export(State(app): State<App>, request: Request) -> Result<Response, Refused> {
    let (mut parts, body) = request.into_parts();
    let (app, caller, _) = call::who(&mut parts, app).await?;
    let experiment = experiment(&parts.headers)?;
    let json = is_json(&parts.headers)?;
    let packed =
        text(&parts.headers, header::CONTENT_ENCODING.as_str()).map(str::to_ascii_lowercase);
    let bytes = received(body).await?;
    let work =
        move || unpacked(packed.as_deref(), bytes.into()).and_then(|bytes| batches(&bytes, json));
    let read = tokio::task::spawn_blocking(work).await;
    let batches = read.map_err(|_| Refused::bad("Invalid OpenTelemetry format"))??;
    if !batches.is_empty() {
        let run_id = text(&parts.headers, RUN).map(str::to_owned);
        limits::at_most(RUN, run_id.as_deref().unwrap_or_default(), limits::KEY)
            .map_err(Failure::from)?;
        let (who, project, now) = (
            caller.identity.clone(),
            caller.project().to_owned(),
            app.now(),
        );
        let work = move |tx: &mut store::Tx<'_>| {
            let sender = Sender {
                who: &who,
                project: &project,
                experiment: &experiment,
                now,
            };
            batches
                .iter()
                .try_for_each(|batch| ingest(tx, &sender, batch))?;
            let Some(run_id) = &run_id else { return Ok(()) };
            access::linked_run(tx, &who, &project, run_id)?;
            let ended = batches.iter().filter(|batch| batch.rollup.state.is_some());
            let ids: Vec<String> = ended.map(|batch| batch.trace_id.clone()).collect();
            tx.link_traces(&project, &ids, &TraceLink::Run(run_id.clone()))
        };
        app.store()
            .write(Priority::Bulk, work)
            .await
            .map_err(Failure::from)?;
    }
    // An empty `ExportTraceServiceResponse` has no bytes.
    Ok(([(header::CONTENT_TYPE, PROTOBUF)], Body::empty()).into_response())
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn experiment(headers: &HeaderMap) -> Result<String, Refused> {
    text(headers, EXPERIMENT).map(str::to_owned).ok_or_else(|| {
        let missing = json!({ "type": "missing", "loc": ["header", EXPERIMENT], "msg": "Field required", "input": null });
        Refused::Here(StatusCode::UNPROCESSABLE_ENTITY, json!([missing]))
    })
}

fn is_json(headers: &HeaderMap) -> Result<bool, Refused> {
    let given = text(headers, header::CONTENT_TYPE.as_str());
    match given
        .and_then(|given| given.split(';').next())
        .map(str::trim)
    {
        Some("application/json") => Ok(true),
        Some(PROTOBUF) => Ok(false),
        _ => Err(Refused::bad(format!(
            "Invalid Content-Type: {}. Expected: {PROTOBUF} or application/json",
            given.unwrap_or("None")
        ))),
    }
}

async fn received(body: Body) -> Result<axum::body::Bytes, Refused> {
    let received = to_bytes(body, LIMIT).await;
    Ok(received.map_err(|error| Failure::body(&error, LIMIT))?)
}

fn unpacked(encoding: Option<&str>, bytes: Vec<u8>) -> Result<Vec<u8>, Refused> {
    match encoding {
        None | Some("") => Ok(bytes),
        Some("gzip") => all(MultiGzDecoder::new(bytes.as_slice()), "gzip"),
        // Some send it as RFC 9110 has it, some without the wrapping.
        Some("deflate") => match all(ZlibDecoder::new(bytes.as_slice()), "deflate") {
            Err(Refused::Here(StatusCode::BAD_REQUEST, _)) => {
                all(DeflateDecoder::new(bytes.as_slice()), "deflate")
            }
            other => other,
        },
        Some(other) => Err(Refused::bad(format!(
            "Unsupported Content-Encoding: {other}"
        ))),
    }
}

/// All that is packed, and not more than the limit.
fn all(packed: impl Read, name: &str) -> Result<Vec<u8>, Refused> {
    let mut bytes = Vec::new();
    let limit = LIMIT as u64 + 1;
    packed
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|_| Refused::bad(format!("Failed to decompress {name} payload")))?;
    if bytes.len() > LIMIT {
        return Err(Refused::large(format!(
            "the request has more than {LIMIT} bytes when it is unpacked: send it in parts"
        )));
    }
    Ok(bytes)
}

/// Spans of one trace, and what describes their emitter.
type Group<'e> = (Vec<Stored>, &'e [(String, Any)]);

/// The spans of a request, by trace, with what each trace learns from them.
fn batches(bytes: &[u8], json: bool) -> Result<Arc<Vec<Batch>>, Refused> {
    let read = if json {
        Export::from_json(bytes)
    } else {
        Export::from_protobuf(bytes)
    };
    let export = read.map_err(|error| Refused::bad(error.to_string()))?;
    if export.resources.is_empty() {
        return Err(Refused::bad(
            "Invalid OpenTelemetry format - no spans found",
        ));
    }
    let count: usize = export
        .resources
        .iter()
        .map(|resource| resource.spans.len())
        .sum();
    if count > SPANS {
        return Err(Refused::large(format!(
            "the request has {count} spans, more than {SPANS}: send them in parts"
        )));
    }
    let mut traces: IndexMap<String, Group<'_>> = IndexMap::new();
    for resource in &export.resources {
        for span in &resource.spans {
            let (trace_id, span) = stored(span).map_err(|error| {
                Refused::Here(StatusCode::UNPROCESSABLE_ENTITY, error.to_string().into())
            })?;
            let (spans, described) = traces.entry(trace_id).or_default();
            spans.push(span);
            if described.is_empty() {
                *described = &resource.attributes;
            }
        }
    }
    let batch = |(trace_id, (spans, resource)): (String, Group<'_>)| {
        let rolled = roll_up(&spans.iter().collect::<Vec<_>>());
        let mut rollup = rolled.map_err(|error| Refused::Behind(error.into()))?;
        rollup.describe(resource);
        let spans = spans.into_iter().map(kept).collect();
        Ok(Batch {
            trace_id,
            rollup,
            spans,
        })
    };
    let all: Result<Vec<_>, _> = traces.into_iter().map(batch).collect();
    all.map(Arc::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write as _;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn what_is_packed_is_bounded() {
        let bomb = gzip(&vec![0; LIMIT + 1]);
        assert!(bomb.len() < LIMIT / 100);
        let status = |result: Result<Vec<u8>, Refused>| {
            result
                .err()
                .map(|refused| refused.into_response().status().as_u16())
        };
        assert_eq!(status(unpacked(Some("gzip"), bomb)), Some(413));
        assert_eq!(status(unpacked(Some("gzip"), b"no".to_vec())), Some(400));
        assert_eq!(status(unpacked(Some("br"), b"no".to_vec())), Some(400));
        assert_eq!(unpacked(Some("gzip"), gzip(b"yes")).unwrap(), b"yes");
        assert_eq!(unpacked(None, b"yes".to_vec()).unwrap(), b"yes");
    }

    #[test]
    fn spans_are_counted() {
        let span = r#"{"traceId":"01","spanId":"01"}"#;
        let body = |count: usize| {
            let spans = vec![span; count].join(",");
            format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{spans}]}}]}}]}}"#)
        };
        assert_eq!(batches(body(3).as_bytes(), true).unwrap()[0].spans.len(), 3);
        let refused = batches(body(SPANS + 1).as_bytes(), true).unwrap_err();
        assert_eq!(
            refused.into_response().status(),
            StatusCode::PAYLOAD_TOO_LARGE
        );
    }
}
