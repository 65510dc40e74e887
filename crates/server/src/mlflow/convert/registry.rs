//! Registered models and their versions.

use super::{filled, pairs};
use mlflow::{
    registry::{Alias, ModelVersion, RegisteredModel},
    webhooks::PROMPT_TAG,
};
use std::collections::BTreeMap;
use store::GateState;

/// What the gate said, shown as a tag so that clients can search and see it.
const GATE_TAG: &str = "mainspan.gate";
/// The pipeline run that registered a version.
const RUN_TAG: &str = "mainspan.run";
/// Where a version's lineage says which page is about its run.
pub(in crate::mlflow) const RUN_LINK: &str = "run_link";

/// Whether a model or version with these tags is a prompt.
pub(in crate::mlflow) fn prompt(tags: &BTreeMap<String, String>) -> bool {
    let said = tags.get(PROMPT_TAG);
    said.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// A version as answers show it, with the aliases that point at it.
pub(in crate::mlflow) fn version(
    version: store::ModelVersion,
    aliases: &BTreeMap<String, u32>,
) -> ModelVersion {
    let mut tags = version.tags;
    if version.gate_state != GateState::None {
        tags.insert(GATE_TAG.to_owned(), version.gate_state.to_string());
    }
    tags.extend(version.run_id.map(|run| (RUN_TAG.to_owned(), run)));
    let pointing = aliases
        .iter()
        .filter(|(_, number)| **number == version.version);
    ModelVersion {
        name: version.model,
        version: version.version.to_string(),
        creation_timestamp: version.created_at.as_millisecond(),
        last_updated_timestamp: version.updated_at.as_millisecond(),
        user_id: version.user_id,
        current_stage: version.stage,
        description: version.description,
        source: version.source,
        run_id: version.mlflow_run_id.unwrap_or_default(),
        run_link: version.lineage[RUN_LINK]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        status: version.status,
        status_message: version.status_message,
        tags: pairs(tags),
        aliases: pointing.map(|(alias, _)| alias.clone()).collect(),
    }
}

/// A model as answers show it, with the newest version of each stage.
pub(in crate::mlflow) fn model(
    model: store::RegisteredModel,
    versions: Vec<store::ModelVersion>,
    aliases: &BTreeMap<String, u32>,
) -> RegisteredModel {
    RegisteredModel {
        name: model.name,
        creation_timestamp: model.created_at.as_millisecond(),
        last_updated_timestamp: model.updated_at.as_millisecond(),
        description: model.description,
        // MLflow leaves their aliases out here.
        latest_versions: latest(versions)
            .into_iter()
            .map(|one| version(one, &BTreeMap::new()))
            .collect(),
        tags: pairs(model.tags),
        aliases: aliases
            .iter()
            .map(|(alias, version)| Alias {
                alias: alias.clone(),
                version: version.to_string(),
            })
            .collect(),
    }
}

/// The newest version of each stage, of versions newest first.
pub(in crate::mlflow) fn latest(versions: Vec<store::ModelVersion>) -> Vec<store::ModelVersion> {
    // Each stage with its oldest version, by which MLflow sorts, and its newest.
    let mut stages: BTreeMap<String, (u32, store::ModelVersion)> = BTreeMap::new();
    for version in versions {
        let number = version.version;
        stages
            .entry(version.stage.clone())
            .and_modify(|(oldest, _)| *oldest = number)
            .or_insert((number, version));
    }
    let mut stages: Vec<_> = stages.into_values().collect();
    stages.sort_by_key(|(oldest, _)| *oldest);
    stages.into_iter().map(|(_, newest)| newest).collect()
}

/// A description that a client sent; none says "leave it".
pub(in crate::mlflow) fn description(text: Option<&str>) -> String {
    filled(text).unwrap_or_default()
}
