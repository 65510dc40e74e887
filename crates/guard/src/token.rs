//! Tokens that people make: shown once, argon2-hashed at rest, with role, project and expiry.
//!
//! Form: `ms_<id>_<secret>`; the id finds the row, the secret is checked against its hash, as [`crate::verified`] does.

use crate::password;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use rand::RngExt as _;
use sha2::{Digest as _, Sha256};

/// A token just made: the only time its text exists in clear.
#[derive(Clone, Debug)]
pub struct Fresh {
    /// Finds the row.
    pub id: String,
    /// What the user keeps.
    pub text: String,
    /// What is stored.
    pub hash: String,
}

/// 256 random bits as base64url.
pub fn random_secret() -> String {
    B64.encode(rand::rng().random::<[u8; 32]>())
}

/// Makes a token.
pub fn generate() -> Fresh {
    let id: String = rand::rng()
        .random::<[u8; 6]>()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let secret = random_secret();
    let hash = password::hash(&secret);
    Fresh {
        text: format!("ms_{id}_{secret}"),
        id,
        hash,
    }
}

/// Splits a token into id and secret; `None` when it has another form.
pub fn split(text: &str) -> Option<(&str, &str)> {
    let (id, secret) = text.strip_prefix("ms_")?.split_once('_')?;
    (id.len() == 12 && !secret.is_empty()).then_some((id, secret))
}

/// Whether a text has the form of one of this server's tokens: a person's, the owner's, a unit's or a ticket. No
/// password may.
pub fn looks_like(text: &str) -> bool {
    ["ms_", "mso_", "msu_", "mst_"]
        .iter()
        .any(|prefix| text.starts_with(prefix))
}

/// Compares two secrets without telling by its time how far they agree.
pub fn same(a: &str, b: &str) -> bool {
    let (a, b) = (Sha256::digest(a.as_bytes()), Sha256::digest(b.as_bytes()));
    a.iter().zip(b.iter()).fold(0, |acc, (x, y)| acc | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_two_halves() {
        let fresh = generate();
        let (id, secret) = split(&fresh.text).unwrap();
        assert_eq!(id, fresh.id);
        assert!(looks_like(&fresh.text) && !looks_like("a password"));
        assert!(!fresh.hash.contains(secret));
        assert!(split("ms_short_x").is_none() && split("bearer").is_none());
        assert!(same("a", "a") && !same("a", "b"));
    }
}
