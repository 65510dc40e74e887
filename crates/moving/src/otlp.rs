//! Spans between the three shapes in which they are met: as MLflow answers them, as its database keeps them, and as
//! OpenTelemetry's JSON sends them.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use mlflow::otlp::Any;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// Fields that hold ids, which are base64 in MLflow's answers and hex digits in OpenTelemetry's JSON.
const IDS: [&str; 3] = ["trace_id", "span_id", "parent_span_id"];

/// A message that brings spans.
pub(crate) fn export(spans: &[Value]) -> Value {
    let spans: Vec<Value> = spans.iter().map(sent).collect();
    json!({ "resourceSpans": [{ "resource": {}, "scopeSpans": [{ "scope": {}, "spans": spans }] }] })
}

/// A part of a span as it is sent: names in camel case, ids in hex digits, words as numbers.
fn sent(part: &Value) -> Value {
    match part {
        Value::Array(parts) => parts.iter().map(sent).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| {
                let value = if IDS.contains(&name.as_str()) {
                    value.as_str().map_or(Value::Null, |id| hex(id).into())
                } else {
                    number(value).unwrap_or_else(|| sent(value))
                };
                (camel(name), value)
            });
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (first, rest) = part.split_at(part.len().min(1));
        let _ = write!(text, "{}{rest}", first.to_ascii_uppercase());
    }
    text
}

