//! The Open Inference Protocol over gRPC, on the same port as everything else.
//!
//! [`crate::edge`] passes every request here that says it is gRPC. A message is addressed by its
//! model's name: a service's, or `project/environment/service`; the metadata `mainspan-service` goes
//! before it. Messages are those of [`inference::oip::grpc`], statuses those of HTTP by
//! [`status`].

mod frames;
mod head;
mod questions;
mod retry;
mod status;
mod stream;

use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use inference::frame::Wire;
use inference::oip::grpc::message::RequestHead;
use prost::Message;

use crate::clock;
use crate::edge::{Received, collect};
use crate::live::Live;
use crate::predict::{self, Call};
use crate::request_id;
use crate::respond::{self, Answer, Predicted};
use crate::wishes::Wishes;
use crate::worker::Worker;

pub(crate) use head::{Head, name_model};
use status::deadline;
pub(crate) use status::{Status, is_grpc};

/// Says where a message goes, in place of its model's name.
const SERVICE: HeaderName = HeaderName::from_static("mainspan-service");
/// The methods of the protocol's service.
const INFERENCE: &str = "/inference.GRPCInferenceService/";
/// The method that load balancers ask.
const HEALTH: &str = "/grpc.health.v1.Health/Check";
/// Bytes before each message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// Answers a call.
pub(crate) async fn call(worker: &Rc<Worker>, request: Request<Received>) -> Answer {
    let path = request.uri().path();
    let method = path.strip_prefix(INFERENCE).unwrap_or(path).to_owned();
    let answered = async {
        let wishes = wishes(request.headers())?;
        if method == "ModelStreamInfer" {
            return Ok(stream::answer(Rc::clone(worker), wishes, request));
        }
        let (parts, body) = request.into_parts();
        let headers = &parts.headers;
        let body = message(worker, body).await?;
        let message = match method.as_str() {
            "ModelInfer" => {
                let (message, id) = infer(worker, headers, wishes, body).await?;
                let mut answer = status::unary(&message);
                if let Some(id) = id {
                    answer.headers_mut().insert(request_id::HEADER, id);
                }
                return Ok(answer);
            }
            other => questions::answer(worker, headers, other, &body).await?,
        };
        Ok(status::unary(&message))
    };
    let answered: Result<Answer, Status> = answered.await;
    answered.unwrap_or_else(|status| status.answer())
}

/// What the metadata of a call that arrives now asks for.
fn wishes(headers: &HeaderMap) -> Result<Wishes, Status> {
    let mut wishes = Wishes::read(headers).map_err(|error| Status::invalid(&error.to_string()))?;
    wishes.answer_within(deadline(headers), Instant::now());
    Ok(wishes)
}

/// The one message of a request.
async fn message(worker: &Worker, mut body: Received) -> Result<Bytes, Status> {
    let limit = worker.options.max_body.saturating_add(PREFIX);
    let body = collect(&mut body, limit, worker.options.body_timeout).await;
    let body = body.map_err(|error| Status::of(error.status(), &error.to_string()))?;
    let (message, rest) = frames::split(body)?.ok_or_else(frames::cut)?;
    if rest.is_empty() {
        Ok(message)
    } else {
        Err(Status::invalid("this method takes one message"))
    }
}

/// Answers a `ModelInferRequest`; gives the request's id, too.
async fn infer(
    worker: &Worker,
    headers: &HeaderMap,
    wishes: Wishes,
    body: Bytes,
) -> Result<(Bytes, Option<HeaderValue>), Status> {
    let call = addressed(worker, headers, wishes, body)?;
    let predicted = predict::predict(worker, &call).await;
    let Predicted {
        status, body, id, ..
    } = predicted;
    if status.is_success() {
        return Ok((body, id));
    }
    let ended = Status::of(status, &respond::message_of(&body));
    Err(ended.retry_after(predicted.retry_after))
}

/// Where a `ModelInferRequest` goes.
fn addressed(
    worker: &Worker,
    headers: &HeaderMap,
    wishes: Wishes,
    body: Bytes,
) -> Result<Call, Status> {
    // Decoding a view of the message skips the tensors without a copy.
    let head =
        RequestHead::decode(&body[..]).map_err(|error| Status::invalid(&error.to_string()))?;
    let live = worker.live();
    let at = route(&live, headers, &head.model_name)?;
    let route = &live.routes[at];
    if live.index.relays(at) {
        let message = "this service is a server of its own; call it over HTTP";
        return Err(Status::of(StatusCode::NOT_IMPLEMENTED, message));
    }
    if body.len() > route.max_body {
        let message = format!("the message is longer than {} bytes", route.max_body);
        return Err(Status::of(StatusCode::PAYLOAD_TOO_LARGE, &message));
    }
    Ok(Call {
        base: Rc::clone(&route.key),
        wire: Wire::Grpc,
        pinned: wishes
            .pinned(version(&head.model_version)?)
            .map_err(|error| Status::invalid(&error.to_string()))?,
        priority: wishes.priority,
        deadline: wishes.deadline,
        sticky_header: route.sticky.header(headers).cloned(),
        head: Some(Head::new(&head)),
        id: request_id::given(headers),
        body,
        began: Instant::now(),
        arrived: clock::now_micros(),
    })
}

/// The route that a model's name or the metadata means.
fn route(live: &Live, headers: &HeaderMap, name: &str) -> Result<usize, Status> {
    let named = headers.get(SERVICE).and_then(|value| value.to_str().ok());
    let name = named.unwrap_or(name);
    let found = match name.contains('/') {
        true => live.index.by_base(name),
        false => live.index.by_model(name),
    };
    found.ok_or_else(|| {
        let message =
            format!("no model {name:?} is served; name a service, or project/environment/service");
        Status::of(StatusCode::NOT_FOUND, &message)
    })
}

/// A version as the protocol writes it; none is said by an empty text.
fn version(text: &str) -> Result<Option<u32>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |_| {
        Status::of(
            StatusCode::NOT_FOUND,
            &format!("no version {text:?} is served"),
        )
    };
    text.parse().map(Some).map_err(wrong)
}
