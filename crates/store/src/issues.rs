//! Issues: problems that people or programs found in the traces of an experiment.
//!
//! Which traces one shows in is said by assessments of kind [`Issue`](crate::AssessmentKind::Issue), whose name is its id.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::error::Result;
use crate::search::{Page, Search};
use crate::words::words;

words! {
    /// How far an issue is.
    IssueStatus {
        /// Nobody has decided yet.
        Pending = "pending",
        /// It is none.
        Rejected = "rejected",
        /// It is solved.
        Resolved = "resolved",
    }
}

words! {
    /// How bad an issue is, in rising order.
    IssueSeverity {
        /// It is none.
        NotAnIssue = "not_an_issue",
        /// A little.
        Low = "low",
        /// Somewhat.
        Medium = "medium",
        /// Very.
        High = "high",
    }
}

/// An issue of an experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Its id.
    pub id: String,
    /// The project of its experiment.
    pub project: String,
    /// The experiment.
    pub experiment: String,
    /// What it is, in a few words.
    pub name: String,
    /// What it is.
    pub description: String,
    /// How far it is.
    pub status: IssueStatus,
    /// How bad it is.
    pub severity: Option<IssueSeverity>,
    /// Where it comes from.
    pub root_causes: Vec<String>,
    /// What kinds of issue it is.
    pub categories: Vec<String>,
    /// The tracked run that found it, while that is there.
    pub source_run: Option<String>,
    /// Who found it.
    pub created_by: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Issues of experiments.
pub trait Issues {
    /// Creates the issue; its experiment and its run must exist.
    fn create_issue(&mut self, issue: &Issue) -> Result<()>;
    /// Replaces all of a known issue.
    fn update_issue(&mut self, issue: &Issue) -> Result<()>;
    /// One issue.
    fn issue(&mut self, project: &str, id: &str) -> Result<Option<Issue>>;
    /// A page of the project's issues, or of one experiment's, the newest first. `status` and `source_run_id` can be
    /// compared; `severity` and `traces`, how many traces it shows in, can be sorted by.
    fn search_issues(
        &mut self,
        project: &str,
        experiment: Option<&str>,
        search: &Search,
    ) -> Result<Page<Issue>>;
    /// How many traces of the project each of the issues shows in, without those that show in none.
    fn traces_of_issues(
        &mut self,
        project: &str,
        issues: &[String],
    ) -> Result<BTreeMap<String, u64>>;
}
