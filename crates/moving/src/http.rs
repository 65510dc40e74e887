//! Calls to a server, one after another, for code that is not asynchronous.
//!
//! A call that found nobody or met a busy server is sent again a few times: every call that is made here may arrive twice.

use crate::error::{Error, Result};
use bytes::Bytes;
use futures_util::stream;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    io::{self, Read},
    sync::Arc,
    time::Duration,
};
use tokio::{runtime::Runtime, sync::mpsc};

/// How often a call is sent.
const TRIES: u32 = 5;
/// The wait before the second time; it doubles.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(300);
/// How many bytes of a file are on their way at once.
const PIECE: usize = 256 << 10;

/// How a caller says who it is.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credential {
    /// It does not.
    #[default]
    None,
    /// A name and a password.
    Basic(String, String),
    /// A token.
    Bearer(String),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Credential::None => "None",
            Credential::Basic(..) => "Basic",
            Credential::Bearer(_) => "Bearer",
        })
    }
}

/// A server.
#[derive(Clone)]
pub struct Http {
    runtime: Arc<Runtime>,
    client: reqwest::Client,
    address: String,
    credential: Credential,
    headers: Vec<(&'static str, String)>,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Http {
    /// A server at an address like `https://host:5000/path`.
    ///
    /// # Errors
    /// When the address is none, or no call can be made at all.
    pub fn new(address: &str, credential: Credential) -> Result<Self> {
        let parsed = url::Url::parse(address)
            .map_err(|error| Error::Usage(format!("`{address}` is not an address: {error}")))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(Error::Usage(format!(
                "`{address}` is not an address that begins with http:// or https://"
            )));
        }
        // One provider for the process; another part of it may have come first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(Error::io("the network"))?;
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(PATIENCE)
            .build()
            .map_err(|error| Error::Usage(error.to_string()))?;
        Ok(Http {
            runtime: Arc::new(runtime),
            client,
            address: address.trim_end_matches('/').to_owned(),
            credential,
            headers: Vec::new(),
        })
    }

    /// The same server, with a header on every call.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The address without a slash at its end.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// GET with a query.
    ///
    /// # Errors
    /// See [`Error`]; so it is for all calls.
    pub fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T> {
        self.json(&Method::GET, &with_query(path, query), None)
    }

    /// A call with a JSON body.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn send<T: DeserializeOwned>(
        &self,
        method: &Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T> {
        let body = serde_json::to_vec(body)
            .map_err(|error| Error::shape(format!("the message for {method} {path}"), error))?;
        self.json(method, path, Some(&body.into()))
    }

