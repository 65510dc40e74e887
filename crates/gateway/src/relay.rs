//! Requests to services whose replicas are servers of their own: handed on as they came, and their
//! answers as they come.
//!
//! Version, replica, limits and counts are as for every other request; what is said is between the
//! client and the server. An answer that has begun is not tried again. Dropping an answer closes its
//! connection, which tells the server that nobody waits any more.

mod headers;
mod logged;
mod openai;

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

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
use crate::hold::{self, Unheld};
use crate::live::{LiveArm, LiveRoute};
use crate::load::Stay;
use crate::outlier::Conduct;
use crate::predict::Attempt;
use crate::queue::{self, Admitted, Ticket};
use crate::replica::Relaying;
use crate::request_id;
use crate::respond::{Answer, Body, from_version, try_again};
use crate::wishes::Wishes;
use crate::worker::Worker;

use logged::Logged;
pub(crate) use openai::{by_model, completions, error as openai_error};

/// How long it takes at most until a server that is gone is known to be: its connections end first.
const NOTICE: Duration = Duration::from_millis(500);

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
    /// What its headers ask of the gateway.
    pub(crate) wishes: Wishes,
    /// When its head was here.
    pub(crate) began: Instant,
}

impl Relayed {
    /// Takes a request for a route, at a path of its own.
    pub(crate) async fn take(
        worker: &Worker,
        route: &LiveRoute,
        request: &mut Request<Received>,
        path: String,
    ) -> Result<Self, Answer> {
        let began = Instant::now();
        let wishes = Wishes::read(request.headers())
            .map_err(|e| openai_error(StatusCode::BAD_REQUEST, &e.to_string()))?;
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
            wishes,
            began,
        })
    }
}

/// What a try came to.
enum Tried {
    Answered(Box<Answer>),
    /// Nothing was sent: there is no replica.
    Wait,
    /// Nothing was sent, and replicas or table changed meanwhile.
    Look,
    /// It was lost before its answer began, by this replica.
    Lost(PathBuf),
}

/// The replica went away with the request.
fn lost_by(relaying: &Relaying) -> Tried {
    Tried::Lost(relaying.place().replica().path().to_owned())
}

/// Hands a request on and its answer back. One that is lost before its answer is tried once more, at
/// another replica if there is one.
pub(crate) async fn relay(worker: &Rc<Worker>, relayed: &Relayed) -> Answer {
    let random = worker.random();
    let wishes = relayed.wishes;
    let mut ticket = Ticket::new(relayed.began, wishes.priority, wishes.deadline);
    let mut lost: Option<PathBuf> = None;
    let mut stay: Option<Stay> = None;
    loop {
        let live = worker.live();
        let Some(route) = live.by_base(&relayed.base) else {
            let message = format!("{} is not served any more", relayed.base);
            return openai_error(StatusCode::NOT_FOUND, &message);
        };
        let Some(arm) = chosen(route, relayed, random) else {
            let message = format!("{} does not serve this version", relayed.base);
            return openai_error(StatusCode::NOT_FOUND, &message);
        };
        arm.count_in(&mut stay);
        let avoid = lost.as_deref();
        match attempt(worker, route, arm, relayed, avoid, &mut ticket, &mut stay).await {
            Tried::Answered(answer) => return *answer,
            Tried::Look => {}
            Tried::Lost(_) if lost.is_some() => {
                let message = "the model's server went away twice with this request under way";
                return from_version(openai_error(StatusCode::BAD_GATEWAY, message), &arm.header);
            }
            Tried::Lost(replica) => {
                gone(worker, arm, &replica).await;
                lost = Some(replica);
                ticket.renew();
            }
            Tried::Wait => {
                let waits = (&mut stay, &mut ticket);
                let held = arm.hold(route, relayed.body.len(), waits, &worker.changed);
                if let Err(why) = held.await {
                    return given_up(arm, relayed, why);
                }
            }
        }
    }
}

/// Waits until an only replica that has lost a request is seen to be gone, so that the request is held
/// for the next one. If it is not, it is to have the request again.
async fn gone(worker: &Worker, arm: &LiveArm, replica: &Path) {
    let noticed = async {
        loop {
            let changed = worker.changed.notified();
            if arm.has_other(replica) || !arm.is_ready() {
                return;
            }
            changed.await;
        }
    };
    // Asked in vain, it is as up as before.
    let _ = tokio::time::timeout(NOTICE, noticed).await;
}

/// A request that found no replica.
fn given_up(arm: &LiveArm, relayed: &Relayed, why: Unheld) -> Answer {
    match why {
        Unheld::NoRoom => {
            arm.counters.reject();
            unavailable(arm, hold::NO_ROOM)
        }
        Unheld::Unwanted => unwanted(arm),
        Unheld::NoReplica => {
            let attempt = Attempt::begin(arm, relayed.wishes.version, Instant::now());
            attempt.ended(Outcome::Error);
            unavailable(arm, hold::NO_REPLICA)
        }
    }
}

