//! Spans of a trace.

use crate::error::Result;
use crate::traces::Span;
use crate::tx::record::record;
use crate::tx::{Tx, params};

/// The columns of a span.
struct SpanRow {
    trace: i64,
    span_id: String,
    parent_id: Option<String>,
    name: String,
    kind: Option<String>,
    status: String,
    started: i64,
    ended: Option<i64>,
    model: Option<String>,
    provider: Option<String>,
    input_cost: Option<f64>,
    output_cost: Option<f64>,
    total_cost: Option<f64>,
    content: String,
}

record!(SpanRow in "trace_spans", key(trace, span_id), parent_id, name, kind, status, started, ended, model, provider, input_cost, output_cost, total_cost, content);

impl From<SpanRow> for Span {
    fn from(row: SpanRow) -> Self {
        Span {
            span_id: row.span_id,
            parent_id: row.parent_id,
            name: row.name,
            kind: row.kind,
            status: row.status,
            started: row.started,
            ended: row.ended,
            model: row.model,
            provider: row.provider,
            input_cost: row.input_cost,
            output_cost: row.output_cost,
            total_cost: row.total_cost,
            content: row.content,
        }
    }
}

impl Tx<'_> {
    pub(super) fn put_span(&mut self, trace: i64, span: &Span) -> Result<()> {
        let span = span.clone();
        self.upsert(&SpanRow {
            trace,
            span_id: span.span_id,
            parent_id: span.parent_id,
            name: span.name,
            kind: span.kind,
            status: span.status,
            started: span.started,
            ended: span.ended,
            model: span.model,
            provider: span.provider,
            input_cost: span.input_cost,
            output_cost: span.output_cost,
            total_cost: span.total_cost,
            content: span.content,
        })
    }

    pub(super) fn spans_of(&mut self, trace: i64) -> Result<Vec<Span>> {
        let rest = "WHERE \"trace\" = ?1 ORDER BY CASE WHEN \"parent_id\" IS NULL THEN 0 ELSE 1 END, \"started\", \"span_id\"";
        let rows: Vec<SpanRow> = self.select(rest, params![trace])?;
        Ok(rows.into_iter().map(Span::from).collect())
    }
}
