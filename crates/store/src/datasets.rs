//! Dataset versions: what a name's bytes were when a run read them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::digest::Digest;
use crate::error::Result;

/// One version of a dataset, named by its content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetVersion {
    /// The project.
    pub project: String,
    /// The dataset's name in the project file.
    pub dataset: String,
    /// The digest of its bytes (or of its tree).
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Rows, columns and their summaries.
    pub profile: Json,
    /// Where it was read from.
    pub source: String,
    /// When it was first read.
    pub ingested_at: Timestamp,
}

/// Versions of datasets.
pub trait Datasets {
    /// Records the version; keeps the first record when that digest is known already, and says
    /// whether it was new.
    fn put_dataset(&mut self, version: &DatasetVersion) -> Result<bool>;
    /// One version.
    fn dataset(
        &mut self,
        project: &str,
        dataset: &str,
        digest: &Digest,
    ) -> Result<Option<DatasetVersion>>;
    /// The version that was ingested last.
    fn latest_dataset(&mut self, project: &str, dataset: &str) -> Result<Option<DatasetVersion>>;
    /// The versions of one dataset (or of all when none is named), newest first.
    fn datasets(
        &mut self,
        project: &str,
        dataset: Option<&str>,
        limit: u32,
    ) -> Result<Vec<DatasetVersion>>;
}
