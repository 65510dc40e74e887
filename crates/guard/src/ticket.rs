//! Tickets: leave to send one request, and no other, until a moment not far away.
//!
//! For transfers that a client makes without its own credential: the parts of an upload, the ranges of a download.
//! Form: `mst_<base64url(JSON claims)>.<base64url(HMAC-SHA-256)>` under the server's master key; nothing is stored.

use crate::{identity::Identity, keys::MasterKey, path, signed::Form};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const FORM: Form = Form {
    prefix: "mst_",
    label: b"mainspan ticket v1\0",
};

/// What a ticket says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The request's method.
    pub method: String,
    /// The request's path without escapes, and without a query.
    pub path: String,
    /// The project that the path is about.
    pub project: String,
    /// Who asked for the ticket.
    pub actor: String,
    /// Not good from this second on.
    pub expires: i64,
}

/// Whether a token has the form of a ticket (it may still be forged).
pub fn looks_like(token: &str) -> bool {
    FORM.looks_like(token)
}

/// Signs claims.
pub fn sign(claims: &Claims, key: &MasterKey) -> String {
    FORM.sign(claims, key)
}

/// Verifies a ticket for a request; `None` for a forged, malformed or expired one, and for another request's.
pub fn verify(
    token: &str,
    (method, path): (&str, &str),
    key: &MasterKey,
    now: Timestamp,
) -> Option<Identity> {
    let claims: Claims = FORM.open(token, key)?;
    let good = claims.expires > now.as_second()
        && claims.method == method
        && claims.path == path::decoded(path)?;
    good.then_some(Identity::Ticket {
        actor: claims.actor,
        project: claims.project,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_for_one_request() {
        let key = MasterKey::from_bytes([7; 32]);
        let claims = Claims {
            method: "PUT".into(),
            path: "/p/a/x y".into(),
            project: "a".into(),
            actor: "ann".into(),
            expires: 100,
        };
        let ticket = sign(&claims, &key);
        let check = |request: (&str, &str), key: [u8; 32], now: i64, expect: bool| {
            let now = Timestamp::from_second(now).unwrap();
            let got = verify(&ticket, request, &MasterKey::from_bytes(key), now);
            assert_eq!(got.is_some(), expect, "{request:?} {now}");
        };
        check(("PUT", "/p/a/x%20y"), [7; 32], 99, true);
        check(("PUT", "/p/a/x%20y"), [7; 32], 100, false);
        check(("PUT", "/p/a/x%20y"), [8; 32], 99, false);
        check(("GET", "/p/a/x%20y"), [7; 32], 99, false);
        check(("PUT", "/p/a/x%2520y"), [7; 32], 99, false);
        check(("PUT", "/p/a/x%20y/"), [7; 32], 99, false);
        assert!(looks_like(&ticket));
    }
}
