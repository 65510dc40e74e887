//! Rows of numbers for statistics.

use super::search::{Writer, span_column};
use crate::error::Result;
use crate::search::{Op, Operand};
use crate::traces::{Figure, FigureFilter, FigureKind, Figures, TraceTest};
use crate::tx::Tx;
use crate::tx::column::{Cols, Param as _, Value, owned};

/// The name, session and tokens of a trace, from its labels.
fn label(table: &str, key: &str) -> String {
    format!(
        "(SELECT g.\"value\" FROM {table} g WHERE g.\"trace\" = t.\"number\" AND g.\"key\" = '{key}')"
    )
}

/// The columns of each kind, in the order in which [`read`] takes them, and the tables they come from.
fn source(kind: FigureKind) -> (String, &'static str) {
    match kind {
        FigureKind::Traces => (
            format!(
                "t.\"request_time\" / 1000, {}, t.\"state\", t.\"duration\", {}, {}",
                label("trace_tags", "mlflow.traceName"),
                label("trace_metadata", "mlflow.trace.session"),
                label("trace_metadata", "mlflow.trace.tokenUsage"),
            ),
            "traces t",
        ),
        FigureKind::Spans | FigureKind::Costs => (
            "s.\"started\" / 1000000, s.\"name\", s.\"status\", s.\"ended\" - s.\"started\", s.\"kind\", s.\"model\", s.\"provider\", \
             s.\"input_cost\", s.\"output_cost\", s.\"total_cost\""
                .to_owned(),
            "traces t JOIN trace_spans s ON s.\"trace\" = t.\"number\"",
        ),
        FigureKind::Assessments => (
            "t.\"request_time\" / 1000, a.\"name\", a.\"value\", a.\"number\"".to_owned(),
            "traces t JOIN assessments a ON a.\"trace\" = t.\"number\" AND a.\"valid\" = 1",
        ),
    }
}

fn read(kind: FigureKind, cols: &mut Cols<'_>) -> Result<Figure> {
    let mut figure = Figure {
        at: cols.get()?,
        name: cols.get()?,
        ..Figure::default()
    };
    match kind {
        FigureKind::Traces => {
            figure.status = cols.get()?;
            figure.latency = cols
                .get::<Option<i64>>()?
                .map(|micros| (micros / 1000) as f64);
            figure.session = cols.get()?;
            figure.tokens = cols.get()?;
        }
        FigureKind::Spans | FigureKind::Costs => {
            figure.status = cols.get()?;
            let nanos: Option<i64> = cols.get()?;
            figure.latency = nanos.map(|nanos| nanos.div_euclid(1_000_000) as f64);
            figure.kind = cols.get()?;
            figure.model = cols.get()?;
            figure.provider = cols.get()?;
            figure.costs = [cols.get()?, cols.get()?, cols.get()?];
        }
        FigureKind::Assessments => {
            figure.value = cols.get()?;
            figure.number = cols.get()?;
        }
    }
    Ok(figure)
}

impl Tx<'_> {
    pub(super) fn figures(
        &mut self,
        project: &str,
        experiments: &[String],
        which: &Figures,
    ) -> Result<Vec<Figure>> {
        let mut writer = Writer::new(self.dialect(), project, experiments);
        let mut wheres = vec![writer.wheres(&[])?];
        for filter in &which.filters {
            wheres.push(match filter {
                FigureFilter::Trace(field, text) => {
                    let equal = TraceTest::Compare(Op::Eq, Operand::Text(text.clone()));
                    writer.field(field, &equal)?
                }
                FigureFilter::Run(run_id) => writer.run(run_id),
                FigureFilter::Span(field, text) => writer.test_text(span_column(field), text),
                FigureFilter::AssessmentName(name) => writer.test_text("a.\"name\"", name),
                FigureFilter::AssessmentKind(kind) => writer.test_text("a.\"kind\"", kind.as_str()),
            });
        }
        for (sign, time) in [(">=", which.from), ("<=", which.until)] {
            if let Some(time) = time {
                let (column, value) = match which.kind {
                    // The last millisecond is in it to its last nanosecond.
                    FigureKind::Costs => {
                        ("s.\"started\" / 1000000", Value::Int(time.as_millisecond()))
                    }
                    _ => ("t.\"request_time\"", owned(time.value())),
                };
                let mark = writer.mark(value);
                wheres.push(format!("{column} {sign} {mark}"));
            }
        }
        let (columns, tables) = source(which.kind);
        let sql = format!(
            "SELECT {columns} FROM {tables} WHERE {}",
            wheres.join(" AND ")
        );
        self.rows(&sql, &writer.params, |cols| read(which.kind, cols))
    }
}
