//! Addresses of this server that a client may use without its own credential: one request each, for a while.

use super::failure::Failure;
use crate::{app::App, http::Caller};
use guard::ticket::{self, Claims};
use http::{HeaderMap, Method, header};
use jiff::SignedDuration;
use mlflow::{Error, ErrorCode};
use std::collections::BTreeMap;

/// What a client sends, and where.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) url: String,
    pub(super) headers: BTreeMap<String, String>,
}

/// Makes passes for one caller.
pub(super) struct Passes<'a> {
    app: &'a App,
    caller: &'a Caller,
    origin: String,
    lifetime: SignedDuration,
}

impl<'a> Passes<'a> {
    /// For the server under the name by which the client reached it, which was checked to be its own.
    pub(super) fn new(
        app: &'a App,
        caller: &'a Caller,
        headers: &HeaderMap,
        lifetime: SignedDuration,
    ) -> Result<Self, Failure> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let unnamed = || Error::new(ErrorCode::BadRequest, "the request has no Host header");
        let host = text(header::HOST.as_str()).ok_or_else(unnamed)?;
        // What a proxy with TLS in front of this server says of its side.
        let scheme = match text("x-forwarded-proto") {
            Some("https") => "https",
            _ => "http",
        };
        Ok(Passes {
            app,
            caller,
            origin: format!("{scheme}://{host}"),
            lifetime,
        })
    }

    /// A pass for an artifact endpoint; `below` starts after `mlflow-artifacts/`, and is not encoded.
    pub(super) fn make(&self, method: &Method, below: &str) -> Pass {
        let project = self.caller.project();
        let path = format!("/p/{project}/api/2.0/mlflow-artifacts/{below}");
        let claims = Claims {
            method: method.to_string(),
            path,
            project: project.to_owned(),
            actor: self.caller.identity.actor(),
            expires: self
                .app
                .now()
                .saturating_add(self.lifetime)
                .map_or(0, jiff::Timestamp::as_second),
        };
        let ticket = ticket::sign(&claims, self.app.master_key());
        let headers = [("Authorization".to_owned(), format!("Bearer {ticket}"))];
        Pass {
            url: format!("{}{}", self.origin, encoded(&claims.path)),
            headers: headers.into(),
        }
    }
}

/// A path with everything escaped that no two programs might spell alike.
fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match char::from(byte) {
            c if c.is_ascii_alphanumeric() || "/-._~".contains(c) => out.push(c),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn paths_are_escaped() {
        assert_eq!(super::encoded("/p/a b/é%.~"), "/p/a%20b/%C3%A9%25.~");
    }
}
