//! Calls to the server's own API, as every verb makes them.

use crate::{
    exit::{self, Coded},
    place,
};
use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde_json::Value;
use std::path::Path;
use tokio::{net::TcpStream, runtime::Runtime};

/// A server and the token for it.
pub(crate) struct Client {
    url: Uri,
    token: Option<String>,
    runtime: Runtime,
}

impl Client {
    /// The server named by the caller, or the one of the state directory, with its owner's token.
    pub(crate) fn new(
        server: Option<&str>,
        token: Option<&str>,
        state: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let state = place::state_dir(state)?;
        let url = match server {
            Some(url) => url.to_owned(),
            None => place::control_url(&state)
                .unwrap_or_else(|| format!("http://127.0.0.1:{}", place::CONTROL_PORT)),
        };
        let url: Uri = url
            .trim_end_matches('/')
            .parse()
            .with_context(|| format!("`{url}` is not an address like http://127.0.0.1:7070"))?;
        if url.scheme_str() != Some("http") {
            bail!(
                "`{url}`: only http:// is spoken; forward a loopback port to a far server (`ssh -L 7070:localhost:7070 host`)"
            );
        }
        let token = match token {
            Some(token) => Some(token.to_owned()),
            None => std::fs::read_to_string(state.join("control.token"))
                .ok()
                .map(|text| text.trim().to_owned()),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Client {
            url,
            token,
            runtime,
        })
    }

    /// The server's address, for those who call it by other means.
    pub(crate) fn address(&self) -> String {
        self.url.to_string()
    }

    /// How the caller says who it is.
    pub(crate) fn credential(&self) -> moving::http::Credential {
        match &self.token {
            Some(token) => moving::http::Credential::Bearer(token.clone()),
            None => moving::http::Credential::None,
        }
    }

    /// GET.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None)
    }

    /// POST of a JSON body.
    pub(crate) fn post(&self, path: &str, body: &impl Serialize) -> anyhow::Result<Value> {
        self.call(Method::POST, path, Some(serde_json::to_vec(body)?.into()))
    }

    /// DELETE.
    pub(crate) fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::DELETE, path, None)
    }

    fn call(&self, method: Method, path: &str, body: Option<Bytes>) -> anyhow::Result<Value> {
        let (status, bytes) = self.runtime.block_on(self.exchange(method, path, body))?;
        if status.is_success() {
            return if bytes.is_empty() {
                Ok(Value::Null)
            } else {
                Ok(serde_json::from_slice(&bytes)
                    .unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into()))
            };
        }
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let message = match answer["error"].as_str() {
            Some(text) => text.to_owned(),
            None => format!(
                "the server answered {status}: {}",
                String::from_utf8_lossy(&bytes)
            ),
        };
        let code = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => exit::DENIED,
            _ => exit::FAILED,
        };
        Err(Coded { code, message }.into())
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let authority = self
            .url
            .authority()
            .context("the server's address has no host")?;
        let address = match authority.port_u16() {
            Some(_) => authority.to_string(),
            None => format!("{authority}:80"),
        };
        let stream = TcpStream::connect(&address).await.map_err(|error| Coded {
            code: exit::NO_SERVER,
            message: format!(
                "no server answers at {address} ({error}): start one with `mainspan up`"
            ),
        })?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, authority.as_str());
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(body.unwrap_or_default()))?;
        let answer = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            let bytes = response.into_body().collect().await?.to_bytes();
            drop(sender);
            Ok::<_, hyper::Error>((status, bytes))
        };
        let (answer, _) = tokio::join!(answer, connection);
        answer.context("the server broke off; its log says why")
    }
}

/// Escapes one segment or value of a path.
pub(crate) fn escape(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    text.bytes()
        .map(|b| {
            if plain(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}
