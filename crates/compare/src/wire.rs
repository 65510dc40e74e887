//! How a captured body is written, where the log does not say.

use bytes::Bytes;
use inference::frame::Wire;
use inference::oip::grpc::message::ModelInferRequest;
use prost::Message as _;
use serde_json::{Value, value::RawValue};

/// The wire of a request's body, as far as the body tells; `None` for one that is none, or was cut.
#[must_use]
pub fn wire_of(body: &Bytes) -> Option<Wire> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace())?;
    match first {
        b'[' => serde_json::from_slice::<Value>(body)
            .ok()
            .map(|_| Wire::Rows),
        b'{' => json(body),
        _ => grpc(body).or_else(|| csv(body)),
    }
}

fn json(body: &Bytes) -> Option<Wire> {
    let mut documents = serde_json::Deserializer::from_slice(body).into_iter::<&RawValue>();
    let Some(Ok(first)) = documents.next() else {
        return grpc(body);
    };
    let head = documents.byte_offset();
    let rest = body.get(head..).unwrap_or_default();
    let more = !rest.trim_ascii().is_empty();
    let fields: serde_json::Map<String, Value> = serde_json::from_str(first.get()).ok()?;
    let tensors = fields.get("inputs").and_then(Value::as_array);
    let is_oip = tensors.is_some_and(|all| {
        let mut all = all.iter();
        all.len() > 0 && all.all(|tensor| tensor["name"].is_string() && tensor["shape"].is_array())
    });
    let has = |name: &str| fields.contains_key(name);
    match (is_oip, more) {
        (true, true) => u32::try_from(head).ok().map(Wire::OipRaw),
        (true, false) => Some(Wire::Oip),
        (false, true) => None,
        _ if has("dataframe_split") || has("dataframe_records") => Some(Wire::Scoring),
        _ if fields.get("instances").is_some_and(Value::is_array) => Some(Wire::V1),
        _ if fields.len() == 1 && has("inputs") => Some(Wire::Scoring),
        _ => Some(Wire::Rows),
    }
}

fn grpc(body: &Bytes) -> Option<Wire> {
    let message = ModelInferRequest::decode(body.clone()).ok()?;
    (!message.inputs.is_empty()).then_some(Wire::Grpc)
}

/// A line of names and at least one of values, all of one length.
fn csv(body: &Bytes) -> Option<Wire> {
    std::str::from_utf8(body).ok()?;
    let mut reader = csv::Reader::from_reader(&body[..]);
    let records: Result<Vec<csv::StringRecord>, _> = reader.records().collect();
    (!records.ok()?.is_empty()).then_some(Wire::Csv)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_tell_their_wire() {
        let check = |body: &str, expect: Option<Wire>| {
            let body = Bytes::copy_from_slice(body.as_bytes());
            assert_eq!(wire_of(&body), expect, "{body:?}");
        };
        check(r#"{"x": 1}"#, Some(Wire::Rows));
        check(r#" [{"x": 1}]"#, Some(Wire::Rows));
        let oip = r#"{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}]}"#;
        check(oip, Some(Wire::Oip));
        let head = u32::try_from(oip.len()).unwrap();
        check(&format!("{oip}abcd"), Some(Wire::OipRaw(head)));
        check(r#"{"instances":[[1]]}"#, Some(Wire::V1));
        check(r#"{"dataframe_records":[{"x":1}]}"#, Some(Wire::Scoring));
        check(r#"{"inputs":{"x":[1]}}"#, Some(Wire::Scoring));
        check("x,y\n1,2\n", Some(Wire::Csv));
        // Cut, or nothing at all.
        check(r#"{"x": 1"#, None);
        check(r#"{"x": 1} and more"#, None);
        check("[1, 2", None);
        check("x,y\n1", None);
        check("", None);
    }

    #[test]
    fn a_message_is_known() {
        let mut message = ModelInferRequest::default();
        message.inputs.push(Default::default());
        message.inputs[0].name = "x".into();
        let body = Bytes::from(message.encode_to_vec());
        assert_eq!(wire_of(&body), Some(Wire::Grpc));
    }
}
