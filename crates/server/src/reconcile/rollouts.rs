//! The roll-out reconciler with this server's parts.

use crate::app::App;
use gateway::AdminClient;
use rollout::{Parts, Reconciler};
use std::sync::Arc;

/// Makes it.
pub(super) fn reconciler(app: &App) -> Reconciler<AdminClient> {
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
        now: app.options().now,
    })
}
