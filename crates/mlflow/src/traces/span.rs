//! Spans as MLflow keeps them: a JSON text whose attributes are JSON texts themselves, beside the columns that searches
//! ask for; and back to OTLP as answers show it.

use super::{
    COST, Node, UsageKind,
    translate::{Attributes, MODEL, PROVIDER, TYPE, find, translate},
};
use crate::otlp::{Any, Event, Link, Span, StatusCode};
use base64::{Engine as _, engine::general_purpose::STANDARD as B64};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The attribute of the trace's id.
const REQUEST_ID: &str = "mlflow.traceRequestId";
/// Characters of a model's or provider's name.
const MODEL_NAME: usize = 500;

/// A span to keep.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// 16 hex digits.
    pub span_id: String,
    /// The span above; none for a root.
    pub parent_id: Option<String>,
    /// Its name.
    pub name: String,
    /// `LLM`, `TOOL` and so on, when the client said so.
    pub kind: Option<String>,
    /// `OK`, `ERROR` or `UNSET`.
    pub status: &'static str,
    /// Nanoseconds since 1970.
    pub started: i64,
    /// Nanoseconds since 1970.
    pub ended: Option<i64>,
    /// The whole as a text.
    pub content: String,
    /// The model that it called.
    pub model: Option<String>,
    /// Who serves the model.
    pub provider: Option<String>,
    /// Input, output and total cost.
    pub costs: [Option<f64>; 3],
    /// Names and JSON texts.
    pub attributes: Vec<(String, String)>,
}

/// A span without ids, or with ids or times that are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Cannot convert OpenTelemetry span to MLflow span")]
pub struct Unusable;

/// A span's trace and what is kept of the span.
///
/// # Errors
/// [`Unusable`].
pub fn stored(span: &Span) -> Result<(String, Stored), Unusable> {
    let trace = id::<16>(&span.trace_id)?;
    let own = id::<8>(&span.span_id)?;
    let parent = match span.parent_id.iter().all(|byte| *byte == 0) {
        true => None,
        false => Some(id::<8>(&span.parent_id)?),
    };
    if span.trace_id.is_empty() || span.span_id.is_empty() {
        return Err(Unusable);
    }
    let trace_id = format!("tr-{}", hex(&trace));
    let time = |nanos: u64| i64::try_from(nanos).map_err(|_| Unusable);
    let (started, ended) = (time(span.started)?, time(span.ended)?);
    let mut attributes = attributes(span, &trace_id);
    let kind = find(&attributes, TYPE).and_then(Any::parse);
    translate(&mut attributes);
    let content = Any::Map(vec![
        ("trace_id".into(), Any::Text(B64.encode(trace))),
        ("span_id".into(), Any::Text(B64.encode(own))),
        (
            "parent_span_id".into(),
            parent.map_or(Any::Null, |id| Any::Text(B64.encode(id))),
        ),
        ("name".into(), Any::text(&span.name)),
        ("start_time_unix_nano".into(), Any::Int(started)),
        (
            "end_time_unix_nano".into(),
            if ended == 0 {
                Any::Null
            } else {
                Any::Int(ended)
            },
        ),
        (
            "events".into(),
            Any::List(span.events.iter().map(event).collect()),
        ),
        ("status".into(), status(span)),
        ("attributes".into(), texts(&attributes)),
        (
            "links".into(),
            Any::List(span.links.iter().map(link).collect::<Result<_, _>>()?),
        ),
    ]);
    let named = |name: &str| {
        let text = Any::parse(find(&attributes, name)?)?;
        Some(crate::limits::cut(text.as_text()?, MODEL_NAME).to_owned())
    };
    let costs = COST.numbers(find(&attributes, COST.attribute).unwrap_or_default());
    Ok((
        trace_id,
        Stored {
            span_id: hex(&own),
            parent_id: parent.map(|id| hex(&id)),
            name: span.name.clone(),
            kind: kind.and_then(|kind| kind.as_text().map(str::to_owned)),
            status: span.status.code.name(),
            started,
            ended: (ended != 0).then_some(ended),
            content: content.dump(),
            model: named(MODEL),
            provider: named(PROVIDER),
            costs: [costs[0], costs[1], costs[2]],
            attributes,
        },
    ))
}

