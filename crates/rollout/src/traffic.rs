//! What the reconciler needs of the gateway, so that tests can stand in for it.

use gateway::{Evidence, Health, MirrorEvidence, RoutingTable};
use std::future::Future;

/// A gateway, near or far.
pub trait Traffic: Clone + Send + Sync + 'static {
    /// Why it did not work; the gateway may simply be away.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Makes the table the one that is served, durably.
    fn push(&self, table: &RoutingTable) -> impl Future<Output = Result<(), Self::Error>> + Send;
    /// The table that is served.
    fn table(&self) -> impl Future<Output = Result<RoutingTable, Self::Error>> + Send;
    /// Counters of every version since the state directory was made.
    fn evidence(&self) -> impl Future<Output = Result<Evidence, Self::Error>> + Send;
    /// What copies of requests have shown.
    fn mirrors(&self) -> impl Future<Output = Result<Vec<MirrorEvidence>, Self::Error>> + Send;
    /// Which replicas it is connected to.
    fn health(&self) -> impl Future<Output = Result<Health, Self::Error>> + Send;
    /// Waits until a version without any replica was asked for, for a while, and answers how often that was; at once if
    /// it is not `after`.
    fn calls(&self, after: u64) -> impl Future<Output = Result<u64, Self::Error>> + Send;
}

impl Traffic for gateway::AdminClient {
    type Error = gateway::ClientError;

    async fn push(&self, table: &RoutingTable) -> Result<(), Self::Error> {
        gateway::AdminClient::push(self, table).await
    }

    async fn table(&self) -> Result<RoutingTable, Self::Error> {
        gateway::AdminClient::table(self).await
    }

    async fn evidence(&self) -> Result<Evidence, Self::Error> {
        gateway::AdminClient::evidence(self).await
    }

    async fn mirrors(&self) -> Result<Vec<MirrorEvidence>, Self::Error> {
        gateway::AdminClient::mirrors(self).await
    }

    async fn health(&self) -> Result<Health, Self::Error> {
        gateway::AdminClient::health(self).await
    }

    async fn calls(&self, after: u64) -> Result<u64, Self::Error> {
        gateway::AdminClient::calls(self, after).await
    }
}
