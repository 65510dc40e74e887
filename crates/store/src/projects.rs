//! Projects and the project files that were applied to them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::error::Result;

/// A project: a repository with a `mainspan.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Project {
    /// Its name, unique in the store.
    pub name: String,
    /// The working tree on this machine, when there is one.
    pub root: Option<String>,
    /// The branch that was checked out when the file was last applied by hand.
    pub branch: Option<String>,
    /// When it was first applied.
    pub created_at: Timestamp,
    /// Counts the applied files and every other change that makes a plan stale.
    pub generation: u64,
}

/// One applied project file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppliedSpec {
    /// The project.
    pub project: String,
    /// The generation that it made.
    pub generation: u64,
    /// The file as it was written.
    pub text: String,
    /// The commit that it came from; none when the tree was dirty.
    pub commit: Option<String>,
    /// When.
    pub applied_at: Timestamp,
    /// Who.
    pub by: String,
    /// The resources that the file described, as the plan named them.
    pub resources: Json,
}

/// Projects and applied files.
pub trait Projects {
    /// Creates the project, or replaces all of it.
    fn put_project(&mut self, project: &Project) -> Result<()>;
    /// One project.
    fn project(&mut self, name: &str) -> Result<Option<Project>>;
    /// All projects by name.
    fn projects(&mut self) -> Result<Vec<Project>>;
    /// Removes the project and everything it owns but its events; false when there was none.
    fn delete_project(&mut self, name: &str) -> Result<bool>;
    /// Moves the generation on by one and returns the new one; a conflict when it is not
    /// `expected` any more.
    fn next_generation(&mut self, name: &str, expected: u64) -> Result<u64>;
    /// Remembers the newest commit of a branch that was dealt with.
    fn set_seen_commit(&mut self, name: &str, branch: &str, commit: &str) -> Result<()>;
    /// The newest commits that were dealt with, by branch.
    fn seen_commits(&mut self, name: &str) -> Result<BTreeMap<String, String>>;
    /// Records an applied file.
    fn put_applied(&mut self, applied: &AppliedSpec) -> Result<()>;
    /// The file that was applied last.
    fn applied(&mut self, project: &str) -> Result<Option<AppliedSpec>>;
    /// The file of that generation.
    fn applied_generation(&mut self, project: &str, generation: u64)
    -> Result<Option<AppliedSpec>>;
    /// The applied files, newest first.
    fn applied_history(&mut self, project: &str, limit: u32) -> Result<Vec<AppliedSpec>>;
}
