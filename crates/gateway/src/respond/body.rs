//! The bodies of answers: one piece, or pieces that come one after the other.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::LocalBoxStream;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use crate::relay::Broken;

/// A body. It belongs to its connection and is asked for pieces by it, so that what makes them ends
/// when the client goes away.
pub(crate) enum Body {
    /// One piece, perhaps of no bytes.
    Whole(Bytes),
    /// One piece, and trailers behind it.
    Trailed(Bytes, HeaderMap),
    /// Trailers, if they have not been sent.
    Trailers(Option<HeaderMap>),
    /// Piece by piece.
    Pieces(LocalBoxStream<'static, Result<Frame<Bytes>, Broken>>),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) | Self::Trailed(bytes, _) => {
                write!(f, "Body({} bytes)", bytes.len())
            }
            Self::Trailers(_) => f.write_str("Body(trailers)"),
            Self::Pieces(_) => f.write_str("Body(pieces)"),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let frame = match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => None,
            Self::Whole(bytes) => Some(Frame::data(std::mem::take(bytes))),
            Self::Trailed(bytes, trailers) => {
                let (bytes, trailers) = (std::mem::take(bytes), std::mem::take(trailers));
                *self = Self::Trailers(Some(trailers));
                Some(Frame::data(bytes))
            }
            Self::Trailers(trailers) => trailers.take().map(Frame::trailers),
            Self::Pieces(pieces) => match pieces.as_mut().poll_next(context) {
                Poll::Ready(frame) => return Poll::Ready(frame),
                Poll::Pending => return Poll::Pending,
            },
        };
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Trailers(trailers) => trailers.is_none(),
            Self::Trailed(..) | Self::Pieces(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) | Self::Trailed(bytes, _) => {
                SizeHint::with_exact(bytes.len() as u64)
            }
            Self::Trailers(_) => SizeHint::with_exact(0),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}
