//! Requests to services whose replicas are servers of their own: handed on as they came, and their
//! answers as they come.
//!
//! Version, replica, limits and counts are as for every other request; what is said is between the
//! client and the server. An answer that has begun is not tried again. Dropping an answer closes its
//! connection, which tells the server that nobody waits any more.

mod headers;
mod logged;
mod openai;

use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::unfold;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;

use crate::clock;
use crate::edge::{Received, collect};
use crate::evidence::Outcome;
use crate::fields::{self, REQUEST_ID, Wanted};
use crate::live::{LiveArm, LiveRoute};
use crate::predict::Attempt;
use crate::replica::Relaying;
use crate::request_id;
use crate::respond::{Answer, Body, from_version};
use crate::worker::Worker;

use logged::Logged;
pub(crate) use openai::{by_model, completions, error as openai_error};

/// A request on its way.
pub(crate) struct Relayed {
    /// The route's base path.
    pub(crate) base: Rc<str>,
    pub(crate) method: Method,
    /// Path and query at the server.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Its id.
    pub(crate) id: String,
}

impl Relayed {
    /// Takes a request for a route, at a path of its own.
    pub(crate) async fn take(
        worker: &Worker,
        route: &LiveRoute,
        request: &mut Request<Received>,
        path: String,
    ) -> Result<Self, Answer> {
        let body = collect(
            request.body_mut(),
            route.max_body,
            worker.options.body_timeout,
        )
        .await;
        let body = body.map_err(|e| openai_error(e.status(), &e.to_string()))?;
        let given = request_id::given(request.headers());
        Ok(Self {
            id: given.unwrap_or_else(|| request_id::minted(worker.random())),
            base: Rc::clone(&route.key),
            method: request.method().clone(),
            path,
            headers: headers::passed_on(request.headers(), worker.options.tokens.is_empty()),
            body,
        })
    }
}

/// What a try came to.
enum Tried {
    Answered(Box<Answer>),
    /// Nothing was sent: there is no replica.
    Wait,
    /// It was lost before its answer began.
    Lost,
}

/// Hands a request on and its answer back. One that is lost before its answer is tried once more.
pub(crate) async fn relay(worker: &Rc<Worker>, relayed: &Relayed) -> Answer {
    let random = worker.random();
    let patience = Instant::now() + worker.options.replica_wait;
    let mut lost = false;
    loop {
        let live = worker.live();
        let Some(route) = live.by_base(&relayed.base) else {
            let message = format!("{} is not served any more", relayed.base);
            return openai_error(StatusCode::NOT_FOUND, &message);
        };
        let arm = chosen(route, relayed, random);
        match attempt(worker, route, arm, relayed).await {
            Tried::Answered(answer) => return *answer,
            Tried::Lost if lost => {
                let message = "the model's server went away twice with this request under way";
                return from_version(openai_error(StatusCode::BAD_GATEWAY, message), &arm.header);
            }
            Tried::Lost => lost = true,
            Tried::Wait => {
                let changed = worker.changed.notified();
                if tokio::time::timeout_at(patience.into(), changed)
                    .await
                    .is_err()
                {
                    Attempt::begin(arm, None, Instant::now()).ended(Outcome::Error);
                    let message = "this version has no replica at the moment; try again soon";
                    let answer = openai_error(StatusCode::SERVICE_UNAVAILABLE, message);
                    return from_version(answer, &arm.header);
                }
            }
        }
    }
}

/// The version that a request goes to.
fn chosen<'l>(route: &'l LiveRoute, relayed: &Relayed, random: u64) -> &'l LiveArm {
    let wanted = Wanted {
        id: REQUEST_ID,
        value: route.sticky.field(),
        time: None,
    };
    let field = wanted.value.and_then(|_| {
        let rows = fields::rows(&relayed.body, wanted).ok()?;
        rows.first().value
    });
    let value = route
        .sticky
        .value(route.sticky.header(&relayed.headers), field);
    route.choose(value.as_deref(), random)
}

