//! Tokens of units: signed, stateless, good for one pipeline run's tracking, never stored.
//!
//! Form: `msu_<base64url(JSON claims)>.<base64url(HMAC-SHA-256)>` under the server's master key. A unit's token dies
//! with its expiry; the server also refuses it once the run it was made for has ended.

use crate::{identity::Identity, keys::MasterKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

const PREFIX: &str = "msu_";

/// What the token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Project of the run.
    pub project: String,
    /// Pipeline run.
    pub run: String,
    /// The attempt's MLflow run.
    pub mlflow_run: String,
    /// Not good from this second on.
    pub expires: i64,
}

/// Whether a token has the form of a unit's (it may still be forged).
pub fn looks_like(token: &str) -> bool {
    token.starts_with(PREFIX)
}

/// Signs claims.
pub fn sign(claims: &Claims, key: &MasterKey) -> String {
    let body =
        B64.encode(serde_json::to_vec(claims).expect("claims are plain strings and a number"));
    let tag = B64.encode(mac(&body, key).finalize().into_bytes());
    format!("{PREFIX}{body}.{tag}")
}

/// Verifies a token; `None` for a forged, malformed or expired one.
pub fn verify(token: &str, key: &MasterKey, now: Timestamp) -> Option<Identity> {
    let (body, tag) = token.strip_prefix(PREFIX)?.split_once('.')?;
    mac(body, key).verify_slice(&B64.decode(tag).ok()?).ok()?;
    let claims: Claims = serde_json::from_slice(&B64.decode(body).ok()?).ok()?;
    if claims.expires <= now.as_second() {
        return None;
    }
    Some(Identity::Unit {
        project: claims.project,
        run: claims.run,
        mlflow_run: claims.mlflow_run,
    })
}

fn mac(body: &str, key: &MasterKey) -> Hmac<Sha256> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.bytes()).expect("HMAC takes keys of any length");
    mac.update(b"mainspan unit token v1\0");
    mac.update(body.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_and_checked() {
        let key = MasterKey::from_bytes([7; 32]);
        let claims = Claims {
            project: "p".into(),
            run: "r".into(),
            mlflow_run: "m".into(),
            expires: 100,
        };
        let token = sign(&claims, &key);
        let at = |s| Timestamp::from_second(s).expect("in range");
        assert!(looks_like(&token));
        let expect = Identity::Unit {
            project: "p".into(),
            run: "r".into(),
            mlflow_run: "m".into(),
        };
        assert_eq!(verify(&token, &key, at(99)), Some(expect));
        assert_eq!(verify(&token, &key, at(100)), None, "expired");
        assert_eq!(
            verify(&token, &MasterKey::from_bytes([8; 32]), at(1)),
            None,
            "another key"
        );
        let forged = sign(
            &Claims {
                project: "q".into(),
                ..claims
            },
            &MasterKey::from_bytes([8; 32]),
        );
        let mixed = format!(
            "{}.{}",
            forged.split('.').next().unwrap(),
            token.split('.').nth(1).unwrap()
        );
        assert_eq!(
            verify(&mixed, &key, at(1)),
            None,
            "claims swapped under a good signature"
        );
        assert_eq!(verify("msu_x", &key, at(1)), None);
    }
}
