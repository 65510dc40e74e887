//! Registered models, their versions, and the aliases that point at them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::digest::Digest;
use crate::error::Result;
use crate::search::{Page, Search};
use crate::words::words;

words! {
    /// What a version's gate said.
    GateState {
        /// No gate was asked (registered by a client).
        None = "none",
        /// It may be deployed.
        Passed = "passed",
        /// It may not be deployed but by a person with a reason.
        Rejected = "rejected",
        /// A person has to approve it.
        NeedsApproval = "needs_approval",
    }
}

/// A named model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegisteredModel {
    /// The project.
    pub project: String,
    /// Its name, unique in the project.
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it, or a version of it, last changed.
    pub updated_at: Timestamp,
    /// For people.
    pub description: String,
    /// Free labels.
    pub tags: BTreeMap<String, String>,
}

/// One version of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelVersion {
    /// The project.
    pub project: String,
    /// The model.
    pub model: String,
    /// 1, 2, 3 …; given by [`Models::create_version`].
    pub version: u32,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// For people.
    pub description: String,
    /// Who registered it.
    pub user_id: String,
    /// Where its artifact is, as an MLflow client wrote it.
    pub source: String,
    /// The MLflow run that logged it.
    pub mlflow_run_id: Option<String>,
    /// The MLflow logged model (`m-…`) that it was made from.
    pub mlflow_model_id: Option<String>,
    /// The pipeline run that registered it.
    pub run_id: Option<String>,
    /// The digest of the artifact that serves.
    pub artifact: Option<Digest>,
    /// Commit, snapshot, data, lock, parameters and metrics that it came from.
    pub lineage: Json,
    /// The gate's expression, its inputs and its answer.
    pub gate: Json,
    /// Inputs and outputs.
    pub signature: Json,
    /// What the gate said.
    pub gate_state: GateState,
    /// MLflow's stage (`None`, `Staging`, `Production`, `Archived`).
    pub stage: String,
    /// MLflow's status (`READY`, `PENDING_REGISTRATION`, `FAILED_REGISTRATION`).
    pub status: String,
    /// Why the status is what it is.
    pub status_message: String,
    /// Free labels.
    pub tags: BTreeMap<String, String>,
}

/// Models and their versions.
pub trait Models {
    /// Creates the model; an error when it exists.
    fn create_model(&mut self, model: &RegisteredModel) -> Result<()>;
    /// Replaces all of a known model.
    fn update_model(&mut self, model: &RegisteredModel) -> Result<()>;
    /// Gives the model (its versions and aliases with it) another name.
    fn rename_model(&mut self, project: &str, name: &str, to: &str) -> Result<()>;
    /// Removes the model, its versions and its aliases; false when there was none.
    fn delete_model(&mut self, project: &str, name: &str) -> Result<bool>;
    /// One model.
    fn model(&mut self, project: &str, name: &str) -> Result<Option<RegisteredModel>>;
    /// All models of the project by name.
    fn models(&mut self, project: &str) -> Result<Vec<RegisteredModel>>;
    /// A page of models; attributes `name`, `creation_timestamp`, `last_updated_timestamp`, and `prompt`, which is more
    /// than 0 for MLflow's prompts.
    fn search_models(&mut self, project: &str, search: &Search) -> Result<Page<RegisteredModel>>;
    /// Records a new version under the next number, which it returns; `version.version` is not
    /// looked at. The model must exist. Numbers are dense and never given twice.
    fn create_version(&mut self, version: &ModelVersion) -> Result<u32>;
    /// Replaces all of a known version.
    fn update_version(&mut self, version: &ModelVersion) -> Result<()>;
    /// Removes the version and the aliases that point at it; its number is not given again.
    fn delete_version(&mut self, project: &str, model: &str, version: u32) -> Result<bool>;
    /// One version.
    fn version(&mut self, project: &str, model: &str, version: u32)
    -> Result<Option<ModelVersion>>;
    /// All versions of a model, newest first.
    fn versions(&mut self, project: &str, model: &str) -> Result<Vec<ModelVersion>>;
    /// A page of versions; attributes `name`, `version_number`, `run_id`, `source_path`,
    /// `creation_timestamp`, `last_updated_timestamp`, and `prompt`, which is more than 0 where any version of the model
    /// is an MLflow prompt's.
    fn search_versions(&mut self, project: &str, search: &Search) -> Result<Page<ModelVersion>>;
}

/// Names that point at versions.
pub trait Aliases {
    /// Points the alias at a version that must exist; returns where it pointed before.
    fn set_alias(
        &mut self,
        project: &str,
        model: &str,
        alias: &str,
        version: u32,
    ) -> Result<Option<u32>>;
    /// Removes the alias; returns where it pointed.
    fn delete_alias(&mut self, project: &str, model: &str, alias: &str) -> Result<Option<u32>>;
    /// Where the alias points.
    fn alias(&mut self, project: &str, model: &str, alias: &str) -> Result<Option<u32>>;
    /// All aliases of a model.
    fn aliases(&mut self, project: &str, model: &str) -> Result<BTreeMap<String, u32>>;
}
