//! Which headers of a request go on to a server, and which of its answer come back.
//!
//! Source: RFC 9110, section 7.6.1: those that are about one connection end with it.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};

/// Those of one connection.
fn is_hop(name: &HeaderName) -> bool {
    [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE].contains(name)
        || name.as_str() == "keep-alive"
        || name.as_str().starts_with("proxy-")
}

/// A request's. Tokens that are the gateway's own business stay here.
pub(super) fn passed_on(headers: &HeaderMap, with_tokens: bool) -> HeaderMap {
    let kept = headers.iter().filter(|(name, _)| {
        let own = **name == HOST || **name == EXPECT || **name == CONTENT_LENGTH;
        !is_hop(name) && !own && (with_tokens || **name != AUTHORIZATION)
    });
    kept.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// An answer's.
pub(super) fn passed_back(headers: &HeaderMap) -> HeaderMap {
    // A length beside another coding is not the length (RFC 9112, section 6.3).
    let is_coded = headers.contains_key(TRANSFER_ENCODING);
    let kept = headers
        .iter()
        .filter(|(name, _)| !(is_hop(name) || is_coded && **name == CONTENT_LENGTH));
    kept.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn what_is_about_the_connection_stays() {
        let names = [
            "host",
            "connection",
            "keep-alive",
            "transfer-encoding",
            "content-length",
            "authorization",
            "content-type",
            "x-own",
            "proxy-authorization",
        ];
        let headers: HeaderMap = names
            .iter()
            .map(|name| (HeaderName::from_static(name), HeaderValue::from_static("v")))
            .collect();
        let check = |got: HeaderMap, expect: &[&str]| {
            let mut names: Vec<_> = got.keys().map(HeaderName::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, expect);
        };
        check(
            passed_on(&headers, true),
            &["authorization", "content-type", "x-own"],
        );
        check(passed_on(&headers, false), &["content-type", "x-own"]);
        // A length beside a coding is none.
        let back = ["authorization", "content-type", "host", "x-own"];
        check(passed_back(&headers), &back);
        let mut headers = headers;
        headers.remove(TRANSFER_ENCODING);
        let back = [
            "authorization",
            "content-length",
            "content-type",
            "host",
            "x-own",
        ];
        check(passed_back(&headers), &back);
    }
}
