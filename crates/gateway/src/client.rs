//! A client of the admin socket, for whoever runs roll-outs in another process.
//!
//! A connection for each call: calls are rare, and a gateway that was restarted needs no special
//! care then.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::admin::{CALL_WAIT, Calls, Health};
use crate::evidence::Evidence;
use crate::mirror::MirrorEvidence;
use crate::respond;
use crate::table::RoutingTable;

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Talks to a gateway on this machine.
#[derive(Debug, Clone)]
pub struct AdminClient {
    socket: PathBuf,
}

/// A call that did not work.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No gateway there.
    #[error("no gateway answers at {socket}; `mainspan up` starts one")]
    Away {
        /// Its admin socket.
        socket: PathBuf,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// It did not answer, or not in time.
    #[error("the gateway did not answer")]
    Broken(#[source] io::Error),
    /// It said no.
    #[error("the gateway refused ({status}): {message}")]
    Refused {
        /// HTTP status: 409 when the generation is not newer than the one that is served.
        status: u16,
        /// Its words.
        message: String,
    },
}

impl AdminClient {
    /// A client of the gateway whose admin socket this is (`gateway.sock` in its state directory).
    #[must_use]
    pub fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Puts a table in force: durable, and served by every thread, when this returns.
    pub async fn push(&self, table: &RoutingTable) -> Result<(), ClientError> {
        let body = serde_json::to_vec(table).map_err(|e| ClientError::Broken(e.into()))?;
        self.call(Method::PUT, "/routes", body.into())
            .await
            .map(drop)
    }

    /// The table in force.
    pub async fn table(&self) -> Result<RoutingTable, ClientError> {
        self.get("/routes").await
    }

    /// The counters of all versions.
    pub async fn evidence(&self) -> Result<Evidence, ClientError> {
        self.get("/evidence").await
    }

    /// What copies of requests have shown.
    pub async fn mirrors(&self) -> Result<Vec<MirrorEvidence>, ClientError> {
        self.get("/mirrors").await
    }

    /// How the gateway and its replicas are.
    pub async fn health(&self) -> Result<Health, ClientError> {
        self.get("/health").await
    }

    /// Waits until a version without any replica was asked for, and answers how often that was: other
    /// than `after` unless it took too long.
    pub async fn calls(&self, after: u64) -> Result<u64, ClientError> {
        let path = format!("/calls?after={after}");
        let exchange = self.exchange(Method::GET, &path, Bytes::new());
        let calls: Calls = read(&within(TIMEOUT + CALL_WAIT, exchange).await?)?;
        Ok(calls.calls)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        read(&self.call(Method::GET, path, Bytes::new()).await?)
    }

    async fn call(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, ClientError> {
        within(TIMEOUT, self.exchange(method, path, body)).await
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Bytes, ClientError> {
        let away = |source| ClientError::Away {
            socket: self.socket.clone(),
            source,
        };
        let broken = |error: hyper::Error| ClientError::Broken(io::Error::other(error));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, "localhost")
            .body(Full::new(body))
            .map_err(|error| ClientError::Broken(io::Error::other(error)))?;
        let stream = UnixStream::connect(&self.socket).await.map_err(away)?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let exchange = async {
            let answer = sender.send_request(request).await.map_err(broken)?;
            let status = answer.status();
            let body = answer
                .into_body()
                .collect()
                .await
                .map_err(broken)?
                .to_bytes();
            if status == StatusCode::OK {
                return Ok(body);
            }
            Err(ClientError::Refused {
                status: status.as_u16(),
                message: respond::message_of(&body),
            })
        };
        // The connection does the work; it has nothing of its own to say.
        let mut exchange = std::pin::pin!(exchange);
        tokio::select! {
            done = &mut exchange => done,
            _ = connection => exchange.await,
        }
    }
}

async fn within(
    longest: Duration,
    exchange: impl Future<Output = Result<Bytes, ClientError>>,
) -> Result<Bytes, ClientError> {
    let late = |_| ClientError::Broken(io::ErrorKind::TimedOut.into());
    let exchanged = tokio::time::timeout(longest, exchange).await;
    exchanged.map_err(late)?
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(body).map_err(|error| ClientError::Broken(error.into()))
}
