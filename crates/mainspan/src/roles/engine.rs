//! `mainspan engine`: one replica, started by the server as a unit.

use super::{logging, shutdown};
use crate::exit;
use clap::Args;
use std::{num::NonZeroUsize, path::PathBuf};

/// Settings of one replica.
#[derive(Clone, Debug, Args)]
pub(crate) struct Engine {
    /// The ONNX file; with --python, the folder of an MLflow model
    #[arg(long)]
    model: PathBuf,
    /// The Python that loads the model, with MLflow and what the model needs
    #[arg(long, value_name = "FILE")]
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
}

impl Engine {
    /// Answers until told to stop.
    pub(crate) fn run(self) -> anyhow::Result<u8> {
        logging();
        let options = engine::EngineOptions {
            threads: self.threads,
            library: self.library,
            python: self.python,
            ..engine::EngineOptions::new(self.model, self.socket)
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async move {
            engine::run(options, shutdown()?).await?;
            Ok(exit::OK)
        })
    }
}
