//! `init`: a project file to begin with.

use crate::{cli::Common, exit, output, place};
use anyhow::{Context as _, bail};
use clap::Args;
use std::path::PathBuf;

/// Where to write it.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The folder
    #[arg(default_value = ".")]
    folder: PathBuf,
}

impl Init {
    /// Writes the file unless there is one.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        std::fs::create_dir_all(&self.folder)?;
        let folder = std::fs::canonicalize(&self.folder)?;
        let path = folder.join(place::FILE);
        if path.exists() {
            bail!("`{}` exists already", path.display());
        }
        let name = match &common.project {
            Some(name) => name.clone(),
            None => plain(
                &folder
                    .file_name()
                    .context("name the project with --project")?
                    .to_string_lossy(),
            ),
        };
        let text = template(&name);
        spec::parse(place::FILE, &text).map_err(|wrong| anyhow::anyhow!("{wrong}"))?;
        std::fs::write(&path, text)?;
        output::line(&format!(
            "Wrote {}. Edit it, commit it, then `mainspan up -d` and `mainspan plan`.",
            path.display()
        ))?;
        Ok(exit::OK)
    }
}

fn plain(name: &str) -> String {
    let name: String = name
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let name = name.trim_matches('-');
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("project-{name}").trim_end_matches('-').to_owned()
    } else {
        name.to_owned()
    }
}

fn template(project: &str) -> String {
    format!(
        "mainspan: 1
project: {project}

environments: [staging, prod]      # promotion order

datasets:
  data:
    source: data.csv               # relative to this file; read and versioned when a run starts
    format: csv
    checks:
      - rows > 0

pipelines:
  train:
    triggers: {{ push: [main] }}
    python: {{ version: \">=3.10\", lock: requirements.lock }}     # pinned, with hashes
    steps:
      fit:      {{ run: python fit.py, reads: [data], writes: [model] }}
      evaluate: {{ run: python evaluate.py, reads: [model, data], metrics: [mae], against: champion }}
    register:
      model: model
      from: fit.model              # an ONNX file, or an MLflow model with one
      gate: evaluate.mae < 1.0 && evaluate.mae <= champion.mae

services:
  predict:
    model: model
    rollout:
      stages: [5%, 25%, 50%]
      judge: [errors, latency.p99]
      at_least: 500 requests

overrides:
  staging: {{ services: {{ predict: {{ rollout: {{ stages: [] }} }} }} }}      # no traffic there: all at once
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_a_good_file_for_any_folder_name() {
        for folder in ["flights", "My Model 2", "42", "---", "ä"] {
            let name = plain(folder);
            let parsed = spec::parse("mainspan.yaml", &template(&name));
            assert!(parsed.is_ok(), "{folder}: {}", parsed.unwrap_err());
            assert!(spec::unsupported(&parsed.unwrap()).is_empty());
        }
    }
}
