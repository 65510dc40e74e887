//! [`Runs`] in SQL.

use jiff::Timestamp;

use super::filter::Filter;
use super::{Tx, must, must_be_new, params, record::record};
use crate::error::Result;
use crate::runs::{ActiveRun, Run, RunFilter, RunState, Runs};

record!(Run in "runs", key(id), project, pipeline, trigger, commit, dirty, snapshot, generation, params, datasets,
    lock, state, reason, created_at, started_at, ended_at, mlflow_run_id, spec);

impl Runs for Tx<'_> {
    fn insert_run(&mut self, run: &Run) -> Result<()> {
        must_be_new(self.insert(run)?, "run", &run.id)
    }

    fn update_run(&mut self, run: &Run) -> Result<()> {
        must(self.replace(run)?, "run", &run.id)
    }

    fn run(&mut self, id: &str) -> Result<Option<Run>> {
        self.get(params![id])
    }

    fn run_of_mlflow(&mut self, mlflow_run_id: &str) -> Result<Option<Run>> {
        let sql = "WHERE \"mlflow_run_id\" = ?1 OR \"id\" IN (SELECT \"run_id\" FROM steps WHERE \"mlflow_run_id\" = ?1) LIMIT 1";
        self.select_one(sql, params![mlflow_run_id])
    }

    fn runs(&mut self, filter: &RunFilter) -> Result<Vec<Run>> {
        let mut wanted = Filter::default();
        wanted
            .some("\"project\" = ?", filter.project.as_ref())
            .some("\"pipeline\" = ?", filter.pipeline.as_ref())
            .any("\"state\"", &filter.states)
            .some("\"id\" < ?", filter.before.as_ref());
        let (rest, values) = wanted.finish("\"id\" DESC", filter.limit, 100);
        self.select(&rest, &values)
    }

    fn run_state(&mut self, id: &str) -> Result<Option<RunState>> {
        self.single("SELECT \"state\" FROM runs WHERE \"id\" = ?1", params![id])
    }

    fn active_runs(&mut self) -> Result<Vec<ActiveRun>> {
        let sql = "SELECT \"id\", \"project\", \"pipeline\", \"state\" FROM runs \
                   WHERE \"state\" IN ('queued', 'running', 'cancelling') ORDER BY \"id\"";
        self.rows(sql, &[], |cols| {
            Ok(ActiveRun {
                id: cols.get()?,
                project: cols.get()?,
                pipeline: cols.get()?,
                state: cols.get()?,
            })
        })
    }

    fn last_fired(&mut self, project: &str, pipeline: &str) -> Result<Option<Timestamp>> {
        let sql =
            "SELECT \"last_fired\" FROM schedules WHERE \"project\" = ?1 AND \"pipeline\" = ?2";
        self.single(sql, params![project, pipeline])
    }

    fn set_last_fired(&mut self, project: &str, pipeline: &str, at: Timestamp) -> Result<()> {
        let sql = "INSERT INTO schedules (\"project\", \"pipeline\", \"last_fired\") VALUES (?1, ?2, ?3) \
                   ON CONFLICT (\"project\", \"pipeline\") DO UPDATE SET \"last_fired\" = excluded.\"last_fired\"";
        self.execute(sql, params![project, pipeline, at]).map(drop)
    }
}
