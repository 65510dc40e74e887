//! `mainspan engine`: one replica, started by the server as a unit.

use super::{logging, shutdown};
use crate::exit;
use clap::Args;
use std::{ffi::OsString, num::NonZeroUsize, path::PathBuf, time::Duration};

/// Settings of one replica.
#[derive(Clone, Debug, Args)]
pub(crate) struct Engine {
    /// The ONNX file; with --python, the folder of an MLflow model; with a command, its model's folder
    #[arg(long, required_unless_present = "command")]
    model: Option<PathBuf>,
    /// The Python that loads the model, with MLflow and what the model needs
    #[arg(long, value_name = "FILE", conflicts_with = "command")]
    python: Option<PathBuf>,
    /// The Unix socket to listen on
    #[arg(long)]
    socket: PathBuf,
    /// ONNX Runtime's shared library
    #[arg(long)]
    library: Option<PathBuf>,
    /// Who may compute an ONNX model
    #[arg(long, value_enum, default_value_t)]
    evaluator: Evaluator,
    /// Requests computed at a time
    #[arg(long, default_value = "1")]
    threads: NonZeroUsize,
    /// Most requests in one run of an ONNX model; without it, each is run by itself
    #[arg(long, value_name = "REQUESTS")]
    batch: Option<NonZeroUsize>,
    /// How long the first request of a run waits for others, in microseconds
    #[arg(long, value_name = "MICROSECONDS", default_value = "1000")]
    batch_wait: u64,
    /// What to get from the command until it is ready
    #[arg(long, value_name = "PATH", default_value = "/health")]
    ready: String,
    /// A server to start in place of a model: it finds its port in PORT, its model in MODEL
    #[arg(last = true)]
    command: Vec<OsString>,
}

/// Who may compute an ONNX model.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Evaluator {
    /// Ensembles of trees are compiled where that gives the same answers; all else is ONNX Runtime's
    #[default]
    Automatic,
    /// ONNX Runtime alone
    Onnxruntime,
}

impl From<Evaluator> for engine::Evaluator {
    fn from(evaluator: Evaluator) -> Self {
        match evaluator {
            Evaluator::Automatic => Self::Automatic,
            Evaluator::Onnxruntime => Self::OnnxRuntime,
        }
    }
}

impl Engine {
    /// Answers until told to stop.
    pub(crate) fn run(self) -> anyhow::Result<u8> {
        logging();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async move {
            match self.model {
                Some(model) if self.command.is_empty() => {
                    let options = engine::EngineOptions {
                        threads: self.threads,
                        evaluator: self.evaluator.into(),
                        library: self.library,
                        python: self.python,
                        batching: self.batch.map(|most| engine::Batching {
                            most,
                            wait: Duration::from_micros(self.batch_wait),
                        }),
                        ..engine::EngineOptions::new(model, self.socket)
                    };
                    engine::run(options, shutdown()?).await?;
                }
                model => {
                    let options = engine::command::CommandOptions {
                        argv: self.command,
                        model,
                        socket: self.socket,
                        ready: self.ready,
                        grace: engine::EngineOptions::GRACE,
                    };
                    engine::command::run(options, shutdown()?).await?;
                }
            }
            Ok(exit::OK)
        })
    }
}