async fn attempt(
    worker: &Rc<Worker>,
    route: &LiveRoute,
    arm: &LiveArm,
    relayed: &Relayed,
) -> Tried {
    let (began, arrived) = (Instant::now(), clock::now_micros());
    let Some(replica) = arm.least_loaded(None, arrived.unsigned_abs()) else {
        return Tried::Wait;
    };
    if arm.in_flight() >= route.max_in_flight {
        arm.counters.reject();
        let message = "this version has all the requests it can take; try again in a moment";
        let answer = openai_error(StatusCode::SERVICE_UNAVAILABLE, message);
        return Tried::Answered(Box::new(from_version(answer, &arm.header)));
    }
    let attempt = Attempt::begin(arm, None, began);
    let Ok(mut relaying) = Relaying::begin(worker, replica).await else {
        attempt.ended(Outcome::Error);
        return Tried::Lost;
    };
    let (Some(sender), Some(request)) = (relaying.sender(), request(relayed)) else {
        attempt.never_was();
        let answer = openai_error(StatusCode::BAD_REQUEST, "the path is none that HTTP allows");
        return Tried::Answered(Box::new(answer));
    };
    let sent = tokio::time::timeout(route.timeout, sender.send_request(request)).await;
    let mut log = Logged::begin(worker, route, arm, relayed, (began, arrived));
    let answer = match sent {
        Ok(Ok(answer)) => stream(answer, attempt, relaying, route.timeout, log),
        Ok(Err(_)) => {
            attempt.ended(Outcome::Error);
            log.forget();
            return Tried::Lost;
        }
        Err(_) => {
            attempt.ended(Outcome::Error);
            let message = format!("no answer within {:?}", route.timeout);
            let status = StatusCode::GATEWAY_TIMEOUT;
            log.answers(status);
            openai_error(status, &message)
        }
    };
    Tried::Answered(Box::new(named(from_version(answer, &arm.header), relayed)))
}

/// Says how the request was named, unless its server has.
fn named(mut answer: Answer, relayed: &Relayed) -> Answer {
    if let Some(id) = request_id::header(relayed.id.clone()) {
        answer.headers_mut().entry(request_id::HEADER).or_insert(id);
    }
    answer
}

fn request(relayed: &Relayed) -> Option<Request<Full<Bytes>>> {
    let mut request = Request::new(Full::new(relayed.body.clone()));
    *request.method_mut() = relayed.method.clone();
    *request.uri_mut() = relayed.path.parse().ok()?;
    *request.headers_mut() = relayed.headers.clone();
    if let Some(id) = request_id::header(relayed.id.clone()) {
        request.headers_mut().insert(request_id::HEADER, id);
    }
    let host = HeaderValue::from_static("localhost");
    request.headers_mut().insert(http::header::HOST, host);
    Some(request)
}

/// An answer whose pieces are still to come.
struct Pieces {
    body: Incoming,
    attempt: Option<Attempt>,
    outcome: Outcome,
    relaying: Relaying,
    /// Longest wait for a piece.
    patience: std::time::Duration,
    log: Logged,
}

/// The answer, piece by piece. It is counted when it ends; what it took is until now.
fn stream(
    answer: Response<Incoming>,
    mut attempt: Attempt,
    mut relaying: Relaying,
    patience: std::time::Duration,
    mut log: Logged,
) -> Answer {
    attempt.answers();
    log.answers(answer.status());
    let (mut parts, body) = answer.into_parts();
    parts.headers = headers::passed_back(&parts.headers);
    let outcome = match parts.status.as_u16() {
        ..400 => Outcome::Good,
        400..500 => Outcome::ClientError,
        500.. => Outcome::Error,
    };
    if body.is_end_stream() {
        attempt.ended(outcome);
        relaying.is_over();
        return Response::from_parts(parts, Body::Whole(Bytes::new()));
    }
    let pieces = Pieces {
        body,
        attempt: Some(attempt),
        outcome,
        relaying,
        patience,
        log,
    };
    let pieces = unfold(Some(pieces), |pieces| async move { next(pieces?).await });
    Response::from_parts(parts, Body::Pieces(pieces.boxed_local()))
}

async fn next(mut pieces: Pieces) -> Option<(Result<Frame<Bytes>, Broken>, Option<Pieces>)> {
    match tokio::time::timeout(pieces.patience, pieces.body.frame()).await {
        Ok(Some(Ok(frame))) => {
            if let Some(data) = frame.data_ref() {
                pieces.log.piece(data);
            }
            // A body whose length is known is not asked for its end.
            let rest = if pieces.body.is_end_stream() {
                pieces.is_over();
                None
            } else {
                Some(pieces)
            };
            Some((Ok(frame), rest))
        }
        Ok(None) => {
            pieces.is_over();
            None
        }
        Ok(Some(Err(_))) | Err(_) => {
            pieces.end(Outcome::Error);
            Some((Err(Broken), None))
        }
    }
}

impl Pieces {
    /// The answer is whole.
    fn is_over(&mut self) {
        self.end(self.outcome);
        self.relaying.is_over();
    }

    fn end(&mut self, outcome: Outcome) {
        if let Some(attempt) = self.attempt.take() {
            attempt.ended(outcome);
        }
    }
}

/// An answer that broke off: the client's connection is closed, so that it can tell.
#[derive(Debug, thiserror::Error)]
#[error("the model's server broke off")]
pub(crate) struct Broken;
