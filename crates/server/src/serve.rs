//! The control port's connections, each on one of a few threads.
//!
//! Every thread has a runtime of its own: what a connection waits for wakes the one thread that goes on with it, and no
//! other looks whether there is something to take over. That is a third of what a short call costs. Whatever takes long is
//! done elsewhere, by the store's threads or blocking ones.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{io, net::TcpStream, num::NonZero, thread, time::Duration};
use tokio::{
    net::TcpListener,
    runtime,
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// More threads than these find nothing to do: the store is behind all of them.
const MOST: usize = 16;
/// How long requests under way may take once the server is told to stop.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a client may take to send its request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// One of the threads.
struct Lane {
    connections: mpsc::UnboundedSender<TcpStream>,
    /// Heard from when the last connection has ended.
    ended: oneshot::Receiver<()>,
}

/// Serves a listener's connections until told to stop and the last one has ended.
///
/// # Errors
/// A thread cannot be started.
pub(crate) fn serve(
    listener: TcpListener,
    router: &Router,
    shutdown: &CancellationToken,
) -> io::Result<impl Future<Output = ()> + use<>> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let lanes = (0..threads.min(MOST))
        .map(|number| lane(number, router.clone(), shutdown.clone()))
        .collect::<io::Result<Vec<_>>>()?;
    Ok(accept(listener, lanes, shutdown.clone()))
}

/// Gives connections to the threads in turn.
async fn accept(listener: TcpListener, lanes: Vec<Lane>, shutdown: CancellationToken) {
    for lane in lanes.iter().cycle() {
        match shutdown.run_until_cancelled(next(&listener)).await {
            // A thread that is gone has panicked, and said so; its connections are refused.
            Some(stream) => drop(lane.connections.send(stream)),
            None => break,
        }
    }
    for Lane { connections, ended } in lanes {
        drop(connections);
        let _ = ended.await;
    }
}

/// The next connection that can be had.
async fn next(listener: &TcpListener) -> TcpStream {
    loop {
        let accepted = listener.accept().await;
        match accepted {
            Ok((stream, _)) => match stream.set_nodelay(true).and_then(|()| stream.into_std()) {
                Ok(stream) => return stream,
                Err(error) => tracing::debug!(%error, "a connection is gone already"),
            },
            Err(error) => {
                // Out of file descriptors, mostly: let some close before trying again.
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Starts a thread.
fn lane(number: usize, router: Router, shutdown: CancellationToken) -> io::Result<Lane> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (connections, received) = mpsc::unbounded_channel();
    let (end, ended) = oneshot::channel();
    let work = move || {
        runtime.block_on(serve_all(received, router, shutdown));
        let _ = end.send(());
    };
    thread::Builder::new()
        .name(format!("control-{number}"))
        .spawn(work)?;
    Ok(Lane { connections, ended })
}

/// Serves what one thread is given.
async fn serve_all(
    mut received: mpsc::UnboundedReceiver<TcpStream>,
    router: Router,
    shutdown: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        // With one connection nobody is kept waiting when what it writes quickly is done right here; whoever comes
        // meanwhile waits for a moment.
        store::lend_thread(connections.len() == 1);
        let stream = tokio::select! {
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            stream = received.recv() => stream,
        };
        let Some(stream) = stream else { break };
        match tokio::net::TcpStream::from_std(stream) {
            Ok(stream) => {
                connections.spawn(connection(stream, router.clone(), shutdown.clone()));
            }
            Err(error) => tracing::warn!(%error, "a connection cannot be served"),
        }
    }
    while connections.join_next().await.is_some() {}
}

/// Serves one connection to its end, or to that of the request under way once the server is told to stop.
async fn connection(stream: tokio::net::TcpStream, router: Router, shutdown: CancellationToken) {
    let service = TowerToHyperService::new(router);
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT);
    let mut served = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = shutdown.cancelled() => {
            served.as_mut().graceful_shutdown();
            tokio::time::timeout(DRAIN, served).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}
