//! The executor: takes every run that is not final to its end, and can be killed at any line.
//!
//! It has no input: it reads the active runs from the store, keeps one task going for each, and wakes on commits, on
//! ended units and once a second. All that matters is in the store and with the platform; a task that dies is begun
//! again from there.

mod advance;
mod cancel;
mod collect;
mod copies;
mod files;
mod finish;
mod launch;
mod model;
mod prepare;
mod sweep;
mod tracking;
mod unit;

pub use collect::log_path;

use crate::toolchain::Toolchains;
use jiff::{SignedDuration, Timestamp};
use platform::Platform;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};
use store::{ActiveRun, Blobs, RunState, Runs as _, Store};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// For which run a unit's token is good.
#[derive(Clone, Debug)]
pub struct TokenScope {
    /// The project.
    pub project: String,
    /// The pipeline run.
    pub run: String,
    /// The attempt's MLflow run.
    pub mlflow_run: String,
    /// When it must end.
    pub expires: Timestamp,
}

/// Makes the tracking token of a unit.
pub type IssueToken = Arc<dyn Fn(&TokenScope) -> String + Send + Sync>;

/// What the executor is made of.
#[derive(Clone)]
pub struct Parts {
    /// Records.
    pub store: Store,
    /// Bytes.
    pub blobs: Blobs,
    /// Where units run.
    pub platform: Arc<dyn Platform>,
    /// Python environments.
    pub toolchains: Arc<Toolchains>,
    /// Folder for checkouts of snapshots.
    pub snapshots: PathBuf,
    /// Folder for logs of ended steps.
    pub logs: PathBuf,
    /// Address of the control port, `http://127.0.0.1:7070`.
    pub control: String,
    /// Makes units' tokens.
    pub token: IssueToken,
    /// This machine's name, where several have the executor in turn: a unit that another one has begun is lost.
    pub machine: Option<String>,
    /// The time.
    pub now: fn() -> Timestamp,
}

/// What the executor is at, for the API.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Status {
    /// When it last looked for runs.
    pub at: Option<Timestamp>,
    /// Runs that it is taking on.
    pub runs: Vec<String>,
    /// What held a run up last, through no fault of its own.
    pub error: Option<String>,
}

/// Runs pipelines.
#[derive(Clone)]
pub struct Executor {
    parts: Parts,
    status: watch::Sender<Status>,
}

/// Why a run could not be taken further by us; the run itself says what the user can do.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the store failed")]
    Store(#[from] store::Error),
    #[error("the platform failed")]
    Platform(#[from] platform::Error),
    #[error("files of the run cannot be used")]
    Files(#[from] crate::snapshot::SnapshotError),
    #[error("a log cannot be kept")]
    Log(#[from] std::io::Error),
    #[error("the run was written by another version")]
    Work(#[from] serde_json::Error),
    #[error("the run was written by another version: its step `{0}` is not recorded")]
    Step(String),
    #[error("a task was cut off")]
    Task(#[from] tokio::task::JoinError),
}

const PERIOD: Duration = Duration::from_secs(1);
/// Left-over units are looked for this often, and at the start.
const SWEEP: SignedDuration = SignedDuration::from_mins(1);

impl Executor {
    /// An executor of these parts; it does nothing before [`Executor::run`].
    pub fn new(parts: Parts) -> Self {
        Executor {
            parts,
            status: watch::Sender::default(),
        }
    }

    /// What it is at.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Works until told to stop; units go on without it.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut changes = self.parts.store.subscribe();
        let mut tasks: JoinSet<String> = JoinSet::new();
        let mut driven: BTreeMap<String, ()> = BTreeMap::new();
        let mut swept: Option<Timestamp> = None;
        let mut forgotten: Option<i64> = None;
        loop {
            let now = (self.parts.now)();
            if swept.is_none_or(|at| now.duration_since(at).abs() >= SWEEP) {
                swept = Some(now);
                let hour = now.as_second() / 3600;
                let swept = match self.sweep().await {
                    Ok(()) if forgotten != Some(hour) => {
                        forgotten = Some(hour);
                        self.forget_copies(now).await
                    }
                    swept => swept,
                };
                if let Err(fault) = swept {
                    tracing::warn!(
                        error = &fault as &dyn std::error::Error,
                        "units or copies are left over"
                    );
                }
            }
            for run in self.startable().await {
                if driven.contains_key(&run) {
                    continue;
                }
                driven.insert(run.clone(), ());
                let (executor, stop) = (self.clone(), shutdown.child_token());
                tasks.spawn(async move {
                    executor.drive(&run, &stop).await;
                    run
                });
            }
            let (at, runs) = ((self.parts.now)(), driven.keys().cloned().collect());
            self.status.send_modify(|status| {
                status.at = Some(at);
                status.runs = runs;
            });
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => match ended {
                    Ok(run) => { driven.remove(&run); }
                    Err(error) => {
                        tracing::error!(%error, "a run's task ended badly");
                        driven.clear();
                        tasks.abort_all();
                        while tasks.join_next().await.is_some() {}
                    }
                },
                _ = changes.changed() => {}
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Active runs that may go: of each pipeline the oldest, so that versions come in the order of their commits.
    async fn startable(&self) -> Vec<String> {
        match self.parts.store.read(|tx| tx.active_runs()).await {
            Ok(runs) => first_of_each_pipeline(&runs),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "active runs cannot be read"
                );
                Vec::new()
            }
        }
    }

    /// Takes one run to its end, or until the shutdown; faults of ours are logged and tried again.
    async fn drive(&self, id: &str, stop: &CancellationToken) {
        let mut pause = Duration::from_millis(100);
        while !stop.is_cancelled() {
            match self.turn(id, stop).await {
                Ok(()) => return,
                Err(fault) => {
                    tracing::error!(
                        run = id,
                        error = &fault as &dyn std::error::Error,
                        "a run is held up"
                    );
                    let said = format!("run {id}: {fault}");
                    self.status.send_modify(|status| status.error = Some(said));
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(Duration::from_secs(10));
        }
    }

    async fn turn(&self, id: &str, stop: &CancellationToken) -> Result<(), Fault> {
        let wanted = id.to_owned();
        let Some(run) = self.parts.store.read(move |tx| tx.run(&wanted)).await? else {
            return Ok(());
        };
        match run.state {
            RunState::Queued => {
                if self.prepare(run, stop).await? {
                    self.advance(id, stop).await?;
                }
                Ok(())
            }
            RunState::Running => self.advance(id, stop).await,
            RunState::Cancelling => self.cancel(run, stop).await,
            RunState::Succeeded | RunState::Failed | RunState::Cancelled => Ok(()),
        }
    }
}

fn first_of_each_pipeline(runs: &[ActiveRun]) -> Vec<String> {
    let mut seen = Vec::new();
    let mut first = Vec::new();
    for run in runs {
        let pipeline = (&run.project, &run.pipeline);
        let ahead = seen.contains(&pipeline);
        // One that is being cancelled must not wait for its turn.
        if !ahead || run.state == RunState::Cancelling {
            seen.push(pipeline);
            first.push(run.id.clone());
        }
    }
    first
}
