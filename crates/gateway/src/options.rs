//! What a gateway is told when it starts.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::traffic::TrafficOptions;

/// How a gateway runs. Parsed and checked by the caller; nothing here is read from anywhere else.
#[derive(Debug, Clone)]
pub struct Options {
    /// The state directory: `routes.json`, `gateway.json`, `traffic/`.
    pub state_dir: PathBuf,
    /// The data plane's address. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The admin socket.
    pub admin: PathBuf,
    /// Threads that serve requests, each with its own listener and connections.
    pub threads: NonZeroUsize,
    /// Bearer tokens that are let in. Needed when `listen` is not a loopback address; when there
    /// are any, every request but the health checks needs one.
    pub tokens: Vec<TokenHash>,
    /// Longest request body; a service may have a smaller limit.
    pub max_body: usize,
    /// Longest wait for a body to arrive.
    pub body_timeout: Duration,
    /// How long a connection may be without a request, or a request's head may take.
    pub idle_timeout: Duration,
    /// How long a request waits while its version has no replica that answers; then 503. A service
    /// may have another limit.
    pub replica_wait: Duration,
    /// Most requests that wait so for one version, in all threads together; a service may have
    /// another limit.
    pub max_held: usize,
    /// Most bytes that the bodies of all of them have.
    pub max_held_bytes: usize,
    /// How long a replica may leave a ping without an answer; then it gets no requests until it
    /// answers, and those under way at it are tried elsewhere.
    pub replica_silence: Duration,
    /// How long an attempt may take; then 504. A service may have another limit.
    pub request_timeout: Duration,
    /// How long requests in flight may take to end after a shutdown was asked for.
    pub drain: Duration,
    /// How long a gateway whose place another has taken may go on with the connections that it has.
    pub leave: Duration,
    /// Most open connections, in all threads together.
    pub max_connections: usize,
    /// Most requests at one version's replicas, in all threads together; a service may have
    /// another limit.
    pub max_in_flight: usize,
    /// Most requests that wait for a place at one version's replicas; a service may have another
    /// limit.
    pub max_waiting: usize,
    /// How long a request waits for a place at a replica; then 503. A service may have another
    /// limit.
    pub queue_wait: Duration,
    /// How long a replica that is not like its siblings gets no requests the first time; the second
    /// time it is twice as long.
    pub ejection: Duration,
    /// How often a thread looks which replicas are not like their siblings.
    pub review: Duration,
    /// The traffic log; `None` writes none.
    pub traffic: Option<TrafficOptions>,
}

impl Options {
    /// A gateway on `listen` with a thread for each core and the usual bounds: bodies up to
    /// 16 MiB within 30 s, 75 s idle, 5 s for a replica to come back, for which 1,024 requests of a
    /// version and 64 MiB in all may wait, 0.75 s for its pong, 30 s for an answer, 10 s to drain,
    /// 10 min to leave, 10,000 connections, 4,096 requests at a version, 1,024 that wait for a place
    /// there for up to 1 s, 10 s without requests for outliers, the usual traffic log.
    #[must_use]
    pub fn new(state_dir: PathBuf, listen: SocketAddr) -> Self {
        Self {
            admin: state_dir.join("gateway.sock"),
            state_dir,
            listen,
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            tokens: Vec::new(),
            max_body: 16 << 20,
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            replica_wait: Duration::from_secs(5),
            max_held: 1024,
            max_held_bytes: 64 << 20,
            replica_silence: Duration::from_millis(750),
            request_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(10),
            leave: Duration::from_secs(600),
            max_connections: 10_000,
            max_in_flight: 4096,
            max_waiting: 1024,
            queue_wait: Duration::from_secs(1),
            ejection: Duration::from_secs(10),
            review: Duration::from_secs(1),
            traffic: Some(TrafficOptions::usual()),
        }
    }
}

/// The SHA-256 of a bearer token; the gateway never has the token itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

/// Text that is no SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token's hash is 64 hexadecimal digits; `printf %s TOKEN | sha256sum` prints it")]
pub struct TokenHashError;

impl FromStr for TokenHash {
    type Err = TokenHashError;

    fn from_str(text: &str) -> Result<Self, TokenHashError> {
        let mut hash = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(TokenHashError);
        }
        for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| TokenHashError)?;
        }
        Ok(Self(hash))
    }
}
