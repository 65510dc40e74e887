//! The roll-out reconciler with this server's parts.

use crate::{app::App, engines::Local};
use gateway::AdminClient;
use rollout::{Parts, Reconciler};
use std::sync::Arc;

/// Makes it.
pub(super) fn reconciler(app: &App, engines: Arc<Local>) -> Reconciler<AdminClient> {
    Reconciler::new(Parts {
        store: app.store().clone(),
        blobs: app.blobs().clone(),
        platform: app.platform().clone(),
        traffic: app.gateway().clone(),
        engine: app.options().engine.clone(),
        engines,
        default_environment: app.options().default_environment.clone(),
        now: app.options().now,
    })
}
