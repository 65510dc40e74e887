//! A prediction: choose the version, ask a replica, count, log, answer.
//!
//! Called by [`crate::edge`] with a whole body. Every attempt is counted when it ends, before
//! anything else is tried. A request that was not sent waits for a replica, or for a place at one,
//! for a while, and is not sent once its client does not wait any more; one whose
//! replica was lost is tried once more, and so is one whose replica does not answer while another
//! does, since asking a model again does no harm.

mod attempt;
mod copied;
mod record;

use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use inference::frame::{self, Reply, Request, Wire};

pub(crate) use attempt::Attempt;

use crate::evidence::Outcome;
use crate::fields::{self, Fields, FieldsError, REQUEST_ID, Rows, Wanted};
use crate::grpc::{self, Head};
use crate::hold::{self, Unheld};
use crate::live::{Live, LiveArm, LiveRoute};
use crate::load::Stay;
use crate::outlier::Conduct;
use crate::queue::{self, Admitted, Priority, Ticket};
use crate::replica::{CallError, Replica};
use crate::request_id;
use crate::respond::{self, Predicted};
use crate::worker::Worker;

/// How often a request that waits for its answer looks whether its replica is still up.
const LOOK: Duration = Duration::from_millis(250);

/// A request for a prediction.
#[derive(Debug)]
pub(crate) struct Call {
    /// The route's base path.
    pub(crate) base: Rc<str>,
    /// How it is written.
    pub(crate) wire: Wire,
    /// The version that its address or a header names. Such requests are no part of the split:
    /// neither evidence nor predictions to be joined.
    pub(crate) pinned: Option<u32>,
    /// How urgent it says it is.
    pub(crate) priority: Option<Priority>,
    /// Its client waits until then.
    pub(crate) deadline: Option<Instant>,
    /// What keeps its version, if that is a header.
    pub(crate) sticky_header: Option<HeaderValue>,
    /// As sent; a gRPC message without its prefix.
    pub(crate) body: Bytes,
    /// What a gRPC message says besides its tensors.
    pub(crate) head: Option<Head>,
    /// The id in its headers.
    pub(crate) id: Option<String>,
    /// When it was whole.
    pub(crate) began: Instant,
    /// The same, microseconds since 1970.
    pub(crate) arrived: i64,
}

/// What an attempt came to.
enum Step {
    /// This is the answer.
    Done(Reached),
    /// Nothing was sent: try when something changed.
    Wait,
    /// Nothing was sent, and something changed.
    Look,
    /// It failed and is counted: try another replica than this.
    Again(PathBuf, Cause),
}

/// Why a request is tried again; for each cause once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// Its replica went away, or had no room: its own fault, perhaps.
    Lost,
    /// Its replica was silent, which no request brings about by itself.
    Silent,
}

/// The attempts of a request so far.
#[derive(Debug, Default)]
struct Tried {
    /// The replica that failed last.
    avoid: Option<PathBuf>,
    causes: Vec<Cause>,
}

impl Tried {
    fn may_repeat(&self, cause: Cause) -> bool {
        !self.causes.contains(&cause)
    }
}

/// What asking a replica came to.
enum Asked {
    Replied(Reply),
    Failed(CallError),
    /// It does not answer, and another replica does.
    Silent,
    /// The route's time is over.
    TooLate,
    /// The client's time is.
    Unwanted,
}

/// An answer, and what is known of it.
pub(crate) struct Reached {
    status: StatusCode,
    body: Bytes,
    /// How many bytes of the body are JSON, if raw bytes follow; else 0.
    json: u32,
    /// First output of each row.
    predictions: Vec<f64>,
    /// In how many seconds it is worth trying again.
    retry_after: Option<u32>,
}

impl Reached {
    fn error(status: StatusCode, message: &str) -> Self {
        Self {
            status,
            body: respond::error_body(message).into(),
            json: 0,
            predictions: Vec::new(),
            retry_after: None,
        }
    }

    fn unavailable(message: &str, retry_after: u32) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::error(StatusCode::SERVICE_UNAVAILABLE, message)
        }
    }

    fn unwanted() -> Self {
        Self::error(StatusCode::GATEWAY_TIMEOUT, queue::LATE)
    }
}

