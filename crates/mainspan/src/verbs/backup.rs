//! `backup` and `restore`: records and blobs, saved while it runs and brought back.

use crate::{cli::Common, exit, output, place};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Where to save.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// A folder that does not exist yet, on the server's machine
    to: PathBuf,
}

/// What to bring back.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// A folder that `backup` made
    from: PathBuf,
}

impl Backup {
    /// Asks the server to save.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let to = std::path::absolute(&self.to)?;
        let saved = common
            .client()?
            .post("/api/v1/backup", &json!({ "to": to }))?;
        if common.output == output::Format::Json {
            output::json(&saved)?;
        } else {
            output::line(&format!(
                "Saved to {}. The master key is not in it: keep a copy of it elsewhere.",
                to.display()
            ))?;
        }
        Ok(exit::OK)
    }
}

impl Restore {
    /// Restores into the state directory, which must be empty or absent.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let state = place::state_dir(common.state.as_deref())?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(store::restore(
            &self.from,
            &store::StateDir::create(&state)?,
        ))?;
        output::line(&format!(
            "Restored to {}. Start it with `mainspan up`.",
            state.display()
        ))?;
        Ok(exit::OK)
    }
}
