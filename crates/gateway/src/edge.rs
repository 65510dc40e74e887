//! The data plane's edge: HTTP/1.1 in and out.
//!
//! [`crate::worker`] hands a connection over; requests are admitted, addressed and passed to what
//! they ask for. Must never decide which version answers.

mod admission;
mod body;

use std::cell::Cell;
use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::{HeaderName, Method, Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

pub(crate) use admission::Admission;
pub(crate) use body::{BodyError, collect};

use crate::address::{self, AddressError, ModelTarget, Target};
use crate::clock;
use crate::labels;
use crate::live::{Live, Sticky};
use crate::predict::{self, Call, Wire};
use crate::protocol;
use crate::respond::{self, Answer};
use crate::worker::Worker;

/// Says how much of a body is JSON, in the protocol's binary extension.
const BINARY: HeaderName = HeaderName::from_static("inference-header-content-length");
/// When stopping, how long a connection that never had a request is given to bring one that may
/// already be on its way.
const LINGER: Duration = Duration::from_millis(100);
/// Longest request head.
const MAX_HEAD: usize = 64 << 10;

/// Serves a connection until its client closes it, or `stop` and its last answer is sent.
pub(crate) async fn client(worker: Rc<Worker>, stream: TcpStream, stop: CancellationToken) {
    let idle = worker.options.idle_timeout;
    let used = Cell::new(false);
    let (worker, begins) = (&worker, &used);
    let service = service_fn(move |request| {
        begins.set(true);
        async move { Ok::<_, Infallible>(answer(worker, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            // Closes a connection between two requests, but waits for the first one of a new one.
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(LINGER, connection.as_mut()).await {
                Ok(ended) => ended,
                Err(_) if used.get() => connection.await,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

/// What a method may ask of a target.
enum Ask {
    Get,
    Post,
}

async fn answer(worker: &Rc<Worker>, request: Request<Incoming>) -> Answer {
    let admitted = worker
        .admission
        .check(request.method(), request.uri(), request.headers());
    if let Err(refusal) = admitted {
        return respond::error(refusal.status, refusal.message);
    }
    let live = worker.live();
    let target = match address::resolve(&live.index, request.uri().path()) {
        Ok(target) => target,
        Err(error) => {
            let status = match error {
                AddressError::Malformed => StatusCode::BAD_REQUEST,
                AddressError::NotFound => StatusCode::NOT_FOUND,
            };
            return respond::error(status, &error.to_string());
        }
    };
    let ask = match *request.method() {
        Method::GET | Method::HEAD => Ask::Get,
        Method::POST => Ask::Post,
        _ => return method_not_allowed("GET, POST"),
    };
    match (target, ask) {
        (Target::Rows(at), Ask::Post) => infer(worker, &live, at, None, Wire::Rows, request).await,
        (Target::Model(at, version, ModelTarget::Infer), Ask::Post) => {
            infer(worker, &live, at, version, Wire::Protocol, request).await
        }
        (Target::Labels(at), Ask::Post) => {
            let route = &live.routes[at];
            match collect(request, route.max_body, worker.options.body_timeout).await {
                Ok(body) => labels::keep(worker, route, &body).await,
                Err(error) => refuse_body(&error),
            }
        }
        // Triton's client posts this one, with or without a body.
        (Target::Repository(at), Ask::Get | Ask::Post) => protocol::repository(&live, at),
        (Target::Server, Ask::Get) => protocol::server(),
        (Target::Live, Ask::Get) => protocol::live(),
        (Target::Ready(at), Ask::Get) => protocol::ready(&live, at),
        (Target::Model(at, version, ModelTarget::Metadata), Ask::Get) => {
            protocol::metadata(worker, &live, at, version).await
        }
        (Target::Model(at, version, ModelTarget::Ready), Ask::Get) => {
            protocol::model_ready(&live, at, version)
        }
        (
            Target::Rows(_) | Target::Labels(_) | Target::Model(_, _, ModelTarget::Infer),
            Ask::Get,
        ) => method_not_allowed("POST"),
        (_, Ask::Post) => method_not_allowed("GET"),
    }
}

async fn infer(
    worker: &Rc<Worker>,
    live: &Rc<Live>,
    at: usize,
    pinned: Option<u32>,
    wire: Wire,
    request: Request<Incoming>,
) -> Answer {
    let route = &live.routes[at];
    if request.headers().contains_key(BINARY) {
        return respond::error(
            StatusCode::BAD_REQUEST,
            "binary tensors are not supported yet; send JSON (tritonclient: binary_data=False)",
        );
    }
    let sticky_header = match &route.sticky {
        Sticky::Header(name) => request.headers().get(name).cloned(),
        Sticky::Request | Sticky::Field(_) => None,
    };
    let body = match collect(request, route.max_body, worker.options.body_timeout).await {
        Ok(body) => body,
        Err(error) => return refuse_body(&error),
    };
    let call = Call {
        base: Rc::clone(&route.key),
        wire,
        pinned,
        sticky_header,
        body,
        began: Instant::now(),
        arrived: clock::now_micros(),
    };
    predict::predict(worker, &call).await
}

fn refuse_body(error: &BodyError) -> Answer {
    let mut answer = respond::error(error.status(), &error.to_string());
    // The rest of the body is still on its way: nothing after it can be understood.
    let close = http::HeaderValue::from_static("close");
    answer.headers_mut().insert(http::header::CONNECTION, close);
    answer
}

fn method_not_allowed(allow: &'static str) -> Answer {
    let message = format!("this method is not served here; use {allow}");
    let mut answer = respond::error(StatusCode::METHOD_NOT_ALLOWED, &message);
    let allow = http::HeaderValue::from_static(allow);
    answer.headers_mut().insert(http::header::ALLOW, allow);
    answer
}
