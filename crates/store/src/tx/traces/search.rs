//! A search of traces as one statement. The trace is `t`, a span `s`, an assessment `a`. Times are compared in
//! milliseconds. Missing values sort last in both directions.

use regex::Regex;

use super::number;
use crate::error::{Error, Result};
use crate::search::{Op, Operand};
use crate::traces::{AssessmentKind, SpanField, TraceClause, TraceField, TraceTest};
use crate::tx::column::Value;
use crate::tx::compare::{Kind, like, number_value, sign};
use crate::tx::{Dialect, Tx};

/// A condition that is being written, with its values.
pub(super) struct Writer {
    pub(super) params: Vec<Value<'static>>,
    dialect: Dialect,
    /// Which traces are looked at.
    scope: String,
}

impl Writer {
    /// A condition on the traces of some experiments of a project, on the table `t`.
    pub(super) fn new(dialect: Dialect, project: &str, experiments: &[String]) -> Self {
        let mut writer = Writer {
            params: Vec::new(),
            dialect,
            scope: String::new(),
        };
        let project = writer.text(project);
        let numbers: Vec<_> = experiments
            .iter()
            .map(|experiment| writer.mark(Value::Int(number(experiment))))
            .collect();
        let within = match numbers.is_empty() {
            true => "1 = 0".to_owned(),
            false => format!("t.\"experiment\" IN ({})", numbers.join(", ")),
        };
        writer.scope = format!("t.\"project\" = {project} AND {within}");
        writer
    }

    pub(super) fn mark(&mut self, value: Value<'static>) -> String {
        self.params.push(value);
        format!("?{}", self.params.len())
    }

    pub(super) fn text(&mut self, text: &str) -> String {
        self.mark(Value::Text(text.to_owned().into()))
    }

    /// All that has to hold of a trace.
    pub(super) fn wheres(&mut self, clauses: &[TraceClause]) -> Result<String> {
        let mut all = vec![self.scope.clone()];
        let mut spans = Vec::new();
        for clause in clauses {
            match clause {
                TraceClause::Span(field, test) => {
                    let column = span_column(field);
                    spans.push(self.test(column, Kind::Text, test)?);
                }
                other => all.push(self.clause(other)?),
            }
        }
        if !spans.is_empty() {
            all.push(format!(
                "EXISTS (SELECT 1 FROM trace_spans s WHERE s.\"trace\" = t.\"number\" AND {})",
                spans.join(" AND ")
            ));
        }
        Ok(all.join(" AND "))
    }

    fn clause(&mut self, clause: &TraceClause) -> Result<String> {
        Ok(match clause {
            TraceClause::Field(field, test) => self.field(field, test)?,
            TraceClause::Assessment(kind, name, test) => self.assessment(*kind, name, test)?,
            TraceClause::Issue(id) => {
                let id = self.text(id);
                format!(
                    "EXISTS (SELECT 1 FROM assessments a WHERE a.\"trace\" = t.\"number\" AND a.\"kind\" = 'issue' AND a.\"name\" = {id})"
                )
            }
            TraceClause::Run(run_id) => self.run(run_id),
            TraceClause::Prompt(version) => self.link("prompt", version),
            TraceClause::Span(..) => "1 = 1".to_owned(),
        })
    }

    fn link(&mut self, kind: &str, target: &str) -> String {
        let target = self.text(target);
        format!(
            "EXISTS (SELECT 1 FROM trace_links l WHERE l.\"project\" = t.\"project\" AND l.\"trace_id\" = t.\"trace_id\" \
             AND l.\"kind\" = '{kind}' AND l.\"target\" = {target})"
        )
    }

    /// Made in that run, or linked to it.
    pub(super) fn run(&mut self, run_id: &str) -> String {
        let linked = self.link("run", run_id);
        let run_id = self.text(run_id);
        format!(
            "({linked} OR EXISTS (SELECT 1 FROM trace_metadata g WHERE g.\"trace\" = t.\"number\" \
             AND g.\"key\" = 'mlflow.sourceRun' AND g.\"value\" = {run_id}))"
        )
    }

