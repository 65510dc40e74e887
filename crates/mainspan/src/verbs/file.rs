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

/// The name of the project whose file is meant. It is found in a file with mistakes too: whoever wants to go back, or
/// to look, must not have to mend the file first.
pub(crate) fn project(told: Option<&Path>) -> anyhow::Result<String> {
    let wrong = match Local::read(told) {
        Ok(local) => return Ok(local.file.project),
        Err(wrong) => wrong,
    };
    let path = place::project_file(told)?;
    let text = std::fs::read(&path).unwrap_or_default();
    let Some(name) = name_in(&String::from_utf8_lossy(&text)) else {
        return Err(wrong.context("name the project with `--project`, or mend its file"));
    };
    eprintln!(
        "`{}` has mistakes, which `mainspan plan` shows; this is about its project `{name}`",
        path.display()
    );
    Ok(name)
}

/// What the line `project: NAME` says.
fn name_in(text: &str) -> Option<String> {
    let said = text
        .lines()
        .find_map(|line| line.strip_prefix("project:"))?;
    let said = said.split(" #").next()?.trim();
    let name = said.trim_matches(['"', '\'']);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (!name.is_empty() && name.chars().all(plain)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_is_found_in_a_file_with_mistakes() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(name_in(text).as_deref(), expect, "{text}");
        };
        check("mainspan: 1\nproject: shop\njunk: 1\n", Some("shop"));
        check("project: \"shop\" # ours\n<<<<<<< HEAD\n", Some("shop"));
        check("  project: inner\n", None);
        check("project: [shop]\n", None);
        check("project:\n", None);
    }
}
