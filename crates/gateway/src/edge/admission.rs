//! Who is let in: the right host, no foreign web page, a token where one is needed.
//!
//! Pure: headers in, yes or a refusal out. On loopback the danger is a browser on the same
//! machine that a foreign page drives: by DNS rebinding (then `Host` is the page's) or by plain
//! cross-origin posts (then `Origin` is).

use http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderValue, ORIGIN};
use http::uri::Authority;
use http::{Method, StatusCode, Uri};

use crate::options::TokenHash;

/// The rule of one listener.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    loopback: bool,
    tokens: Vec<TokenHash>,
}

/// A request that is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What to answer.
    pub(crate) status: StatusCode,
    /// What to say.
    pub(crate) message: &'static str,
}

const NO_HOST: Refusal = Refusal {
    status: StatusCode::BAD_REQUEST,
    message: "the request names no host; send a Host header",
};
const WRONG_HOST: Refusal = Refusal {
    status: StatusCode::MISDIRECTED_REQUEST,
    message: "this gateway answers to localhost, 127.0.0.1 and [::1] only; call it by one of these",
};
const WRONG_ORIGIN: Refusal = Refusal {
    status: StatusCode::FORBIDDEN,
    message: "web pages of other origins may not call this gateway; call it from your own server",
};
const NO_TOKEN: Refusal = Refusal {
    status: StatusCode::UNAUTHORIZED,
    message: "a token is needed; send `Authorization: Bearer TOKEN`",
};

impl Admission {
    /// The rule for a listener, on loopback or not, with the tokens that are let in.
    pub(crate) fn new(loopback: bool, tokens: Vec<TokenHash>) -> Self {
        Self { loopback, tokens }
    }

    /// Lets a request in or not.
    pub(crate) fn check(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), Refusal> {
        if self.loopback {
            check_host(uri, headers)?;
        }
        if !matches!(*method, Method::GET | Method::HEAD)
            && let Some(origin) = headers.get(ORIGIN)
            && !is_own_origin(origin, self.loopback, headers)
        {
            return Err(WRONG_ORIGIN);
        }
        if self.tokens.is_empty() || is_health(uri.path()) {
            return Ok(());
        }
        let token = headers
            .get(AUTHORIZATION)
            .and_then(bearer)
            .ok_or(NO_TOKEN)?;
        // Comparing hashes tells an attacker nothing about the tokens.
        let hash = TokenHash::of(token);
        if self.tokens.contains(&hash) {
            Ok(())
        } else {
            Err(NO_TOKEN)
        }
    }
}

fn check_host(uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(HOST).iter();
    let (host, other) = (hosts.next(), hosts.next());
    // HTTP/2 has an authority in place of the header.
    let authority = uri.authority();
    if host.is_none() && authority.is_none() {
        return Err(NO_HOST);
    }
    let own_host = host.is_none_or(|host| host.to_str().is_ok_and(is_loopback_authority));
    let own_authority = authority.is_none_or(|a| is_loopback_authority(a.as_str()));
    if own_host && own_authority && other.is_none() {
        Ok(())
    } else {
        Err(WRONG_HOST)
    }
}

fn is_loopback_authority(text: &str) -> bool {
    // The common ones without parsing.
    if text == "localhost" || text == "127.0.0.1" {
        return true;
    }
    let Ok(authority) = text.parse::<Authority>() else {
        return false;
    };
    let host = authority.host();
    !text.contains('@')
        && (host.eq_ignore_ascii_case("localhost") || host == "127.0.0.1" || host == "[::1]")
}

/// On loopback, pages served from loopback may call; elsewhere, pages of the same host.
fn is_own_origin(origin: &HeaderValue, loopback: bool, headers: &HeaderMap) -> bool {
    let Some(authority) = origin.to_str().ok().and_then(|text| {
        text.strip_prefix("http://")
            .or_else(|| text.strip_prefix("https://"))
    }) else {
        return false;
    };
    if loopback {
        return is_loopback_authority(authority);
    }
    headers
        .get(HOST)
        .is_some_and(|host| host.as_bytes() == authority.as_bytes())
}

fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Probes have no token.
fn is_health(path: &str) -> bool {
    matches!(path, "/v2/health/live" | "/v2/health/ready")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: &Admission, method: &Method, uri: &str, headers: &[(&str, &str)], expect: u16) {
        let map: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                let name = http::HeaderName::try_from(*name).unwrap();
                (name, HeaderValue::from_str(value).unwrap())
            })
            .collect();
        let got = rule.check(method, &uri.parse().unwrap(), &map);
        let status = got.map_or_else(|refusal| refusal.status.as_u16(), |()| 200);
        assert_eq!(status, expect, "{method} {uri} {headers:?}");
    }

    #[test]
    fn loopback_answers_to_its_own_names_and_pages() {
        let rule = Admission::new(true, vec![]);
        let host =
            |host: &str, expect| check(&rule, &Method::GET, "/delay", &[("host", host)], expect);
        for own in [
            "localhost",
            "localhost:7080",
            "LocalHost:1",
            "127.0.0.1:7080",
            "[::1]:7080",
            "[::1]",
        ] {
            host(own, 200);
        }
        for foreign in [
            "evil.example",
            "evil.example:7080",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.2",
            "localhost@evil.example",
            "evil@localhost",
            "",
            "[::2]",
            "0.0.0.0:7080",
        ] {
            host(foreign, 421);
        }
        check(&rule, &Method::GET, "/delay", &[], 400);
        let two = [("host", "localhost"), ("host", "evil.example")];
        check(&rule, &Method::GET, "/delay", &two, 421);
        check(
            &rule,
            &Method::GET,
            "http://evil.example/delay",
            &[("host", "localhost")],
            421,
        );
        check(
            &rule,
            &Method::GET,
            "http://localhost:7080/delay",
            &[("host", "localhost")],
            200,
        );
        // HTTP/2 has no Host header.
        check(
            &rule,
            &Method::POST,
            "http://localhost:7080/delay",
            &[],
            200,
        );
        check(&rule, &Method::POST, "http://evil.example/delay", &[], 421);
        let origin = |origin: &str, expect| {
            let headers = [("host", "localhost:7080"), ("origin", origin)];
            check(&rule, &Method::POST, "/delay", &headers, expect);
        };
        origin("http://localhost:7070", 200);
        origin("http://127.0.0.1:3000", 200);
        for foreign in [
            "https://evil.example",
            "null",
            "http://localhost.evil.example",
            "file://",
        ] {
            origin(foreign, 403);
        }
    }

    #[test]
    fn tokens_are_asked_for_everywhere_but_at_the_health_checks() {
        let rule = Admission::new(false, vec![TokenHash::of("other"), TokenHash::of("secret")]);
        let host = ("host", "models.example");
        let token = |value: &'static str, expect| {
            check(
                &rule,
                &Method::POST,
                "/delay",
                &[host, ("authorization", value)],
                expect,
            );
        };
        token("Bearer secret", 200);
        token("bearer other", 200);
        for wrong in [
            "Bearer",
            "Bearer ",
            "Bearer secre",
            "Basic secret",
            "secret",
            "Bearer secret x",
        ] {
            token(wrong, 401);
        }
        check(&rule, &Method::POST, "/delay", &[host], 401);
        check(&rule, &Method::GET, "/v2/health/ready", &[host], 200);
        check(&rule, &Method::GET, "/v2/models/delay", &[host], 401);
        let page = |origin, expect| {
            let headers = [host, ("authorization", "Bearer secret"), ("origin", origin)];
            check(&rule, &Method::POST, "/delay", &headers, expect);
        };
        page("https://models.example", 200);
        page("https://evil.example", 403);
    }
}
