//! The data plane's edge: HTTP in and out.
//!
//! [`crate::worker`] hands a connection over; requests are admitted, addressed and passed to what
//! they ask for. Must never decide which version answers.

mod admission;
mod body;
mod connection;
mod plain;
mod received;

use std::rc::Rc;
use std::time::Instant;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use inference::frame::Wire;

pub(crate) use admission::Admission;
pub(crate) use body::{BodyError, collect};
pub(crate) use connection::client;
pub(crate) use plain::{Date, Room};
pub(crate) use received::Received;

use crate::address::{self, AddressError, ModelTarget, Target};
use crate::clock;
use crate::grpc;
use crate::labels;
use crate::live::Live;
use crate::predict::{self, Call};
use crate::protocol;
use crate::relay::{self, Relayed};
use crate::request_id;
use crate::respond::{self, Answer, JSON_LENGTH, Predicted};
use crate::wishes::Wishes;
use crate::worker::Worker;

/// What a method may ask of a target.
enum Ask {
    Get,
    Post,
}

/// Answers a request.
async fn answer(worker: &Rc<Worker>, mut request: Request<Received>) -> Answer {
    let is_grpc = grpc::is_grpc(request.headers());
    let admitted = worker
        .admission
        .check(request.method(), request.uri(), request.headers());
    match admitted {
        Err(refusal) if is_grpc => grpc::Status::of(refusal.status, refusal.message).answer(),
        Err(refusal) => respond::error(refusal.status, refusal.message),
        Ok(()) if is_grpc => grpc::call(worker, request).await,
        Ok(()) => {
            let answer = addressed(worker, &mut request).await;
            // A client that is still sending hears the answer only when it may go on.
            body::discard(request.into_body()).await;
            answer
        }
    }
}

async fn addressed(worker: &Rc<Worker>, request: &mut Request<Received>) -> Answer {
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
    match target {
        Target::Relay(at, from) => return relayed(worker, &live, at, from, request).await,
        Target::OpenAi => return openai(worker, &live, request).await,
        Target::Score(at) if live.index.relays(at) => {
            return scored(worker, &live, at, request).await;
        }
        _ => {}
    }
    match ask {
        Ask::Post => post(worker, &live, target, request).await,
        Ask::Get => get(worker, &live, target).await,
    }
}

/// A request to a server of its own, whose path begins at byte `from`.
async fn relayed(
    worker: &Rc<Worker>,
    live: &Live,
    at: usize,
    from: usize,
    request: &mut Request<Received>,
) -> Answer {
    let whole = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str());
    let rest = whole.get(from..).unwrap_or_default();
    let slash = if rest.starts_with('/') { "" } else { "/" };
    let path = format!("{slash}{rest}");
    match Relayed::take(worker, &live.routes[at], request, path).await {
        Ok(relayed) => relay::relay(worker, &relayed).await,
        Err(refused) => refused,
    }
}

/// A request whose body names the model.
async fn openai(worker: &Rc<Worker>, live: &Live, request: &mut Request<Received>) -> Answer {
    if request.method() != Method::POST {
        return method_not_allowed("POST");
    }
    let path = request.uri().path().to_owned();
    let (limit, timeout) = (worker.options.max_body, worker.options.body_timeout);
    let body = match collect(request.body_mut(), limit, timeout).await {
        Ok(body) => body,
        Err(error) => return relay::openai_error(error.status(), &error.to_string()),
    };
    match relay::by_model(live, &body) {
        Ok(at) => {
            let taken = Relayed::take(worker, &live.routes[at], request, path).await;
            match taken {
                Ok(relayed) => relay::relay(worker, &Relayed { body, ..relayed }).await,
                Err(refused) => refused,
            }
        }
        Err(refused) => refused.answer(),
    }
}

/// MLflow's deployments client has one path for all of OpenAI's questions.
async fn scored(
    worker: &Rc<Worker>,
    live: &Live,
    at: usize,
    request: &mut Request<Received>,
) -> Answer {
    let taken = Relayed::take(worker, &live.routes[at], request, String::new()).await;
    match taken {
        Ok(mut relayed) => {
            let path = relay::completions(&relayed.body).unwrap_or("/invocations");
            relayed.path = path.to_owned();
            relay::relay(worker, &relayed).await
        }
        Err(refused) => refused,
    }
}

