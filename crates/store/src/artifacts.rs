//! Artifacts: the names under which MLflow clients see files, each pointing at bytes by their digest.
//!
//! Written once the bytes are in the blob store, so that a name never shows a half file.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::Result;

/// A file of a run, a logged model or whatever else a client put.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The project.
    pub project: String,
    /// Where it is, `/` between its segments and none at the ends.
    pub path: String,
    /// Its bytes.
    pub digest: Digest,
    /// How many they are.
    pub size: u64,
    /// When it was put.
    pub created_at: Timestamp,
}

/// Names of files.
pub trait Artifacts {
    /// Puts the name, or points it at other bytes.
    fn put_artifact(&mut self, artifact: &Artifact) -> Result<()>;
    /// One file.
    fn artifact(&mut self, project: &str, path: &str) -> Result<Option<Artifact>>;
    /// All files below a folder (all of the project's when it is empty) by path; the file of that
    /// very name is not among them.
    fn artifacts(&mut self, project: &str, folder: &str) -> Result<Vec<Artifact>>;
    /// Whether there is a file below that path.
    fn is_artifact_folder(&mut self, project: &str, path: &str) -> Result<bool>;
    /// Removes the file of that name and all files below it; how many there were. The bytes stay.
    fn delete_artifacts(&mut self, project: &str, path: &str) -> Result<u64>;
}
