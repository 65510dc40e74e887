//! `ModelStreamInfer`: requests on one stream, each answered in its turn.
//!
//! An answer that is an error is a message of its own, as Triton has it, and the stream goes on.

use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream::unfold;
use http::{HeaderMap, Request, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt as _;
use inference::oip::grpc::message::ModelStreamInferResponse;
use prost::Message as _;

use super::frames::{self, prefixed};
use super::status::{self, Status};
use super::{PREFIX, infer};
use crate::edge::Received;
use crate::respond::{Answer, Body};
use crate::wishes::Wishes;
use crate::worker::Worker;

/// Where a stream is.
struct Stream {
    worker: Rc<Worker>,
    headers: HeaderMap,
    /// For all messages alike: a deadline is the stream's.
    wishes: Wishes,
    body: Received,
    /// What came and is no whole message yet.
    rest: BytesMut,
    /// Trailers were sent.
    ended: bool,
}

/// Answers the messages of a request as they come.
pub(super) fn answer(worker: Rc<Worker>, wishes: Wishes, request: Request<Received>) -> Answer {
    let (parts, body) = request.into_parts();
    let stream = Stream {
        worker,
        headers: parts.headers,
        wishes,
        body,
        rest: BytesMut::new(),
        ended: false,
    };
    let pieces = unfold(stream, |mut stream| async move {
        if stream.ended {
            return None;
        }
        let piece = match stream.next().await {
            Ok(Some(message)) => Frame::data(prefixed(&stream.reply(message).await)),
            Ok(None) => {
                stream.ended = true;
                Frame::trailers(status::good())
            }
            Err(status) => {
                stream.ended = true;
                Frame::trailers(status.answer().headers().clone())
            }
        };
        Some((Ok(piece), stream))
    });
    status::pieces(Body::Pieces(pieces.boxed_local()))
}

impl Stream {
    /// The next message; `None` when the client has sent its last.
    async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        let limit = self.worker.options.max_body.saturating_add(PREFIX);
        loop {
            let whole = self.rest.split().freeze();
            if let Some((message, rest)) = frames::split(whole.clone())? {
                self.rest = BytesMut::from(rest);
                return Ok(Some(message));
            }
            self.rest = BytesMut::from(whole);
            if self.rest.len() > limit {
                let words = format!("a message is longer than {limit} bytes");
                return Err(Status::of(StatusCode::PAYLOAD_TOO_LARGE, &words));
            }
            match self.body.frame().await {
                None if self.rest.is_empty() => return Ok(None),
                None => return Err(frames::cut()),
                Some(Err(error)) => return Err(Status::invalid(&error.to_string())),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.rest.extend_from_slice(&data);
                    }
                }
            }
        }
    }

    async fn reply(&self, message: Bytes) -> Vec<u8> {
        let response = match infer(&self.worker, &self.headers, self.wishes, message).await {
            Ok((response, _)) => ModelStreamInferResponse {
                error_message: String::new(),
                infer_response: Some(response),
            },
            Err(status) => ModelStreamInferResponse {
                error_message: status.words().to_owned(),
                infer_response: None,
            },
        };
        response.encode_to_vec()
    }
}
