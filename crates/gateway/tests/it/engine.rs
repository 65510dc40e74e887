//! A fake engine: speaks frames over a Unix socket and does as its script says.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use bytes::{Bytes, BytesMut};
use inference::frame::{Answer, Reply, Request, decode_request, encode_reply};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

/// What becomes of a request.
pub(crate) enum Act {
    /// This answer.
    Say(Answer),
    /// This answer, when the gate opens.
    Hold(watch::Receiver<bool>, Answer),
    /// The connection breaks.
    Break,
    /// Nothing, ever.
    Silence,
}

/// Decides what becomes of the nth request (from 0).
pub(crate) type Script = Arc<dyn Fn(usize, &Value) -> Act + Send + Sync>;

/// A running engine; dropped, it is gone with all its connections.
pub(crate) struct Engine {
    counts: Arc<Counts>,
    frozen: watch::Sender<bool>,
    path: PathBuf,
    _stop: DropGuard,
}

/// What came.
#[derive(Default)]
struct Counts {
    inferences: AtomicUsize,
    pings: AtomicUsize,
    described: AtomicUsize,
    cancelled: AtomicUsize,
}

/// An answer of 200 with one prediction.
pub(crate) fn good(y: f64) -> Answer {
    Answer {
        status: 200,
        compute_micros: 5,
        predictions: vec![y],
        json: 0,
        body: json!({ "prediction": y }).to_string().into(),
    }
}

/// An error as engines give it.
pub(crate) fn bad(status: u16) -> Answer {
    Answer {
        status,
        compute_micros: 0,
        predictions: vec![],
        json: 0,
        body: Bytes::from_static(b"{\"error\":\"so it is\"}"),
    }
}

/// A model that adds one to `x`, for each row.
pub(crate) fn plus_one() -> Script {
    Arc::new(|_, body| {
        let next = |row: &Value| row["x"].as_f64().unwrap_or(0.0) + 1.0;
        Act::Say(match body {
            Value::Array(rows) => {
                let predictions: Vec<f64> = rows.iter().map(next).collect();
                Answer {
                    body: json!({ "predictions": predictions }).to_string().into(),
                    predictions,
                    ..good(0.0)
                }
            }
            row => good(next(row)),
        })
    })
}

/// A script without memory.
pub(crate) fn always(act: impl Fn() -> Act + Send + Sync + 'static) -> Script {
    Arc::new(move |_, _| act())
}

impl Engine {
    /// Starts one; a socket that another left is replaced.
    pub(crate) fn start(path: &Path, script: Script) -> Self {
        Self::start_with(path, script, false)
    }

    /// Starts one that takes connections and is not heard before it is thawed.
    pub(crate) fn start_frozen(path: &Path, script: Script) -> Self {
        Self::start_with(path, script, true)
    }

    fn start_with(path: &Path, script: Script, frozen: bool) -> Self {
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).unwrap();
        let stop = CancellationToken::new();
        let counts = Arc::new(Counts::default());
        let (frozen, gate) = watch::channel(frozen);
        let (ended, counter) = (stop.clone(), Arc::clone(&counts));
        tokio::spawn(async move {
            let accept = async {
                while let Ok((stream, _)) = listener.accept().await {
                    let (script, counts) = (Arc::clone(&script), Arc::clone(&counter));
                    let serve = serve(stream, script, counts, gate.clone());
                    tokio::spawn(ended.clone().run_until_cancelled_owned(serve));
                }
            };
            ended.run_until_cancelled(accept).await;
        });
        Self {
            counts,
            frozen,
            path: path.to_owned(),
            _stop: stop.drop_guard(),
        }
    }

    /// How many requests for predictions came.
    pub(crate) fn seen(&self) -> usize {
        self.counts.inferences.load(SeqCst)
    }

    /// How many connections asked what it is, which each does first.
    pub(crate) fn described(&self) -> usize {
        self.counts.described.load(SeqCst)
    }

    /// How many pings came.
    pub(crate) fn pings(&self) -> usize {
        self.counts.pings.load(SeqCst)
    }

    /// How many requests it heard were given up.
    pub(crate) fn cancelled(&self) -> usize {
        self.counts.cancelled.load(SeqCst)
    }

    /// Stops it as SIGSTOP would, or lets it go on: nothing is taken, nothing is said, and its
    /// connections stay.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.frozen.send_replace(frozen);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn serve(
    stream: UnixStream,
    script: Script,
    counts: Arc<Counts>,
    mut frozen: watch::Receiver<bool>,
) {
    let (mut read, mut write) = stream.into_split();
    let (sender, mut replies) = mpsc::channel::<(u64, Reply)>(1024);
    let mut mute = frozen.clone();
    let writer = async move {
        while let Some((id, reply)) = replies.recv().await {
            let _ = mute.wait_for(|frozen| !*frozen).await;
            let mut out = BytesMut::new();
            encode_reply(id, &reply, &mut out).unwrap();
            if write.write_all(&out).await.is_err() {
                return;
            }
        }
    };
    let reader = async move {
        let mut buffer = BytesMut::new();
        loop {
            while let Some((id, request)) = decode_request(&mut buffer).unwrap() {
                let body = match request {
                    Request::Infer(_, body) => body,
                    Request::Describe => {
                        counts.described.fetch_add(1, SeqCst);
                        let inputs = json!([{"name":"x","datatype":"FP32","shape":[-1,1]}]);
                        let text =
                            json!({"inputs": inputs, "outputs": [], "frames": 2}).to_string();
                        sender
                            .send((id, Reply::Description(text.into())))
                            .await
                            .unwrap();
                        continue;
                    }
                    Request::Cancel => {
                        counts.cancelled.fetch_add(1, SeqCst);
                        continue;
                    }
                    Request::Ping => {
                        counts.pings.fetch_add(1, SeqCst);
                        sender.send((id, Reply::Pong)).await.unwrap();
                        continue;
                    }
                };
                let nth = counts.inferences.fetch_add(1, SeqCst);
                let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                match script(nth, &body) {
                    Act::Say(answer) => sender.send((id, Reply::Answer(answer))).await.unwrap(),
                    Act::Hold(mut gate, answer) => {
                        let sender = sender.clone();
                        tokio::spawn(async move {
                            if gate.wait_for(|open| *open).await.is_ok() {
                                let _ = sender.send((id, Reply::Answer(answer))).await;
                            }
                        });
                    }
                    Act::Break => return,
                    Act::Silence => {}
                }
            }
            if !matches!(read.read_buf(&mut buffer).await, Ok(1..)) {
                return;
            }
            let _ = frozen.wait_for(|frozen| !*frozen).await;
        }
    };
    // The connection is over when either side of it is.
    tokio::select! {
        () = writer => {}
        () = reader => {}
    }
}
