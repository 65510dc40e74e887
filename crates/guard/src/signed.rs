//! Claims under the server's signature, as tokens that nobody stores carry them: `<prefix><base64url(JSON claims)>.
//! <base64url(HMAC-SHA-256)>` under the master key. What they are good for is for the callers to say.

use crate::keys::MasterKey;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Serialize, de::DeserializeOwned};
use sha2::Sha256;

/// A kind of token.
pub(crate) struct Form {
    /// How its text begins.
    pub(crate) prefix: &'static str,
    /// What is signed before the claims, so that no kind passes for another.
    pub(crate) label: &'static [u8],
}

impl Form {
    /// Whether a text has this form (it may still be forged).
    pub(crate) fn looks_like(&self, token: &str) -> bool {
        token.starts_with(self.prefix)
    }

    /// The token of these claims, which are texts and numbers.
    pub(crate) fn sign(&self, claims: &impl Serialize, key: &MasterKey) -> String {
        let json = serde_json::to_vec(claims).expect("claims are plain strings and a number");
        let body = B64.encode(json);
        let tag = B64.encode(self.mac(&body, key).finalize().into_bytes());
        format!("{}{body}.{tag}", self.prefix)
    }

    /// The claims of a token; `None` for a forged or malformed one.
    pub(crate) fn open<C: DeserializeOwned>(&self, token: &str, key: &MasterKey) -> Option<C> {
        let (body, tag) = token.strip_prefix(self.prefix)?.split_once('.')?;
        self.mac(body, key)
            .verify_slice(&B64.decode(tag).ok()?)
            .ok()?;
        serde_json::from_slice(&B64.decode(body).ok()?).ok()
    }

    fn mac(&self, body: &str, key: &MasterKey) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(key.bytes()).expect("HMAC takes keys of any length");
        mac.update(self.label);
        mac.update(body.as_bytes());
        mac
    }
}
