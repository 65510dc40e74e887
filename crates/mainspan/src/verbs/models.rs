//! `models` and `datasets`: what was made, of what, and where it serves.

use crate::{
    cli::Common,
    client::escape,
    exit,
    output::{self, Format, ago, short, text},
};
use clap::Args;
use serde_json::Value;

/// Which model.
#[derive(Debug, Args)]
pub(crate) struct Models {
    /// A model to show with its versions
    model: Option<String>,
    /// One version, with its whole lineage
    #[arg(long)]
    version: Option<u32>,
}

impl Models {
    /// Lists or shows.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let (client, base) = (common.client()?, common.base()?);
        let Some(name) = &self.model else {
            let models = client.get(&format!("{base}/models"))?;
            if common.output == Format::Json {
                return output::json(&models).map(|()| exit::OK);
            }
            let rows = output::rows(&models)?.iter().map(|model| {
                vec![
                    text(&model["name"]),
                    ago(&model["updated_at"]),
                    text(&model["description"]),
                ]
            });
            output::table(
                &["MODEL", "CHANGED", "DESCRIPTION"],
                rows.collect(),
                "No models yet: a pipeline with `register:` makes the first.",
            )?;
            return Ok(exit::OK);
        };
        let model = client.get(&format!("{base}/models/{}", escape(name)))?;
        if common.output == Format::Json {
            return output::json(&model).map(|()| exit::OK);
        }
        match self.version {
            Some(number) => version(&model, number)?,
            None => versions(&model)?,
        }
        Ok(exit::OK)
    }
}

fn versions(model: &Value) -> anyhow::Result<()> {
    let rows = output::rows(&model["versions"])?.iter().map(|version| {
        let last = &version["rollouts"][0];
        vec![
            text(&version["version"]),
            ago(&version["created_at"]),
            text(&version["gate_state"]),
            serves(version),
            short(&version["lineage"]["commit"]),
            data(&version["lineage"]["datasets"]),
            if last.is_null() {
                String::new()
            } else {
                format!(
                    "{} in {}: {}",
                    text(&last["state"]),
                    text(&last["environment"]),
                    text(&last["reason"])
                )
            },
        ]
    });
    output::table(
        &[
            "VERSION",
            "MADE",
            "GATE",
            "SERVES",
            "COMMIT",
            "DATA",
            "LAST ROLL-OUT",
        ],
        rows.collect(),
        "No versions yet.",
    )
}

fn serves(version: &Value) -> String {
    let all: Vec<String> = version["serves"]
        .as_array()
        .map(|all| all.iter().map(text).collect())
        .unwrap_or_default();
    all.join(", ")
}

fn data(datasets: &Value) -> String {
    let all: Vec<String> = datasets
        .as_object()
        .map(|all| {
            all.iter()
                .map(|(name, digest)| format!("{name}@{}", short(digest)))
                .collect()
        })
        .unwrap_or_default();
    all.join(", ")
}

fn version(model: &Value, number: u32) -> anyhow::Result<()> {
    let Some(version) = output::rows(&model["versions"])?
        .iter()
        .find(|version| version["version"] == number)
    else {
        anyhow::bail!("model {} has no version {number}", text(&model["name"]));
    };
    let lineage = &version["lineage"];
    for (name, value) in [
        ("model", format!("{} {number}", text(&model["name"]))),
        ("serves", serves(version)),
        ("commit", text(&lineage["commit"])),
        ("snapshot", text(&lineage["snapshot"])),
        ("data", data(&lineage["datasets"])),
        ("lock", text(&lineage["lock"])),
        ("parameters", text(&lineage["params"])),
        ("metrics", text(&lineage["metrics"])),
        (
            "gate",
            format!(
                "{} ({})",
                text(&version["gate_state"]),
                text(&version["gate"]["expression"])
            ),
        ),
        ("run", text(&version["run_id"])),
        ("artifact", text(&version["artifact"])),
    ] {
        output::line(&format!("{name:<11} {value}"))?;
    }
    for rollout in output::rows(&version["rollouts"])? {
        output::line(&format!(
            "{:<11} {} in {} {}: {}",
            "roll-out",
            text(&rollout["state"]),
            text(&rollout["environment"]),
            ago(&rollout["ended_at"]),
            text(&rollout["reason"])
        ))?;
    }
    Ok(())
}

/// Datasets as runs have read them.
pub(crate) fn datasets(common: &Common) -> anyhow::Result<u8> {
    let list = common
        .client()?
        .get(&format!("{}/datasets", common.base()?))?;
    if common.output == Format::Json {
        return output::json(&list).map(|()| exit::OK);
    }
    let rows = output::rows(&list)?.iter().map(|version| {
        vec![
            text(&version["dataset"]),
            short(&version["digest"]),
            text(&version["profile"]["rows"]),
            text(&version["size"]),
            ago(&version["ingested_at"]),
            text(&version["source"]),
        ]
    });
    output::table(
        &["DATASET", "VERSION", "ROWS", "BYTES", "READ", "SOURCE"],
        rows.collect(),
        "No dataset was read yet: a run reads them.",
    )?;
    Ok(exit::OK)
}
