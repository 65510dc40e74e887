//! Starting a server: port, routes and reconcilers, and their orderly end.

use crate::{
    api,
    app::{App, StartError},
    http::Routes,
    mlflow,
    options::Options,
    pace, reconcile, shared,
};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use platform::Platform;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// A running server.
pub struct Handle {
    /// Where the control port listens.
    pub address: SocketAddr,
    tasks: JoinSet<()>,
}

/// How long requests under way may take once the server is told to stop.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a client may take to send its request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

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
    tasks.spawn(accept(listener, router, shutdown.clone()));
    tasks.spawn(pace::run(app.clone(), shutdown.clone()));
    reconcile::spawn(&mut tasks, &app, &shutdown);
    Ok(Handle { address, tasks })
}

async fn accept(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, mostly: let some close before trying again.
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection is gone already");
            continue;
        }
        let service = TowerToHyperService::new(router.clone());
        let stop = shutdown.clone();
        connections.spawn(async move {
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT);
            let mut connection =
                std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    tokio::time::timeout(DRAIN, connection).await.unwrap_or(Ok(()))
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection broke off");
            }
        });
    }
    while connections.join_next().await.is_some() {}
}
