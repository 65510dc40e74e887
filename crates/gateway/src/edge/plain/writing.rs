//! Writes answers over HTTP/1.1.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream::LocalBoxStream;
use http::StatusCode;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use http::response::Parts;
use http_body::Frame;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::hung_up;
use crate::relay::Broken;
use crate::respond::{Answer, Body};

/// A body up to this is written with its head; copying it costs less than telling the kernel of two places.
const TOGETHER: usize = 8 << 10;
/// Room above this is given back.
const KEEP: usize = 16 << 10;

/// Writes the answers of one connection, one after the other.
#[derive(Debug, Default)]
pub(super) struct Writer {
    out: BytesMut,
}

/// Where an answer goes, and what its client sends meanwhile.
pub(super) struct Client<'a> {
    pub(super) stream: &'a mut TcpStream,
    pub(super) ahead: &'a mut BytesMut,
    /// How long it may take none of a piece.
    pub(super) patience: Duration,
}

impl Writer {
    /// Writes an answer. False if the connection is to be closed after it.
    pub(super) async fn write(
        &mut self,
        date: &Date,
        client: Client<'_>,
        answer: Answer,
    ) -> io::Result<bool> {
        let (parts, body) = answer.into_parts();
        let stays = !parts
            .headers
            .get(CONNECTION)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
        match body {
            // Trailers are gRPC's, which does not come here; the rest of such an answer is its body.
            Body::Whole(body) | Body::Trailed(body, _) => {
                self.whole(date, client.stream, &parts, body).await?;
            }
            Body::Trailers(_) => {
                self.whole(date, client.stream, &parts, Bytes::new())
                    .await?;
            }
            Body::Pieces(pieces) => self.pieces(date, client, &parts, pieces).await?,
        }
        if self.out.capacity() > KEEP {
            self.out = BytesMut::new();
        }
        Ok(stays)
    }

    async fn whole(
        &mut self,
        date: &Date,
        stream: &mut TcpStream,
        parts: &Parts,
        body: Bytes,
    ) -> io::Result<()> {
        self.out.clear();
        self.head(date, parts);
        if !parts.headers.contains_key(CONTENT_LENGTH) && may_have_body(parts.status) {
            // Writing to memory does not fail.
            let _ = write!(self.out, "content-length: {}\r\n", body.len());
        }
        self.out.put_slice(b"\r\n");
        if !may_have_body(parts.status) {
            return stream.write_all(&self.out).await;
        }
        if body.len() <= TOGETHER {
            self.out.put_slice(&body);
            stream.write_all(&self.out).await
        } else {
            stream
                .write_all_buf(&mut self.out.as_ref().chain(body))
                .await
        }
    }

    /// Writes pieces as they come, for as long as the client is there.
    async fn pieces(
        &mut self,
        date: &Date,
        client: Client<'_>,
        parts: &Parts,
        mut pieces: LocalBoxStream<'static, Result<Frame<Bytes>, Broken>>,
    ) -> io::Result<()> {
        let chunked = !parts.headers.contains_key(CONTENT_LENGTH);
        self.out.clear();
        self.head(date, parts);
        if chunked {
            self.out.put_slice(b"transfer-encoding: chunked\r\n");
        }
        self.out.put_slice(b"\r\n");
        client.stream.write_all(&self.out).await?;
        loop {
            let piece = tokio::select! {
                biased;
                piece = pieces.next() => piece,
                () = hung_up(client.stream, client.ahead) => {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
            };
            let Some(piece) = piece else { break };
            let piece = piece.map_err(io::Error::other)?;
            // A chunk of no bytes would be the end.
            let Some(data) = piece.into_data().ok().filter(|data| !data.is_empty()) else {
                continue;
            };
            self.out.clear();
            if chunked {
                // Writing to memory does not fail.
                let _ = write!(self.out, "{:x}\r\n", data.len());
            }
            let end: &[u8] = if chunked { b"\r\n" } else { b"" };
            let mut whole = self.out.as_ref().chain(data).chain(end);
            // A client that takes nothing would keep its place at the server.
            timeout(client.patience, client.stream.write_all_buf(&mut whole)).await??;
        }
        if chunked {
            client.stream.write_all(b"0\r\n\r\n").await?;
        }
        Ok(())
    }

    /// The status and every line that does not depend on the body.
    fn head(&mut self, date: &Date, parts: &Parts) {
        if parts.status == StatusCode::OK {
            self.out.put_slice(b"HTTP/1.1 200 OK\r\n");
        } else {
            self.out.put_slice(b"HTTP/1.1 ");
            self.out.put_slice(parts.status.as_str().as_bytes());
            self.out.put_u8(b' ');
            let reason = parts.status.canonical_reason().unwrap_or_default();
            self.out.put_slice(reason.as_bytes());
            self.out.put_slice(b"\r\n");
        }
        for (name, value) in &parts.headers {
            // How the body is sent is decided here.
            if name != TRANSFER_ENCODING {
                self.line(name.as_str().as_bytes());
                self.out.put_slice(value.as_bytes());
                self.out.put_slice(b"\r\n");
            }
        }
        if !parts.headers.contains_key(DATE) {
            self.line(b"date");
            date.put(&mut self.out);
            self.out.put_slice(b"\r\n");
        }
    }

    fn line(&mut self, name: &[u8]) {
        self.out.put_slice(name);
        self.out.put_slice(b": ");
    }
}

/// Whether an answer of this status says how long its body is.
fn may_have_body(status: StatusCode) -> bool {
    !status.is_informational()
        && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// The time as HTTP writes it, made once a second.
#[derive(Debug, Default)]
pub(crate) struct Date {
    made: RefCell<(Duration, String)>,
}

impl Date {
    fn put(&self, out: &mut BytesMut) {
        let now = SystemTime::now();
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let second = Duration::from_secs(since.as_secs());
        let mut made = self.made.borrow_mut();
        if made.0 != second || made.1.is_empty() {
            *made = (second, httpdate::fmt_http_date(now));
        }
        out.put_slice(made.1.as_bytes());
    }
}
