//! Starts a replica for a test, and speaks to it.

use std::future::Future;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use engine::{EngineError, EngineOptions};
use inference::frame::{self, Answer, Reply, Request, Wire};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long anything may take before the test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

/// ONNX Runtime's library, fetched the first time.
pub(crate) fn library() -> PathBuf {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    let fetch = || {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-tools/ort");
        std::fs::create_dir_all(&tools).unwrap();
        engine::library::fetch(&tools, Path::new("python3")).unwrap()
    };
    LIBRARY.get_or_init(fetch).clone()
}

/// A replica in this process, on a socket in a directory of its own.
pub(crate) struct Replica {
    pub(crate) socket: PathBuf,
    stop: CancellationToken,
    running: JoinHandle<Result<(), EngineError>>,
    _dir: TempDir,
}

impl Replica {
    /// Starts one and waits for its socket.
    pub(crate) async fn start(model: &[u8], change: impl FnOnce(&mut EngineOptions)) -> Self {
        let (options, dir) = options(model, change);
        let socket = options.socket.clone();
        let stop = CancellationToken::new();
        let running = tokio::spawn(engine::run(options, stop.clone()));
        let replica = Self {
            socket,
            stop,
            running,
            _dir: dir,
        };
        until(|| replica.socket.exists() || replica.running.is_finished()).await;
        assert!(
            !replica.running.is_finished(),
            "the replica ended: {:?}",
            replica.running.await
        );
        replica
    }

    pub(crate) async fn connect(&self) -> Client {
        let stream = UnixStream::connect(&self.socket).await.unwrap();
        Client {
            stream,
            input: BytesMut::new(),
            next: 1,
        }
    }

    /// Asks for the shutdown without waiting for it.
    pub(crate) fn ask_to_stop(&self) {
        self.stop.cancel();
    }

    /// Stops it and gives what [`engine::run`] gave.
    pub(crate) async fn stop(self) -> Result<(), EngineError> {
        self.stop.cancel();
        in_time(self.running).await.unwrap()
    }
}

/// Options for a model in a directory of its own.
pub(crate) fn options(
    model: &[u8],
    change: impl FnOnce(&mut EngineOptions),
) -> (EngineOptions, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("model.onnx");
    std::fs::write(&file, model).unwrap();
    let mut options = EngineOptions::new(file, dir.path().join("engine.sock"));
    options.library = Some(library());
    change(&mut options);
    (options, dir)
}

pub(crate) fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

/// Waits for a state, looking again and again.
pub(crate) async fn until(mut reached: impl FnMut() -> bool) {
    let poll = async {
        while !reached() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    in_time(poll).await;
}

pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it takes too long")
}

/// One connection, as the gateway would hold it.
pub(crate) struct Client {
    stream: UnixStream,
    input: BytesMut,
    next: u64,
}

impl Client {
    /// Sends requests in one write; gives their ids.
    pub(crate) async fn send(&mut self, requests: &[Request]) -> Vec<u64> {
        let mut out = BytesMut::new();
        let first = self.next;
        for request in requests {
            frame::encode_request(self.next, request, &mut out).unwrap();
            self.next += 1;
        }
        in_time(self.stream.write_all(&out)).await.unwrap();
        (first..self.next).collect()
    }

    /// Sends a request that is about an earlier one.
    pub(crate) async fn send_as(&mut self, id: u64, request: &Request) {
        let mut out = BytesMut::new();
        frame::encode_request(id, request, &mut out).unwrap();
        in_time(self.stream.write_all(&out)).await.unwrap();
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        in_time(self.stream.write_all(bytes)).await
    }

    /// The next reply; `None` once the replica hung up.
    pub(crate) async fn receive(&mut self) -> Option<(u64, Reply)> {
        loop {
            if let Some(reply) = frame::decode_reply(&mut self.input).unwrap() {
                return Some(reply);
            }
            if in_time(self.stream.read_buf(&mut self.input))
                .await
                .unwrap_or(0)
                == 0
            {
                return None;
            }
        }
    }

    /// Sends one request and takes its reply.
    pub(crate) async fn ask(&mut self, request: Request) -> Reply {
        let id = self.send(&[request]).await[0];
        let (replied, reply) = self.receive().await.expect("the replica hung up");
        assert_eq!(replied, id);
        reply
    }

    pub(crate) async fn rows(&mut self, body: &str) -> Answer {
        answer(self.ask(rows(body)).await)
    }

    pub(crate) async fn oip(&mut self, body: &str) -> Answer {
        answer(
            self.ask(Request::Infer(
                Wire::Oip,
                Bytes::copy_from_slice(body.as_bytes()),
            ))
            .await,
        )
    }
}

pub(crate) fn rows(body: &str) -> Request {
    Request::Infer(Wire::Rows, Bytes::copy_from_slice(body.as_bytes()))
}

pub(crate) fn answer(reply: Reply) -> Answer {
    let Reply::Answer(answer) = reply else {
        panic!("no answer: {reply:?}")
    };
    answer
}

/// Status and body of an answer.
pub(crate) fn said(answer: &Answer) -> (u16, &str) {
    (answer.status, std::str::from_utf8(&answer.body).unwrap())
}
