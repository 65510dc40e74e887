//! [`Traces`] in SQL. Traces carry a short number beside their id; whatever belongs to a trace refers to that.

mod assessments;
mod figures;
mod page;
mod rows;
mod search;
mod spans;

use std::collections::HashMap;

use jiff::Timestamp;

use crate::error::Result;
use crate::search::Page;
use crate::traces::{
    Figure, Figures, Span, Trace, TraceClause, TraceDeletion, TraceLink, TraceSearch, Traces,
};
use crate::tracking::TagChange;
use crate::tx::column::{Param as _, Value};
use crate::tx::{Tx, must, only, params};

use rows::TraceRow;

/// How many ids one statement asks for; always so many, so that its text stays the same and the
/// prepared statement is found again.
const IDS: usize = 100;

/// `?first, ?first+1, …` for `count` values.
fn marks(first: usize, count: usize) -> String {
    let all: Vec<_> = (first..first + count).map(|n| format!("?{n}")).collect();
    all.join(", ")
}

/// The values, filled up to [`IDS`] with the last one.
fn filled<'v>(values: &[Value<'v>]) -> Vec<Value<'v>> {
    let all = (0..IDS).filter_map(|n| values.get(n).or(values.last()));
    all.cloned().collect()
}

/// An experiment's number; text that is none belongs to no experiment.
fn number(experiment: &str) -> i64 {
    experiment.parse().unwrap_or(-1)
}

impl TraceLink {
    fn parts(&self) -> (&'static str, &str) {
        match self {
            TraceLink::Run(run_id) => ("run", run_id),
            TraceLink::Prompt(version) => ("prompt", version),
        }
    }
}

impl Tx<'_> {
    /// The number of a trace.
    fn trace_number(&mut self, project: &str, trace_id: &str) -> Result<Option<i64>> {
        self.reach_trace(project, trace_id)?;
        let sql = "SELECT \"number\" FROM traces WHERE \"project\" = ?1 AND \"trace_id\" = ?2";
        self.single(sql, params![project, trace_id])
    }

    /// The same; there must be one.
    fn known_trace(&mut self, project: &str, trace_id: &str) -> Result<i64> {
        let found = self.trace_number(project, trace_id)?;
        must(found.is_some(), "trace", trace_id)?;
        Ok(found.unwrap_or_default())
    }

    fn label_trace(&mut self, table: &str, trace: i64, key: &str, value: &str) -> Result<()> {
        let sql = format!(
            "INSERT INTO {table} (\"trace\", \"key\", \"value\") VALUES (?1, ?2, ?3) \
             ON CONFLICT (\"trace\", \"key\") DO UPDATE SET \"value\" = excluded.\"value\""
        );
        self.execute(&sql, params![trace, key, value]).map(drop)
    }

    /// The ids of the traces to delete.
    fn doomed(
        &mut self,
        project: &str,
        experiment: i64,
        until: Timestamp,
        limit: Option<u32>,
    ) -> Result<Vec<String>> {
        let sql = "SELECT \"trace_id\" FROM traces WHERE \"project\" = ?1 AND \"experiment\" = ?2 AND \"request_time\" <= ?3 \
                   ORDER BY \"request_time\", \"trace_id\" LIMIT ?4";
        let limit = limit.map_or(i64::MAX, i64::from);
        self.rows(sql, params![project, experiment, until, limit], only)
    }
}

