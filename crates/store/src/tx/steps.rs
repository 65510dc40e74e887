//! [`Steps`] in SQL.

use super::{Tx, must, must_be_new, params, record::record};
use crate::error::Result;
use crate::steps::{CachedStep, Step, Steps};

record!(Step in "steps", key(run_id, key), position, state, attempt, infra_attempts, unit_id, cache_key, mlflow_run_id,
    outputs, metrics, cached_from, not_before, started_at, ended_at, reason);
record!(CachedStep in "step_cache", key(project, key), run_id, step_key, mlflow_run_id, outputs, metrics, created_at);

impl Steps for Tx<'_> {
    fn insert_step(&mut self, step: &Step) -> Result<()> {
        must_be_new(
            self.insert(step)?,
            "step",
            format!("{} of run {}", step.key, step.run_id),
        )
    }

    fn update_step(&mut self, step: &Step) -> Result<()> {
        must(
            self.replace(step)?,
            "step",
            format!("{} of run {}", step.key, step.run_id),
        )
    }

    fn step(&mut self, run_id: &str, key: &str) -> Result<Option<Step>> {
        self.get(params![run_id, key])
    }

    fn steps(&mut self, run_id: &str) -> Result<Vec<Step>> {
        self.select(
            "WHERE \"run_id\" = ?1 ORDER BY \"position\", \"key\"",
            params![run_id],
        )
    }

    fn step_of_unit(&mut self, unit_id: &str) -> Result<Option<Step>> {
        self.select_one("WHERE \"unit_id\" = ?1 LIMIT 1", params![unit_id])
    }

    fn cached_step(&mut self, project: &str, key: &str) -> Result<Option<CachedStep>> {
        self.get(params![project, key])
    }

    fn put_cached_step(&mut self, cached: &CachedStep) -> Result<()> {
        self.insert(cached).map(drop)
    }

    fn forget_cached_step(&mut self, project: &str, key: &str) -> Result<()> {
        self.remove::<CachedStep>(params![project, key]).map(drop)
    }
}
