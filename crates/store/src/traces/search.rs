//! Searches of traces: clauses about the trace itself, its labels, its spans and its assessments.

use crate::search::{Cursor, Op, Operand};

use super::AssessmentKind;

/// A whole search.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TraceSearch {
    /// All of these must hold; those about spans of one and the same span.
    pub clauses: Vec<TraceClause>,
    /// Sorted by these, then by when traces began, newest first, then by id.
    pub order: Vec<TraceOrder>,
    /// Where the last page ended: its `next`.
    pub after: Option<Cursor>,
    /// At most so many; 0 means 100.
    pub limit: u32,
}

/// One condition.
#[derive(Debug, Clone, PartialEq)]
pub enum TraceClause {
    /// About a field of the trace.
    Field(TraceField, TraceTest),
    /// About a field of a span.
    Span(SpanField, TraceTest),
    /// About the value of an assessment of that kind and name. One about a session speaks for all traces of the
    /// session.
    Assessment(AssessmentKind, String, TraceTest),
    /// It was made in that run, or linked to it.
    Run(String),
    /// It was linked with that version of a prompt.
    Prompt(String),
    /// That issue shows in it.
    Issue(String),
}

/// A field of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceField {
    /// Its id.
    TraceId,
    /// Its experiment's number.
    Experiment,
    /// When it began, in milliseconds.
    RequestTime,
    /// How long it took, in milliseconds.
    Duration,
    /// When it ended, in milliseconds; when it began, while it has not.
    EndTime,
    /// Its state.
    State,
    /// The client's name for it.
    ClientRequestId,
    /// A tag.
    Tag(String),
    /// A metadata entry.
    Metadata(String),
}

/// A field of a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpanField {
    /// Its name.
    Name,
    /// What kind of work it was.
    Kind,
    /// Its status.
    Status,
    /// All of it, as a text.
    Content,
}

/// What has to hold.
#[derive(Debug, Clone, PartialEq)]
pub enum TraceTest {
    /// A comparison.
    Compare(Op, Operand),
    /// A regular expression is found in it. One that is none is found nowhere.
    Matches(String),
}

/// One sort key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceOrder {
    /// By what.
    pub field: TraceField,
    /// Largest first.
    pub descending: bool,
}
