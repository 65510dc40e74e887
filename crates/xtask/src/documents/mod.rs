//! Documents that are made from the code and checked in, so that editors and reviewers see them without a build.

mod openapi;

use crate::tree;
use anyhow::Context as _;
use serde_json::Value;
use std::{io::Write as _, path::Path, process::ExitCode};

/// A document: where it lies, how it is made, and which chore makes it.
pub(crate) struct Document {
    pub(crate) path: &'static str,
    pub(crate) chore: &'static str,
    make: fn() -> Value,
}

/// The JSON Schema of `mainspan.yaml`.
pub(crate) const SCHEMA: Document = Document {
    path: "schemas/mainspan.schema.json",
    chore: "schema",
    make: spec::schema,
};

/// The description of the server's own API.
pub(crate) const OPENAPI: Document = Document {
    path: "schemas/openapi.json",
    chore: "openapi",
    make: openapi::document,
};

/// How to make a document.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write nothing; exit code 1 if the file is not current
    #[arg(long)]
    check: bool,
}

impl Args {
    pub(crate) fn run(&self, document: &Document) -> anyhow::Result<ExitCode> {
        let root = tree::root();
        if self.check {
            return match document.stale(&root) {
                None => Ok(ExitCode::SUCCESS),
                Some(why) => {
                    writeln!(std::io::stderr(), "{why}")?;
                    Ok(ExitCode::FAILURE)
                }
            };
        }
        let path = root.join(document.path);
        let folder = path.parent().context("a document lies in a folder")?;
        std::fs::create_dir_all(folder)?;
        std::fs::write(&path, document.text())
            .with_context(|| format!("cannot write `{}`", path.display()))?;
        writeln!(std::io::stdout(), "wrote {}", document.path)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Document {
    fn text(&self) -> String {
        // `Value`'s own form, with two spaces and a final line end.
        format!("{:#}\n", (self.make)())
    }

    /// What is wrong with the file, if it is not what the code says.
    pub(crate) fn stale(&self, root: &Path) -> Option<String> {
        let known = std::fs::read_to_string(root.join(self.path));
        let current = known.is_ok_and(|text| text == self.text());
        (!current).then(|| {
            format!(
                "{} is not current: run `cargo xtask {}`",
                self.path, self.chore
            )
        })
    }
}
