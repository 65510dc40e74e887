//! [`Tracking`] in SQL: what changes a tracked run.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::gate::Thing;
use crate::tracking::{Input, Lifecycle, MetricPoint, Output, TagChange, TrackedRun, Tracking};
use crate::tx::column::{Param as _, Value};
use crate::tx::record::record;
use crate::tx::{Tx, must, must_be_new, params};

/// The tag by which clients nest runs.
const PARENT: &str = "mlflow.parentRunId";
/// The tag by which clients say what a dataset was used for.
const CONTEXT: &str = "mlflow.data.context";
/// How many tags one statement adds.
const TAGS: usize = 50;

/// The row of a run, without what was logged to it.
pub(super) struct RunRow {
    pub(super) number: i64,
    pub(super) run_id: String,
    pub(super) experiment: i64,
    pub(super) project: String,
    pub(super) name: String,
    pub(super) user_id: String,
    pub(super) status: String,
    pub(super) start_time: Timestamp,
    pub(super) end_time: Option<Timestamp>,
    pub(super) artifact_uri: String,
    pub(super) lifecycle: Lifecycle,
    pub(super) deleted_at: Option<Timestamp>,
    pub(super) parent: Option<String>,
}

record!(RunRow in "tracked_runs", key(number), run_id, experiment, project, name, user_id, status, start_time, end_time,
    artifact_uri, lifecycle, deleted_at, parent);

/// The run's number and that of its experiment.
#[derive(Clone, Copy)]
pub(super) struct RunNumber {
    pub(super) number: i64,
    pub(super) experiment: i64,
}

impl Tx<'_> {
    /// The run's numbers.
    fn numbered(&mut self, run_id: &str) -> Result<RunNumber> {
        self.reach_run(run_id)?;
        let sql = "SELECT \"number\", \"experiment\" FROM tracked_runs WHERE \"run_id\" = ?1";
        let found = self.rows(sql, params![run_id], |cols| {
            Ok(RunNumber {
                number: cols.get()?,
                experiment: cols.get()?,
            })
        })?;
        found
            .into_iter()
            .next()
            .ok_or_else(|| Error::missing("run", run_id))
    }

    /// The run's number.
    pub(super) fn tracked(&mut self, run_id: &str) -> Result<i64> {
        self.reach_run(run_id)?;
        let sql = "SELECT \"number\" FROM tracked_runs WHERE \"run_id\" = ?1";
        self.single(sql, params![run_id])?
            .ok_or_else(|| Error::missing("run", run_id))
    }

    /// The logged models that points were measured on show them.
    fn reach_measured(&mut self, points: &[MetricPoint]) -> Result<()> {
        if !self.is_guarded() {
            return Ok(());
        }
        let models: BTreeSet<&str> = points
            .iter()
            .filter_map(|point| point.model_id.as_deref())
            .collect();
        models
            .into_iter()
            .try_for_each(|model| self.reach_logged_model(model))
    }

    fn set_run_tag(&mut self, run: i64, key: &str, value: &str) -> Result<()> {
        let sql = "INSERT INTO run_tags (\"run\", \"key\", \"value\") VALUES (?1, ?2, ?3) \
                   ON CONFLICT (\"run\", \"key\") DO UPDATE SET \"value\" = excluded.\"value\"";
        self.execute(sql, params![run, key, value]).map(drop)
    }

    /// Tags of a run that has none yet.
    fn add_tags(&mut self, run: i64, tags: &BTreeMap<String, String>) -> Result<()> {
        let tags: Vec<(&String, &String)> = tags.iter().collect();
        for chunk in tags.chunks(TAGS) {
            let rows: Vec<String> = (0..chunk.len())
                .map(|n| format!("(?1, ?{}, ?{})", 2 * n + 2, 2 * n + 3))
                .collect();
            let sql = format!(
                "INSERT INTO run_tags (\"run\", \"key\", \"value\") VALUES {}",
                rows.join(", ")
            );
            let mut given = vec![Value::Int(run)];
            given.extend(
                chunk
                    .iter()
                    .flat_map(|(key, value)| [key.value(), value.value()]),
            );
            self.execute(&sql, &given)?;
        }
        Ok(())
    }

    fn set_parent(&mut self, run: i64, parent: Option<&String>) -> Result<()> {
        self.execute(
            "UPDATE tracked_runs SET \"parent\" = ?2 WHERE \"number\" = ?1",
            params![run, parent],
        )
        .map(drop)
    }

    fn add_params<'p>(
        &mut self,
        run: i64,
        params: impl Iterator<Item = (&'p String, &'p String)>,
    ) -> Result<()> {
        for (key, value) in params {
            let sql = "INSERT INTO run_params (\"run\", \"key\", \"value\") VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
            if self.execute(sql, params![run, key, value])? == 1 {
                continue;
            }
            let sql = "SELECT \"value\" FROM run_params WHERE \"run\" = ?1 AND \"key\" = ?2";
            let known: Option<String> = self.single(sql, params![run, key])?;
            if known.as_ref() != Some(value) {
                let known = known.unwrap_or_default();
                return Err(Error::Conflict(format!(
                    "parameter `{key}` is logged already as `{known}` and cannot become `{value}`: log it under another name, or start a new run"
                )));
            }
        }
        Ok(())
    }
}

