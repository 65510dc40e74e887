//! Numbers of traces, spans and assessments for statistics: one row each, grouped and summed by the caller.

use jiff::Timestamp;

use super::{AssessmentKind, SpanField, TraceField};

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Of what.
    pub kind: FigureKind,
    /// All of these must hold.
    pub filters: Vec<FigureFilter>,
    /// From then on, by what dates the kind.
    pub from: Option<Timestamp>,
    /// Until then, inclusive.
    pub until: Option<Timestamp>,
}

/// What is counted or measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FigureKind {
    /// Traces: by state and name.
    Traces,
    /// Spans: by name, kind, status, model and provider.
    Spans,
    /// The same, dated by their own start rather than their trace's.
    Costs,
    /// Valid assessments: by name and value.
    Assessments,
}

/// What a row must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FigureFilter {
    /// A field of the trace has that text.
    Trace(TraceField, String),
    /// The trace was made in that run, or linked to it.
    Run(String),
    /// A field of the span has that text.
    Span(SpanField, String),
    /// The assessment has that name.
    AssessmentName(String),
    /// The assessment is of that kind.
    AssessmentKind(AssessmentKind),
}

/// One trace, span or assessment as a row of numbers and texts. Fields that its kind does not have are empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figure {
    /// When the trace began: milliseconds since 1970; of a span when it began itself.
    pub at: i64,
    /// Name of the trace (tag), span or assessment.
    pub name: Option<String>,
    /// State of the trace or status of the span.
    pub status: Option<String>,
    /// Kind of the span.
    pub kind: Option<String>,
    /// Model of the span.
    pub model: Option<String>,
    /// Provider of the span.
    pub provider: Option<String>,
    /// Value of the assessment as JSON.
    pub value: Option<String>,
    /// How long the trace or span took, in milliseconds.
    pub latency: Option<f64>,
    /// Session of the trace.
    pub session: Option<String>,
    /// Tokens of the trace, as its metadata has them.
    pub tokens: Option<String>,
    /// Input, output and total cost of the span.
    pub costs: [Option<f64>; 3],
    /// The number that the assessment stands for.
    pub number: Option<f64>,
}
