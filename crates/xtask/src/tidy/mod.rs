//! `cargo xtask tidy`: rules of this repository that neither the compiler nor clippy checks.
//!
//! Every rule is looked at before anything is reported, so that one run shows all there is to do. A rule never changes
//! a file.

mod changelog;
mod edges;
mod links;
mod manifests;
mod sources;
mod words;

use crate::{documents, tree};
use std::{
    io::Write as _,
    path::Path,
    process::{Command, ExitCode},
};

/// Checks everything; exit code 1 if something is wrong.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let wrong = check(&tree::root())?;
    let mut err = std::io::stderr().lock();
    for line in &wrong {
        writeln!(err, "{line}")?;
    }
    if wrong.is_empty() {
        writeln!(std::io::stdout(), "the tree is tidy")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(err, "{} things to tidy", wrong.len())?;
    Ok(ExitCode::FAILURE)
}

/// Everything that is wrong with the tree, one line each.
fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let files = tree::files(root)?;
    let metadata = metadata(root)?;
    let mut wrong = sources::check(&files);
    wrong.extend(manifests::check(&files));
    wrong.extend(edges::check(&metadata));
    wrong.extend(words::check(&files));
    wrong.extend(links::check(&files));
    wrong.extend(changelog::check(&files, env!("CARGO_PKG_VERSION")));
    wrong.extend(documents::SCHEMA.stale(root));
    wrong.extend(documents::OPENAPI.stale(root));
    Ok(wrong)
}

fn metadata(root: &Path) -> anyhow::Result<serde_json::Value> {
    let told = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root)
        .output()?;
    anyhow::ensure!(
        told.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&told.stderr)
    );
    Ok(serde_json::from_slice(&told.stdout)?)
}

/// A file of a made-up tree.
#[cfg(test)]
fn file(path: &str, text: &str) -> tree::File {
    tree::File {
        path: path.to_owned(),
        text: Some(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        let wrong = check(&tree::root()).unwrap();
        assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    }
}
