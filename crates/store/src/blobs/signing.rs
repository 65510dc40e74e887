//! Addresses at an object store's provider, signed with this server's key, from which anybody may load for a while.

use std::sync::Arc;

use object_store::ObjectStoreScheme;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::signer::Signer;
use url::Url;

/// What signs for the store at `url`, if its kind can.
pub(super) fn signer(url: &Url, options: &[(String, String)]) -> Option<Arc<dyn Signer>> {
    macro_rules! built {
        ($builder:ty) => {{
            let empty = <$builder>::new().with_url(url.to_string());
            let filled = options
                .iter()
                .fold(empty, |builder, (key, value)| match key.parse() {
                    Ok(key) => builder.with_config(key, value),
                    Err(_) => builder,
                });
            Some(Arc::new(filled.build().ok()?))
        }};
    }
    match ObjectStoreScheme::parse(url).ok()?.0 {
        ObjectStoreScheme::AmazonS3 => built!(AmazonS3Builder),
        ObjectStoreScheme::GoogleCloudStorage => built!(GoogleCloudStorageBuilder),
        ObjectStoreScheme::MicrosoftAzure => built!(MicrosoftAzureBuilder),
        _ => None,
    }
}
