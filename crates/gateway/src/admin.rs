//! The admin socket: tables in, evidence out. HTTP/1.1 with JSON over a private Unix socket.
//!
//! `PUT /routes` (answered when the table is on disk and every thread serves it), `GET /routes`,
//! `GET /evidence` (what is shown is on disk), `GET /mirrors`, `GET /health` (replicas, and how many requests each
//! version has), `GET /calls?after=N` (answered when a request waits for a version without any replica).
//! Who may open the socket may do all.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Serialize};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::edge::{Received, collect};
use crate::error::GatewayError;
use crate::evidence::{Evidence, Ledger};
use crate::load::VersionLoad;
use crate::mirror;
use crate::respond;
use crate::table::{Index, RoutingTable, TableError};
use crate::worker::{Command, ReplicaReport};
use crate::{clock, durable, orders};

/// Longest table.
const MAX_TABLE: usize = 16 << 20;
/// Longest wait for a table to arrive.
const TABLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Longest wait for a call.
pub(crate) const CALL_WAIT: Duration = Duration::from_secs(30);

/// How the gateway is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Its process.
    pub pid: u32,
    /// The data plane's address.
    pub address: SocketAddr,
    /// Of the table that is served.
    pub generation: u64,
    /// Serving threads. A replica is fully connected when as many are connected to it.
    pub threads: usize,
    /// Replicas of the table, and those of former tables that still have requests.
    pub replicas: Vec<ReplicaReport>,
    /// Whether another gateway, whose place this one has taken, still answers what it had: requests of which nothing is
    /// said here.
    #[serde(default)]
    pub leaving: bool,
    /// Versions of the table.
    #[serde(default)]
    pub loads: Vec<VersionLoad>,
}

/// How often a version without any replica was asked for since the gateway started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Calls {
    pub(crate) calls: u64,
}

/// What the admin socket can do.
pub(crate) struct Admin {
    path: PathBuf,
    address: SocketAddr,
    threads: Vec<mpsc::Sender<Command>>,
    /// One change at a time.
    index: Mutex<Arc<Index>>,
    ledger: Arc<Ledger>,
    calls: watch::Receiver<u64>,
    mirrored: mirror::Known,
}

/// A request that is refused, or failed.
#[derive(Debug, thiserror::Error)]
enum AdminError {
    #[error("the body is not a routing table: {0}")]
    Json(serde_json::Error),
    #[error(transparent)]
    Table(TableError),
    #[error(
        "generation {offered} is not newer than {current}, which is served; read GET /routes and \
         send a higher generation"
    )]
    Stale { offered: u64, current: u64 },
    #[error("{0}")]
    Body(crate::edge::BodyError),
    #[error("cannot keep this on disk: {0}; check the free space of the state directory")]
    Disk(io::Error),
    #[error("the gateway is stopping")]
    Stopping,
    #[error(
        "nothing is here; use PUT or GET /routes, GET /evidence, GET /mirrors, GET /health, GET /calls"
    )]
    NotFound,
}

impl AdminError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Json(_) | Self::Table(_) => StatusCode::BAD_REQUEST,
            Self::Stale { .. } => StatusCode::CONFLICT,
            Self::Body(error) => error.status(),
            Self::Disk(_) => StatusCode::INSUFFICIENT_STORAGE,
            Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotFound => StatusCode::NOT_FOUND,
        }
    }
}

