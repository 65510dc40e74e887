//! What a replica is told when it starts.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use inference::frame::Wire;

/// Who may compute a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evaluator {
    /// Ensembles of trees are compiled, and serve so if ONNX Runtime gives the same answers on
    /// generated inputs; all else is ONNX Runtime's.
    Automatic,
    /// ONNX Runtime, whatever the model is.
    OnnxRuntime,
}

/// Settings of one replica, decided by its caller.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The ONNX file; with [`Self::python`], the folder of an MLflow model.
    pub model: PathBuf,
    /// The Python that is to load the model, with MLflow and what the model needs.
    pub python: Option<PathBuf>,
    /// Where to listen. The socket appears only once the model can answer; a stale one is replaced.
    pub socket: PathBuf,
    /// How many requests are computed at a time, each on a session of its own.
    pub threads: NonZeroUsize,
    /// ONNX Runtime's shared library; else `ORT_DYLIB_PATH` names it.
    pub library: Option<PathBuf>,
    /// Who may compute the model.
    pub evaluator: Evaluator,
    /// The largest model file that is loaded.
    pub max_model_bytes: u64,
    /// The most rows that one plain-rows request may carry.
    pub max_rows: usize,
    /// How many requests may wait for a thread before more are answered 503.
    pub queue: NonZeroUsize,
    /// How requests are gathered into one run of the model; `None` runs each by itself.
    pub batching: Option<Batching>,
    /// What the model is asked before anybody finds the replica.
    pub warm_up: Option<WarmUp<Wire>>,
    /// How long requests in flight may take to finish after the shutdown was asked for.
    pub grace: Duration,
}

/// How requests are gathered into one run of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// Most requests in one run.
    pub most: NonZeroUsize,
    /// How long the first of them waits for others.
    pub wait: Duration,
}

/// A request that is answered before anybody finds the replica, by each of its threads. A replica that does not
/// answer it well does not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarmUp<To> {
    /// How it is written, or where it is sent.
    pub to: To,
    /// Its body.
    pub body: Bytes,
    /// How many times it is asked.
    pub times: NonZeroU32,
}

impl EngineOptions {
    /// How long requests in flight usually may take to finish.
    pub const GRACE: Duration = Duration::from_secs(10);

    /// One thread, the evaluator chosen by the model, models up to 2 GiB, 65,536 rows a request, 1,024
    /// requests waiting, 10 s to drain.
    #[must_use]
    pub fn new(model: PathBuf, socket: PathBuf) -> Self {
        Self {
            model,
            python: None,
            socket,
            threads: NonZeroUsize::MIN,
            library: None,
            evaluator: Evaluator::Automatic,
            max_model_bytes: 2 << 30,
            max_rows: 1 << 16,
            queue: NonZeroUsize::MIN.saturating_add(1023),
            batching: None,
            warm_up: None,
            grace: Self::GRACE,
        }
    }
}
