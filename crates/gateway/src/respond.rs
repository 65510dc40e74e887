//! The answers that the gateway itself makes, and what it adds to an engine's.

mod body;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use inference::frame::Wire;

pub(crate) use body::Body;

use crate::request_id;

/// An answer over HTTP.
pub(crate) type Answer = Response<Body>;

/// Says which version gave the answer.
pub(crate) const VERSION: HeaderName = HeaderName::from_static("mainspan-version");
/// Says how much of a body is JSON, in the protocol's binary extension.
pub(crate) const JSON_LENGTH: HeaderName =
    HeaderName::from_static("inference-header-content-length");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const A_SECOND: HeaderValue = HeaderValue::from_static("1");
const BINARY: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// What became of a request for a prediction, before it is an answer over HTTP or gRPC.
#[derive(Debug, Clone)]
pub(crate) struct Predicted {
    /// As HTTP has it.
    pub(crate) status: StatusCode,
    /// `{"error": …}` unless the status is a success.
    pub(crate) body: Bytes,
    /// How many bytes of the body are JSON, if raw bytes follow; else 0.
    pub(crate) json: u32,
    /// The version that it went to.
    pub(crate) version: Option<HeaderValue>,
    /// The request's id, as a header.
    pub(crate) id: Option<HeaderValue>,
    /// In how many seconds it is worth trying again, with 503.
    pub(crate) retry_after: Option<u32>,
}

impl Predicted {
    /// An error of the gateway.
    pub(crate) fn error(status: StatusCode, message: &str) -> Self {
        Self {
            status,
            body: error_body(message).into(),
            json: 0,
            version: None,
            id: None,
            retry_after: None,
        }
    }

    /// The answer over HTTP to a request that was written so.
    pub(crate) fn http(self, wire: Wire) -> Answer {
        let mut answer = match wire {
            Wire::Scoring | Wire::Csv if !self.status.is_success() => {
                scoring_error(self.status, &message_of(&self.body))
            }
            _ => json(self.status, self.body),
        };
        if self.json > 0 {
            let headers = answer.headers_mut();
            headers.insert(CONTENT_TYPE, BINARY);
            headers.insert(JSON_LENGTH, HeaderValue::from(self.json));
        }
        if let Some(id) = self.id {
            answer.headers_mut().insert(request_id::HEADER, id);
        }
        if let Some(seconds) = self.retry_after {
            answer = try_again(answer, seconds);
        }
        match &self.version {
            Some(version) => from_version(answer, version),
            None => answer,
        }
    }
}

/// Says in how many seconds it is worth trying again.
pub(crate) fn try_again(mut answer: Answer, seconds: u32) -> Answer {
    let seconds = HeaderValue::from(seconds);
    answer.headers_mut().insert(RETRY_AFTER, seconds);
    answer
}

/// A JSON answer. One that says that there is no room now may be asked for again in a second.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Body::Whole(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, JSON);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer.headers_mut().insert(RETRY_AFTER, A_SECOND);
    }
    answer
}

/// `{"error": …}`, the shape of most errors on the data plane.
pub(crate) fn error(status: StatusCode, message: &str) -> Answer {
    json(status, error_body(message))
}

/// An error as MLflow's scoring server answers it.
pub(crate) fn scoring_error(status: StatusCode, message: &str) -> Answer {
    let code = match status.as_u16() {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "RESOURCE_DOES_NOT_EXIST",
        429 => "RESOURCE_EXHAUSTED",
        400..500 => "BAD_REQUEST",
        503 => "TEMPORARILY_UNAVAILABLE",
        _ => "INTERNAL_ERROR",
    };
    json(
        status,
        serde_json::json!({ "error_code": code, "message": message }).to_string(),
    )
}

/// The body of an error.
pub(crate) fn error_body(message: &str) -> Vec<u8> {
    serde_json::json!({ "error": message })
        .to_string()
        .into_bytes()
}

/// The words of an error's body.
pub(crate) fn message_of(body: &[u8]) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let error = parsed.as_ref().and_then(|value| value["error"].as_str());
    error.unwrap_or("no reason given").to_owned()
}

/// Names the version that the request went to.
pub(crate) fn from_version(mut answer: Answer, version: &HeaderValue) -> Answer {
    answer.headers_mut().insert(VERSION, version.clone());
    answer
}

/// Adds `model_name` and `model_version` to a protocol answer whose first `json` bytes are JSON, and
/// says how many are then. All of it is JSON when `json` is 0.
pub(crate) fn splice_raw(body: &Bytes, json: u32, name: &str, version: u32) -> (Bytes, u32) {
    let Some((head, raw)) = body.split_at_checked(json as usize).filter(|_| json > 0) else {
        return (splice_model(body, name, version), 0);
    };
    let head = splice_model(&Bytes::copy_from_slice(head), name, version);
    let length = u32::try_from(head.len()).unwrap_or(u32::MAX);
    let mut whole = BytesMut::with_capacity(head.len() + raw.len());
    whole.put_slice(&head);
    whole.put_slice(raw);
    (whole.freeze(), length)
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
