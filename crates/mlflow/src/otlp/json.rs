//! The messages of OTLP in JSON: lowerCamelCase (protobuf takes snake_case, too), ids in hex, 64-bit integers as texts.

use super::{Any, Event, Export, Link, Malformed, Resource, Span, Status, StatusCode};
use base64::{Engine as _, engine::general_purpose::STANDARD as B64};
use serde::{Deserialize, Deserializer, de::Error as _};

pub(super) fn export(bytes: &[u8]) -> Result<Export, Malformed> {
    let read: Request = serde_json::from_slice(bytes).map_err(|_| Malformed)?;
    let resources = read.resource_spans.into_iter().map(ResourceSpans::into);
    Ok(Export {
        resources: resources.collect(),
    })
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Request {
    #[serde(alias = "resource_spans")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ResourceSpans {
    resource: Attributes,
    #[serde(alias = "scope_spans")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Attributes {
    attributes: Vec<KeyValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ScopeSpans {
    spans: Vec<OneSpan>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct OneSpan {
    #[serde(alias = "trace_id", deserialize_with = "hex")]
    trace_id: Vec<u8>,
    #[serde(alias = "span_id", deserialize_with = "hex")]
    span_id: Vec<u8>,
    #[serde(alias = "parent_span_id", deserialize_with = "hex")]
    parent_span_id: Vec<u8>,
    name: String,
    #[serde(alias = "start_time_unix_nano", deserialize_with = "number")]
    start_time_unix_nano: u64,
    #[serde(alias = "end_time_unix_nano", deserialize_with = "number")]
    end_time_unix_nano: u64,
    attributes: Vec<KeyValue>,
    events: Vec<OneEvent>,
    links: Vec<OneLink>,
    status: OneStatus,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct OneEvent {
    #[serde(alias = "time_unix_nano", deserialize_with = "number")]
    time_unix_nano: u64,
    name: String,
    attributes: Vec<KeyValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct OneLink {
    #[serde(alias = "trace_id", deserialize_with = "hex")]
    trace_id: Vec<u8>,
    #[serde(alias = "span_id", deserialize_with = "hex")]
    span_id: Vec<u8>,
    attributes: Vec<KeyValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OneStatus {
    message: String,
    #[serde(deserialize_with = "code")]
    code: StatusCode,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct KeyValue {
    key: String,
    value: AnyValue,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AnyValue {
    #[serde(alias = "string_value")]
    string_value: Option<String>,
    #[serde(alias = "bool_value")]
    bool_value: Option<bool>,
    #[serde(
        alias = "int_value",
        deserialize_with = "crate::tag::integer::deserialize"
    )]
    int_value: Option<i64>,
    #[serde(alias = "double_value")]
    double_value: Option<crate::tag::Double>,
    #[serde(alias = "array_value")]
    array_value: Option<Values>,
    #[serde(alias = "kvlist_value")]
    kvlist_value: Option<Pairs>,
    #[serde(alias = "bytes_value")]
    bytes_value: Option<Base64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Values {
    values: Vec<AnyValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pairs {
    values: Vec<KeyValue>,
}

struct Base64(Vec<u8>);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        B64.decode(text).map(Base64).map_err(D::Error::custom)
    }
}

impl From<ResourceSpans> for Resource {
    fn from(read: ResourceSpans) -> Self {
        let spans = read.scope_spans.into_iter().flat_map(|scope| scope.spans);
        Resource {
            attributes: pairs(read.resource.attributes),
            spans: spans.map(Span::from).collect(),
        }
    }
}

impl From<OneSpan> for Span {
    fn from(read: OneSpan) -> Self {
        Span {
            trace_id: read.trace_id,
            span_id: read.span_id,
            parent_id: read.parent_span_id,
            name: read.name,
            started: read.start_time_unix_nano,
            ended: read.end_time_unix_nano,
            attributes: pairs(read.attributes),
            events: read.events.into_iter().map(Event::from).collect(),
            links: read.links.into_iter().map(Link::from).collect(),
            status: Status {
                code: read.status.code,
                message: read.status.message,
            },
        }
    }
}

impl From<OneEvent> for Event {
    fn from(read: OneEvent) -> Self {
        Event {
            at: read.time_unix_nano,
            name: read.name,
            attributes: pairs(read.attributes),
        }
    }
}

impl From<OneLink> for Link {
    fn from(read: OneLink) -> Self {
        Link {
            trace_id: read.trace_id,
            span_id: read.span_id,
            attributes: pairs(read.attributes),
        }
    }
}

impl From<AnyValue> for Any {
    fn from(read: AnyValue) -> Self {
        let AnyValue {
            string_value,
            bool_value,
            int_value,
            double_value,
            array_value,
            kvlist_value,
            bytes_value,
        } = read;
        string_value
            .map(Any::Text)
            .or(bool_value.map(Any::Bool))
            .or(int_value.map(Any::Int))
            .or(double_value.map(|double| Any::Double(double.0)))
            .or(array_value.map(|list| Any::List(list.values.into_iter().map(Any::from).collect())))
            .or(kvlist_value.map(|map| Any::Map(pairs(map.values))))
            .or(bytes_value.map(|bytes| Any::Bytes(bytes.0)))
            .unwrap_or_default()
    }
}

fn pairs(read: Vec<KeyValue>) -> Vec<(String, Any)> {
    let one = |pair: KeyValue| (pair.key, pair.value.into());
    read.into_iter().map(one).collect()
}

fn hex<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
    let text = Option::<String>::deserialize(d)?.unwrap_or_default();
    let broken = || D::Error::custom("an id is not hex");
    if !text.is_ascii() || text.len() % 2 != 0 {
        return Err(broken());
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| broken()))
        .collect()
}

/// A number, or its digits as a text.
fn number<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    match Either::deserialize(d)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => text.parse().map_err(D::Error::custom),
    }
}

/// A status by number or by name.
fn code<'de, D: Deserializer<'de>>(d: D) -> Result<StatusCode, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    Ok(match Either::deserialize(d)? {
        Either::Number(number) => StatusCode::of(number),
        Either::Text(name) => [StatusCode::Ok, StatusCode::Error]
            .into_iter()
            .find(|code| code.long_name() == name)
            .unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request() {
        let got = export(
            br#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a"}}]},
            "scopeSpans":[{"spans":[{"traceId":"0a0b","spanId":"01","name":"n","startTimeUnixNano":"5","endTimeUnixNano":6,
            "attributes":[{"key":"i","value":{"intValue":"7"}},{"key":"n","value":{}},{"key":"b","value":{"bytesValue":"aGk="}}],
            "status":{"code":"STATUS_CODE_OK"},"unknown":1}]}]}]}"#,
        )
        .unwrap();
        let span = &got.resources[0].spans[0];
        assert_eq!(
            (span.trace_id.as_slice(), span.started, span.ended),
            (&[10, 11][..], 5, 6)
        );
        let values: Vec<_> = span
            .attributes
            .iter()
            .map(|(_, value)| value.clone())
            .collect();
        assert_eq!(values, [Any::Int(7), Any::Null, Any::Bytes(b"hi".to_vec())]);
        assert_eq!(span.status.code, StatusCode::Ok);
    }

    #[test]
    fn what_is_none() {
        for body in [
            "{not",
            r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"zz"}]}]}]}"#,
            r#"{"resourceSpans":5}"#,
        ] {
            assert_eq!(export(body.as_bytes()), Err(Malformed), "{body}");
        }
    }
}
