//! The answers that the gateway itself makes, and what it adds to an engine's.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;

/// Every answer is one piece.
pub(crate) type Answer = Response<Full<Bytes>>;

/// Says which version gave the answer.
pub(crate) const VERSION: HeaderName = HeaderName::from_static("mainspan-version");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A JSON answer.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, JSON);
    answer
}

/// `{"error": …}`, the shape of every error on the data plane.
pub(crate) fn error(status: StatusCode, message: &str) -> Answer {
    json(status, error_body(message))
}

/// The body of an error.
pub(crate) fn error_body(message: &str) -> Vec<u8> {
    serde_json::json!({ "error": message })
        .to_string()
        .into_bytes()
}

/// Names the version that the request went to.
pub(crate) fn from_version(mut answer: Answer, version: &HeaderValue) -> Answer {
    answer.headers_mut().insert(VERSION, version.clone());
    answer
}

/// Adds `"version"`, and `"request_id"` (a JSON value as sent) if there is one, to the end of a
/// JSON object. Anything else is left as it is.
pub(crate) fn splice(body: &Bytes, version: u32, id: Option<&str>) -> Bytes {
    let room = id.map_or(0, str::len) + 48;
    extend(body, room, |out| {
        out.extend_from_slice(b"\"version\":");
        out.extend_from_slice(version.to_string().as_bytes());
        if let Some(id) = id {
            out.extend_from_slice(b",\"request_id\":");
            out.extend_from_slice(id.as_bytes());
        }
    })
}

/// Adds `"model_name"` and `"model_version"` (a string, as the Open Inference Protocol has it) to
/// the end of a JSON object. Anything else is left as it is.
pub(crate) fn splice_model(body: &Bytes, name: &str, version: u32) -> Bytes {
    extend(body, name.len() + 48, |out| {
        out.extend_from_slice(b"\"model_name\":");
        // A text always serialises.
        if serde_json::to_writer(&mut *out, name).is_err() {
            out.extend_from_slice(b"null");
        }
        out.extend_from_slice(b",\"model_version\":\"");
        out.extend_from_slice(version.to_string().as_bytes());
        out.push(b'"');
    })
}

/// Writes fields, of about `room` bytes, before the last brace of a JSON object.
fn extend(body: &Bytes, room: usize, fields: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let Some(object) = body.trim_ascii().strip_suffix(b"}") else {
        return body.clone();
    };
    if !object.starts_with(b"{") {
        return body.clone();
    }
    let mut out = Vec::with_capacity(object.len() + room);
    out.extend_from_slice(object);
    if object.trim_ascii_end() != b"{" {
        out.push(b',');
    }
    fields(&mut out);
    out.push(b'}');
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splicing_adds_to_objects_only() {
        let check = |body: &'static str, id: Option<&str>, expect: &str| {
            let got = splice(&Bytes::from_static(body.as_bytes()), 3, id);
            assert_eq!(got, expect, "{body}");
        };
        check(
            r#"{"prediction":1.5}"#,
            None,
            r#"{"prediction":1.5,"version":3}"#,
        );
        let expect = r#"{"prediction":1.5,"version":3,"request_id":"r1"}"#;
        check("{\"prediction\":1.5} \n", Some("\"r1\""), expect);
        check("{}", Some("7"), r#"{"version":3,"request_id":7}"#);
        check("{ }", None, r#"{ "version":3}"#);
        check("[1]", Some("7"), "[1]");
        check("", None, "");
        check("}", None, "}");
    }

    #[test]
    fn a_protocol_answer_names_its_model() {
        let check = |body: &'static str, name: &str, expect: &str| {
            let got = splice_model(&Bytes::from_static(body.as_bytes()), name, 12);
            assert_eq!(got, expect, "{body}");
        };
        check(
            r#"{"id":"a","outputs":[{"data":[1]}]}"#,
            "price",
            r#"{"id":"a","outputs":[{"data":[1]}],"model_name":"price","model_version":"12"}"#,
        );
        check(
            r#"{"outputs":[]}"#,
            "a\"}\\",
            r#"{"outputs":[],"model_name":"a\"}\\","model_version":"12"}"#,
        );
        check("{}", "x", r#"{"model_name":"x","model_version":"12"}"#);
        check("[]", "x", "[]");
        check("", "x", "");
    }

    #[test]
    fn an_error_is_json_whatever_its_words() {
        let body = error_body("no \"x\"\n");
        assert_eq!(body, br#"{"error":"no \"x\"\n"}"#);
    }
}
