//! GenAI traces: what is known of a request, the spans of its work, and what was said of it.
//!
//! A trace is known by its project and the id that its client made. Spans may come before the trace's own record and
//! after it, in any order and more than once: every change here is harmless when it comes twice.

mod figures;
mod records;
mod search;

pub use figures::{Figure, FigureFilter, FigureKind, Figures};
pub use records::{Assessment, AssessmentKind, Span, Trace, TraceDeletion, TraceLink};
pub use search::{SpanField, TraceClause, TraceField, TraceOrder, TraceSearch, TraceTest};

use crate::error::Result;
use crate::search::Page;
use crate::tracking::TagChange;

/// Traces and their spans.
pub trait Traces {
    /// Creates a trace or changes a known one: its fields, and the tags and metadata that are given; others stay. Does
    /// not touch its assessments.
    fn put_trace(&mut self, trace: &Trace) -> Result<()>;
    /// One trace, whole.
    fn trace(&mut self, project: &str, trace_id: &str) -> Result<Option<Trace>>;
    /// Those of the traces that are there, in the order of the ids.
    fn traces(&mut self, project: &str, trace_ids: &[String]) -> Result<Vec<Trace>>;
    /// A page of traces of these experiments, whole. The tie-break is when they began, newest first, then id. A page
    /// that is full has a next one, which may be empty.
    fn search_traces(
        &mut self,
        project: &str,
        experiments: &[String],
        search: &TraceSearch,
    ) -> Result<Page<Trace>>;
    /// How many traces of these experiments match all of the clauses.
    fn count_traces(
        &mut self,
        project: &str,
        experiments: &[String],
        clauses: &[TraceClause],
    ) -> Result<u64>;
    /// Sets or (with none) removes a tag; false when there was none to remove, or no such trace.
    fn tag_trace(&mut self, project: &str, trace_id: &str, change: &TagChange) -> Result<bool>;
    /// Deletes traces of an experiment with all that belongs to them, and says how many.
    fn delete_traces(
        &mut self,
        project: &str,
        experiment: &str,
        which: &TraceDeletion,
    ) -> Result<u64>;
    /// Links traces, known or not, to a run or a version of a prompt.
    fn link_traces(&mut self, project: &str, trace_ids: &[String], to: &TraceLink) -> Result<()>;
    /// Keeps spans of a known trace; one that is there already is replaced.
    fn put_spans(&mut self, project: &str, trace_id: &str, spans: &[Span]) -> Result<()>;
    /// The spans of a trace: roots first, then by their start.
    fn spans(&mut self, project: &str, trace_id: &str) -> Result<Vec<Span>>;
    /// Numbers of traces, spans or assessments with what they are grouped by, for statistics.
    fn trace_figures(
        &mut self,
        project: &str,
        experiments: &[String],
        which: &Figures,
    ) -> Result<Vec<Figure>>;
}

/// What people, judges and programs said of traces.
pub trait Assessments {
    /// Adds an assessment to a known trace; an error when the trace has one of that id.
    fn create_assessment(&mut self, project: &str, assessment: &Assessment) -> Result<()>;
    /// One assessment.
    fn assessment(
        &mut self,
        project: &str,
        trace_id: &str,
        assessment_id: &str,
    ) -> Result<Option<Assessment>>;
    /// Replaces a known assessment.
    fn update_assessment(&mut self, project: &str, assessment: &Assessment) -> Result<()>;
    /// Deletes an assessment; false when there was none.
    fn delete_assessment(
        &mut self,
        project: &str,
        trace_id: &str,
        assessment_id: &str,
    ) -> Result<bool>;
}
