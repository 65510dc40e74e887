//! Where things are: the state directory, the master key, the control port, the project file.

use anyhow::{Context as _, bail};
use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// The project file's name.
pub(crate) const FILE: &str = "mainspan.yaml";
/// The control port.
pub(crate) const CONTROL_PORT: u16 = 7070;
/// The data plane's port.
pub(crate) const DATA_PORT: u16 = 7080;

/// The state directory: as told, or `$XDG_STATE_HOME/mainspan`, or `~/.local/state/mainspan`.
pub(crate) fn state_dir(told: Option<&Path>) -> anyhow::Result<PathBuf> {
    let folder = match told {
        Some(path) => path.to_owned(),
        None => home("XDG_STATE_HOME", ".local/state")?.join("mainspan"),
    };
    std::path::absolute(&folder)
        .with_context(|| format!("cannot use `{}` as state directory", folder.display()))
}

/// The master key: as told, or beside the user's configuration, never in the state directory.
pub(crate) fn key_file(told: Option<&Path>) -> anyhow::Result<PathBuf> {
    match told {
        Some(path) => Ok(path.to_owned()),
        None => Ok(home("XDG_CONFIG_HOME", ".config")?.join("mainspan/master.key")),
    }
}

fn home(variable: &str, fallback: &str) -> anyhow::Result<PathBuf> {
    if let Some(path) = env::var_os(variable).filter(|path| !path.is_empty()) {
        return Ok(PathBuf::from(path));
    }
    let home = env::var_os("HOME").filter(|home| !home.is_empty());
    let home = home
        .context("neither HOME nor the XDG variables are set: say where with --state and --key")?;
    Ok(PathBuf::from(home).join(fallback))
}

/// The address that a running server left in its state directory.
pub(crate) fn control_url(state_dir: &Path) -> Option<String> {
    let text = fs::read_to_string(state_dir.join("server.json")).ok()?;
    let value: serde_json::Value = serde_json::from_str(&text).ok()?;
    Some(format!("http://{}", value["address"].as_str()?))
}

/// The project file in this folder or one above it.
pub(crate) fn project_file(told: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(path) = told {
        let path = if path.is_dir() {
            path.join(FILE)
        } else {
            path.to_owned()
        };
        if !path.is_file() {
            bail!("there is no file `{}`", path.display());
        }
        return Ok(fs::canonicalize(path)?);
    }
    let here = env::current_dir()?;
    for folder in here.ancestors() {
        let path = folder.join(FILE);
        if path.is_file() {
            return Ok(path);
        }
    }
    bail!(
        "there is no {FILE} here or above: run `mainspan init` to write one, or name it with --file"
    )
}
