//! `mainspan engine`: one replica, started by the server as a unit.

use super::{logging, shutdown};
use crate::exit;
use clap::Args;
use std::{
    ffi::OsString,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

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
    /// How often to ask, before anybody finds the replica, what is in the variable MAINSPAN_WARM_UP
    #[arg(long, value_name = "TIMES", requires = "warm_up_body")]
    warm_up: Option<NonZeroU32>,
    /// The body of that request
    #[arg(long, hide = true, env = WARM_UP, hide_env_values = true)]
    warm_up_body: Option<String>,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    warm_up_protocol: Protocol,
    /// Where the command is asked it, by POST
    #[arg(long, value_name = "PATH", default_value = "/")]
    warm_up_path: String,
    /// What to get from the command until it is ready
    #[arg(long, value_name = "PATH", default_value = "/health")]
    ready: String,
    /// A server to start in place of a model: it finds its port in PORT, its model in MODEL
    #[arg(last = true)]
    command: Vec<OsString>,
}

/// The variable with the body of the warm-up request: command lines can be read by everybody on a machine.
const WARM_UP: &str = "MAINSPAN_WARM_UP";

/// How a warm-up request is written.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Protocol {
    /// Plain rows
    #[default]
    Rows,
    /// The Open Inference Protocol
    Oip,
    /// KServe's first protocol
    V1,
    /// MLflow's scoring protocol
    Scoring,
}

impl From<Protocol> for engine::Wire {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Rows => Self::Rows,
            Protocol::Oip => Self::Oip,
            Protocol::V1 => Self::V1,
            Protocol::Scoring => Self::Scoring,
        }
    }
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
        let warm_up = self.warm_up.zip(self.warm_up_body);
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
                        warm_up: warm_up.map(|(times, body)| engine::WarmUp {
                            to: self.warm_up_protocol.into(),
                            body: body.into(),
                            times,
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
                        warm_up: warm_up.map(|(times, body)| engine::WarmUp {
                            to: self.warm_up_path,
                            body: body.into(),
                            times,
                        }),
                        grace: engine::EngineOptions::GRACE,
                    };
                    engine::command::run(options, shutdown()?).await?;
                }
            }
            Ok(exit::OK)
        })
    }
}
