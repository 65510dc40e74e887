//! The roles of the binary: supervisor, control plane, data plane, engine.

pub(crate) mod down;
pub(crate) mod engine;
pub(crate) mod gateway;
pub(crate) mod install;
mod line;
pub(crate) mod server;
pub(crate) mod up;

use std::{fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};
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

/// Ends this process when the supervisor that started it dies, so that a new one finds the place free. Answers whether
/// there is one.
fn end_with_supervisor() -> anyhow::Result<bool> {
    let supervised = std::env::var_os(SUPERVISED).is_some();
    if supervised {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
    }
    Ok(supervised)
}

/// How to ask the supervisor to look at the binary, where there is one.
fn supervisor() -> Option<fn() -> std::io::Result<()>> {
    fn ask() -> std::io::Result<()> {
        match rustix::process::getppid() {
            Some(parent) => Ok(rustix::process::kill_process(parent, up::upgrade::SIGNAL)?),
            None => Err(std::io::ErrorKind::NotFound.into()),
        }
    }
    std::env::var_os(SUPERVISED).map(|_| ask as fn() -> std::io::Result<()>)
}

/// Leaves a small file that says who runs and where.
fn announce(path: &Path, value: &serde_json::Value) -> std::io::Result<()> {
    replace(path, &value.to_string(), ANYBODY)
}

/// What a file's mode is by default, and of one that only its owner may read.
const ANYBODY: u32 = 0o666;
const OWNER: u32 = 0o600;

/// Writes a small file, whole or not at all.
fn replace(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let making = path.with_file_name(name);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(mode)
        .open(&making)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(making, path)
}
