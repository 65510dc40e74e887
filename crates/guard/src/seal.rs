//! Secrets of others that the server has to use itself: kept sealed under the master key.
//!
//! Form: `v1.<base64(nonce, ciphertext, tag)>`, ChaCha20-Poly1305 (RFC 8439) with a random nonce and a key of its own,
//! derived from the master key. Each is bound to what it belongs to, so that one record's secret opens nowhere else.

use crate::keys::MasterKey;
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as B64};
use hmac::{Hmac, KeyInit, Mac};
use rand::RngExt as _;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::Sha256;

const PREFIX: &str = "v1.";

/// A secret that does not open: the key is another one, or the record was tampered with.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret was sealed with another master key, or is damaged: set it again")]
pub struct Unsealable;

/// Seals a secret that belongs to `owner`.
pub fn seal(secret: &str, owner: &str, key: &MasterKey) -> String {
    let nonce: [u8; NONCE_LEN] = rand::rng().random();
    let mut text = secret.as_bytes().to_vec();
    cipher(key)
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(owner.as_bytes()),
            &mut text,
        )
        .expect("secrets are far shorter than what one nonce can seal");
    format!("{PREFIX}{}", B64.encode([&nonce[..], &text].concat()))
}

/// Opens what [`seal`] made for the same owner.
///
/// # Errors
/// When it does not open.
pub fn open(sealed: &str, owner: &str, key: &MasterKey) -> Result<String, Unsealable> {
    let body = sealed.strip_prefix(PREFIX).ok_or(Unsealable)?;
    let bytes = B64.decode(body).map_err(|_| Unsealable)?;
    let (nonce, text) = bytes.split_at_checked(NONCE_LEN).ok_or(Unsealable)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unsealable)?;
    let mut text = text.to_vec();
    let opened = cipher(key)
        .open_in_place(nonce, Aad::from(owner.as_bytes()), &mut text)
        .map_err(|_| Unsealable)?;
    String::from_utf8(opened.to_vec()).map_err(|_| Unsealable)
}

fn cipher(key: &MasterKey) -> LessSafeKey {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.bytes()).expect("HMAC takes keys of any length");
    mac.update(b"mainspan sealed secrets v1");
    let derived = mac.finalize().into_bytes();
    let key = UnboundKey::new(&CHACHA20_POLY1305, &derived);
    LessSafeKey::new(key.expect("the derived key has the cipher's length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_for_its_owner_under_its_key_only() {
        let key = MasterKey::from_bytes([7; 32]);
        for secret in ["", "s", "a longer secret with é"] {
            let sealed = seal(secret, "webhook 1", &key);
            assert!(secret.len() < 2 || !sealed.contains(secret));
            assert_eq!(open(&sealed, "webhook 1", &key).as_deref(), Ok(secret));
            assert_eq!(open(&sealed, "webhook 2", &key), Err(Unsealable));
            let other = MasterKey::from_bytes([8; 32]);
            assert_eq!(open(&sealed, "webhook 1", &other), Err(Unsealable));
            assert_ne!(
                sealed,
                seal(secret, "webhook 1", &key),
                "a nonce of its own"
            );
            for broken in [
                &sealed[1..],
                &sealed[..sealed.len() - 2],
                "v1.",
                "v1.AAAA",
                "",
            ] {
                assert_eq!(open(broken, "webhook 1", &key), Err(Unsealable), "{broken}");
            }
        }
    }
}
