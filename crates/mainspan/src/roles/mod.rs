//! The roles of the binary: supervisor, control plane, data plane, engine.

pub(crate) mod engine;
pub(crate) mod gateway;
pub(crate) mod install;
mod line;
pub(crate) mod server;
pub(crate) mod up;

use std::{io::Write as _, path::Path};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Sends log lines to stderr; `MAINSPAN_LOG` sets what is logged.
fn logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("MAINSPAN_LOG")
        .unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
}

/// Cancelled at SIGTERM or SIGINT.
fn shutdown() -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    let (mut term, mut int) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let told = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        told.cancel();
    });
    Ok(token)
}

/// Set for the roles that `up` starts.
const SUPERVISED: &str = "MAINSPAN_SUPERVISED";

/// Ends this process when the supervisor that started it dies, so that a new one finds the place free.
fn end_with_supervisor() -> anyhow::Result<()> {
    if std::env::var_os(SUPERVISED).is_some() {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
    }
    Ok(())
}

/// Leaves a small file that says who runs and where, whole or not at all.
fn announce(path: &Path, value: &serde_json::Value) -> std::io::Result<()> {
    let making = path.with_extension("json.tmp");
    let mut file = std::fs::File::create(&making)?;
    file.write_all(value.to_string().as_bytes())?;
    file.sync_all()?;
    std::fs::rename(making, path)
}
