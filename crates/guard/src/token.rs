//! Tokens that people make: shown once, argon2-hashed at rest, with role, project and expiry.
//!
//! Form: `ms_<id>_<secret>`; the id finds the row, the secret is checked against its hash. argon2 is slow on purpose,
//! so [`Verified`] remembers, by SHA-256 of the whole token, those that passed; a revoked row is looked up every time.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use rand::RngExt as _;
use sha2::{Digest as _, Sha256};
use std::{collections::HashMap, sync::Mutex};

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
    let hash = Argon2::default()
        .hash_password(secret.as_bytes())
        .expect("argon2's default parameters are valid")
        .to_string();
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

/// Remembers which (token, hash) pairs have passed argon2.
#[derive(Debug, Default)]
pub struct Verified(Mutex<HashMap<[u8; 32], String>>);

/// More tokens than anyone uses at once; beyond it the memory starts afresh.
const REMEMBERED: usize = 4096;

impl Verified {
    /// Whether `secret` belongs to `hash`; slow the first time (call it on a blocking thread), then fast.
    pub fn check(&self, text: &str, secret: &str, hash: &str) -> bool {
        let key: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let remembered = self.lock().get(&key).is_some_and(|known| known == hash);
        if remembered {
            return true;
        }
        let passed = PasswordHash::new(hash).is_ok_and(|hash| {
            Argon2::default()
                .verify_password(secret.as_bytes(), &hash)
                .is_ok()
        });
        if passed {
            let mut memory = self.lock();
            if memory.len() >= REMEMBERED {
                memory.clear();
            }
            memory.insert(key, hash.to_owned());
        }
        passed
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], String>> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
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
    fn a_token_passes_only_with_its_own_secret_and_hash() {
        let (mine, other) = (generate(), generate());
        let (id, secret) = split(&mine.text).unwrap();
        assert_eq!(id, mine.id);
        assert!(!mine.hash.contains(secret));
        let memory = Verified::default();
        for _ in 0..2 {
            assert!(memory.check(&mine.text, secret, &mine.hash));
            assert!(
                !memory.check(&mine.text, secret, &other.hash),
                "a new hash ends a remembered pass"
            );
            assert!(!memory.check(&mine.text, "guess", &other.hash));
        }
        assert!(!memory.check(&mine.text, secret, "not a hash"));
        assert!(split("ms_short_x").is_none() && split("bearer").is_none());
        assert!(same("a", "a") && !same("a", "b"));
    }
}