/// Answers a request for a prediction.
pub(crate) async fn predict(worker: &Worker, call: &Call) -> Predicted {
    let random = worker.random();
    let mut tried = Tried::default();
    let mut began = call.began;
    let mut ticket = Ticket::new(began, call.priority, call.deadline);
    let mut stay: Option<Stay> = None;
    loop {
        let live = worker.live();
        let chosen = match Chosen::new(&live, call, random) {
            Ok(chosen) => chosen,
            Err(gone) => return gone.answer(&call.base),
        };
        chosen.arm.count_in(&mut stay);
        let step = match &chosen.malformed {
            Some(error) => Step::Done(chosen.refuse(call, error)),
            None => {
                let attempt = chosen.attempt(worker, call, began, &tried, &mut ticket);
                attempt.await
            }
        };
        match step {
            Step::Done(reached) => {
                chosen.mirror(worker, call, &reached);
                return chosen.finish(worker, call, reached);
            }
            Step::Again(replica, cause) => {
                tried.avoid = Some(replica);
                tried.causes.push(cause);
                began = Instant::now();
                ticket.renew();
            }
            Step::Look => {}
            Step::Wait => {
                let waits = (&mut stay, &mut ticket);
                let (arm, length) = (chosen.arm, call.body.len());
                let held = arm.hold(chosen.route, length, waits, &worker.changed);
                if let Err(why) = held.await {
                    let reached = chosen.give_up(call, began, why);
                    return chosen.finish(worker, call, reached);
                }
            }
        }
    }
}

/// What a request is for is not in the table.
enum Gone {
    Route,
    Version(u32),
}

impl Gone {
    fn answer(&self, base: &str) -> Predicted {
        let message = match self {
            Self::Route => format!("{base} is not served any more"),
            Self::Version(version) => format!("{base} does not serve version {version}"),
        };
        Predicted::error(StatusCode::NOT_FOUND, &message)
    }
}

/// Where a request goes under the table in force.
struct Chosen<'a> {
    route: &'a LiveRoute,
    arm: &'a LiveArm,
    rows: Rows<'a>,
    malformed: Option<FieldsError>,
    /// The request's id as JSON, for an answer to one whose body has none.
    minted: Option<String>,
    /// The request's id.
    id: String,
}

impl<'a> Chosen<'a> {
    /// Reads what decides and decides. A malformed body goes to a version at random, whose answer
    /// would have been the same.
    fn new(live: &'a Live, call: &'a Call, random: u64) -> Result<Self, Gone> {
        let route = live.by_base(&call.base).ok_or(Gone::Route)?;
        let wanted = Wanted {
            id: route.route.join.as_deref().unwrap_or(REQUEST_ID),
            value: route.sticky.field(),
            time: route.route.time.as_deref(),
        };
        let read = call.fields(wanted);
        let (rows, malformed) = match read {
            Ok(rows) => (rows, None),
            Err(error) => (Rows::One(Fields::default()), Some(error)),
        };
        let first = rows.first();
        let value = route.sticky.value(call.sticky_header.as_ref(), first.value);
        let arm = match call.pinned {
            None => route.choose(value.as_deref(), random),
            Some(version) => route.version(version).ok_or(Gone::Version(version))?,
        };
        let nameless = first.id.is_none() && matches!(rows, Rows::One(_));
        let mints = nameless && call.wire == Wire::Rows && route.route.join.is_some();
        let id = match first.id {
            Some(id) => fields::text(id).into_owned(),
            None => call
                .id
                .clone()
                .unwrap_or_else(|| request_id::minted(random)),
        };
        Ok(Self {
            route,
            arm,
            rows,
            malformed,
            minted: mints.then(|| serde_json::Value::from(id.as_str()).to_string()),
            id,
        })
    }

