//! The `Authorization` header: Bearer as our clients send it, Basic as MLflow's client sends user and password.

use crate::token;
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// What the header holds, not yet verified.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// No header.
    None,
    /// A token, sent as bearer or as the password of basic authentication.
    Token(String),
    /// Name and password of a user.
    Password {
        /// The user's name.
        name: String,
        /// The password.
        password: String,
    },
    /// Something else: treat as a wrong token, never as anonymous.
    Malformed,
}

impl std::fmt::Debug for Credential {
    /// Says the kind only, so that no log ever holds a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Credential::None => "None",
            Credential::Token(_) => "Token(…)",
            Credential::Password { .. } => "Password(…)",
            Credential::Malformed => "Malformed",
        })
    }
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
        return basic(value).unwrap_or(Credential::Malformed);
    }
    Credential::Malformed
}

/// Whoever sends a token where a password goes need not know the difference.
fn basic(value: &str) -> Option<Credential> {
    let pair = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
    let (name, password) = pair.split_once(':')?;
    if password.is_empty() {
        return None;
    }
    if token::looks_like(password) {
        return Some(Credential::Token(password.to_owned()));
    }
    Some(Credential::Password {
        name: name.to_owned(),
        password: password.to_owned(),
    })
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
            (
                Some("Basic dXNlcjpzM2NyZXQ="),
                Credential::Password {
                    name: "user".into(),
                    password: "s3cret".into(),
                },
            ),
            (Some("basic dXNlcjptc19hYmNfZA=="), token("ms_abc_d")),
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
