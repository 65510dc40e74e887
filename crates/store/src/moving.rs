//! Records that come from another server: what keeps its number there, and what was copied already.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::Result;
use crate::models::ModelVersion;
use crate::scorers::ScorerVersion;

/// A record that was copied in, as it was then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The project.
    pub project: String,
    /// What kind of record it is.
    pub kind: String,
    /// Its id or name within the kind.
    pub id: String,
    /// The digest of the record as it was written.
    pub digest: Digest,
    /// When.
    pub moved_at: Timestamp,
}

/// Copying records in.
pub trait Moving {
    /// Adds a version under its own number; later ones get higher numbers. An error when it is
    /// there already. The model must exist.
    fn put_version(&mut self, version: &ModelVersion) -> Result<()>;
    /// No version of the model gets a number up to this one any more.
    fn skip_versions(&mut self, project: &str, model: &str, last: u32) -> Result<()>;
    /// Adds a version of a scorer under its own number; the scorer gets this id when there is none of that name. An error
    /// when the version is there already, or the id is another scorer's.
    fn put_scorer_version(&mut self, project: &str, version: &ScorerVersion) -> Result<()>;
    /// What was written when a record was last copied in.
    fn moved(&mut self, project: &str, kind: &str, id: &str) -> Result<Option<Moved>>;
    /// Remembers what was written.
    fn set_moved(&mut self, moved: &Moved) -> Result<()>;
}