/// An id of at most `N` bytes, the number that it is.
fn id<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Unusable> {
    let zeros = bytes.len().saturating_sub(N);
    let (above, bytes) = bytes.split_at(zeros);
    if above.iter().any(|byte| *byte != 0) {
        return Err(Unusable);
    }
    let mut id = [0; N];
    id[N - bytes.len()..].copy_from_slice(bytes);
    Ok(id)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Each value as a JSON text, and the trace's id.
fn attributes(span: &Span, trace_id: &str) -> Attributes {
    let mut all: Attributes = Vec::with_capacity(span.attributes.len() + 1);
    let mut put = |name: &str, text: String| match all.iter_mut().find(|(key, _)| key == name) {
        Some(pair) => pair.1 = text,
        None => all.push((name.to_owned(), text)),
    };
    for (name, value) in &span.attributes {
        put(name, once(value));
    }
    put(REQUEST_ID, Any::text(trace_id).dump());
    all
}

/// The value as JSON. Some clients send JSON already: what they mean is kept, not JSON of JSON.
fn once(value: &Any) -> String {
    match value {
        Any::Text(text) => match Any::parse(text) {
            Some(Any::Text(_) | Any::List(_) | Any::Map(_)) => text.clone(),
            _ => value.dump(),
        },
        _ => value.dump(),
    }
}

fn texts(attributes: &Attributes) -> Any {
    let one = |(name, text): &(String, String)| (name.clone(), Any::text(text));
    Any::Map(attributes.iter().map(one).collect())
}

fn status(span: &Span) -> Any {
    // OpenTelemetry has a message for errors only.
    let message = match span.status.code {
        StatusCode::Error => span.status.message.as_str(),
        _ => "",
    };
    Any::Map(vec![
        ("code".into(), Any::text(span.status.code.long_name())),
        ("message".into(), Any::text(message)),
    ])
}

fn event(event: &Event) -> Any {
    Any::Map(vec![
        ("name".into(), Any::text(&event.name)),
        (
            "time_unix_nano".into(),
            Any::Int(i64::try_from(event.at).unwrap_or(i64::MAX)),
        ),
        (
            "attributes".into(),
            Any::Map(event.attributes.iter().map(speakable).collect()),
        ),
    ])
}

fn link(link: &Link) -> Result<Any, Unusable> {
    let attributes = match link.attributes.is_empty() {
        true => Any::Null,
        false => Any::Map(link.attributes.iter().map(speakable).collect()),
    };
    Ok(Any::Map(vec![
        (
            "trace_id".into(),
            Any::Text(format!("tr-{}", hex(&id::<16>(&link.trace_id)?))),
        ),
        ("span_id".into(), Any::Text(hex(&id::<8>(&link.span_id)?))),
        ("attributes".into(), attributes),
    ]))
}

/// The attribute with what JSON has no word for as a text.
fn speakable((name, value): &(String, Any)) -> (String, Any) {
    let value = match value {
        Any::Double(number) if !number.is_finite() => Any::Text(value.dump()),
        other => other.clone(),
    };
    (name.clone(), value)
}

/// Spans as the file `traces.json` of older servers has them.
pub fn artifact<'c>(contents: impl IntoIterator<Item = &'c str>) -> String {
    let all: Vec<&str> = contents.into_iter().collect();
    format!("{{\"spans\":[{}]}}", all.join(","))
}

/// The tokens or money of a kept span.
pub fn nodes(kind: UsageKind, span_id: &str, parent_id: Option<&str>, content: &str) -> Node {
    let span = Any::parse(content).unwrap_or_default();
    let attributes = span
        .get("attributes")
        .and_then(Any::as_map)
        .unwrap_or_default();
    let wanted = attributes.iter().filter(|(name, _)| name == kind.attribute);
    let wanted: Attributes = wanted
        .filter_map(|(name, text)| Some((name.clone(), text.as_text()?.to_owned())))
        .collect();
    kind.node(span_id, parent_id, &wanted)
}

/// A kept span as protobuf's JSON shows OTLP. Null for a text that is none of ours.
pub fn wire(content: &str) -> Value {
    let Some(span) = Any::parse(content) else {
        return Value::Null;
    };
    let mut out = json!({});
    for name in ["trace_id", "span_id", "parent_span_id", "name"] {
        if let Some(text) = span
            .get(name)
            .and_then(Any::as_text)
            .filter(|text| !text.is_empty())
        {
            out[name] = json!(text);
        }
    }
    for name in ["start_time_unix_nano", "end_time_unix_nano"] {
        if let Some(at) = span.get(name).and_then(Any::as_int).filter(|at| *at != 0) {
            out[name] = json!(at);
        }
    }
    let attributes: Vec<_> = span
        .get("attributes")
        .and_then(Any::as_map)
        .unwrap_or_default()
        .iter()
        .map(read)
        .collect();
    list(&mut out, "attributes", crate::otlp::wire_pairs(&attributes));
    let items = |name: &str| span.get(name).and_then(Any::as_list).unwrap_or_default();
    list(
        &mut out,
        "events",
        items("events").iter().map(wire_event).collect(),
    );
    list(
        &mut out,
        "links",
        items("links").iter().filter_map(wire_link).collect(),
    );
    out["status"] = wire_status(span.get("status").unwrap_or(&Any::Null));
    out
}

fn list(out: &mut Value, name: &str, items: Vec<Value>) {
    if !items.is_empty() {
        out[name] = Value::Array(items);
    }
}