/// A request that has no place for now.
fn unavailable(arm: &LiveArm, message: &str) -> Answer {
    let answer = openai_error(StatusCode::SERVICE_UNAVAILABLE, message);
    from_version(try_again(answer, arm.retry_after()), &arm.header)
}

/// A request that was not sent and whose client does not wait any more.
fn unwanted(arm: &LiveArm) -> Answer {
    arm.counters.reject();
    let answer = openai_error(StatusCode::GATEWAY_TIMEOUT, queue::LATE);
    from_version(answer, &arm.header)
}

/// The version that a request goes to; `None` if it asks for one that is not served.
fn chosen<'l>(route: &'l LiveRoute, relayed: &Relayed, random: u64) -> Option<&'l LiveArm> {
    if let Some(version) = relayed.wishes.version {
        return route.version(version);
    }
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
    Some(route.choose(value.as_deref(), random))
}

async fn attempt(
    worker: &Rc<Worker>,
    route: &LiveRoute,
    arm: &LiveArm,
    relayed: &Relayed,
    avoid: Option<&Path>,
    ticket: &mut Ticket,
    stay: &mut Option<Stay>,
) -> Tried {
    let (began, arrived) = (Instant::now(), clock::now_micros());
    let turn = arrived.unsigned_abs();
    let place = match arm.admit(ticket, avoid, turn, &worker.changed).await {
        Admitted::Place(place) => place,
        Admitted::Down => return Tried::Wait,
        Admitted::Changed => return Tried::Look,
        Admitted::Full => {
            arm.counters.reject();
            return Tried::Answered(Box::new(unavailable(arm, queue::FULL)));
        }
        Admitted::Late => return Tried::Answered(Box::new(unwanted(arm))),
    };
    let attempt = Attempt::begin(arm, relayed.wishes.version, began);
    let mut relaying = Relaying::new(place);
    let first = worker.options.ejection;
    if relaying.connect(worker).await.is_err() {
        arm.note(relaying.place(), Conduct::Failed, first);
        attempt.ended(Outcome::Error);
        return lost_by(&relaying);
    }
    let (Some(sender), Some(request)) = (relaying.sender(), request(relayed)) else {
        attempt.never_was();
        let answer = openai_error(StatusCode::BAD_REQUEST, "the path is none that HTTP allows");
        return Tried::Answered(Box::new(answer));
    };
    let left = ticket.left(route.timeout);
    let sent = tokio::time::timeout(left, sender.send_request(request)).await;
    let mut log = Logged::begin(worker, route, arm, relayed, (began, arrived));
    let answer = match sent {
        Ok(Ok(answer)) => {
            match answer.status().as_u16() {
                ..500 => arm.note(relaying.place(), Conduct::Good, first),
                // It has no room, which says nothing of how it does.
                503 => relaying.place().answered(),
                _ => arm.note(relaying.place(), Conduct::Failed, first),
            }
            let patience = Patience {
                each: route.timeout,
                deadline: relayed.wishes.deadline,
            };
            stream(answer, attempt, relaying, patience, stay.take(), log)
        }
        Ok(Err(_)) => {
            arm.note(relaying.place(), Conduct::Failed, first);
            attempt.ended(Outcome::Error);
            log.forget();
            return lost_by(&relaying);
        }
        Err(_) if ticket.is_over() => {
            arm.note(relaying.place(), Conduct::Late, first);
            // It is counted as abandoned, which it is.
            drop(attempt);
            let status = StatusCode::GATEWAY_TIMEOUT;
            log.answers(status);
            openai_error(status, queue::LATE)
        }
        Err(_) => {
            arm.note(relaying.place(), Conduct::Failed, first);
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
    patience: Patience,
    /// Until it is whole, the request is there.
    _stay: Option<Stay>,
    log: Logged,
}

/// How long an answer's pieces are waited for.
#[derive(Clone, Copy)]
struct Patience {
    /// The next one.
    each: Duration,
    /// All of them.
    deadline: Option<Instant>,
}

impl Patience {
    fn until(self) -> Instant {
        let next = Instant::now() + self.each;
        self.deadline.map_or(next, |deadline| deadline.min(next))
    }
}

/// The answer, piece by piece. It is counted when it ends; what it took is until now.
fn stream(
    answer: Response<Incoming>,
    mut attempt: Attempt,
    mut relaying: Relaying,
    patience: Patience,
    stay: Option<Stay>,
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
        _stay: stay,
        log,
    };
    let pieces = unfold(Some(pieces), |pieces| async move { next(pieces?).await });
    Response::from_parts(parts, Body::Pieces(pieces.boxed_local()))
}

async fn next(mut pieces: Pieces) -> Option<(Result<Frame<Bytes>, Broken>, Option<Pieces>)> {
    let until = pieces.patience.until();
    match tokio::time::timeout_at(until.into(), pieces.body.frame()).await {
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