impl Tracking for Tx<'_> {
    fn create_tracked_run(&mut self, run: &TrackedRun) -> Result<()> {
        let experiment = super::experiments::number(&run.experiment_id)?;
        self.reach(Thing::Experiment(experiment))?;
        self.reach_measured(&run.metrics)?;
        let parent = run.tags.get(PARENT).or(run.parent.as_ref());
        let sql = "INSERT INTO tracked_runs (\"run_id\", \"experiment\", \"project\", \"name\", \"user_id\", \"status\", \"start_time\", \
                   \"end_time\", \"artifact_uri\", \"lifecycle\", \"deleted_at\", \"parent\") \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT DO NOTHING RETURNING \"number\"";
        let TrackedRun {
            run_id,
            project,
            name,
            user_id,
            status,
            start_time,
            end_time,
            artifact_uri,
            lifecycle,
            ..
        } = run;
        let given = params![
            run_id,
            experiment,
            project,
            name,
            user_id,
            status,
            start_time,
            end_time,
            artifact_uri,
            lifecycle,
            run.deleted_at,
            parent
        ];
        let number: Option<i64> = self.single(sql, given)?;
        must_be_new(number.is_some(), "run", run_id)?;
        let number = number.unwrap_or_default();
        self.add_tags(number, &run.tags)?;
        self.add_params(number, run.params.iter())?;
        self.add_points(RunNumber { number, experiment }, &run.metrics)?;
        self.log_inputs(run_id, &run.inputs)?;
        self.log_outputs(run_id, &run.outputs)
    }

    fn update_tracked_run(&mut self, run: &TrackedRun) -> Result<()> {
        let sql = "UPDATE tracked_runs SET \"name\" = ?2, \"status\" = ?3, \"start_time\" = ?4, \"end_time\" = ?5, \
                   \"artifact_uri\" = ?6, \"lifecycle\" = ?7, \"deleted_at\" = ?8, \"user_id\" = ?9 WHERE \"run_id\" = ?1";
        let TrackedRun {
            run_id,
            name,
            status,
            start_time,
            end_time,
            artifact_uri,
            lifecycle,
            deleted_at,
            ..
        } = run;
        match lifecycle {
            Lifecycle::Deleted => self.deleting(|tx| tx.reach_run(run_id))?,
            Lifecycle::Active => self.reach_run(run_id)?,
        }
        let given = params![
            run_id,
            name,
            status,
            start_time,
            end_time,
            artifact_uri,
            lifecycle,
            deleted_at,
            run.user_id
        ];
        must(self.execute(sql, given)? == 1, "run", run_id)
    }

    fn end_tracked_run(&mut self, run_id: &str, status: &str, at: Timestamp) -> Result<()> {
        self.reach_run(run_id)?;
        let sql =
            "UPDATE tracked_runs SET \"status\" = ?2, \"end_time\" = ?3 WHERE \"run_id\" = ?1";
        self.execute(sql, params![run_id, status, at]).map(drop)
    }

    fn log_params(&mut self, run_id: &str, params: &[(String, String)]) -> Result<()> {
        let run = self.tracked(run_id)?;
        self.add_params(run, params.iter().map(|(key, value)| (key, value)))
    }

    fn log_metrics(&mut self, run_id: &str, points: &[MetricPoint]) -> Result<()> {
        if points.is_empty() {
            return Ok(());
        }
        let run = self.numbered(run_id)?;
        self.reach_measured(points)?;
        self.add_points(run, points)
    }

    fn tag_tracked_run(&mut self, run_id: &str, tags: &[TagChange]) -> Result<()> {
        if tags.is_empty() {
            return Ok(());
        }
        let run = self.tracked(run_id)?;
        for TagChange { key, value } in tags {
            match value {
                Some(value) => self.set_run_tag(run, key, value)?,
                None => {
                    let sql = "DELETE FROM run_tags WHERE \"run\" = ?1 AND \"key\" = ?2";
                    self.execute(sql, params![run, key])?;
                }
            }
            if key == PARENT {
                self.set_parent(run, value.as_ref())?;
            }
        }
        Ok(())
    }

    fn log_inputs(&mut self, run_id: &str, inputs: &[Input]) -> Result<()> {
        if inputs.is_empty() {
            return Ok(());
        }
        let run = self.tracked(run_id)?;
        for Input {
            name,
            digest,
            source_type,
            source,
            schema,
            profile,
            tags,
        } in inputs
        {
            let context = tags.get(CONTEXT).map_or("", String::as_str);
            let sql = "INSERT INTO run_inputs (\"run\", \"name\", \"digest\", \"source_type\", \"source\", \"schema\", \"profile\", \"context\", \"tags\") \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING";
            self.execute(
                sql,
                params![
                    run,
                    name,
                    digest,
                    source_type,
                    source,
                    schema,
                    profile,
                    context,
                    tags
                ],
            )?;
        }
        Ok(())
    }

    fn log_outputs(&mut self, run_id: &str, outputs: &[Output]) -> Result<()> {
        if outputs.is_empty() {
            return Ok(());
        }
        let run = self.tracked(run_id)?;
        for Output { model_id, step } in outputs {
            let sql = "INSERT INTO run_outputs (\"run\", \"model_id\", \"step\") VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
            self.execute(sql, params![run, model_id, step])?;
        }
        Ok(())
    }

    fn purge_tracked_run(&mut self, run_id: &str) -> Result<bool> {
        self.deleting(|tx| tx.reach_run(run_id))?;
        self.execute(
            "DELETE FROM metric_points WHERE \"series\" IN (SELECT m.\"id\" FROM metric_series m \
             JOIN tracked_runs r ON r.\"number\" = m.\"run\" WHERE r.\"run_id\" = ?1)",
            params![run_id],
        )?;
        Ok(self.execute(
            "DELETE FROM tracked_runs WHERE \"run_id\" = ?1",
            params![run_id],
        )? == 1)
    }
}
