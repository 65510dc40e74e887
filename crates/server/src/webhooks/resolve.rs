//! Names to addresses that may be spoken to.

use guard::egress::{Egress, Refused, Target};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

/// How long a name may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Addresses that were found.
type Found = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Who knows the addresses of names.
pub(crate) trait Lookup: Send + Sync + 'static {
    /// All addresses of a name.
    fn lookup(&self, name: &str) -> Found;
}

/// This machine's resolver.
pub(crate) struct System;

impl Lookup for System {
    fn lookup(&self, name: &str) -> Found {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// A name that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    /// It leads where nothing is sent.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It could not be resolved.
    #[error("the host's name cannot be resolved: {0}")]
    Unknown(#[from] io::Error),
}

/// Resolves names, and answers only if all of their addresses may be spoken to.
#[derive(Clone)]
pub(super) struct Checked {
    pub(super) egress: Egress,
    pub(super) lookup: Arc<dyn Lookup>,
    /// Whether it is for https.
    pub(super) secure: bool,
}

impl Checked {
    pub(super) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Unusable> {
        let found = tokio::time::timeout(TIMEOUT, self.lookup.lookup(name)).await;
        let found = found.map_err(io::Error::from)??;
        self.egress
            .addresses(&Target::named(name, self.secure), &found)?;
        Ok(found)
    }
}

impl Resolve for Checked {
    /// What is answered here is what is connected to: nobody asks again.
    fn resolve(&self, name: Name) -> Resolving {
        let checked = self.clone();
        Box::pin(async move {
            let found = checked.addresses(name.as_str()).await?;
            let addresses = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}
