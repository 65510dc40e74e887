//! How replicas of each engine are started: the model's files, the runtime or the Python that they need.
//!
//! Called by the roll-out reconciler when a replica is missing. What takes long (a Python environment) is prepared beside
//! it, and the replica waits.

use crate::app::App;
use pipeline::{
    toolchain::{TOOLCHAIN, Toolchains},
    tree::{self, Held},
};
use platform::{Input, Staging, UNIT_DIR};
use rollout::{Engines, Start, Starting};
use serde::Deserialize;
use spec::{EngineKind, Service, Warmup};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use store::{Digest, ModelVersion};
use tokio::task::JoinHandle;

/// How long a toolchain that could not be prepared is not tried again.
const AGAIN: Duration = Duration::from_secs(60);
/// Where a model is in its unit.
const MODEL: &str = "model";
const PATH: &str = "/usr/bin:/bin";

/// The engines of this server.
pub(crate) struct Local {
    app: App,
    toolchains: Arc<Toolchains>,
    preparing: Mutex<BTreeMap<Digest, Preparing>>,
}

/// A toolchain on its way.
enum Preparing {
    Running(JoinHandle<Result<PathBuf, String>>),
    Failed(Instant, String),
}

/// What a version's lineage says about the Python that made it.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Lineage {
    lock: Option<Digest>,
    python: Option<String>,
}

impl Local {
    /// Engines that keep their toolchains where steps do.
    pub(crate) fn new(app: App, toolchains: Arc<Toolchains>) -> Self {
        Self {
            app,
            toolchains,
            preparing: Mutex::default(),
        }
    }

    /// Whether the Python of a version is being prepared, so that its start fails for a while.
    pub(crate) fn prepares(&self, version: &ModelVersion) -> bool {
        let lineage = Lineage::deserialize(&version.lineage).unwrap_or_default();
        let preparing = self
            .preparing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = lineage.lock.and_then(|lock| preparing.get(&lock));
        matches!(known, Some(Preparing::Running(_)))
    }

    async fn onnx(&self, model: &Digest, service: &Service) -> Result<Start, String> {
        let library = self.app.library()?.display().to_string();
        let file = format!("{UNIT_DIR}/{MODEL}.onnx");
        let threads = service.resources.cpu.whole().to_string();
        let arguments = ["--model", &file, "--library", &library];
        let mut arguments = arguments.map(str::to_owned).to_vec();
        arguments.extend(["--threads".to_owned(), threads]);
        if let Some(batch) = &service.batch {
            let wait = batch.wait.get().as_micros().to_string();
            let requests = batch.requests.to_string();
            let batching = ["--batch", &requests, "--batch-wait", &wait];
            arguments.extend(batching.map(str::to_owned));
        }
        let file = Path::new("model.onnx");
        Ok(Start {
            arguments,
            inputs: vec![self.input(model, file, Staging::Link).await?],
            ..Start::default()
        })
    }

    async fn pyfunc(&self, model: &Digest, version: &ModelVersion) -> Result<Start, String> {
        let toolchain = self.toolchain(version)?.ok_or(
            "the run that made this model has no `python.lock`, so nobody knows what the model needs: add one and train again",
        )?;
        let python = toolchain.join("bin/python");
        let folder = format!("{UNIT_DIR}/{MODEL}");
        let arguments = [
            "--model",
            &folder,
            "--python",
            &python.display().to_string(),
        ];
        Ok(Start {
            arguments: arguments.map(str::to_owned).to_vec(),
            // MLflow follows no links out of a model's folder.
            inputs: self.files(model, Staging::Copy).await?,
            env: BTreeMap::from([path_of(&toolchain)]),
            labels: label_of(&toolchain),
        })
    }

    async fn command(
        &self,
        model: &Digest,
        service: &Service,
        version: &ModelVersion,
    ) -> Result<Start, String> {
        let command = service
            .command
            .as_deref()
            .ok_or("the service has no `command`")?;
        let folder = format!("{UNIT_DIR}/{MODEL}");
        let mut arguments = vec!["--model".to_owned(), folder];
        if let Some(ready) = &service.ready {
            arguments.extend(["--ready".to_owned(), ready.clone()]);
        }
        // `exec`, so that it is the command that hears when it is to end.
        let command = format!("exec {command}");
        arguments.extend(["--", "/bin/sh", "-c", &command].map(str::to_owned));
        let toolchain = self.toolchain(version)?;
        Ok(Start {
            arguments,
            inputs: self.files(model, Staging::Link).await?,
            env: toolchain
                .iter()
                .map(|toolchain| path_of(toolchain))
                .collect(),
            labels: toolchain
                .iter()
                .flat_map(|toolchain| label_of(toolchain))
                .collect(),
        })
    }