fn hex(id: &str) -> String {
    let mut text = String::new();
    for byte in BASE64_STANDARD.decode(id).unwrap_or_default() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The numbers of the words that spans use.
fn number(value: &Value) -> Option<Value> {
    let number = match value.as_str()? {
        "STATUS_CODE_UNSET" => 0,
        "STATUS_CODE_OK" => 1,
        "STATUS_CODE_ERROR" => 2,
        "SPAN_KIND_UNSPECIFIED" => 0,
        "SPAN_KIND_INTERNAL" => 1,
        "SPAN_KIND_SERVER" => 2,
        "SPAN_KIND_CLIENT" => 3,
        "SPAN_KIND_PRODUCER" => 4,
        "SPAN_KIND_CONSUMER" => 5,
        _ => return None,
    };
    Some(number.into())
}

/// A span in a shape that can be compared: attributes by name, and nothing that is empty.
pub(crate) fn plain(span: &Value) -> Value {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    let fields = span.as_object().cloned().unwrap_or_default();
    let fields = fields.into_iter().map(|(name, value)| {
        let value = match (name.as_str(), &value) {
            ("attributes", Value::Array(pairs)) => by_key(pairs),
            ("events" | "links", Value::Array(parts)) => parts.iter().map(plain).collect(),
            ("status", Value::Object(_)) => plain(&value),
            _ => value,
        };
        (name, value)
    });
    let noise = |name: &str| ["kind", "flags", "trace_state"].contains(&name);
    fields
        .filter(|(name, value)| !empty(value) && !noise(name))
        .collect()
}

fn by_key(pairs: &[Value]) -> Value {
    let pairs = pairs.iter().map(|pair| {
        (
            pair["key"].as_str().unwrap_or_default().to_owned(),
            sorted(&pair["value"]),
        )
    });
    Value::Object(pairs.collect())
}

/// A value with the entries of its maps in one order.
fn sorted(value: &Value) -> Value {
    let Some(entries) = value["kvlist_value"]["values"].as_array() else {
        return match value["array_value"]["values"].as_array() {
            Some(list) => list.iter().map(sorted).collect(),
            None => value.clone(),
        };
    };
    by_key(entries)
}

/// A span as MLflow's database and its files keep it, as MLflow answers it.
pub(crate) fn answered(kept: &Value) -> Value {
    let mut span = Map::new();
    for field in [
        "trace_id",
        "span_id",
        "parent_span_id",
        "name",
        "start_time_unix_nano",
        "end_time_unix_nano",
    ] {
        if !kept[field].is_null() {
            span.insert(field.to_owned(), kept[field].clone());
        }
    }
    let attribute = |value: &Value| match value {
        // Texts are JSON, whose objects keep their order.
        Value::String(text) => Any::parse(text).map_or_else(|| any(value), |any| any.wire()),
        other => any(other),
    };
    span.insert("attributes".into(), pairs(&kept["attributes"], attribute));
    let events = kept["events"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|event| {
            json!({
                "time_unix_nano": event["time_unix_nano"],
                "name": event["name"],
                "attributes": pairs(&event["attributes"], any),
            })
        });
    span.insert("events".into(), events.collect());
    span.insert("status".into(), kept["status"].clone());
    Value::Object(span)
}

fn pairs(map: &Value, shown: impl Fn(&Value) -> Value) -> Value {
    let pairs = map.as_object().into_iter().flatten();
    pairs
        .map(|(key, value)| json!({ "key": key, "value": shown(value) }))
        .collect()
}

/// A value in OpenTelemetry's shape.
fn any(value: &Value) -> Value {
    // Every JSON value is one.
    serde_json::from_value::<Any>(value.clone()).map_or(json!({}), |any| any.wire())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Value {
        json!({
            "trace_id": "oB5t8mUzqQvxoQ4NxwR4dw==", "span_id": "G00WUhVTShQ=", "parent_span_id": null, "name": "look up",
            "start_time_unix_nano": 1_795_545_044_559_946_999_u64, "end_time_unix_nano": 1_795_545_044_560_156_629_u64,
            "events": [{ "name": "found", "time_unix_nano": 5, "attributes": { "count": 1 } }],
            "status": { "code": "STATUS_CODE_OK", "message": "" },
            "attributes": { "mlflow.spanType": "\"CHAIN\"", "mlflow.spanInputs": "{\"list\": [1, 2.5, null, \"ü\"]}" },
            "links": [],
        })
    }

    #[test]
    fn a_span_of_the_database_reads_like_an_answer() {
        let answer = json!({
            "trace_id": "oB5t8mUzqQvxoQ4NxwR4dw==", "span_id": "G00WUhVTShQ=", "name": "look up",
            "start_time_unix_nano": 1_795_545_044_559_946_999_u64, "end_time_unix_nano": 1_795_545_044_560_156_629_u64,
            "attributes": [
                { "key": "mlflow.spanInputs", "value": { "kvlist_value": { "values": [{ "key": "list", "value": {
                    "array_value": { "values": [{ "int_value": 1 }, { "double_value": 2.5 }, {}, { "string_value": "ü" }] },
                } }] } } },
                { "key": "mlflow.spanType", "value": { "string_value": "CHAIN" } },
            ],
            "events": [{ "time_unix_nano": 5, "name": "found", "attributes": [{ "key": "count", "value": { "int_value": 1 } }] }],
            "status": { "code": "STATUS_CODE_OK" },
        });
        assert_eq!(plain(&answered(&kept())), plain(&answer));
    }

    #[test]
    fn objects_keep_the_order_of_their_text() {
        let kept = json!({ "attributes": { "a": "{\"z\": 1, \"b\": {\"y\": true, \"c\": 0.5}}" } });
        let shown = answered(&kept)["attributes"][0]["value"].to_string();
        let order: Vec<_> = ["\"z\"", "\"b\"", "\"y\"", "\"c\""]
            .iter()
            .map(|key| shown.find(key).unwrap())
            .collect();
        assert!(order.is_sorted(), "{shown}");
    }

    #[test]
    fn a_span_is_sent_as_opentelemetry_writes_it() {
        let sent = export(&[answered(&kept())]);
        let span = &sent["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        assert_eq!(span["traceId"], "a01e6df26533a90bf1a10e0dc7047877");
        assert_eq!(span["spanId"], "1b4d165215534a14");
        assert_eq!(span["status"]["code"], 1);
        assert_eq!(span["startTimeUnixNano"], 1_795_545_044_559_946_999_u64);
        let inputs = &span["attributes"][0]["value"]["kvlistValue"]["values"][0];
        assert_eq!(inputs["key"], "list");
        assert_eq!(
            inputs["value"]["arrayValue"]["values"][1]["doubleValue"],
            2.5
        );
    }
}