    pub(super) fn field(&mut self, field: &TraceField, test: &TraceTest) -> Result<String> {
        let (table, key) = match field {
            TraceField::Tag(key) => ("trace_tags", key),
            TraceField::Metadata(key) => ("trace_metadata", key),
            other => {
                let (column, kind) = column(other);
                return self.test(column, kind, test);
            }
        };
        let key = self.text(key);
        let there = format!(
            "EXISTS (SELECT 1 FROM {table} g WHERE g.\"trace\" = t.\"number\" AND g.\"key\" = {key}"
        );
        Ok(match test {
            TraceTest::Compare(Op::IsNull, _) => format!("NOT {there})"),
            TraceTest::Compare(Op::NotNull, _) => format!("{there})"),
            test => format!(
                "{there} AND {})",
                self.test("g.\"value\"", Kind::Text, test)?
            ),
        })
    }

    /// An assessment of the trace itself, or one of its session.
    fn assessment(&mut self, kind: AssessmentKind, name: &str, test: &TraceTest) -> Result<String> {
        let name = self.text(name);
        let mut holds =
            format!("a.\"kind\" = '{kind}' AND a.\"name\" = {name} AND a.\"valid\" = 1");
        let absent = matches!(test, TraceTest::Compare(Op::IsNull, _));
        if !matches!(test, TraceTest::Compare(Op::IsNull | Op::NotNull, _)) {
            holds = format!("{holds} AND {}", self.judged(test)?);
        }
        let scope = self.scope.replace("t.\"", "u.\"");
        let either = format!(
            "(EXISTS (SELECT 1 FROM assessments a WHERE a.\"trace\" = t.\"number\" AND {holds}) \
             OR EXISTS (SELECT 1 FROM trace_metadata g WHERE g.\"trace\" = t.\"number\" AND g.\"key\" = 'mlflow.trace.session' \
             AND g.\"value\" IN (SELECT h.\"value\" FROM assessments a JOIN traces u ON u.\"number\" = a.\"trace\" \
             JOIN trace_metadata h ON h.\"trace\" = u.\"number\" AND h.\"key\" = 'mlflow.trace.session' \
             WHERE {holds} AND a.\"of_session\" = 1 AND {scope})))"
        );
        Ok(if absent {
            format!("NOT {either}")
        } else {
            either
        })
    }

    /// Values are JSON: a text is one with quotes, and everything else is as it is.
    fn judged(&mut self, test: &TraceTest) -> Result<String> {
        match test {
            TraceTest::Compare(op @ (Op::Eq | Op::Ne), Operand::Text(text)) => {
                let (plain, json) = (self.text(text), self.text(&json_text(text)));
                let not = if *op == Op::Ne { "NOT " } else { "" };
                Ok(format!(
                    "{not}(a.\"value\" = {plain} OR a.\"value\" = {json})"
                ))
            }
            TraceTest::Compare(_, Operand::Number(_)) => Ok(format!(
                "a.\"numeric\" = 1 AND {}",
                self.test("a.\"number\"", Kind::Real, test)?
            )),
            test => self.test("a.\"value\"", Kind::Text, test),
        }
    }

    pub(super) fn test_text(&mut self, column: &str, text: &str) -> String {
        format!("{column} = {}", self.text(text))
    }

