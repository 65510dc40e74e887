//! One client's connection: HTTP/1.1 or HTTP/2, whichever it begins with. Requests of HTTP/1.1 are served by
//! [`plain`] for as long as they are plain, everything else by `hyper`.
//!
//! Bounded in everything that a client decides: the time to say which protocol it speaks and to
//! send a head, the length of a head, the streams of a connection and those that it takes back.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::io::Cursor;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use http::header::CONNECTION;
use http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, join};
use tokio::net::TcpStream;
use tokio::task::spawn_local;

use super::plain::{self, Next};
use super::{Received, answer};
use crate::request_id;
use crate::worker::{Ending, Worker};

/// When stopping, how long a connection that never had a request is given to bring one that may
/// already be on its way.
const LINGER: Duration = Duration::from_millis(100);
/// Longest request head.
const MAX_HEAD: usize = 64 << 10;
/// How an HTTP/2 connection begins; no request of HTTP/1.1 begins with as much of it.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";
/// Room for what a client sends first.
const FIRST_BYTES: usize = 4 << 10;
/// Most requests of one HTTP/2 connection at a time.
const MAX_STREAMS: u32 = 256;
/// Most streams that a client may open and take back before its connection is closed.
const MAX_RESETS: usize = 64;
/// How much may come on an HTTP/2 stream, or a connection, before it is read.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// How long an HTTP/2 client may leave a ping without an answer.
const PONG: Duration = Duration::from_secs(20);

/// Serves a connection until its client closes it, or it is to end and its last answer is sent.
pub(crate) async fn client(worker: Rc<Worker>, mut stream: TcpStream, ending: Ending) {
    let idle = worker.options.idle_timeout;
    let mut first = BytesMut::with_capacity(FIRST_BYTES);
    let begun = async {
        tokio::select! {
            begun = tokio::time::timeout(idle, begin(&mut stream, &mut first)) => begun.ok()?.ok(),
            // What is on its way already is still answered.
            () = async { ending.stop.cancelled().await; tokio::time::sleep(LINGER).await } => None,
        }
    };
    let Some(version) = begun.await else {
        return;
    };
    let mut used = false;
    if matches!(version, Version::One)
        && let Next::Closed =
            plain::serve(&worker, &mut stream, &mut first, &mut used, &ending).await
    {
        return;
    }
    let (read, write) = stream.into_split();
    let io = join(Cursor::new(first.freeze()).chain(read), write);
    match version {
        Version::One => one(&worker, io, used, &ending).await,
        Version::Two => two(&worker, io, &ending).await,
    }
}

/// What a client speaks.
enum Version {
    One,
    Two,
}

/// Reads until the version is known.
async fn begin(stream: &mut TcpStream, first: &mut BytesMut) -> std::io::Result<Version> {
    loop {
        let common = first.len().min(PREFACE.len());
        if first[..common] != PREFACE[..common] {
            return Ok(Version::One);
        }
        if common == PREFACE.len() {
            return Ok(Version::Two);
        }
        if stream.read_buf(first).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

async fn one(
    worker: &Rc<Worker>,
    io: impl AsyncRead + AsyncWrite + Unpin,
    used: bool,
    ending: &Ending,
) {
    let used = Cell::new(used);
    let begins = &used;
    let service = service_fn(move |request: Request<Incoming>| {
        begins.set(true);
        let request = request.map(Received::Coming);
        async move {
            let mut answer = answer(worker, request).await;
            // Closing a connection between two requests would fail a client that is about to send one.
            if ending.leave.is_cancelled() {
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(CONNECTION, close);
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(worker.options.idle_timeout)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = ending.stop.cancelled() => {
            // Closes a connection between two requests, but waits for the first one of a new one.
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(LINGER, connection.as_mut()).await {
                Ok(ended) => ended,
                Err(_) if used.get() => connection.await,
                Err(_) => return,
            }
        }
    };
    tell(ended);
}

async fn two(
    worker: &Rc<Worker>,
    io: impl AsyncRead + AsyncWrite + Unpin + 'static,
    ending: &Ending,
) {
    let worker = Rc::clone(worker);
    let idle = worker.options.idle_timeout;
    let service = service_fn(move |request: Request<Incoming>| {
        let worker = Rc::clone(&worker);
        let request = request.map(Received::Coming);
        async move {
            let mut answer = Box::pin(answer(&worker, request)).await;
            // Each differs, so that to remember them for the connection would only cost.
            if let Some(id) = answer.headers_mut().get_mut(request_id::HEADER) {
                id.set_sensitive(true);
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http2::Builder::new(Streams)
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_RESETS)
        .max_local_error_reset_streams(MAX_RESETS)
        .max_header_list_size(MAX_HEAD as u32)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(idle)
        .keep_alive_timeout(PONG)
        .serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = ending.begun() => {
            // Tells the client to open no more streams, and ends with the last of them.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    tell(ended);
}

fn tell(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

/// Runs the streams of a connection on its thread. Each ends with its connection, which takes back
/// all of its streams when it is gone.
#[derive(Debug, Clone, Copy)]
struct Streams;

impl<F: Future<Output = ()> + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        spawn_local(stream);
    }
}
