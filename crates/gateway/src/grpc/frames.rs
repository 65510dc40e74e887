//! The prefix of each message: one byte that says whether it is compressed, and its length.
//!
//! Source: grpc/grpc, `doc/PROTOCOL-HTTP2.md`.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::PREFIX;
use super::status::Status;

/// Takes the first message off; `None` until all of it is there. Gives the rest, too.
pub(super) fn split(mut bytes: Bytes) -> Result<Option<(Bytes, Bytes)>, Status> {
    let Some(head) = bytes.first_chunk::<PREFIX>() else {
        return Ok(None);
    };
    let [compressed, length @ ..] = *head;
    if compressed != 0 {
        return Err(Status::compressed());
    }
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if bytes.len() - PREFIX < length {
        return Ok(None);
    }
    bytes.advance(PREFIX);
    let message = bytes.split_to(length);
    Ok(Some((message, bytes)))
}

/// A request that ended inside its message.
pub(super) fn cut() -> Status {
    Status::invalid("the request ends before its message does")
}

/// A message with its prefix.
pub(super) fn prefixed(message: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(PREFIX + message.len());
    out.put_u8(0);
    // Answers come in frames, which are far shorter than this.
    out.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    out.put_slice(message);
    out.freeze()
}
