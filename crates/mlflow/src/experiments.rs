//! Experiments: requests and answers.

use crate::tag::{Pair, integer, word};
use serde::{Deserialize, Serialize};

/// An experiment as every answer shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Experiment {
    /// Digits.
    pub experiment_id: String,
    /// Unique in its workspace.
    pub name: String,
    /// Where its runs' artifacts go.
    #[serde(default)]
    pub artifact_location: String,
    /// `active` or `deleted`.
    pub lifecycle_stage: String,
    /// Milliseconds since 1970.
    #[serde(default)]
    pub last_update_time: i64,
    /// Milliseconds since 1970.
    #[serde(default)]
    pub creation_time: i64,
    /// Its tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Pair>,
}

/// `experiments/create`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Create {
    /// Wanted name.
    pub name: String,
    /// Artifact root, if not the server's.
    pub artifact_location: Option<String>,
    /// First tags.
    pub tags: Vec<Pair>,
}

/// Requests that name one experiment: get, delete, restore.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ById {
    /// Which.
    pub experiment_id: String,
}

/// `experiments/get-by-name`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ByName {
    /// Which.
    pub experiment_name: String,
}

/// `experiments/update`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Update {
    /// Which.
    pub experiment_id: String,
    /// Its new name.
    pub new_name: Option<String>,
}

/// `experiments/set-experiment-tag`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SetTag {
    /// Which.
    pub experiment_id: String,
    /// Tag name.
    pub key: String,
    /// Tag value.
    pub value: String,
}

/// `experiments/search`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Search {
    /// Page size.
    #[serde(deserialize_with = "integer::deserialize")]
    pub max_results: Option<i64>,
    /// Where the last page ended.
    pub page_token: Option<String>,
    /// Search grammar.
    pub filter: Option<String>,
    /// `name [ASC|DESC]` and its kin.
    pub order_by: Vec<String>,
    /// `ACTIVE_ONLY`, `DELETED_ONLY` or `ALL`.
    #[serde(deserialize_with = "word::deserialize")]
    pub view_type: Option<String>,
}

/// `experiments/delete-experiment-tag`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct DeleteTag {
    /// Which.
    pub experiment_id: String,
    /// Tag name.
    pub key: String,
}

/// `experiments/search-datasets`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SearchDatasets {
    /// Of which experiments.
    pub experiment_ids: Vec<String>,
}

/// A dataset that runs of an experiment used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetSummary {
    /// The experiment.
    pub experiment_id: String,
    /// The dataset's name.
    pub name: String,
    /// Its digest.
    pub digest: String,
    /// What it was used for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}

/// A page of experiments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Found {
    /// The experiments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub experiments: Vec<Experiment>,
    /// Where the next page starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_page_token: Option<String>,
}
