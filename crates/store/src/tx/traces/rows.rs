//! Rows of traces, and what belongs to them, put together.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};

use super::{IDS, filled, marks};
use crate::error::Result;
use crate::gate::Thing;
use crate::traces::{Assessment, Trace};
use crate::tx::Tx;
use crate::tx::column::Param as _;
use crate::tx::record::{Record as _, columns, record};

use super::assessments::AssessmentRow;

/// The columns of a trace.
pub(super) struct TraceRow {
    pub(super) number: i64,
    pub(super) project: String,
    pub(super) trace_id: String,
    pub(super) experiment: i64,
    pub(super) request_time: Timestamp,
    pub(super) duration: Option<i64>,
    pub(super) state: String,
    pub(super) client_request_id: Option<String>,
    pub(super) request_preview: Option<String>,
    pub(super) response_preview: Option<String>,
}

record!(TraceRow in "traces", key(number), project, trace_id, experiment, request_time, duration, state, client_request_id, request_preview, response_preview);

/// A duration in microseconds; one of millennia is as long as can be.
pub(super) fn micros(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Tx<'_> {
    /// Traces with their tags, metadata and assessments.
    pub(super) fn whole_traces(&mut self, rows: Vec<TraceRow>) -> Result<Vec<Trace>> {
        for row in &rows {
            self.reach(Thing::Experiment(row.experiment))?;
        }
        let numbers: Vec<i64> = rows.iter().map(|row| row.number).collect();
        let mut tags = self.trace_labels("trace_tags", &numbers)?;
        let mut metadata = self.trace_labels("trace_metadata", &numbers)?;
        let mut assessments = self.trace_assessments(&rows)?;
        let whole = |row: TraceRow| Trace {
            tags: tags.remove(&row.number).unwrap_or_default(),
            metadata: metadata.remove(&row.number).unwrap_or_default(),
            assessments: assessments.remove(&row.number).unwrap_or_default(),
            experiment_id: row.experiment.to_string(),
            duration: row.duration.map(SignedDuration::from_micros),
            trace_id: row.trace_id,
            project: row.project,
            request_time: row.request_time,
            state: row.state,
            client_request_id: row.client_request_id,
            request_preview: row.request_preview,
            response_preview: row.response_preview,
        };
        Ok(rows.into_iter().map(whole).collect())
    }

    fn trace_labels(
        &mut self,
        table: &str,
        numbers: &[i64],
    ) -> Result<HashMap<i64, BTreeMap<String, String>>> {
        let sql = format!(
            "SELECT \"trace\", \"key\", \"value\" FROM {table} WHERE \"trace\" IN ({})",
            marks(1, IDS)
        );
        let mut all: HashMap<i64, BTreeMap<String, String>> = HashMap::new();
        for chunk in numbers.chunks(IDS) {
            let values: Vec<_> = chunk.iter().map(|number| number.value()).collect();
            let rows = self.rows(&sql, &filled(&values), |cols| {
                Ok((cols.get::<i64>()?, cols.get()?, cols.get()?))
            })?;
            for (number, key, value) in rows {
                all.entry(number).or_default().insert(key, value);
            }
        }
        Ok(all)
    }

    fn trace_assessments(&mut self, rows: &[TraceRow]) -> Result<HashMap<i64, Vec<Assessment>>> {
        let sql = format!(
            "SELECT {} FROM assessments WHERE \"trace\" IN ({}) ORDER BY \"trace\", \"created_at\", \"assessment_id\"",
            columns(AssessmentRow::FIELDS),
            marks(1, IDS)
        );
        let ids: HashMap<i64, &str> = rows
            .iter()
            .map(|row| (row.number, row.trace_id.as_str()))
            .collect();
        let numbers: Vec<i64> = rows.iter().map(|row| row.number).collect();
        let mut all: HashMap<i64, Vec<Assessment>> = HashMap::new();
        for chunk in numbers.chunks(IDS) {
            let values: Vec<_> = chunk.iter().map(|number| number.value()).collect();
            for row in self.rows(&sql, &filled(&values), AssessmentRow::read)? {
                let trace = row.trace;
                let id = ids.get(&trace).copied().unwrap_or_default();
                all.entry(trace).or_default().push(row.of(id));
            }
        }
        Ok(all)
    }
}
