//! The pipeline executor with this server's parts.

use crate::app::App;
use guard::unit_token::{self, Claims};
use pipeline::{Executor, Parts, TokenScope, toolchain::Toolchains};
use std::sync::Arc;

/// The Python environments of steps and replicas.
pub(super) fn toolchains(app: &App) -> Arc<Toolchains> {
    let folder = app.state_dir().join("toolchains");
    Arc::new(Toolchains::new(folder, std::env::vars()))
}

/// Makes it.
pub(super) fn executor(app: &App, toolchains: Arc<Toolchains>, machine: Option<&str>) -> Executor {
    let state = app.state_dir();
    let signer = app.clone();
    Executor::new(Parts {
        store: app.store().clone(),
        blobs: app.blobs().clone(),
        platform: app.platform().clone(),
        toolchains,
        snapshots: state.join("snapshots"),
        logs: state.join("logs"),
        control: format!("http://{}", app.options().listen),
        token: Arc::new(move |scope: &TokenScope| {
            let claims = Claims {
                project: scope.project.clone(),
                run: scope.run.clone(),
                mlflow_run: scope.mlflow_run.clone(),
                expires: scope.expires.as_second(),
            };
            unit_token::sign(&claims, signer.master_key())
        }),
        machine: machine.map(str::to_owned),
        now: app.options().now,
    })
}