    fn test(&mut self, column: &str, kind: Kind, test: &TraceTest) -> Result<String> {
        let (op, operand) = match test {
            TraceTest::Matches(pattern) => return Ok(self.matches(column, pattern)),
            TraceTest::Compare(op, operand) => (*op, operand),
        };
        Ok(match (op, operand) {
            (Op::IsNull, _) => format!("{column} IS NULL"),
            (Op::NotNull, _) => format!("{column} IS NOT NULL"),
            (Op::In | Op::NotIn, Operand::Texts(texts)) => {
                let marks: Vec<_> = texts.iter().map(|text| self.text(text)).collect();
                let not = if op == Op::NotIn { "NOT " } else { "" };
                match marks.is_empty() {
                    true => format!("{not}1 = 0"),
                    false => format!("{column} {not}IN ({})", marks.join(", ")),
                }
            }
            (Op::Like | Op::ILike, Operand::Text(text)) => {
                let mark = self.text(text);
                like(op, column, &mark, self.dialect)
            }
            (op, operand) => {
                let sign = sign(op).ok_or_else(|| mismatch(test))?;
                let value = value(kind, operand).ok_or_else(|| mismatch(test))?;
                format!("{column} {sign} {}", self.mark(value))
            }
        })
    }

    /// Both databases hear only of patterns that are ones.
    fn matches(&mut self, column: &str, pattern: &str) -> String {
        if Regex::new(pattern).is_err() {
            return "1 = 0".to_owned();
        }
        let mark = self.text(pattern);
        match self.dialect {
            Dialect::Sqlite => format!("{column} REGEXP {mark}"),
            Dialect::Postgres => format!("{column} ~ {mark}"),
        }
    }

    /// What a field sorts by.
    pub(super) fn sorted(&mut self, field: &TraceField) -> (String, Kind) {
        let (table, key) = match field {
            TraceField::Tag(key) => ("trace_tags", key),
            TraceField::Metadata(key) => ("trace_metadata", key),
            other => {
                let (sql, kind) = column(other);
                return (sql.to_owned(), kind);
            }
        };
        let key = self.text(key);
        let sql = format!(
            "(SELECT g.\"value\" FROM {table} g WHERE g.\"trace\" = t.\"number\" AND g.\"key\" = {key})"
        );
        (sql, Kind::Text)
    }
}

fn column(field: &TraceField) -> (&'static str, Kind) {
    match field {
        TraceField::TraceId => ("t.\"trace_id\"", Kind::Text),
        TraceField::Experiment => ("t.\"experiment\"", Kind::Integer),
        TraceField::RequestTime => ("t.\"request_time\"", Kind::Time),
        TraceField::Duration => ("t.\"duration\"", Kind::Time),
        TraceField::EndTime => (
            "(t.\"request_time\" + COALESCE(t.\"duration\", 0))",
            Kind::Time,
        ),
        TraceField::State => ("t.\"state\"", Kind::Text),
        TraceField::ClientRequestId => ("t.\"client_request_id\"", Kind::Text),
        // Labels have no column.
        TraceField::Tag(_) | TraceField::Metadata(_) => ("NULL", Kind::Text),
    }
}

pub(super) fn span_column(field: &SpanField) -> &'static str {
    match field {
        SpanField::Name => "s.\"name\"",
        SpanField::Kind => "s.\"kind\"",
        SpanField::Status => "s.\"status\"",
        SpanField::Content => "s.\"content\"",
    }
}

fn value(kind: Kind, operand: &Operand) -> Option<Value<'static>> {
    match (kind, operand) {
        (Kind::Text, Operand::Text(text)) => Some(Value::Text(text.clone().into())),
        (kind, Operand::Number(number)) => number_value(kind, *number),
        _ => None,
    }
}

fn mismatch(test: &TraceTest) -> Error {
    Error::Invalid(format!("it cannot be compared like that: {test:?}"))
}

fn json_text(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

impl Tx<'_> {
    pub(super) fn count_matching(
        &mut self,
        project: &str,
        experiments: &[String],
        clauses: &[TraceClause],
    ) -> Result<u64> {
        let mut writer = Writer::new(self.dialect(), project, experiments);
        let wheres = writer.wheres(clauses)?;
        let sql = format!("SELECT COUNT(*) FROM traces t WHERE {wheres}");
        Ok(self.single(&sql, &writer.params)?.unwrap_or_default())
    }
}
