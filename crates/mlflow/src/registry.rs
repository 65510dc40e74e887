//! Registered models, versions and aliases: requests and answers.

use crate::tag::{Pair, integer};
use serde::{Deserialize, Serialize};

/// An alias and the version it points at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// Its name.
    pub alias: String,
    /// A number as text.
    pub version: String,
}

/// A registered model as every answer shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredModel {
    /// Its name.
    pub name: String,
    /// Milliseconds since 1970.
    #[serde(default)]
    pub creation_timestamp: i64,
    /// Milliseconds since 1970.
    #[serde(default)]
    pub last_updated_timestamp: i64,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Newest version of each stage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latest_versions: Vec<ModelVersion>,
    /// Its tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Pair>,
    /// Its aliases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<Alias>,
}

/// A version as every answer shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelVersion {
    /// Model.
    pub name: String,
    /// A number as text.
    pub version: String,
    /// Milliseconds since 1970.
    #[serde(default)]
    pub creation_timestamp: i64,
    /// Milliseconds since 1970.
    #[serde(default)]
    pub last_updated_timestamp: i64,
    /// Who registered it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user_id: String,
    /// Legacy stage; `None` in words unless a client set one.
    #[serde(default)]
    pub current_stage: String,
    /// For people; shown when it is empty, too.
    #[serde(default)]
    pub description: String,
    /// Where its files were when it was made.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The MLflow run that made it; shown when there is none, too.
    #[serde(default)]
    pub run_id: String,
    /// A page about that run, as the client gave it.
    #[serde(default)]
    pub run_link: String,
    /// `READY`.
    #[serde(default)]
    pub status: String,
    /// Why the status is what it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status_message: String,
    /// Its tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Pair>,
    /// Names of aliases that point here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
}

/// `registered-models/create` and `update`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NamedModel {
    /// Which.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// First tags.
    pub tags: Vec<Pair>,
}

/// `registered-models/rename`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Rename {
    /// Which.
    pub name: String,
    /// Its new name.
    pub new_name: String,
}

/// `registered-models/get-latest-versions`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Latest {
    /// Which.
    pub name: String,
    /// Which stages; all when empty.
    pub stages: Vec<String>,
}

/// `model-versions/create`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CreateVersion {
    /// Model.
    pub name: String,
    /// Where its files are.
    pub source: String,
    /// The run that made it.
    pub run_id: Option<String>,
    /// First tags.
    pub tags: Vec<Pair>,
    /// For people.
    pub description: Option<String>,
    /// A page about the run.
    pub run_link: Option<String>,
    /// The logged model it was made from.
    pub model_id: Option<String>,
}

/// Requests that name one version: get, delete, download URI, update.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct OneVersion {
    /// Model.
    pub name: String,
    /// A number as text.
    pub version: String,
    /// For people, in updates.
    pub description: Option<String>,
}

/// `model-versions/set-tag`, `registered-models/set-tag` and their deletes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RegistryTag {
    /// Model.
    pub name: String,
    /// A number as text; empty for the model itself.
    pub version: String,
    /// Tag name.
    pub key: String,
    /// Tag value.
    pub value: String,
}

/// `registered-models/alias` set, get and delete.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct AliasRequest {
    /// Model.
    pub name: String,
    /// Alias.
    pub alias: String,
    /// A number as text, when setting.
    pub version: String,
}

/// `model-versions/transition-stage`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Transition {
    /// Model.
    pub name: String,
    /// A number as text.
    pub version: String,
    /// `None`, `Staging`, `Production` or `Archived`.
    pub stage: String,
    /// Archive what held the stage.
    pub archive_existing_versions: bool,
}

/// Both searches of the registry, from their query parameters.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Search {
    /// Search grammar.
    pub filter: Option<String>,
    /// `name [ASC|DESC]` and its kin.
    pub order_by: Vec<String>,
    /// Page size.
    #[serde(deserialize_with = "integer::deserialize")]
    pub max_results: Option<i64>,
    /// Where the last page ended.
    pub page_token: Option<String>,
}

/// Reads a version's number.
///
/// # Errors
/// INVALID_PARAMETER_VALUE as MLflow words it. A number that no version can have becomes 0, which none has.
pub fn version_number(version: &str) -> Result<u32, crate::Error> {
    let number: i64 = version.parse().map_err(|_| {
        crate::Error::invalid(format!(
            "Parameter 'version' must be an integer, got '{version}'."
        ))
    })?;
    Ok(u32::try_from(number).unwrap_or(0))
}