impl Traces for Tx<'_> {
    fn put_trace(&mut self, trace: &Trace) -> Result<()> {
        self.reach_trace(&trace.project, &trace.trace_id)?;
        self.reach_experiment(&trace.experiment_id)?;
        let sql = "INSERT INTO traces (\"project\", \"trace_id\", \"experiment\", \"request_time\", \"duration\", \"state\", \
                   \"client_request_id\", \"request_preview\", \"response_preview\") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
                   ON CONFLICT (\"project\", \"trace_id\") DO UPDATE SET \"experiment\" = excluded.\"experiment\", \
                   \"request_time\" = excluded.\"request_time\", \"duration\" = excluded.\"duration\", \"state\" = excluded.\"state\", \
                   \"client_request_id\" = excluded.\"client_request_id\", \"request_preview\" = excluded.\"request_preview\", \
                   \"response_preview\" = excluded.\"response_preview\" RETURNING \"number\"";
        let experiment = number(&trace.experiment_id);
        let duration = trace.duration.map(rows::micros);
        let given = params![
            trace.project,
            trace.trace_id,
            experiment,
            trace.request_time,
            duration,
            trace.state,
            trace.client_request_id,
            trace.request_preview,
            trace.response_preview,
        ];
        let number: Option<i64> = self.single(sql, given)?;
        let number = number.unwrap_or_default();
        for (key, value) in &trace.tags {
            self.label_trace("trace_tags", number, key, value)?;
        }
        for (key, value) in &trace.metadata {
            self.label_trace("trace_metadata", number, key, value)?;
        }
        Ok(())
    }

    fn trace(&mut self, project: &str, trace_id: &str) -> Result<Option<Trace>> {
        let rest = "WHERE \"project\" = ?1 AND \"trace_id\" = ?2";
        let row: Option<TraceRow> = self.select_one(rest, params![project, trace_id])?;
        let whole = self.whole_traces(row.into_iter().collect())?;
        Ok(whole.into_iter().next())
    }

    fn traces(&mut self, project: &str, trace_ids: &[String]) -> Result<Vec<Trace>> {
        let mut rows: Vec<TraceRow> = Vec::new();
        let rest = format!(
            "WHERE \"project\" = ?{} AND \"trace_id\" IN ({})",
            IDS + 1,
            marks(1, IDS)
        );
        for chunk in trace_ids.chunks(IDS) {
            let values: Vec<_> = chunk.iter().map(|id| id.value()).collect();
            let mut given = filled(&values);
            given.push(project.value());
            rows.extend(self.select::<TraceRow>(&rest, &given)?);
        }
        let places: HashMap<&str, usize> = (0..)
            .zip(trace_ids)
            .map(|(n, id)| (id.as_str(), n))
            .collect();
        rows.sort_by_key(|row| places.get(row.trace_id.as_str()).copied());
        rows.dedup_by(|a, b| a.trace_id == b.trace_id);
        self.whole_traces(rows)
    }

    fn search_traces(
        &mut self,
        project: &str,
        experiments: &[String],
        search: &TraceSearch,
    ) -> Result<Page<Trace>> {
        let seen = self.readable(experiments);
        let page = self.find_traces(project, &seen, search)?;
        Ok(Page {
            items: self.whole_traces(page.items)?,
            next: page.next,
        })
    }

    fn count_traces(
        &mut self,
        project: &str,
        experiments: &[String],
        clauses: &[TraceClause],
    ) -> Result<u64> {
        let seen = self.readable(experiments);
        self.count_matching(project, &seen, clauses)
    }

    fn tag_trace(&mut self, project: &str, trace_id: &str, change: &TagChange) -> Result<bool> {
        let Some(number) = self.trace_number(project, trace_id)? else {
            return Ok(false);
        };
        match &change.value {
            Some(value) => self
                .label_trace("trace_tags", number, &change.key, value)
                .map(|()| true),
            None => {
                let sql = "DELETE FROM trace_tags WHERE \"trace\" = ?1 AND \"key\" = ?2";
                Ok(self.execute(sql, params![number, change.key])? > 0)
            }
        }
    }

    fn delete_traces(
        &mut self,
        project: &str,
        experiment: &str,
        which: &TraceDeletion,
    ) -> Result<u64> {
        self.deleting(|tx| tx.reach_experiment(experiment))?;
        let experiment = number(experiment);
        let ids = match which {
            TraceDeletion::Ids(ids) => ids.clone(),
            TraceDeletion::Until { time, limit } => {
                self.doomed(project, experiment, *time, *limit)?
            }
        };
        let own = "\"project\" = ?1 AND \"trace_id\" = ?2";
        let sql = format!("DELETE FROM traces WHERE {own} AND \"experiment\" = ?3");
        let links = format!("DELETE FROM trace_links WHERE {own}");
        let mut deleted = 0;
        for id in &ids {
            let gone = self.execute(&sql, params![project, id, experiment])?;
            if gone > 0 {
                self.execute(&links, params![project, id])?;
            }
            deleted += gone;
        }
        Ok(deleted)
    }

    fn link_traces(&mut self, project: &str, trace_ids: &[String], to: &TraceLink) -> Result<()> {
        let (kind, target) = to.parts();
        let sql = "INSERT INTO trace_links (\"project\", \"trace_id\", \"kind\", \"target\") VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT DO NOTHING";
        for id in trace_ids {
            self.reach_trace(project, id)?;
            self.execute(sql, params![project, id, kind, target])?;
        }
        Ok(())
    }

    fn put_spans(&mut self, project: &str, trace_id: &str, spans: &[Span]) -> Result<()> {
        let number = self.known_trace(project, trace_id)?;
        spans
            .iter()
            .try_for_each(|span| self.put_span(number, span))
    }

    fn spans(&mut self, project: &str, trace_id: &str) -> Result<Vec<Span>> {
        match self.trace_number(project, trace_id)? {
            Some(number) => self.spans_of(number),
            None => Ok(Vec::new()),
        }
    }

    fn trace_figures(
        &mut self,
        project: &str,
        experiments: &[String],
        which: &Figures,
    ) -> Result<Vec<Figure>> {
        let seen = self.readable(experiments);
        self.figures(project, &seen, which)
    }
}
