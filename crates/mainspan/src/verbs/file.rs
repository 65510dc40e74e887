//! The project file on this machine, read and checked before anything is asked of a server.

use crate::{
    exit::{self, Coded},
    place,
};
use anyhow::Context as _;
use spec::ProjectFile;
use std::path::{Path, PathBuf};

/// A project file and where it is.
pub(crate) struct Local {
    /// Its folder.
    pub(crate) root: PathBuf,
    /// Its content.
    pub(crate) file: ProjectFile,
}

impl Local {
    /// Reads it; every mistake is shown at once.
    pub(crate) fn read(told: Option<&Path>) -> anyhow::Result<Self> {
        let path = place::project_file(told)?;
        let bytes =
            std::fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let name = path.file_name().map_or_else(
            || place::FILE.into(),
            |name| name.to_string_lossy().into_owned(),
        );
        let file = spec::parse_bytes(&name, &bytes).map_err(|wrong| Coded {
            code: exit::FAILED,
            message: wrong.to_string(),
        })?;
        let root = path.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Local { root, file })
    }
}
