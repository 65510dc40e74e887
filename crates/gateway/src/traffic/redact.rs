//! Takes values out of bodies before they are written, by the names that a service's `redact` has.
//!
//! Called by the log's thread with bodies that may have been cut. What cannot be read, so that nobody can say whose
//! values it holds, is left out too: with names to redact, nothing is written that was not understood. Pure.

mod csv;
mod grpc;
mod json;
mod raw;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use super::row::{Payload, Protocol};

/// Names whose values are not written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'n>(pub(super) &'n [String]);

impl Names<'_> {
    /// Whether a column or tensor is meant.
    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|redacted| redacted == name)
    }

    /// Whether the last field of a path is meant: by its own name, or by those of the fields around it too.
    fn has_path(&self, path: &[String]) -> bool {
        (0..path.len()).any(|from| self.has(&path[from..].join(".")))
    }
}

/// What is left of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Left {
    bytes: Vec<u8>,
    /// How many of them are JSON, if raw bytes follow.
    json: u32,
    /// Whether anything was taken out.
    touched: bool,
}

impl Left {
    fn nothing() -> Self {
        Self {
            bytes: Vec::new(),
            json: 0,
            touched: true,
        }
    }
}

/// Takes what `names` mean out of a body in this protocol; says whether that was anything.
pub(super) fn redact(payload: &mut Payload, protocol: Protocol, names: Names<'_>) -> bool {
    let bytes = &payload.bytes[..];
    if bytes.is_empty() {
        return false;
    }
    let cut = bytes.len() < payload.whole;
    let left = match protocol {
        Protocol::OipBinary => raw::redact(bytes, payload.json, names),
        Protocol::Grpc => grpc::redact(bytes, payload.is_answer, names),
        Protocol::Csv if !payload.is_answer => csv::redact(bytes, names),
        _ if payload.json > 0 => raw::redact(bytes, payload.json, names),
        _ => json::redact(bytes, cut, names),
    };
    payload.bytes = Bytes::from(left.bytes);
    payload.json = left.json;
    left.touched
}
