//! Secrets checked against their argon2 hashes, slowly once and fast from then on.
//!
//! What passed is remembered by an HMAC under a key that this process alone has and forgets with its end, so that its
//! memory tells nothing that could be tried out elsewhere. The hash is remembered with it: another hash, and a row that
//! is gone, end a remembered pass at once.

use argon2::{
    Argon2,
    password_hash::{PasswordVerifier as _, phc::PasswordHash},
};
use hmac::{Hmac, KeyInit, Mac};
use rand::RngExt as _;
use sha2::Sha256;
use std::{
    collections::HashMap,
    sync::{Mutex, OnceLock},
};

use crate::password;

/// More than anyone uses at once; beyond it the memory starts afresh.
const REMEMBERED: usize = 4096;

/// The memory of what passed.
pub struct Verified {
    key: [u8; 32],
    passed: Mutex<HashMap<[u8; 32], String>>,
    nobody: OnceLock<String>,
}

impl Default for Verified {
    fn default() -> Self {
        Verified {
            key: rand::rng().random(),
            passed: Mutex::default(),
            nobody: OnceLock::new(),
        }
    }
}

impl std::fmt::Debug for Verified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verified(…)")
    }
}

impl Verified {
    /// Whether `secret` of `owner` has passed for this very hash before. Fast.
    pub fn remembers(&self, owner: &str, secret: &str, hash: &str) -> bool {
        let key = self.name(owner, secret);
        self.lock().get(&key).is_some_and(|known| known == hash)
    }

    /// Whether `secret` belongs to `hash`. Slow: call it on a blocking thread. Without a hash it is as slow, and false,
    /// so that nobody learns by the time which owners there are.
    pub fn check(&self, owner: &str, secret: &str, hash: Option<&str>) -> bool {
        let nobody = || self.nobody.get_or_init(|| password::hash("nobody's"));
        let against = hash.unwrap_or_else(|| nobody());
        let passed = PasswordHash::new(against).is_ok_and(|hash| {
            Argon2::default()
                .verify_password(secret.as_bytes(), &hash)
                .is_ok()
        });
        let Some(hash) = hash.filter(|_| passed) else {
            return false;
        };
        let mut memory = self.lock();
        if memory.len() >= REMEMBERED {
            memory.clear();
        }
        memory.insert(self.name(owner, secret), hash.to_owned());
        true
    }

    fn name(&self, owner: &str, secret: &str) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        for part in [owner, secret] {
            mac.update(&part.len().to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], String>> {
        self.passed
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_secret_passes_and_a_new_hash_ends_that() {
        let (first, second) = (password::hash("open sesame"), password::hash("open sesame"));
        let memory = Verified::default();
        assert!(!memory.remembers("ann", "open sesame", &first));
        assert!(!memory.check("ann", "open", Some(&first)));
        assert!(memory.check("ann", "open sesame", Some(&first)));
        assert!(memory.remembers("ann", "open sesame", &first));
        for (owner, secret, hash) in [
            ("ann", "open", &first),
            ("ann", "open sesame", &second),
            ("anno", "pen sesame", &first),
            ("ben", "open sesame", &first),
        ] {
            assert!(!memory.remembers(owner, secret, hash), "{owner} {secret}");
        }
        assert!(!memory.check("ann", "nobody's", None), "no such owner");
        assert!(!memory.check("ann", "open sesame", Some("not a hash")));
    }
}