    /// POST with a JSON body.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        self.send(&Method::POST, path, body)
    }

    /// POST with a JSON body and more headers, whose answer says nothing.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn tell(&self, path: &str, headers: &[(&'static str, &str)], body: &Value) -> Result<()> {
        let with = headers
            .iter()
            .fold(self.clone(), |http, (name, value)| http.with(name, value));
        with.call(&Method::POST, path, Some(&body.to_string().into()))
            .map(drop)
    }

    fn json<T: DeserializeOwned>(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Bytes>,
    ) -> Result<T> {
        let response = self.call(method, path, body)?;
        let bytes = self
            .runtime
            .block_on(response.bytes())
            .map_err(|error| self.unreachable(&error))?;
        let bytes = if bytes.is_empty() {
            b"null"
        } else {
            &bytes[..]
        };
        serde_json::from_slice(bytes)
            .map_err(|error| Error::shape(format!("the answer to {method} {path}"), error))
    }

    fn call(&self, method: &Method, path: &str, body: Option<&Bytes>) -> Result<Response> {
        let mut pause = PAUSE;
        for left in (0..TRIES).rev() {
            let mut request = self.request(method, path);
            if let Some(body) = body.cloned() {
                request = request
                    .header("content-type", "application/json")
                    .body(body);
            }
            let answer = self.runtime.block_on(async { request.send().await });
            let again = match &answer {
                Ok(response) => is_busy(response.status()),
                Err(error) => !error.is_builder(),
            };
            if !again || left == 0 {
                let response = answer.map_err(|error| self.unreachable(&error))?;
                return self.checked(method, path, response);
            }
            let wait = async { tokio::time::sleep(pause).await };
            self.runtime.block_on(wait);
            pause *= 2;
        }
        unreachable!("the last try returns")
    }

    fn request(&self, method: &Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.address);
        let mut request = self.client.request(method.clone(), url);
        request = match &self.credential {
            Credential::None => request,
            Credential::Basic(name, password) => request.basic_auth(name, Some(password)),
            Credential::Bearer(token) => request.bearer_auth(token),
        };
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request
    }

    fn checked(&self, method: &Method, path: &str, response: Response) -> Result<Response> {
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let text = self.runtime.block_on(response.text()).unwrap_or_default();
        Err(Error::Refused {
            address: self.address.clone(),
            status,
            call: format!("{method} {path}"),
            message: said(&text),
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        Error::Unreachable {
            address: self.address.clone(),
            why: cause.to_string(),
        }
    }

    /// A file, read as it arrives.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn download(&self, path: &str, query: &[(&str, &str)]) -> Result<Download> {
        let response = self.call(&Method::GET, &with_query(path, query), None)?;
        Ok(Download {
            runtime: Arc::clone(&self.runtime),
            response,
            piece: Bytes::new(),
        })
    }

    /// Puts a file, sent as it is read. It is not sent again when it fails: what was read is gone.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn upload(&self, path: &str, mut from: impl Read + Send) -> Result<()> {
        let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(4);
        let pieces = stream::unfold(receiver, async |mut receiver| {
            receiver.recv().await.map(|piece| (piece, receiver))
        });
        let request = self
            .request(&Method::PUT, path)
            .header("content-type", "application/octet-stream")
            .body(reqwest::Body::wrap_stream(pieces));
        let response = std::thread::scope(|scope| {
            scope.spawn(move || pour(&mut from, &sender));
            self.runtime.block_on(async { request.send().await })
        });
        let response = response.map_err(|error| self.unreachable(&error))?;
        self.checked(&Method::PUT, path, response).map(drop)
    }
}

/// Sends what is read until it ends, fails, or nobody takes it any more.
fn pour(from: &mut impl Read, to: &mpsc::Sender<io::Result<Bytes>>) {
    loop {
        let mut piece = vec![0; PIECE];
        let sent = match from.read(&mut piece) {
            Ok(0) => return,
            Ok(length) => {
                piece.truncate(length);
                to.blocking_send(Ok(piece.into()))
            }
            Err(error) => {
                // The receiver breaks the upload off, so that no half file is kept.
                let _ = to.blocking_send(Err(error));
                return;
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

fn is_busy(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS
        || status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
}

fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    if query.is_empty() {
        return path.to_owned();
    }
    let mut text = url::form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(query);
    format!("{path}?{}", text.finish())
}

/// What an error's body says, whoever's shape it has.
fn said(text: &str) -> String {
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    let found = ["message", "error", "detail"]
        .iter()
        .find_map(|field| body[field].as_str());
    found.unwrap_or(text).chars().take(500).collect()
}

/// A file on its way here.
pub struct Download {
    runtime: Arc<Runtime>,
    response: Response,
    piece: Bytes,
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.runtime.block_on(self.response.chunk()) {
                Ok(Some(piece)) => self.piece = piece,
                Ok(None) => return Ok(0),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        let length = buffer.len().min(self.piece.len());
        buffer[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}

/// Escapes one segment or value of a path.
pub fn escape(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    text.bytes()
        .map(|b| match plain(b) {
            true => char::from(b).to_string(),
            false => format!("%{b:02X}"),
        })
        .collect()
}

/// Escapes a path, segment by segment.
pub fn escape_path(path: &str) -> String {
    path.split('/').map(escape).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_all_shapes_are_read() {
        let check = |text: &str, expect: &str| assert_eq!(said(text), expect);
        check(r#"{"error_code":"X","message":"no"}"#, "no");
        check(r#"{"code":"x","error":"no"}"#, "no");
        check(r#"{"detail":"no"}"#, "no");
        check("<html>", "<html>");
    }

    #[test]
    fn paths_are_escaped_by_segment() {
        assert_eq!(escape_path("a b/ü%/c#.txt"), "a%20b/%C3%BC%25/c%23.txt");
    }
}
