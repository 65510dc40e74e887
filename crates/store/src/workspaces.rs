//! Projects as workspaces of MLflow: which there are, what is said of them, and whether one is empty.
//!
//! A project is there as soon as anything is in it, whether or not a file was applied to it. The records here are for
//! those that were made before that, and for descriptions.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::error::Result;

/// What is said of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// The project.
    pub project: String,
    /// For people.
    pub description: Option<String>,
    /// When it was said first.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Projects as workspaces.
pub trait Workspaces {
    /// Says it of a project, in place of what was said before.
    fn put_workspace(&mut self, workspace: &Workspace) -> Result<()>;
    /// What is said of a project.
    fn workspace(&mut self, project: &str) -> Result<Option<Workspace>>;
    /// What is said of any, by name.
    fn workspaces(&mut self) -> Result<Vec<Workspace>>;
    /// The names of all projects that a file was applied to, of which something is said, or that MLflow's clients write to.
    fn known_projects(&mut self) -> Result<BTreeSet<String>>;
    /// What is in a project, and how many of each: kinds of which there are none are left out, and so is an experiment
    /// `Default`, which makes itself.
    fn contents(&mut self, project: &str) -> Result<Vec<(&'static str, u64)>>;
}
