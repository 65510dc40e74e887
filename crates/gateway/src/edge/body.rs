//! A request's body, bounded in length and time.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as _;

use super::Received;

/// A body that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// It is longer than allowed.
    #[error("the body is longer than {0} bytes; send fewer rows in each request")]
    TooLong(usize),
    /// It did not arrive in time.
    #[error("the body did not arrive within {0:?}")]
    TooSlow(Duration),
    /// The connection broke, or the encoding is wrong.
    #[error("the body could not be read: {0}")]
    Broken(String),
}

impl BodyError {
    /// What to answer.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Broken(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// Most of a body that is read for nothing.
const DISCARD: usize = 1 << 20;
/// Longest wait for it.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

/// Reads what is left of a body that nobody wants, if it is little and comes soon: on HTTP/2 a client
/// that is cut off while it sends takes the answer for broken.
pub(crate) async fn discard(body: Received) {
    let Received::Coming(body) = body else {
        return;
    };
    if body.is_end_stream() {
        return;
    }
    let rest = async {
        let mut body = Limited::new(body, DISCARD);
        while let Some(Ok(_)) = body.frame().await {}
    };
    // Whoever sends more is cut off.
    let _ = tokio::time::timeout(DISCARD_TIMEOUT, rest).await;
}

/// Reads a whole body. One that says it is too long is refused before a byte of it is read.
pub(crate) async fn collect(
    body: &mut Received,
    limit: usize,
    timeout: Duration,
) -> Result<Bytes, BodyError> {
    if body.size_hint().lower() > limit as u64 {
        return Err(BodyError::TooLong(limit));
    }
    let coming = match body {
        Received::Whole(body) => return Ok(body.take().unwrap_or_default()),
        Received::Late => return Err(BodyError::TooSlow(timeout)),
        Received::Coming(coming) => coming,
    };
    let whole = tokio::time::timeout(timeout, Limited::new(coming, limit).collect());
    match whole.await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLong(limit)),
        Ok(Err(error)) => Err(BodyError::Broken(error.to_string())),
        Err(_) => Err(BodyError::TooSlow(timeout)),
    }
}