    /// The file, or all files of the folder, that a model is.
    async fn files(&self, model: &Digest, staging: Staging) -> Result<Vec<Input>, String> {
        let held = tree::open(model, self.app.blobs()).await;
        match held.map_err(|error| error.to_string())? {
            Held::File => Ok(vec![self.input(model, Path::new(MODEL), staging).await?]),
            Held::Tree(files) => {
                let mut inputs = Vec::new();
                for file in files.files() {
                    let target = Path::new(MODEL).join(&file.path);
                    inputs.push(self.input(&file.digest, &target, staging).await?);
                }
                Ok(inputs)
            }
        }
    }

    async fn input(
        &self,
        digest: &Digest,
        target: &Path,
        staging: Staging,
    ) -> Result<Input, String> {
        let cache = self.app.state_dir().join("cache");
        let source = self.app.blobs().on_disk(digest, &cache).await;
        Ok(Input {
            name: MODEL.to_owned(),
            source: source.map_err(|error| error.to_string())?,
            target: target.to_owned(),
            staging,
        })
    }

    /// The folder of the Python that a version was made with, if it was made with one; an error while it is prepared.
    fn toolchain(&self, version: &ModelVersion) -> Result<Option<PathBuf>, String> {
        let lineage = Lineage::deserialize(&version.lineage).unwrap_or_default();
        let Some(lock) = lineage.lock else {
            return Ok(None);
        };
        let mut preparing = self
            .preparing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let waits = || Err("its Python is being prepared".to_owned());
        match preparing.remove(&lock) {
            Some(Preparing::Running(task)) if task.is_finished() => {
                // It is over: nothing is waited for here.
                match futures_util::FutureExt::now_or_never(task) {
                    Some(Ok(Ok(path))) => return Ok(Some(path)),
                    Some(Ok(Err(why))) => {
                        let failed = Preparing::Failed(Instant::now(), why.clone());
                        preparing.insert(lock, failed);
                        return Err(why);
                    }
                    _ => {}
                }
            }
            Some(running @ Preparing::Running(_)) => {
                preparing.insert(lock, running);
                return waits();
            }
            Some(Preparing::Failed(at, why)) if at.elapsed() < AGAIN => {
                preparing.insert(lock, Preparing::Failed(at, why.clone()));
                return Err(why);
            }
            Some(Preparing::Failed(..)) | None => {}
        }
        let task = tokio::spawn(prepare(
            Arc::clone(&self.toolchains),
            self.app.clone(),
            lock.clone(),
            lineage.python.unwrap_or_default(),
        ));
        preparing.insert(lock, Preparing::Running(task));
        waits()
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let mut preparing = self
            .preparing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (_, preparing) in std::mem::take(&mut *preparing) {
            if let Preparing::Running(task) = preparing {
                task.abort();
            }
        }
    }
}

async fn prepare(
    toolchains: Arc<Toolchains>,
    app: App,
    lock: Digest,
    python: String,
) -> Result<PathBuf, String> {
    let bytes = app
        .blobs()
        .get(&lock)
        .await
        .map_err(|error| error.to_string())?;
    let text = std::str::from_utf8(&bytes).map_err(|_| "its lock is no text".to_owned())?;
    let say = |line: &str| tracing::info!(what = line, "preparing a replica's toolchain");
    let prepared = toolchains
        .prepare("the model's lock", text, &python, &say)
        .await;
    prepared
        .map(|toolchain| toolchain.path)
        .map_err(|error| error.to_string())
}

fn path_of(toolchain: &Path) -> (String, String) {
    let path = format!("{}:{PATH}", toolchain.join("bin").display());
    ("PATH".to_owned(), path)
}

fn label_of(toolchain: &Path) -> BTreeMap<String, String> {
    BTreeMap::from([(TOOLCHAIN.to_owned(), toolchain.display().to_string())])
}

/// Has a replica asked something first. The body goes by the environment, as command lines can be read by everybody.
fn warm_up(start: &mut Start, warmup: &Warmup) {
    let times = warmup.requests.to_string();
    let mut arguments = vec!["--warm-up".to_owned(), times];
    arguments.extend(match &warmup.path {
        Some(path) => ["--warm-up-path".to_owned(), path.clone()],
        None => ["--warm-up-protocol", warmup.protocol.as_str()].map(str::to_owned),
    });
    // Before the command of a server of its own.
    start.arguments.splice(..0, arguments);
    let body = ("MAINSPAN_WARM_UP".to_owned(), warmup.body.clone());
    start.env.extend([body]);
}

impl Engines for Local {
    fn start<'a>(&'a self, service: &'a Service, version: &'a ModelVersion) -> Starting<'a> {
        Box::pin(async move {
            let model = version
                .artifact
                .as_ref()
                .ok_or("the version has no model")?;
            let mut start = match service.engine {
                EngineKind::Onnx => self.onnx(model, service).await,
                EngineKind::Pyfunc => self.pyfunc(model, version).await,
                EngineKind::Command => self.command(model, service, version).await,
            }?;
            if let Some(warmup) = &service.warmup {
                warm_up(&mut start, warmup);
            }
            Ok(start)
        })
    }
}