/// The value of a kept attribute.
fn read((name, text): &(String, Any)) -> (String, Any) {
    let parsed = text
        .as_text()
        .map(|text| Any::parse(text).unwrap_or_else(|| Any::text(text)));
    (name.clone(), parsed.unwrap_or_else(|| text.clone()))
}

fn wire_event(event: &Any) -> Value {
    let mut out = json!({});
    if let Some(at) = event
        .get("time_unix_nano")
        .and_then(Any::as_int)
        .filter(|at| *at != 0)
    {
        out["time_unix_nano"] = json!(at);
    }
    if let Some(name) = event
        .get("name")
        .and_then(Any::as_text)
        .filter(|name| !name.is_empty())
    {
        out["name"] = json!(name);
    }
    let attributes = event
        .get("attributes")
        .and_then(Any::as_map)
        .unwrap_or_default();
    list(&mut out, "attributes", crate::otlp::wire_pairs(attributes));
    out
}

fn wire_link(link: &Any) -> Option<Value> {
    let bytes = |name: &str| {
        let text = link.get(name)?.as_text()?;
        let digits = text.strip_prefix("tr-").unwrap_or(text);
        let pairs = (0..digits.len()).step_by(2);
        let bytes: Option<Vec<u8>> = pairs
            .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
            .collect();
        bytes.map(|bytes| B64.encode(bytes))
    };
    let mut out = json!({ "trace_id": bytes("trace_id")?, "span_id": bytes("span_id")? });
    let attributes = link
        .get("attributes")
        .and_then(Any::as_map)
        .unwrap_or_default();
    list(&mut out, "attributes", crate::otlp::wire_pairs(attributes));
    Some(out)
}

fn wire_status(status: &Any) -> Value {
    let mut out = json!({});
    let text = |name: &str| {
        status
            .get(name)
            .and_then(Any::as_text)
            .filter(|text| !text.is_empty())
    };
    if let Some(message) = text("message") {
        out["message"] = json!(message);
    }
    if let Some(code) = text("code").filter(|code| *code != StatusCode::Unset.long_name()) {
        out["code"] = json!(code);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::Status;

    fn span() -> Span {
        Span {
            trace_id: vec![0xab],
            span_id: vec![1, 2, 3, 4, 5, 6, 7, 8],
            name: "n".into(),
            started: 5,
            ended: 9,
            attributes: vec![
                ("mlflow.spanType".into(), Any::text("LLM")),
                ("twice".into(), Any::text("{\"a\": 1}")),
                ("plain".into(), Any::text("5")),
            ],
            links: vec![Link {
                trace_id: vec![1],
                span_id: vec![2],
                attributes: Vec::new(),
            }],
            status: Status {
                code: StatusCode::Ok,
                message: "is dropped".into(),
            },
            ..Span::default()
        }
    }

    #[test]
    fn kept_as_mlflow_keeps_it() {
        let (trace_id, kept) = stored(&span()).unwrap();
        assert_eq!(trace_id, "tr-000000000000000000000000000000ab");
        assert_eq!(
            (kept.span_id.as_str(), kept.kind.as_deref(), kept.status),
            ("0102030405060708", Some("LLM"), "OK")
        );
        expect_test::expect![[r#"{"trace_id": "AAAAAAAAAAAAAAAAAAAAqw==", "span_id": "AQIDBAUGBwg=", "parent_span_id": null, "name": "n", "start_time_unix_nano": 5, "end_time_unix_nano": 9, "events": [], "status": {"code": "STATUS_CODE_OK", "message": ""}, "attributes": {"mlflow.spanType": "\"LLM\"", "twice": "{\"a\": 1}", "plain": "\"5\"", "mlflow.traceRequestId": "\"tr-000000000000000000000000000000ab\""}, "links": [{"trace_id": "tr-00000000000000000000000000000001", "span_id": "0000000000000002", "attributes": null}]}"#]]
        .assert_eq(&kept.content);
        let shown = wire(&kept.content);
        assert_eq!(
            shown["attributes"][1]["value"]["kvlist_value"]["values"][0]["value"]["int_value"],
            1
        );
        assert_eq!(shown["attributes"][2]["value"]["string_value"], "5");
        assert_eq!(shown["links"][0]["span_id"], "AAAAAAAAAAI=");
        assert_eq!(shown["status"], json!({ "code": "STATUS_CODE_OK" }));
    }

    #[test]
    fn what_cannot_be_kept() {
        let check = |change: fn(&mut Span)| {
            let mut one = span();
            change(&mut one);
            assert_eq!(stored(&one), Err(Unusable));
        };
        check(|span| span.trace_id.clear());
        check(|span| span.span_id.clear());
        check(|span| span.trace_id = vec![1; 17]);
        check(|span| span.started = u64::MAX);
    }
}
