//! `mainspan engine`: one replica, started by the server as a unit.

use super::{logging, shutdown};
use crate::exit;
use clap::Args;
use std::{ffi::OsString, num::NonZeroUsize, path::PathBuf};

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
    /// Requests computed at a time
    #[arg(long, default_value = "1")]
    threads: NonZeroUsize,
    /// What to get from the command until it is ready
    #[arg(long, value_name = "PATH", default_value = "/health")]
    ready: String,
    /// A server to start in place of a model: it finds its port in PORT, its model in MODEL
    #[arg(last = true)]
    command: Vec<OsString>,
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
                        library: self.library,
                        python: self.python,
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