    /// Asks a replica, once.
    async fn attempt(
        &self,
        worker: &Worker,
        call: &Call,
        began: Instant,
        tried: &Tried,
        ticket: &mut Ticket,
    ) -> Step {
        let (avoid, turn) = (tried.avoid.as_deref(), call.arrived.unsigned_abs());
        let admitted = self.arm.admit(ticket, avoid, turn, &worker.changed).await;
        let place = match admitted {
            Admitted::Place(place) => place,
            Admitted::Down => return Step::Wait,
            Admitted::Changed => return Step::Look,
            Admitted::Full => {
                self.arm.counters.reject();
                let full = Reached::unavailable(queue::FULL, self.arm.retry_after());
                return Step::Done(full);
            }
            Admitted::Late => {
                self.arm.counters.reject();
                return Step::Done(Reached::unwanted());
            }
        };
        let replica = place.replica();
        let request = Request::Infer(call.wire, call.body.clone());
        let attempt = Attempt::begin(self.arm, call.pinned, began);
        let note = |conduct| self.arm.note(&place, conduct, worker.options.ejection);
        let reply = match self.ask(replica, &request, tried, ticket).await {
            Asked::Replied(Reply::Answer(answer)) if is_sound(call.wire, &answer) => answer,
            Asked::Failed(CallError::Down) => {
                attempt.never_was();
                return Step::Wait;
            }
            Asked::Failed(CallError::TooLong) => {
                attempt.ended(Outcome::ClientError);
                let message = format!("the body is longer than {} bytes", frame::MAX_BODY);
                return Step::Done(Reached::error(StatusCode::PAYLOAD_TOO_LARGE, &message));
            }
            Asked::Silent => {
                attempt.ended(Outcome::Error);
                return Step::Again(replica.path().to_owned(), Cause::Silent);
            }
            Asked::Failed(CallError::Lost) => {
                note(Conduct::Failed);
                attempt.ended(Outcome::Error);
                if tried.may_repeat(Cause::Lost) {
                    return Step::Again(replica.path().to_owned(), Cause::Lost);
                }
                let message = "the model's replica went away twice with this request under way";
                return Step::Done(Reached::error(StatusCode::BAD_GATEWAY, message));
            }
            Asked::Replied(_) => {
                note(Conduct::Failed);
                attempt.ended(Outcome::Error);
                if tried.may_repeat(Cause::Lost) && self.arm.has_other(replica.path()) {
                    return Step::Again(replica.path().to_owned(), Cause::Lost);
                }
                let message = "the model's replica gave an answer of another kind";
                return Step::Done(Reached::error(StatusCode::BAD_GATEWAY, message));
            }
            Asked::TooLate => {
                note(Conduct::Failed);
                attempt.ended(Outcome::Error);
                let message = format!("no answer within {:?}", self.route.timeout);
                return Step::Done(Reached::error(StatusCode::GATEWAY_TIMEOUT, &message));
            }
            // It is counted as abandoned, which it is.
            Asked::Unwanted => {
                note(Conduct::Late);
                return Step::Done(Reached::unwanted());
            }
        };
        attempt.ended(match reply.status {
            ..400 => Outcome::Good,
            400..500 => Outcome::ClientError,
            500.. => Outcome::Error,
        });
        match reply.status {
            ..500 => note(Conduct::Good),
            // It has no room, which says nothing of how it does.
            503 => {}
            500.. => note(Conduct::Failed),
        }
        let has_others = self.arm.replicas.len() > 1;
        if reply.status == 503 && tried.may_repeat(Cause::Lost) && has_others {
            return Step::Again(replica.path().to_owned(), Cause::Lost);
        }
        Step::Done(Reached {
            status: StatusCode::from_u16(reply.status).unwrap_or(StatusCode::BAD_GATEWAY),
            body: reply.body,
            json: reply.json,
            predictions: reply.predictions,
            retry_after: None,
        })
    }

    /// Waits for a reply until the route's time or the client's is over, or until its replica is
    /// silent while another is at hand.
    async fn ask(
        &self,
        replica: &Rc<Replica>,
        request: &Request,
        tried: &Tried,
        ticket: &Ticket,
    ) -> Asked {
        let mut reply = pin!(replica.call(request));
        let mut left = ticket.left(self.route.timeout);
        loop {
            let look = left.min(LOOK);
            match tokio::time::timeout(look, &mut reply).await {
                Ok(Ok(reply)) => return Asked::Replied(reply),
                Ok(Err(error)) => return Asked::Failed(error),
                Err(_) => left = left.saturating_sub(look),
            }
            if left.is_zero() {
                return match ticket.is_over() {
                    true => Asked::Unwanted,
                    false => Asked::TooLate,
                };
            }
            let is_silent = !replica.is_up() || replica.standing().hangs();
            if is_silent && self.arm.has_other(replica.path()) && tried.may_repeat(Cause::Silent) {
                return Asked::Silent;
            }
        }
    }

