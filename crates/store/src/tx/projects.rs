//! [`Projects`] in SQL.

use std::collections::BTreeMap;

use super::{Tx, must, params, record::record};
use crate::error::{Error, Result};
use crate::projects::{AppliedSpec, Project, Projects};

record!(Project in "projects", key(name), root, branch, created_at, generation);
record!(AppliedSpec in "applied_specs", key(project, generation), text, commit, applied_at, by, resources);

/// What goes with a project, children before parents. Its events stay.
const OWNED: &[&str] = &[
    "DELETE FROM applied_specs WHERE \"project\" = ?1",
    "DELETE FROM datasets WHERE \"project\" = ?1",
    "DELETE FROM runs WHERE \"project\" = ?1",
    "DELETE FROM seen_commits WHERE \"project\" = ?1",
    "DELETE FROM schedules WHERE \"project\" = ?1",
    "DELETE FROM step_cache WHERE \"project\" = ?1",
    "DELETE FROM models WHERE \"project\" = ?1",
    "DELETE FROM deployments WHERE \"project\" = ?1",
    "DELETE FROM rollouts WHERE \"project\" = ?1",
    "DELETE FROM alarms WHERE \"project\" = ?1",
    "DELETE FROM monitor_states WHERE \"project\" = ?1",
    "DELETE FROM metric_points WHERE \"series\" IN (SELECT m.\"id\" FROM metric_series m JOIN tracked_runs r ON r.\"number\" = m.\"run\" WHERE r.\"project\" = ?1)",
    "DELETE FROM traces WHERE \"project\" = ?1",
    "DELETE FROM trace_links WHERE \"project\" = ?1",
    "DELETE FROM tracked_runs WHERE \"project\" = ?1",
    "DELETE FROM logged_models WHERE \"project\" = ?1",
    "DELETE FROM evaluation_datasets WHERE \"project\" = ?1",
    "DELETE FROM scorers WHERE \"project\" = ?1",
    "DELETE FROM issues WHERE \"project\" = ?1",
    "DELETE FROM label_schemas WHERE \"project\" = ?1",
    "DELETE FROM workspaces WHERE \"project\" = ?1",
    "DELETE FROM webhooks WHERE \"project\" = ?1",
    "DELETE FROM experiments WHERE \"project\" = ?1",
    "DELETE FROM artifacts WHERE \"project\" = ?1",
    "DELETE FROM tokens WHERE \"project\" = ?1",
    // Uploads stay until retention has dropped their parts.
    "DELETE FROM users WHERE \"project\" = ?1 AND \"admin\" = 0",
];

/// The join log's rows of a project's routes; `?1` is the pattern of their names.
const JOINED: &[&str] = &[
    "DELETE FROM predictions WHERE \"route\" IN (SELECT \"id\" FROM join_routes WHERE \"name\" LIKE ?1 ESCAPE '!')",
    "DELETE FROM labels WHERE \"route\" IN (SELECT \"id\" FROM join_routes WHERE \"name\" LIKE ?1 ESCAPE '!')",
    "DELETE FROM losses WHERE \"route\" IN (SELECT \"id\" FROM join_routes WHERE \"name\" LIKE ?1 ESCAPE '!')",
    "DELETE FROM join_routes WHERE \"name\" LIKE ?1 ESCAPE '!'",
];

impl Projects for Tx<'_> {
    fn put_project(&mut self, project: &Project) -> Result<()> {
        self.upsert(project)
    }

    fn project(&mut self, name: &str) -> Result<Option<Project>> {
        self.get(params![name])
    }

    fn projects(&mut self) -> Result<Vec<Project>> {
        self.select("ORDER BY \"name\"", &[])
    }

    fn delete_project(&mut self, name: &str) -> Result<bool> {
        for sql in OWNED {
            self.execute(sql, params![name])?;
        }
        let routes = super::filter::starts_with(&format!("{name}/"));
        for sql in JOINED {
            self.execute(sql, params![routes])?;
        }
        self.remove::<Project>(params![name])
    }

    fn next_generation(&mut self, name: &str, expected: u64) -> Result<u64> {
        let sql = "UPDATE projects SET \"generation\" = \"generation\" + 1 WHERE \"name\" = ?1 AND \"generation\" = ?2";
        if self.execute(sql, params![name, expected])? == 1 {
            return Ok(expected + 1);
        }
        let project = self
            .project(name)?
            .ok_or_else(|| Error::missing("project", name))?;
        Err(Error::Conflict(format!(
            "project `{name}` has moved on from generation {expected} to {}: make a new plan and apply that",
            project.generation
        )))
    }

    fn set_seen_commit(&mut self, name: &str, branch: &str, commit: &str) -> Result<()> {
        let sql = "INSERT INTO seen_commits (\"project\", \"branch\", \"commit\") \
                   SELECT \"name\", ?2, ?3 FROM projects WHERE \"name\" = ?1 \
                   ON CONFLICT (\"project\", \"branch\") DO UPDATE SET \"commit\" = excluded.\"commit\"";
        must(
            self.execute(sql, params![name, branch, commit])? == 1,
            "project",
            name,
        )
    }

    fn seen_commits(&mut self, name: &str) -> Result<BTreeMap<String, String>> {
        let sql = "SELECT \"branch\", \"commit\" FROM seen_commits WHERE \"project\" = ?1";
        let rows = self.rows(sql, params![name], |cols| Ok((cols.get()?, cols.get()?)))?;
        Ok(rows.into_iter().collect())
    }

    fn put_applied(&mut self, applied: &AppliedSpec) -> Result<()> {
        self.upsert(applied)
    }

    fn applied(&mut self, project: &str) -> Result<Option<AppliedSpec>> {
        self.select_one(
            "WHERE \"project\" = ?1 ORDER BY \"generation\" DESC LIMIT 1",
            params![project],
        )
    }

    fn applied_generation(
        &mut self,
        project: &str,
        generation: u64,
    ) -> Result<Option<AppliedSpec>> {
        self.get(params![project, generation])
    }

    fn applied_history(&mut self, project: &str, limit: u32) -> Result<Vec<AppliedSpec>> {
        self.select(
            "WHERE \"project\" = ?1 ORDER BY \"generation\" DESC LIMIT ?2",
            params![project, limit],
        )
    }
}
