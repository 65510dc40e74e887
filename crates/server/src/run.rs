//! Starting a server: port, routes and reconcilers, and their orderly end.

use crate::{
    api,
    app::{App, StartError},
    http::Routes,
    mlflow,
    options::Options,
    pace, reconcile, serve, shared,
};
use platform::Platform;
use std::{net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// A running server.
pub struct Handle {
    /// Where the control port listens.
    pub address: SocketAddr,
    tasks: JoinSet<()>,
}

impl Handle {
    /// Waits until everything has ended after the shutdown.
    pub async fn stopped(mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a part of the server ended badly");
            }
        }
    }
}

/// Every route of the control port.
pub fn routes() -> Routes {
    mlflow::routes(mlflow::moving_routes(api::routes(Routes::new())))
}

/// Starts a server; returns once it answers.
///
/// # Errors
/// See [`StartError`].
pub async fn start(
    mut options: Options,
    platform: Arc<dyn Platform>,
    shutdown: CancellationToken,
) -> Result<Handle, StartError> {
    let wanted = options.listen;
    if !wanted.ip().is_loopback() {
        return Err(StartError::Exposed(wanted));
    }
    let listener = TcpListener::bind(wanted)
        .await
        .map_err(|source| StartError::Listen {
            address: wanted,
            source,
        })?;
    let address = listener.local_addr()?;
    options.listen = address;
    let app = tokio::task::spawn_blocking(move || App::open(options, platform))
        .await
        .map_err(|error| StartError::Io(std::io::Error::other(error)))??;
    shared::check(&app).await?;
    let router = routes().finish(app.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(serve::serve(listener, &router, &shutdown)?);
    tasks.spawn(pace::run(app.clone(), shutdown.clone()));
    reconcile::spawn(&mut tasks, &app, &shutdown);
    Ok(Handle { address, tasks })
}