async fn post(
    worker: &Rc<Worker>,
    live: &Rc<Live>,
    target: Target,
    request: &mut Request<Received>,
) -> Answer {
    let (at, version, wire) = match target {
        Target::Rows(at) => (at, None, Wire::Rows),
        Target::Model(at, version, ModelTarget::Infer) => match oip_wire(request.headers()) {
            Ok(wire) => (at, version, wire),
            Err(message) => return respond::error(StatusCode::BAD_REQUEST, message),
        },
        Target::V1Predict(at) => (at, None, Wire::V1),
        Target::Score(at) => match scoring_wire(request.headers()) {
            Ok(wire) => (at, None, wire),
            Err(message) => {
                return respond::scoring_error(StatusCode::UNSUPPORTED_MEDIA_TYPE, &message);
            }
        },
        Target::Labels(at) => {
            let route = &live.routes[at];
            return match collect(
                request.body_mut(),
                route.max_body,
                worker.options.body_timeout,
            )
            .await
            {
                Ok(body) => labels::keep(worker, route, &body).await,
                Err(error) => closing(&error, respond::error(error.status(), &error.to_string())),
            };
        }
        // Triton's client posts this one, with or without a body.
        Target::Repository(at) => return protocol::ok(&protocol::index(live, at)),
        _ => return method_not_allowed("GET"),
    };
    infer(worker, live, at, version, wire, request).await
}

async fn get(worker: &Worker, live: &Live, target: Target) -> Answer {
    match target {
        Target::Server => protocol::ok(&protocol::server()),
        Target::Live => protocol::ok(&inference::oip::ServerLive { live: true }),
        Target::Ready(at) => protocol::ready(live, at),
        Target::Repository(at) => protocol::ok(&protocol::index(live, at)),
        Target::Statistics(at) => protocol::statistics(Ok(protocol::of_all(worker, live, at))),
        Target::Model(at, version, asked) => {
            let route = &live.routes[at];
            match asked {
                ModelTarget::Metadata => protocol::model(worker, route, version).await,
                ModelTarget::Ready => protocol::model_ready(route, version),
                ModelTarget::Config => protocol::config(worker, route, version).await,
                ModelTarget::Statistics => {
                    protocol::statistics(protocol::of_model(worker, route, version))
                }
                ModelTarget::Infer => method_not_allowed("POST"),
            }
        }
        Target::V1Models(at) => protocol::v1_models(live, at),
        Target::V1Model(at) => protocol::v1_model(&live.routes[at]),
        Target::Ping(at) => protocol::ping(live, at),
        Target::Version => protocol::version(),
        Target::Endpoints => protocol::endpoints(live),
        Target::Endpoint(at) => protocol::endpoint(&live.routes[at]),
        Target::Rows(_)
        | Target::Labels(_)
        | Target::V1Predict(_)
        | Target::Score(_)
        | Target::Relay(..)
        | Target::OpenAi => method_not_allowed("POST"),
    }
}

/// Whether raw bytes follow the JSON of an Open Inference Protocol request, and where.
fn oip_wire(headers: &HeaderMap) -> Result<Wire, &'static str> {
    let Some(length) = headers.get(JSON_LENGTH) else {
        return Ok(Wire::Oip);
    };
    let length = length.to_str().ok().and_then(|text| text.parse().ok());
    length
        .map(Wire::OipRaw)
        .ok_or("Inference-Header-Content-Length is no number of bytes")
}

/// How a request of MLflow's scoring protocol is written.
fn scoring_wire(headers: &HeaderMap) -> Result<Wire, String> {
    let said = headers.get(CONTENT_TYPE).map(HeaderValue::to_str);
    let said = said.unwrap_or(Ok("application/json")).unwrap_or("no text");
    let kind = said.split(';').next().unwrap_or(said).trim();
    match kind.to_ascii_lowercase().as_str() {
        "application/json" => Ok(Wire::Scoring),
        "text/csv" => Ok(Wire::Csv),
        other => Err(format!(
            "content type {other:?} is not taken here; send application/json or text/csv"
        )),
    }
}

async fn infer(
    worker: &Rc<Worker>,
    live: &Rc<Live>,
    at: usize,
    pinned: Option<u32>,
    wire: Wire,
    request: &mut Request<Received>,
) -> Answer {
    let route = &live.routes[at];
    let wishes = Wishes::read(request.headers());
    let pinned = wishes.and_then(|wishes| wishes.pinned(pinned).map(|pinned| (wishes, pinned)));
    let (wishes, pinned) = match pinned {
        Ok(understood) => understood,
        Err(error) => {
            let refused = Predicted::error(StatusCode::BAD_REQUEST, &error.to_string());
            return refused.http(wire);
        }
    };
    let sticky_header = route.sticky.header(request.headers()).cloned();
    let id = request_id::given(request.headers());
    let body = match collect(
        request.body_mut(),
        route.max_body,
        worker.options.body_timeout,
    )
    .await
    {
        Ok(body) => body,
        Err(error) => {
            let refused = Predicted::error(error.status(), &error.to_string());
            return closing(&error, refused.http(wire));
        }
    };
    let call = Call {
        base: Rc::clone(&route.key),
        wire,
        pinned,
        priority: wishes.priority,
        deadline: wishes.deadline,
        sticky_header,
        head: None,
        id,
        body,
        began: Instant::now(),
        arrived: clock::now_micros(),
    };
    predict::predict(worker, &call).await.http(wire)
}

/// The rest of a body that was not taken is still on its way: nothing after it can be understood.
fn closing(_: &BodyError, mut answer: Answer) -> Answer {
    let close = HeaderValue::from_static("close");
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
