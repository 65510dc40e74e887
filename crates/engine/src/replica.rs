//! The replica's life: load, listen, serve, drain.
//!
//! [`run`] is the whole of it. The socket is the sign of readiness: it is put in place in one step
//! after the model can answer, and taken away first when the replica is to stop.

mod connection;
mod lanes;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;

use inference::frame::{Answer, EDITION, Request, Wire};

use crate::compute::Compute;
use crate::library;
use crate::model::{Model, ModelError};
use crate::options::{EngineOptions, WarmUp};
use crate::pool::Pool;
use crate::pyfunc::{self, WorkerError};
use lanes::Lanes;

/// How long to wait before accepting again after accepting failed, as it does when the process has
/// too many files open.
const ACCEPT_AGAIN: Duration = Duration::from_millis(20);

/// How much of a bad answer is told.
const SAID: usize = 300;

/// A replica that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The model or ONNX Runtime is at fault.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The socket cannot be made.
    #[error("cannot listen on {}: {source}; its directory must exist, be writable, and the path be at most 107 bytes", .path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The model's Python process.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// What it is asked first is not answered well.
    #[error(
        "the warm-up request is answered with {status} ({said}), so the replica does not start; correct `warmup`, or the model"
    )]
    WarmUp {
        /// The status.
        status: u16,
        /// The beginning of the answer.
        said: String,
    },
    /// Threads cannot be started.
    #[error("cannot start a worker thread: {0}; raise the limit of processes")]
    Threads(io::Error),
}

/// What every connection needs.
struct Shared {
    pool: Arc<Pool>,
    description: Bytes,
    /// Replies that may wait for one connection.
    backlog: usize,
}

/// Loads the model, listens, and answers until `shutdown` is cancelled and what was asked by then
/// is answered, or the grace period is over. To be run on a runtime of its own, best a
/// current-thread one: quick models are run on the thread that reads the request.
pub async fn run(options: EngineOptions, shutdown: CancellationToken) -> Result<(), EngineError> {
    let broken = CancellationToken::new();
    let (description, runners) = tokio::select! {
        loaded = load(options.clone(), broken.clone()) => loaded?,
        () = shutdown.cancelled() => return Ok(()),
    };
    let pool = Pool::new(runners, options.queue, options.batching, broken);
    let (alive, mut threads) = mpsc::channel::<()>(1);
    let started = pool.start(&alive).map_err(EngineError::Threads);
    drop(alive);
    let served = match started {
        Ok(()) => listen_and_serve(&options, &pool, description, &shutdown).await,
        Err(e) => Err(e),
    };
    pool.close();
    // Ends when the last thread has let go of its sender. A run that never ends is left behind.
    if tokio::time::timeout(options.grace, threads.recv())
        .await
        .is_err()
    {
        tracing::warn!("a model is still running and is left behind");
    }
    served
}

async fn listen_and_serve(
    options: &EngineOptions,
    pool: &Arc<Pool>,
    description: Bytes,
    shutdown: &CancellationToken,
) -> Result<(), EngineError> {
    let backlog = options.queue.get() + options.threads.get();
    let shared = Arc::new(Shared {
        pool: Arc::clone(pool),
        description: told(&description),
        backlog,
    });
    let refused = |source| EngineError::Listen {
        path: options.socket.clone(),
        source,
    };
    let lanes = Lanes::start(pool.runners()).map_err(EngineError::Threads)?;
    let listener = listen(&options.socket).map_err(refused)?;
    tracing::info!(socket = %options.socket.display(), "replica ready");
    tokio::select! {
        () = serve(&listener, options, &lanes, &shared, shutdown) => Ok(()),
        () = pool.broken().cancelled() => {
            // Nobody new may find a replica that is gone.
            let _ = fs::remove_file(&options.socket);
            Err(WorkerError::Gone.into())
        }
    }
}

/// A model's description with what this replica understands.
fn told(description: &Bytes) -> Bytes {
    let parsed: Result<serde_json::Value, _> = serde_json::from_slice(description);
    match parsed {
        Ok(mut told) if told.is_object() => {
            told["frames"] = EDITION.into();
            told.to_string().into()
        }
        _ => description.clone(),
    }
}

/// What the model takes and gives, and one that computes for each thread.
async fn load(
    options: EngineOptions,
    broken: CancellationToken,
) -> Result<(Bytes, Vec<Compute>), EngineError> {
    let load = move || {
        let (description, mut runners) = read(&options, &broken)?;
        if let Some(warm_up) = &options.warm_up {
            runners
                .iter_mut()
                .try_for_each(|runner| ask(runner, warm_up))?;
        }
        Ok((description, runners))
    };
    let loaded = spawn_blocking(load).await;
    let panicked = |_| ModelError::Load("the library panicked".into());
    loaded.map_err(panicked)?
}

fn read(
    options: &EngineOptions,
    broken: &CancellationToken,
) -> Result<(Bytes, Vec<Compute>), EngineError> {
    if let Some(python) = &options.python {
        return load_python(python, options, broken);
    }
    let model = Model::read(&options.model, options.max_model_bytes, options.max_rows)?;
    let library = library::resolve(
        options.library.as_deref(),
        std::env::var_os(library::VARIABLE),
    );
    let library = library.map_err(ModelError::from)?;
    let (model, runners) = model.load(&library, options.threads, options.evaluator)?;
    let runners = runners.into_iter().map(Compute::Here).collect();
    Ok((model.description(), runners))
}

/// Asks a runner what it is to be warmed up with.
fn ask(runner: &mut Compute, warm_up: &WarmUp<Wire>) -> Result<(), EngineError> {
    let request = Request::Infer(warm_up.to, warm_up.body.clone());
    for _ in 0..warm_up.times.get() {
        let Answer { status, body, .. } = runner.answer(&request)?;
        if status != 200 {
            let said = String::from_utf8_lossy(&body[..body.len().min(SAID)]).into_owned();
            return Err(EngineError::WarmUp { status, said });
        }
    }
    Ok(())
}

fn load_python(
    python: &Path,
    options: &EngineOptions,
    broken: &CancellationToken,
) -> Result<(Bytes, Vec<Compute>), EngineError> {
    let mut description = Bytes::new();
    let mut runners = Vec::new();
    for _ in 0..options.threads.get() {
        let (runner, said) = pyfunc::Runner::start(python, &options.model, broken)?;
        description = said;
        runners.push(Compute::Python(runner));
    }
    Ok((description, runners))
}

/// Makes the socket under another name and moves it into place, so that nobody sees it half made
/// and a stale one is replaced.
pub(crate) fn listen(socket: &Path) -> io::Result<UnixListener> {
    let draft = socket.with_extension("new");
    match fs::remove_file(&draft) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = UnixListener::bind(&draft)?;
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o600))?;
    fs::rename(&draft, socket)?;
    Ok(listener)
}

async fn serve(
    listener: &UnixListener,
    options: &EngineOptions,
    lanes: &Lanes,
    shared: &Arc<Shared>,
    shutdown: &CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (shared, shutdown) = (Arc::clone(shared), shutdown.clone());
                    let serve = |stream| connection::serve(stream, shared, shutdown);
                    lanes.spawn(&mut connections, stream, serve);
                }
                Err(e) => {
                    tracing::warn!(error = %e, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            },
        }
    }
    // Nobody new may find a replica that stops.
    let _ = fs::remove_file(&options.socket);
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(options.grace, finished).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "grace period over, requests are cut off"
        );
        connections.shutdown().await;
    }
}
