//! Tokens of units: signed, stateless, good for one pipeline run's tracking, never stored.
//!
//! Form: `msu_<base64url(JSON claims)>.<base64url(HMAC-SHA-256)>` under the server's master key. A unit's token dies
//! with its expiry; the server also refuses it once the run it was made for has ended.

use crate::{identity::Identity, keys::MasterKey, signed::Form};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const FORM: Form = Form {
    prefix: "msu_",
    label: b"mainspan unit token v1\0",
};

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
    FORM.looks_like(token)
}

/// Signs claims.
pub fn sign(claims: &Claims, key: &MasterKey) -> String {
    FORM.sign(claims, key)
}

/// Verifies a token; `None` for a forged, malformed or expired one.
pub fn verify(token: &str, key: &MasterKey, now: Timestamp) -> Option<Identity> {
    let claims: Claims = FORM.open(token, key)?;
    if claims.expires <= now.as_second() {
        return None;
    }
    Some(Identity::Unit {
        project: claims.project,
        run: claims.run,
        mlflow_run: claims.mlflow_run,
    })
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
