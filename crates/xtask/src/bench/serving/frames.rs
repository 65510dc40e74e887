//! One generator of load for both: HTTP/1.1 with JSON, and gRPC over HTTP/2, each written by hand so that what is compared is
//! the server. Every connection has one request at a time, as `wrk`'s have.

use super::bodies::{Bodies, Body, message};
use super::wait;
use anyhow::{Context as _, ensure};
use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

const TIME: Duration = Duration::from_secs(3);
/// Frames of HTTP/2.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW: u8 = 8;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;
/// The fields of a call's head, each shorter than 127 bytes.
const FIELDS: [(&str, &str); 4] = [
    (":path", "/inference.GRPCInferenceService/ModelInfer"),
    (":authority", "localhost"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
];

/// Requests a second of JSON.
pub(super) fn http(
    address: SocketAddr,
    path: &str,
    bodies: &Bodies,
    clients: usize,
) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(bodies.of(Body::Json1).file)?;
    let requests: Vec<Vec<u8>> = text
        .lines()
        .map(|body| {
            format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
        })
        .collect();
    load(
        address,
        &Arc::new(requests),
        clients,
        |mut stream, requests, stop| {
            let (mut buffer, mut count) = (vec![0; 64 << 10], 0);
            for request in requests.iter().cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                stream.write_all(request)?;
                let got = stream.read(&mut buffer)?;
                // An answer is small and comes in one piece, or the rest of it at once.
                let head = std::str::from_utf8(&buffer[..got])?;
                ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
                ensure!(head.ends_with('}'), "an answer in pieces");
                count += 1;
            }
            Ok(count)
        },
    )
}

/// Calls a second of gRPC.
pub(super) fn grpc(address: SocketAddr, bodies: &Bodies, clients: usize) -> anyhow::Result<f64> {
    let messages: Vec<Vec<u8>> = bodies.batches(1).map(|rows| message("m0", rows)).collect();
    load(
        address,
        &Arc::new(messages),
        clients,
        |stream, messages, stop| {
            let mut connection = Connection::open(stream)?;
            let mut count = 0;
            for message in messages.iter().cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                connection.call(message)?;
                count += 1;
            }
            Ok(count)
        },
    )
}

/// Loads a server from this thread's share of the machine: a thread for each connection, all waiting most of the time.
fn load(
    address: SocketAddr,
    requests: &Arc<Vec<Vec<u8>>>,
    clients: usize,
    client: fn(TcpStream, &[Vec<u8>], &AtomicBool) -> anyhow::Result<u64>,
) -> anyhow::Result<f64> {
    let stop = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    let clients: Vec<_> = (0..clients)
        .map(|_| {
            let (requests, stop) = (Arc::clone(requests), Arc::clone(&stop));
            std::thread::spawn(move || {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                client(stream, &requests, &stop)
            })
        })
        .collect();
    wait(TIME);
    stop.store(true, Ordering::Relaxed);
    let mut count = 0;
    for client in clients {
        let ended = client.join().ok().context("a client panicked")?;
        count += ended?;
    }
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

/// A connection of HTTP/2 with one stream at a time.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    next: u32,
    /// Bytes of data that came since the window was opened again.
    taken: u32,
    /// Room to read into.
    piece: Box<[u8]>,
}

impl Connection {
    fn open(mut stream: TcpStream) -> anyhow::Result<Self> {
        let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        hello.extend(frame(SETTINGS, 0, 0, &[]));
        stream.write_all(&hello)?;
        Ok(Connection {
            stream,
            buffer: Vec::new(),
            next: 1,
            taken: 0,
            piece: vec![0; 16 << 10].into(),
        })
    }

    /// One call, to its end.
    fn call(&mut self, message: &[u8]) -> anyhow::Result<()> {
        let stream = self.next;
        self.next += 2;
        let mut out = frame(HEADERS, END_HEADERS, stream, &headers(stream == 1));
        out.extend(frame(DATA, END_STREAM, stream, message));
        if self.taken > 1 << 14 {
            out.extend(frame(WINDOW, 0, 0, &self.taken.to_be_bytes()));
            self.taken = 0;
        }
        self.stream.write_all(&out)?;
        let mut data = 0;
        loop {
            let (kind, flags, of, payload) = self.frame()?;
            match kind {
                SETTINGS if flags & ACK == 0 => {
                    self.stream.write_all(&frame(SETTINGS, ACK, 0, &[]))?;
                }
                PING if flags & ACK == 0 => {
                    self.stream.write_all(&frame(PING, ACK, 0, &payload))?;
                }
                DATA => {
                    data += payload.len();
                    self.taken += u32::try_from(payload.len())?;
                }
                HEADERS if of == stream && flags & END_STREAM != 0 => {
                    ensure!(data > 0, "a call without an answer");
                    return Ok(());
                }
                3 | 7 => anyhow::bail!("the server ended the stream or the connection"),
                _ => {}
            }
        }
    }

    /// The next frame: its kind, flags, stream and payload.
    fn frame(&mut self) -> anyhow::Result<(u8, u8, u32, Vec<u8>)> {
        loop {
            if let [a, b, c, kind, flags, s0, s1, s2, s3, rest @ ..] = self.buffer.as_slice() {
                let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
                if rest.len() >= length {
                    let of = u32::from_be_bytes([*s0, *s1, *s2, *s3]);
                    let found = (*kind, *flags, of, rest[..length].to_vec());
                    self.buffer.drain(..9 + length);
                    return Ok(found);
                }
            }
            let got = self.stream.read(&mut self.piece)?;
            ensure!(got > 0, "the server hung up");
            self.buffer.extend(&self.piece[..got]);
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .unwrap_or(u32::MAX)
        .to_be_bytes();
    let mut out = length[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

/// The head of a call, as gRPC's clients write it: the first one of a connection says what its fields are, to be
/// remembered, and the others name them.
fn headers(is_first: bool) -> Vec<u8> {
    // `:method: POST` and `:scheme: http` are in the static table, which has 61 entries.
    let mut out = vec![0x83, 0x86];
    if !is_first {
        // The latest one comes first in the dynamic table.
        out.extend((0..FIELDS.len() as u8).rev().map(|at| 0x80 | (62 + at)));
        return out;
    }
    for (name, value) in FIELDS {
        out.push(0x40);
        for text in [name, value] {
            out.push(text.len() as u8);
            out.extend(text.as_bytes());
        }
    }
    out
}
