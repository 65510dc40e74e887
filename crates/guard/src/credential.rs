//! The `Authorization` header: Bearer as our clients send it, Basic as MLflow's client sends user and password.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// What the header holds, not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// No header.
    None,
    /// A token, sent as bearer or as the password of basic authentication.
    Token(String),
    /// Something else: treat as a wrong token, never as anonymous.
    Malformed,
}

/// Reads one header value.
pub fn parse(header: Option<&str>) -> Credential {
    let Some(header) = header else {
        return Credential::None;
    };
    let Some((scheme, value)) = header.split_once(' ') else {
        return Credential::Malformed;
    };
    let value = value.trim();
    if scheme.eq_ignore_ascii_case("bearer") && !value.is_empty() {
        return Credential::Token(value.to_owned());
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let password = STANDARD
            .decode(value)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .and_then(|pair| {
                pair.split_once(':')
                    .map(|(_, password)| password.to_owned())
            });
        return password
            .filter(|p| !p.is_empty())
            .map_or(Credential::Malformed, Credential::Token);
    }
    Credential::Malformed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes() {
        let token = |s: &str| Credential::Token(s.to_owned());
        for (header, expect) in [
            (None, Credential::None),
            (Some("Bearer abc"), token("abc")),
            (Some("bearer  abc "), token("abc")),
            (Some("Basic dXNlcjpzM2NyZXQ="), token("s3cret")),
            (Some("Basic !!"), Credential::Malformed),
            (Some("Basic dXNlcjo="), Credential::Malformed),
            (Some("Bearer "), Credential::Malformed),
            (Some("Digest x"), Credential::Malformed),
            (Some("abc"), Credential::Malformed),
        ] {
            assert_eq!(parse(header), expect, "{header:?}");
        }
    }
}
