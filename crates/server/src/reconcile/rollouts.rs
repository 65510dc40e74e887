//! The roll-out reconciler with this server's parts.

use crate::{
    app::App,
    gateway::{GatewayClient, GatewayError},
};
use gateway::{Evidence, Health, RoutingTable};
use jiff::Timestamp;
use rollout::{Parts, Reconciler, Traffic};
use std::sync::Arc;

impl Traffic for GatewayClient {
    type Error = GatewayError;

    async fn push(&self, table: &RoutingTable) -> Result<(), GatewayError> {
        self.put("/routes", table).await
    }

    async fn table(&self) -> Result<RoutingTable, GatewayError> {
        self.get("/routes").await
    }

    async fn evidence(&self) -> Result<Evidence, GatewayError> {
        self.get("/evidence").await
    }

    async fn health(&self) -> Result<Health, GatewayError> {
        self.get("/health").await
    }
}

/// Makes it.
pub(super) fn reconciler(app: &App) -> Reconciler<GatewayClient> {
    let runtime = app.clone();
    Reconciler::new(Parts {
        store: app.store().clone(),
        blobs: app.blobs().clone(),
        platform: app.platform().clone(),
        traffic: app.gateway().clone(),
        engine: app.options().engine.clone(),
        library: Arc::new(move || runtime.library()),
        cache: app.state_dir().join("cache"),
        default_environment: app.options().default_environment.clone(),
        now: Timestamp::now,
    })
}
