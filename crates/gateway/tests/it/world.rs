//! A gateway in a directory of its own, its administrator and its clients.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway::{
    Arm, Evidence, GatewayError, Handle, Health, Options, Route, RoutingTable, VersionEvidence,
};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::sync::CancellationToken;

/// Nothing in these tests takes this long unless it is broken.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// A state directory and, most of the time, a gateway that uses it.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    running: Option<(Handle, CancellationToken)>,
    pub(crate) address: SocketAddr,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) version: Option<u32>,
    /// In how many seconds to come again.
    pub(crate) retry_after: Option<u32>,
    pub(crate) body: Value,
}

impl World {
    /// A gateway with two threads and no routes.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// The same, with other options.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let mut world = Self {
            folder: tempfile::tempdir().unwrap(),
            running: None,
            address: "127.0.0.1:0".parse().unwrap(),
        };
        world.resume(change).await;
        world
    }

    /// The usual options for this directory.
    pub(crate) fn options(&self) -> Options {
        let mut options = Options::new(self.state(), "127.0.0.1:0".parse().unwrap());
        options.threads = 2.try_into().unwrap();
        options
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Starts a gateway where one was stopped.
    pub(crate) async fn resume(&mut self, change: impl FnOnce(&mut Options)) {
        let mut options = self.options();
        change(&mut options);
        let stop = CancellationToken::new();
        let handle = gateway::start(options, stop.clone()).await.unwrap();
        self.address = handle.address();
        self.running = Some((handle, stop));
    }

    /// Asks the gateway to stop; [`Self::stopped`] waits for it.
    pub(crate) fn ask_to_stop(&self) {
        self.running.as_ref().unwrap().1.cancel();
    }

    pub(crate) async fn stopped(&mut self) -> Result<(), GatewayError> {
        let (handle, _) = self.running.take().unwrap();
        tokio::time::timeout(LONG, handle.stopped()).await.unwrap()
    }

    pub(crate) async fn stop(&mut self) {
        self.ask_to_stop();
        self.stopped().await.unwrap();
    }

    /// The socket of a replica.
    pub(crate) fn socket(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// One request on a connection of its own.
    pub(crate) async fn post(&self, path: &str, body: impl Into<Bytes>) -> Got {
        self.client().await.post(path, body).await
    }

    /// One request on a connection of its own.
    pub(crate) async fn get(&self, path: &str) -> Got {
        self.client().await.send(request("GET", path, "")).await
    }

    /// One request on the admin socket.
    pub(crate) async fn admin(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Got {
        let socket = self.state().join("gateway.sock");
        let stream = UnixStream::connect(socket).await.unwrap();
        Client::over(stream)
            .await
            .send(request(method, path, body))
            .await
    }

    /// Puts a table in force and waits until every thread is connected to `connected`.
    pub(crate) async fn route(&self, generation: u64, routes: Vec<Route>, connected: &[&Path]) {
        let table = RoutingTable { generation, routes };
        let body = serde_json::to_vec(&table).unwrap();
        let got = self.admin("PUT", "/routes", body).await;
        assert_eq!(got.status, 200, "{got:?}");
        for path in connected {
            self.connected(path).await;
        }
    }

    /// Waits until every thread is connected to a replica.
    pub(crate) async fn connected(&self, path: &Path) {
        until("a replica is connected", async || {
            let health = self.health().await;
            let threads = health.threads;
            health
                .replicas
                .iter()
                .any(|r| r.path == path && r.connections == threads)
        })
        .await;
    }

    pub(crate) async fn health(&self) -> Health {
        serde_json::from_value(self.admin("GET", "/health", "").await.body).unwrap()
    }

    pub(crate) async fn evidence(&self) -> Evidence {
        serde_json::from_value(self.admin("GET", "/evidence", "").await.body).unwrap()
    }

    /// The counters of a version of `flights/prod/delay`.
    pub(crate) async fn counted(&self, version: u32) -> VersionEvidence {
        let evidence = self.evidence().await;
        let versions = evidence
            .routes
            .into_iter()
            .find(|r| r.service == "delay")
            .unwrap()
            .versions;
        versions.into_iter().find(|v| v.version == version).unwrap()
    }
}

/// A keep-alive connection.
pub(crate) struct Client(SendRequest<Full<Bytes>>);

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream).await
    }

    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    pub(crate) async fn post(&mut self, path: &str, body: impl Into<Bytes>) -> Got {
        self.send(request("POST", path, body)).await
    }

    pub(crate) async fn send(&mut self, request: http::Request<Full<Bytes>>) -> Got {
        let answer = tokio::time::timeout(LONG, self.try_send(request)).await;
        answer.expect("an answer in time").expect("an answer")
    }

    /// The answer, and whether the connection closes after it.
    pub(crate) async fn send_and_see(
        &mut self,
        request: http::Request<Full<Bytes>>,
    ) -> (Got, bool) {
        let (got, headers) = self.send_for_headers(request).await;
        let closes = headers.get("connection");
        (got, closes.is_some_and(|value| value == "close"))
    }

    pub(crate) async fn try_send(
        &mut self,
        request: http::Request<Full<Bytes>>,
    ) -> hyper::Result<Got> {
        Ok(self.exchange(request).await?.0)
    }

    pub(crate) async fn send_for_headers(
        &mut self,
        request: http::Request<Full<Bytes>>,
    ) -> (Got, http::HeaderMap) {
        let answer = tokio::time::timeout(LONG, self.exchange(request)).await;
        answer.expect("an answer in time").expect("an answer")
    }

    async fn exchange(
        &mut self,
        request: http::Request<Full<Bytes>>,
    ) -> hyper::Result<(Got, http::HeaderMap)> {
        self.0.ready().await?;
        let answer = self.0.send_request(request).await?;
        let status = answer.status().as_u16();
        let headers = answer.headers().clone();
        let number = |name: &str| {
            let header = answer.headers().get(name);
            header.map(|value| value.to_str().unwrap().parse().unwrap())
        };
        let (version, retry_after) = (number("mainspan-version"), number("retry-after"));
        let body = answer.into_body().collect().await?.to_bytes();
        let got = Got {
            status,
            version,
            retry_after,
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        };
        Ok((got, headers))
    }
}

pub(crate) fn request(
    method: &str,
    path: &str,
    body: impl Into<Bytes>,
) -> http::Request<Full<Bytes>> {
    http::Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .body(Full::new(body.into()))
        .unwrap()
}

/// An arm with one replica.
pub(crate) fn arm(version: u32, weight: f64, replicas: &[&Path]) -> Arm {
    Arm {
        version,
        model: "delay".into(),
        weight,
        replicas: replicas.iter().map(|path| (*path).to_owned()).collect(),
    }
}

/// `flights/prod/delay`, also at the root, sticky and joined by `request_id`.
pub(crate) fn delay(arms: Vec<Arm>) -> Route {
    Route {
        project: "flights".into(),
        environment: "prod".into(),
        service: "delay".into(),
        root: true,
        sticky: Some("request_id".into()),
        join: Some("request_id".into()),
        time: Some("flown_at".into()),
        salt: "rollout-1".into(),
        arms,
        ..Route::default()
    }
}

/// Polls a state until it is reached.
pub(crate) async fn until(what: &str, mut reached: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !reached().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
