//! The head of a plain request.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};

/// A longer head is not plain.
const MOST_HEAD: usize = 8 << 10;
/// More lines are not plain.
const MOST_LINES: usize = 32;
/// A longer body is not plain.
const MOST_BODY: usize = 256 << 10;

/// The bytes begin with something that is served elsewhere.
#[derive(Debug)]
pub(super) struct NotPlain;

/// A request without its body.
pub(super) struct Head {
    pub(super) request: Request<()>,
    /// Bytes of the body.
    pub(super) length: usize,
}

/// A header's name and where its value is.
type Line = (HeaderName, Range<usize>);

/// What a head says, and where. Nothing is copied but names that are not among the known ones.
struct Parsed {
    /// Bytes of the head.
    end: usize,
    method: Method,
    path: Range<usize>,
    lines: Vec<Line>,
    length: usize,
}

/// Takes a head off the front of `buffer`; `None` as long as there may be one when more has come.
pub(super) fn parse(buffer: &mut BytesMut) -> Result<Option<Head>, NotPlain> {
    let Some(parsed) = parsed(buffer)? else {
        return if buffer.len() < MOST_HEAD {
            Ok(None)
        } else {
            Err(NotPlain)
        };
    };
    let bytes = buffer.split_to(parsed.end).freeze();
    let head = parsed.head(&bytes);
    if head.is_none() {
        let rest = std::mem::replace(buffer, BytesMut::from(&bytes[..]));
        buffer.unsplit(rest);
    }
    head.map(Some).ok_or(NotPlain)
}

fn parsed(buffer: &[u8]) -> Result<Option<Parsed>, NotPlain> {
    let mut lines = [httparse::EMPTY_HEADER; MOST_LINES];
    let mut request = httparse::Request::new(&mut lines);
    let end = match request.parse(buffer) {
        Ok(httparse::Status::Complete(end)) if end <= MOST_HEAD => end,
        Ok(httparse::Status::Partial) => return Ok(None),
        Ok(httparse::Status::Complete(_)) | Err(_) => return Err(NotPlain),
    };
    let method = match request.method {
        Some("POST") => Method::POST,
        Some("GET") => Method::GET,
        _ => return Err(NotPlain),
    };
    let path = request.path.filter(|path| path.starts_with('/'));
    let (Some(path), Some(1)) = (path, request.version) else {
        return Err(NotPlain);
    };
    let mut length = None;
    let mut kept = Vec::with_capacity(request.headers.len());
    for line in &*request.headers {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| NotPlain)?;
        if name == CONTENT_LENGTH {
            let said = digits(line.value).filter(|said| *said <= MOST_BODY);
            if length.replace(said.ok_or(NotPlain)?).is_some() {
                return Err(NotPlain);
            }
        } else if !is_plain(&name, line.value) {
            return Err(NotPlain);
        }
        kept.push((name, place(buffer, line.value)));
    }
    Ok(Some(Parsed {
        end,
        method,
        path: place(buffer, path.as_bytes()),
        lines: kept,
        length: length.unwrap_or(0),
    }))
}

/// Whether a line changes nothing of how the request or its answer is sent.
fn is_plain(name: &HeaderName, value: &[u8]) -> bool {
    use http::header::{CONNECTION, CONTENT_TYPE, EXPECT, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
    match *name {
        // Its answers have trailers.
        CONTENT_TYPE => !value.starts_with(b"application/grpc"),
        CONNECTION => value.eq_ignore_ascii_case(b"keep-alive"),
        EXPECT | TE | TRAILER | TRANSFER_ENCODING | UPGRADE => false,
        _ => true,
    }
}

/// A number as digits and nothing else.
fn digits(value: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(value).ok()?;
    // `parse` alone would take a sign.
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// Where a part of `whole` is in it.
fn place(whole: &[u8], part: &[u8]) -> Range<usize> {
    let from = part.as_ptr().addr() - whole.as_ptr().addr();
    from..from + part.len()
}

impl Parsed {
    /// The same as a request; `None` if `http` refuses what the parser has taken.
    fn head(self, head: &Bytes) -> Option<Head> {
        let mut headers = HeaderMap::with_capacity(self.lines.len());
        for (name, value) in self.lines {
            let value = HeaderValue::from_maybe_shared(head.slice(value)).ok()?;
            headers.append(name, value);
        }
        let mut request = Request::new(());
        *request.method_mut() = self.method;
        *request.uri_mut() = Uri::from_maybe_shared(head.slice(self.path)).ok()?;
        *request.headers_mut() = headers;
        Some(Head {
            request,
            length: self.length,
        })
    }
}

#[cfg(test)]
mod tests;