/// Serves the socket until told to stop, and what was asked before to its end.
pub(crate) async fn serve(listener: UnixListener, admin: Arc<Admin>, stop: &CancellationToken) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = clients.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    clients.spawn(client(stream, Arc::clone(&admin), stop.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "admin connection not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    while clients.join_next().await.is_some() {}
}

async fn client(stream: UnixStream, admin: Arc<Admin>, stop: CancellationToken) {
    let ends = stop.clone();
    let service = service_fn(move |request| {
        let (admin, ends) = (Arc::clone(&admin), ends.clone());
        async move {
            let (status, body) = match admin.answer(request, &ends).await {
                Ok(body) => (StatusCode::OK, body),
                Err(error) => {
                    tracing::warn!(%error, "admin request refused");
                    (error.status(), respond::error_body(&error.to_string()))
                }
            };
            let mut answer = Response::new(Full::new(Bytes::from(body)));
            *answer.status_mut() = status;
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Whoever may open the socket may keep a connection.
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "admin connection ended");
    }
}

impl Admin {
    /// For a gateway that serves `index` in `threads`.
    pub(crate) fn new(
        path: PathBuf,
        address: SocketAddr,
        threads: Vec<mpsc::Sender<Command>>,
        index: Arc<Index>,
        (ledger, mirrored): (Arc<Ledger>, mirror::Known),
        calls: watch::Receiver<u64>,
    ) -> Self {
        Self {
            path,
            address,
            threads,
            index: Mutex::new(index),
            ledger,
            calls,
            mirrored,
        }
    }

    /// The JSON that answers a request.
    async fn answer(
        &self,
        request: Request<Incoming>,
        stop: &CancellationToken,
    ) -> Result<Vec<u8>, AdminError> {
        match (request.method(), request.uri().path()) {
            (&Method::PUT, "/routes") => {
                let body = &mut Received::Coming(request.into_body());
                let body = collect(body, MAX_TABLE, TABLE_TIMEOUT).await;
                let generation = self.change(&body.map_err(AdminError::Body)?).await?;
                json(&serde_json::json!({ "generation": generation }))
            }
            (&Method::GET, "/routes") => json(&self.index.lock().await.table),
            (&Method::GET, "/evidence") => json(&self.evidence().await?),
            (&Method::GET, "/mirrors") => {
                let known = Arc::clone(&self.mirrored);
                let seen = spawn_blocking(move || mirror::evidence(&known)).await;
                json(&seen.map_err(|_| AdminError::Stopping)?)
            }
            (&Method::GET, "/health") => json(&self.health().await?),
            (&Method::GET, "/calls") => {
                let called = self.called(request.uri().query());
                // Whoever waits for a call does not hold up the end.
                match stop.run_until_cancelled(called).await {
                    Some(calls) => json(&calls),
                    None => Err(AdminError::Stopping),
                }
            }
            _ => Err(AdminError::NotFound),
        }
    }

    /// Puts a table in force: on disk first, so that no restart goes back, then in every thread.
    async fn change(&self, body: &Bytes) -> Result<u64, AdminError> {
        let table: RoutingTable = serde_json::from_slice(body).map_err(AdminError::Json)?;
        let generation = table.generation;
        let mut current = self.index.lock().await;
        if table == current.table {
            return Ok(generation);
        }
        let served = current.table.generation;
        if generation <= served && !(served == 0 && current.table.routes.is_empty()) {
            return Err(AdminError::Stale {
                offered: generation,
                current: served,
            });
        }
        let bytes = serde_json::to_vec(&table).map_err(AdminError::Json)?;
        let index = Arc::new(Index::new(table).map_err(AdminError::Table)?);
        let path = self.path.clone();
        spawn_blocking(move || durable::replace(&path, &bytes))
            .await
            .map_err(|error| AdminError::Disk(io::Error::other(error)))?
            .map_err(AdminError::Disk)?;
        // From here on a restart would serve it, so it is in force whatever comes.
        *current = Arc::clone(&index);
        self.swap(&index).await?;
        tracing::info!(generation, "routing table in force");
        Ok(generation)
    }

    /// Serves the table on disk, which another gateway has put in force.
    pub(crate) async fn follow(&self) -> Result<(), GatewayError> {
        let mut current = self.index.lock().await;
        let path = self.path.clone();
        let index = spawn_blocking(move || orders::load(&path))
            .await
            .map_err(|error| GatewayError::Thread(io::Error::other(error)))??;
        if index.table == current.table {
            return Ok(());
        }
        *current = Arc::new(index);
        // Threads that have stopped serve nothing.
        let _ = self.swap(&current).await;
        Ok(())
    }

    async fn swap(&self, index: &Arc<Index>) -> Result<(), AdminError> {
        let done = self
            .tell(|done| Command::Swap(Arc::clone(index), done))
            .await?;
        for thread in done {
            // One that ends meanwhile serves nothing.
            let _ = thread.await;
        }
        Ok(())
    }

    async fn evidence(&self) -> Result<Evidence, AdminError> {
        let ledger = Arc::clone(&self.ledger);
        spawn_blocking(move || ledger.persist(clock::now_micros()))
            .await
            .map_err(|error| AdminError::Disk(io::Error::other(error)))?
            .map_err(AdminError::Disk)
    }

    async fn health(&self) -> Result<Health, AdminError> {
        let mut replicas: Vec<ReplicaReport> = Vec::new();
        let mut loads: Vec<VersionLoad> = Vec::new();
        for thread in self.tell(Command::Report).await? {
            let said = thread.await.map_err(|_| AdminError::Stopping)?;
            for report in said.replicas {
                match replicas.iter_mut().find(|sum| sum.path == report.path) {
                    Some(sum) => {
                        sum.connections += report.connections;
                        sum.in_flight += report.in_flight;
                        sum.waiting += report.waiting;
                        sum.ejected += report.ejected;
                        // Of two threads' reasons, one that calls for a replacement.
                        if sum.reason.is_none() || (report.for_good && !sum.for_good) {
                            sum.reason = report.reason;
                        }
                        sum.for_good |= report.for_good;
                    }
                    None => replicas.push(report),
                }
            }
            for load in said.loads {
                let is_same = |sum: &&mut VersionLoad| {
                    (sum.version, &sum.route) == (load.version, &load.route)
                };
                match loads.iter_mut().find(is_same) {
                    Some(sum) => sum.add(&load),
                    None => loads.push(load),
                }
            }
        }
        replicas.sort_by(|a, b| a.path.cmp(&b.path));
        let table = self.path.clone();
        let leaving =
            spawn_blocking(move || table.parent().map_or(Ok(false), orders::is_any_leaving));
        let leaving = leaving.await.map_err(|_| AdminError::Stopping)?;
        Ok(Health {
            pid: std::process::id(),
            address: self.address,
            generation: self.index.lock().await.table.generation,
            threads: self.threads.len(),
            replicas,
            leaving: leaving.map_err(AdminError::Disk)?,
            loads,
        })
    }

    /// Waits until there were other calls than `after=N` of the query says, for a while.
    async fn called(&self, query: Option<&str>) -> Calls {
        let after = query
            .and_then(|query| query.strip_prefix("after="))
            .and_then(|number| number.parse().ok());
        let mut calls = self.calls.clone();
        let other = calls.wait_for(|calls| Some(*calls) != after);
        // When it is over without one, the number says so.
        let _ = tokio::time::timeout(CALL_WAIT, other).await;
        Calls {
            calls: *self.calls.borrow(),
        }
    }

    /// Sends every thread that serves a command; they carry it out side by side.
    async fn tell<T>(
        &self,
        command: impl Fn(oneshot::Sender<T>) -> Command,
    ) -> Result<Vec<oneshot::Receiver<T>>, AdminError> {
        let mut answers = Vec::new();
        for thread in &self.threads {
            let (sender, receiver) = oneshot::channel();
            // When a gateway leaves, each thread ends with its last connection.
            if thread.send(command(sender)).await.is_ok() {
                answers.push(receiver);
            }
        }
        match answers.is_empty() {
            true => Err(AdminError::Stopping),
            false => Ok(answers),
        }
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, AdminError> {
    serde_json::to_vec(value).map_err(|error| AdminError::Disk(error.into()))
}
