//! [`Workspaces`] in SQL.

use std::collections::BTreeSet;

use super::record::record;
use super::{Tx, only, params};
use crate::error::Result;
use crate::workspaces::{Workspace, Workspaces};

record!(Workspace in "workspaces", key(project), description, created_at, updated_at);

/// Where projects are named by whoever began them.
const KNOWN: &str = "SELECT \"name\" FROM projects UNION SELECT \"project\" FROM workspaces \
                     UNION SELECT \"project\" FROM experiments UNION SELECT \"project\" FROM models \
                     UNION SELECT \"project\" FROM evaluation_datasets UNION SELECT \"project\" FROM webhooks";

/// What can be in a project, and what counts it.
const CONTENTS: &[(&str, &str)] = &[
    ("applied files", "projects WHERE \"name\" = ?1"),
    (
        "experiments",
        "experiments WHERE \"project\" = ?1 AND \"name\" <> 'Default'",
    ),
    (
        "runs",
        "tracked_runs r JOIN experiments e ON e.\"id\" = r.\"experiment\" WHERE e.\"project\" = ?1",
    ),
    ("traces", "traces WHERE \"project\" = ?1"),
    ("logged models", "logged_models WHERE \"project\" = ?1"),
    ("issues", "issues WHERE \"project\" = ?1"),
    ("scorers", "scorers WHERE \"project\" = ?1"),
    ("models", "models WHERE \"project\" = ?1"),
    (
        "evaluation datasets",
        "evaluation_datasets WHERE \"project\" = ?1",
    ),
    ("webhooks", "webhooks WHERE \"project\" = ?1"),
    ("files", "artifacts WHERE \"project\" = ?1"),
    ("tokens", "tokens WHERE \"project\" = ?1"),
    ("users", "users WHERE \"project\" = ?1 AND \"admin\" = 0"),
];

impl Workspaces for Tx<'_> {
    fn put_workspace(&mut self, workspace: &Workspace) -> Result<()> {
        self.upsert(workspace)
    }

    fn workspace(&mut self, project: &str) -> Result<Option<Workspace>> {
        self.get(params![project])
    }

    fn workspaces(&mut self) -> Result<Vec<Workspace>> {
        self.select("ORDER BY \"project\"", &[])
    }

    fn known_projects(&mut self) -> Result<BTreeSet<String>> {
        Ok(self.rows(KNOWN, &[], only)?.into_iter().collect())
    }

    fn contents(&mut self, project: &str) -> Result<Vec<(&'static str, u64)>> {
        let mut found = Vec::new();
        for (what, from) in CONTENTS {
            let sql = format!("SELECT COUNT(*) FROM {from}");
            let count: Option<u64> = self.single(&sql, params![project])?;
            found.extend(count.filter(|count| *count > 0).map(|count| (*what, count)));
        }
        Ok(found)
    }
}
