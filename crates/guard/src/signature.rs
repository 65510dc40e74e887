//! Signatures by which receivers know that a delivery is ours: HMAC-SHA-256 as MLflow's webhooks carry it, which is
//! that of Standard Webhooks.

use base64::{Engine as _, engine::general_purpose::STANDARD as B64};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The signature of a delivery, sent at that second since 1970: `v1,<base64>`.
pub fn webhook(secret: &str, id: &str, second: i64, body: &str) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("{id}.{second}.{body}").as_bytes());
    format!("v1,{}", B64.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `printf '%s' 'id.1767225600.{}' | openssl dgst -sha256 -hmac secret -binary | base64`.
    #[test]
    fn as_others_compute_it() {
        let got = webhook("secret", "id", 1_767_225_600, "{}");
        assert_eq!(got, "v1,mcxGI/iDo4hI1SdqzxcV+f+OPEJBMCdxo96u3XeUzA0=");
    }
}
