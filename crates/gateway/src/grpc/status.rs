//! What a call ends with: a code and words, in trailers.
//!
//! Source: grpc/grpc, `doc/PROTOCOL-HTTP2.md` and `doc/statuscodes.md`.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};

use super::frames::prefixed;
use super::retry;
use crate::respond::{Answer, Body};

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// Longest words of an error: they travel in a header.
const MAX_WORDS: usize = 4096;

/// An end that is no success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    code: u16,
    words: String,
    /// Seconds.
    retry_after: Option<u32>,
}

impl Status {
    /// The code that says what an HTTP status says.
    pub(crate) fn of(status: StatusCode, words: &str) -> Self {
        let code = match status.as_u16() {
            401 => 16,
            403 => 7,
            404 => 5,
            408 | 504 => 4,
            413 | 429 => 8,
            405 | 501 => 12,
            502 | 503 => 14,
            status if status < 500 => 3,
            _ => 13,
        };
        let words = words.to_owned();
        Self {
            code,
            words,
            retry_after: None,
        }
    }

    /// A message that is not understood.
    pub(super) fn invalid(words: &str) -> Self {
        Self::of(StatusCode::BAD_REQUEST, words)
    }

    /// A method that is not served.
    pub(super) fn unknown(method: &str) -> Self {
        let words = format!("the method {method:?} is not served");
        Self::of(StatusCode::NOT_IMPLEMENTED, &words)
    }

    /// A compressed message.
    pub(super) fn compressed() -> Self {
        let words = "compressed messages are not taken; send them plain";
        Self::of(StatusCode::NOT_IMPLEMENTED, words)
    }

    /// It is worth trying again in so many seconds.
    pub(super) fn retry_after(self, seconds: Option<u32>) -> Self {
        Self {
            retry_after: seconds,
            ..self
        }
    }

    /// Its words.
    pub(super) fn words(&self) -> &str {
        &self.words
    }

    /// The answer without any message.
    pub(crate) fn answer(&self) -> Answer {
        let mut answer = Response::new(Body::Whole(Bytes::new()));
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, GRPC);
        headers.insert(STATUS, HeaderValue::from(self.code));
        headers.insert(MESSAGE, encoded(&self.words));
        if let Some(seconds) = self.retry_after {
            headers.extend(retry::trailers(self.code, &self.words, seconds));
        }
        answer
    }
}

/// The answer of one message.
pub(super) fn unary(message: &[u8]) -> Answer {
    let mut answer = Response::new(Body::Trailed(prefixed(message), good()));
    answer.headers_mut().insert(CONTENT_TYPE, GRPC);
    answer
}

/// An answer whose messages and trailers come by themselves.
pub(super) fn pieces(body: Body) -> Answer {
    let mut answer = Response::new(body);
    answer.headers_mut().insert(CONTENT_TYPE, GRPC);
    answer
}

/// The trailers of a success.
pub(super) fn good() -> HeaderMap {
    HeaderMap::from_iter([(STATUS, HeaderValue::from_static("0"))])
}

/// Whether a request is gRPC.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_some_and(|kind| kind.starts_with(b"application/grpc"))
}

/// How long the client waits for all of the call: at most eight digits and a unit.
pub(super) fn deadline(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let n: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    Some(match unit {
        "H" => Duration::from_secs(n * 3600),
        "M" => Duration::from_secs(n * 60),
        "S" => Duration::from_secs(n),
        "m" => Duration::from_millis(n),
        "u" => Duration::from_micros(n),
        "n" => Duration::from_nanos(n),
        _ => return None,
    })
}

/// Words in a header: percent-encoded but for printable ASCII.
fn encoded(words: &str) -> HeaderValue {
    let mut out = String::new();
    for byte in words.bytes().take(MAX_WORDS) {
        match byte {
            b'%' => out.push_str("%25"),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    HeaderValue::try_from(out).unwrap_or(HeaderValue::from_static("no reason given"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_digits_and_a_unit() {
        let check = |text: &'static str, expect: Option<Duration>| {
            let headers = HeaderMap::from_iter([(TIMEOUT, HeaderValue::from_static(text))]);
            assert_eq!(deadline(&headers), expect, "{text}");
        };
        check("2H", Some(Duration::from_secs(7200)));
        check("3M", Some(Duration::from_secs(180)));
        check("10S", Some(Duration::from_secs(10)));
        check("99999999m", Some(Duration::from_millis(99_999_999)));
        check("7u", Some(Duration::from_micros(7)));
        check("7n", Some(Duration::from_nanos(7)));
        for wrong in ["", "S", "5", "-5S", "123456789S", "5x"] {
            check(wrong, None);
        }
    }

    #[test]
    fn words_travel_in_a_header() {
        assert_eq!(encoded("50% of \u{e9}\n"), "50%25 of %C3%A9%0A");
        let status = Status::of(StatusCode::NOT_FOUND, "no");
        let answer = status.answer();
        assert_eq!(answer.headers()[STATUS], "5");
        assert_eq!(answer.headers()[MESSAGE], "no");
    }
}
