//! What is stored of traces.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::words::words;

/// A trace without its spans.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// Made by the client; unique within the project.
    pub trace_id: String,
    /// Its project.
    pub project: String,
    /// Its experiment.
    pub experiment_id: String,
    /// When it began.
    pub request_time: Timestamp,
    /// How long it took, once it has ended.
    pub duration: Option<SignedDuration>,
    /// `OK`, `ERROR`, `IN_PROGRESS` or `STATE_UNSPECIFIED`.
    pub state: String,
    /// The client's own name for the request.
    pub client_request_id: Option<String>,
    /// The beginning of what was asked.
    pub request_preview: Option<String>,
    /// The beginning of what was answered.
    pub response_preview: Option<String>,
    /// What may change.
    pub tags: BTreeMap<String, String>,
    /// What does not change.
    pub metadata: BTreeMap<String, String>,
    /// What was said of it, the oldest first.
    pub assessments: Vec<Assessment>,
}

/// One span. Times are nanoseconds since 1970, as OpenTelemetry has them.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Unique within the trace.
    pub span_id: String,
    /// The span above it; none for a root.
    pub parent_id: Option<String>,
    /// Its name.
    pub name: String,
    /// What kind of work it was.
    pub kind: Option<String>,
    /// `OK`, `ERROR` or `UNSET`.
    pub status: String,
    /// When it began.
    pub started: i64,
    /// When it ended.
    pub ended: Option<i64>,
    /// The model that it called.
    pub model: Option<String>,
    /// Who serves the model.
    pub provider: Option<String>,
    /// What went in, in money.
    pub input_cost: Option<f64>,
    /// What came out, in money.
    pub output_cost: Option<f64>,
    /// Both.
    pub total_cost: Option<f64>,
    /// All of it, as a text that nothing here looks into.
    pub content: String,
}

words! {
    /// What an assessment is.
    AssessmentKind {
        /// A judgement.
        Feedback = "feedback",
        /// What would have been right.
        Expectation = "expectation",
        /// A known issue that shows in the trace; its name is the issue's id.
        Issue = "issue",
    }
}

/// What was said of a trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// Unique within the trace.
    pub assessment_id: String,
    /// Its trace.
    pub trace_id: String,
    /// What is judged.
    pub name: String,
    /// What it is.
    pub kind: AssessmentKind,
    /// The value as JSON.
    pub value: String,
    /// The value as a number, when it stands for one.
    pub number: Option<f64>,
    /// Whether the value is a number rather than a word that stands for one.
    pub numeric: bool,
    /// Why there is no value, as JSON.
    pub error: Option<String>,
    /// Why.
    pub rationale: Option<String>,
    /// `HUMAN`, `LLM_JUDGE`, `CODE` or `SOURCE_TYPE_UNSPECIFIED`.
    pub source_type: String,
    /// Who or what in particular.
    pub source_id: Option<String>,
    /// The span that it is about.
    pub span_id: Option<String>,
    /// The assessment that it takes the place of.
    pub overrides: Option<String>,
    /// Whether no other took its place.
    pub valid: bool,
    /// Whether it is about the whole session of its trace.
    pub of_session: bool,
    /// More.
    pub metadata: BTreeMap<String, String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// Which traces to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceDeletion {
    /// Those that began by then, the oldest first, at most so many.
    Until {
        /// The newest to go.
        time: Timestamp,
        /// How many; none means all.
        limit: Option<u32>,
    },
    /// Those of these ids.
    Ids(Vec<String>),
}

/// What a trace can be linked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceLink {
    /// A tracked run, by its id.
    Run(String),
    /// A version of a prompt: `name/version`.
    Prompt(String),
}
