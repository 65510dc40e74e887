//! The id of a request: what its body says, what the header `x-request-id` says, or else one of the gateway's.
//!
//! It is in the traffic log, in the answer's header, and, if the client gave it, what labels come back by.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::join::MAX_ID;

/// The header that names a request, and in an answer says how it was named.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The id in a request's headers.
pub(crate) fn given(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(HEADER)?.to_str().ok()?.trim();
    (!text.is_empty() && text.len() <= MAX_ID).then(|| text.to_owned())
}

/// A new one.
pub(crate) fn minted(random: u64) -> String {
    format!("{random:016x}")
}

/// An id as a header, if it can be one.
pub(crate) fn header(id: String) -> Option<HeaderValue> {
    HeaderValue::try_from(id).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_named_by_its_header() {
        let check = |value: &str, expect: Option<&str>| {
            let headers = HeaderMap::from_iter([(HEADER, HeaderValue::from_str(value).unwrap())]);
            assert_eq!(given(&headers).as_deref(), expect, "{value:?}");
        };
        check("a-1", Some("a-1"));
        check(" a ", Some("a"));
        check("", None);
        check(&"x".repeat(MAX_ID + 1), None);
        assert_eq!(given(&HeaderMap::new()), None);
    }
}
