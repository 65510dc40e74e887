//! GenAI traces: the shapes of service.proto's third and second version, spans as MLflow keeps them, and what a trace
//! learns from its spans.

mod assessment;
mod correlation;
mod info;
pub mod metrics;
mod preview;
mod rollup;
mod span;
mod translate;
mod usage;
pub mod v2;

pub use assessment::{
    Assessment, AssessmentError, Create as CreateAssessment, Expectation, Feedback, Issue, Mask,
    Serialized, Source, Update as UpdateAssessment, expected, shown,
};
pub use correlation::{Correlation, Counts};
pub use info::{
    BatchGet, Delete, DeleteTag, Experiment, Get, LinkPrompts, LinkToRun, Location, PromptVersion,
    Search, SetTag, Start, Started, TraceInfo, state,
};
pub use preview::preview;
pub use rollup::{Rollup, roll_up};
pub use span::{Stored, Unusable, artifact, nodes, stored, wire};
pub use usage::{COST, Kind as UsageKind, Node, TOKENS};

/// Tags and metadata that mean something.
pub mod keys {
    /// The tag of a trace's name.
    pub const NAME: &str = "mlflow.traceName";
    /// The tag that says where spans are.
    pub const SPANS_LOCATION: &str = "mlflow.trace.spansLocation";
    /// The tag of the place of files of a trace.
    pub const ARTIFACT_LOCATION: &str = "mlflow.artifactLocation";
    /// The tag with which MLflow's archive marks what failed.
    pub const ARCHIVAL_FAILURE: &str = "mlflow.trace.archivalFailure";
    /// The tag of the place of an archived trace.
    pub const ARCHIVE_LOCATION: &str = "mlflow.trace.archiveLocation";
    /// The tag that lists prompts.
    pub const LINKED_PROMPTS: &str = "mlflow.linkedPrompts";
    /// Metadata: the run in which the trace was made.
    pub const SOURCE_RUN: &str = "mlflow.sourceRun";
    /// Metadata: the session that the trace is part of.
    pub const SESSION: &str = "mlflow.trace.session";
    /// Metadata: who used the application.
    pub const USER: &str = "mlflow.trace.user";
    /// Metadata: that the client has told all it knows, and spans change nothing of it any more.
    pub const FINALIZED: &str = "mlflow.trace.infoFinalized";
    /// Metadata: how many spans there are, and how large.
    pub const SIZE_STATS: &str = "mlflow.trace.sizeStats";
    /// The value of [`SPANS_LOCATION`] when spans are records of the server.
    pub const IN_STORE: &str = "TRACKING_STORE";
}

/// Characters of a tag's key and value that answers show.
pub const SHOWN_TAG: (usize, usize) = (250, 4096);
/// Characters of a metadata entry's key and value that answers show.
pub const SHOWN_METADATA: (usize, usize) = (250, 250);

/// What answers show of tags or metadata.
pub fn cut<'t>(
    pairs: impl IntoIterator<Item = (&'t String, &'t String)>,
    (key, value): (usize, usize),
) -> impl Iterator<Item = (String, String)> {
    pairs.into_iter().map(move |(k, v)| {
        let (k, v) = (crate::limits::cut(k, key), crate::limits::cut(v, value));
        (k.to_owned(), v.to_owned())
    })
}