    fn refuse(&self, call: &Call, error: &FieldsError) -> Reached {
        Attempt::begin(self.arm, call.pinned, call.began).ended(Outcome::ClientError);
        Reached::error(StatusCode::BAD_REQUEST, &error.to_string())
    }

    fn give_up(&self, call: &Call, began: Instant, why: Unheld) -> Reached {
        match why {
            Unheld::NoRoom => {
                self.arm.counters.reject();
                Reached::unavailable(hold::NO_ROOM, self.arm.retry_after())
            }
            Unheld::Unwanted => {
                self.arm.counters.reject();
                Reached::unwanted()
            }
            Unheld::NoReplica => {
                Attempt::begin(self.arm, call.pinned, began).ended(Outcome::Error);
                Reached::unavailable(hold::NO_REPLICA, self.arm.retry_after())
            }
        }
    }

    /// Logs what was answered and adds what only the gateway knows.
    fn finish(&self, worker: &Worker, call: &Call, reached: Reached) -> Predicted {
        let record = record::Record {
            call,
            route: self.route,
            arm: self.arm,
            rows: &self.rows,
            minted: self.minted.as_deref(),
            reached: &reached,
            id: &self.id,
        };
        record.keep(worker);
        let (name, version) = (&self.route.route.service, self.arm.version);
        // The path's model name is the service's. Errors of all but rows are an `error` alone.
        let (body, json) = match call.wire {
            Wire::Rows => {
                let sent = match self.rows {
                    Rows::One(fields) => fields.id,
                    Rows::Many(_) => None,
                };
                let id = sent.or(self.minted.as_deref());
                (respond::splice(&reached.body, version, id), 0)
            }
            Wire::Oip | Wire::OipRaw(_) if reached.status.is_success() => {
                respond::splice_raw(&reached.body, reached.json, name, version)
            }
            Wire::Grpc if reached.status.is_success() => {
                (grpc::name_model(&reached.body, name, version), 0)
            }
            _ => (reached.body, 0),
        };
        Predicted {
            status: reached.status,
            body,
            json,
            version: Some(self.arm.header.clone()),
            id: request_id::header(self.id.clone()),
            retry_after: reached.retry_after,
        }
    }
}

/// Whether an answer can be one: its status is, and its JSON looks like an object. Nothing of it is
/// parsed.
fn is_sound(wire: Wire, answer: &frame::Answer) -> bool {
    let is_message = wire == Wire::Grpc && answer.status < 400;
    let json = match answer.json {
        0 => Some(&answer.body[..]),
        length => answer.body.get(..length as usize),
    };
    let json = json.map(<[u8]>::trim_ascii);
    let is_object = |json: &[u8]| json.starts_with(b"{") && json.ends_with(b"}");
    matches!(answer.status, 200..600) && (is_message || json.is_some_and(is_object))
}

impl Call {
    /// What the gateway reads of the request.
    fn fields<'a>(&'a self, wanted: Wanted<'_>) -> Result<Rows<'a>, FieldsError> {
        match self.wire {
            Wire::Rows => fields::rows(&self.body, wanted),
            Wire::Oip => fields::protocol(&self.body, wanted).map(Rows::One),
            Wire::OipRaw(json) => match self.body.get(..json as usize) {
                // Without JSON, or with less of it than was said: the engine's to refuse.
                None | Some([]) => Ok(Rows::One(Fields::default())),
                Some(json) => fields::protocol(json, wanted).map(Rows::One),
            },
            Wire::Grpc => {
                let fields = self.head.as_ref().map(|head| head.fields(wanted));
                Ok(Rows::One(fields.unwrap_or_default()))
            }
            Wire::V1 => fields::instances(&self.body, wanted),
            Wire::Scoring => fields::instances(&self.body, wanted),
            Wire::Csv => Ok(Rows::One(Fields::default())),
        }
    }
}
