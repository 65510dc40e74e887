//! The replica's socket in front of a server: frames are answered here, all else is passed on.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use inference::frame::{self, MAX_LEN, Reply, Request};
use inference::model::ModelDescription;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{CommandOptions, remove};
use crate::model::refusal;
use crate::options::WarmUp;

/// How long to wait before accepting again after accepting failed.
const ACCEPT_AGAIN: Duration = Duration::from_millis(20);
/// Bytes that tell a frame from anything else: its length, which no other protocol begins with.
const LENGTH: usize = 4;
const NOT_HERE: u16 = 501;
/// Most of an answer to the question whether a server is ready.
const MAX_ANSWER: u64 = 64 << 10;

/// Asks until the server answers with anything but an error of its own.
pub(super) async fn ready(address: SocketAddr, path: &str, pause: Duration, timeout: Duration) {
    loop {
        let asked = tokio::time::timeout(timeout, status(address, "GET", path, &[])).await;
        if matches!(asked, Ok(Ok(Some(..500)))) {
            return;
        }
        tokio::time::sleep(pause).await;
    }
}

/// Posts what the server is to be warmed up with; an answer that is no success is told as an error.
pub(super) async fn warm_up(address: SocketAddr, warm_up: &WarmUp<String>) -> Result<(), String> {
    for _ in 0..warm_up.times.get() {
        match status(address, "POST", &warm_up.to, &warm_up.body).await {
            Ok(Some(200..300)) => {}
            Ok(Some(status)) => return Err(format!("status {status}")),
            Ok(None) => return Err("no HTTP".to_owned()),
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}

/// The status that a server answers a request with, whose body, if it has one, is JSON.
async fn status(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &[u8],
) -> std::io::Result<Option<u16>> {
    let mut stream = TcpStream::connect(address).await?;
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    if !body.is_empty() {
        let length = body.len();
        request.push_str("Content-Type: application/json\r\n");
        request.push_str(&format!("Content-Length: {length}\r\n"));
    }
    request.push_str("\r\n");
    stream
        .write_all(&[request.as_bytes(), body].concat())
        .await?;
    // To its end, for a server whose answer is not taken may complain in its log.
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer).await?;
    // `HTTP/1.1 200`
    let status = answer.get(9..12).map(std::str::from_utf8);
    Ok(status.and_then(|text| text.ok()?.parse().ok()))
}

/// Serves the socket until `shutdown`, then lets those under way finish for as long as the grace
/// period is.
pub(super) async fn serve(
    listener: &UnixListener,
    address: SocketAddr,
    options: &CommandOptions,
    shutdown: &CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, address, shutdown.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            },
        }
    }
    remove(&options.socket);
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(options.grace, finished).await.is_err() {
        tracing::warn!("grace period over, requests are cut off");
    }
}

async fn connection(mut stream: UnixStream, address: SocketAddr, shutdown: CancellationToken) {
    let mut first = BytesMut::with_capacity(4096);
    while first.len() < LENGTH {
        match stream.read_buf(&mut first).await {
            Ok(1..) => {}
            _ => return,
        }
    }
    let length = u32::from_le_bytes([first[0], first[1], first[2], first[3]]);
    let ended = if usize::try_from(length).is_ok_and(|length| length <= MAX_LEN) {
        // The gateway's own questions; they need no end of their own.
        tokio::select! {
            ended = frames(stream, first) => ended,
            () = shutdown.cancelled() => Ok(()),
        }
    } else {
        pass_on(stream, first, address).await
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

/// Answers the gateway's questions about the replica.
async fn frames(mut stream: UnixStream, mut buffer: BytesMut) -> std::io::Result<()> {
    let nothing = ModelDescription {
        inputs: Vec::new(),
        outputs: Vec::new(),
    };
    let description = serde_json::to_vec(&nothing).unwrap_or_default();
    loop {
        let mut out = BytesMut::new();
        while let Some((id, request)) =
            frame::decode_request(&mut buffer).map_err(std::io::Error::other)?
        {
            let reply = match request {
                Request::Ping => Reply::Pong,
                // What is handed on is given up by its connection.
                Request::Cancel => continue,
                Request::Describe => Reply::Description(description.clone().into()),
                Request::Infer(..) => {
                    Reply::Answer(refusal(NOT_HERE, "this replica is a server of its own"))
                }
            };
            frame::encode_reply(id, &reply, &mut out).map_err(std::io::Error::other)?;
        }
        stream.write_all(&out).await?;
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

async fn pass_on(stream: UnixStream, first: BytesMut, address: SocketAddr) -> std::io::Result<()> {
    let mut server = TcpStream::connect(address).await?;
    server.set_nodelay(true)?;
    server.write_all(&first).await?;
    let (mut from_client, mut to_client) = stream.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    // A gateway that hangs up waits for nothing more, so the server must not go on either.
    tokio::select! {
        ended = copy(&mut from_client, &mut to_server) => ended.map(drop),
        ended = copy(&mut from_server, &mut to_client) => ended.map(drop),
    }
}
