//! The gateway's admin socket: routing tables out, evidence in.
//!
//! One small HTTP/1.1 exchange a call over a Unix socket; the gateway may be away, and everything here says so rather
//! than waits.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use std::{path::PathBuf, time::Duration};
use tokio::net::UnixStream;

/// A call that did not work.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Nobody listens.
    #[error("the gateway is not running (no answer at `{}`)", .0.display())]
    Away(PathBuf, #[source] std::io::Error),
    /// It broke off.
    #[error("the gateway broke off")]
    Http(#[from] hyper::Error),
    /// It took too long.
    #[error("the gateway did not answer within {0:?}")]
    Slow(Duration),
    /// It refused.
    #[error("the gateway refused: {status} {message}")]
    Refused {
        /// HTTP status.
        status: StatusCode,
        /// What it said.
        message: String,
    },
    /// It said something else.
    #[error("the gateway's answer cannot be read")]
    Json(#[from] serde_json::Error),
}

/// Calls the gateway.
#[derive(Clone, Debug)]
pub struct GatewayClient {
    socket: PathBuf,
}

const PATIENCE: Duration = Duration::from_secs(5);

impl GatewayClient {
    /// A client of the gateway behind this socket.
    pub fn new(socket: PathBuf) -> Self {
        GatewayClient { socket }
    }

    /// GET with a JSON answer.
    ///
    /// # Errors
    /// See [`GatewayError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, GatewayError> {
        Ok(serde_json::from_slice(
            &self.call(Method::GET, path, Bytes::new()).await?,
        )?)
    }

    /// PUT of a JSON body; the answer's body is not looked at.
    ///
    /// # Errors
    /// See [`GatewayError`].
    pub async fn put<T: Serialize + Sync>(&self, path: &str, body: &T) -> Result<(), GatewayError> {
        self.call(Method::PUT, path, serde_json::to_vec(body)?.into())
            .await
            .map(|_| ())
    }

    async fn call(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, GatewayError> {
        tokio::time::timeout(PATIENCE, self.exchange(method, path, body))
            .await
            .unwrap_or(Err(GatewayError::Slow(PATIENCE)))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Bytes, GatewayError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|e| GatewayError::Away(self.socket.clone(), e))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "gateway")
            .header("content-type", "application/json")
            .body(Full::new(body))
            .expect("method, path and headers are constants or plain text");
        // The connection is driven here, so that nothing outlives the call.
        let answer = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            let bytes = response.into_body().collect().await?.to_bytes();
            drop(sender);
            Ok::<_, hyper::Error>((status, bytes))
        };
        let (answer, driven) = tokio::join!(answer, connection);
        let (status, bytes) = answer?;
        // A close without ceremony after the answer is fine.
        drop(driven);
        if status.is_success() {
            return Ok(bytes);
        }
        Err(GatewayError::Refused {
            status,
            message: String::from_utf8_lossy(&bytes).trim().to_owned(),
        })
    }
}
