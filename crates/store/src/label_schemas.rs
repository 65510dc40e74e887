//! Label schemas: what reviewers are asked about the traces of an experiment, and how they may answer.

use jiff::Timestamp;
use serde_json::Value as Json;

use crate::error::Result;
use crate::search::{Page, Search};
use crate::words::words;

words! {
    /// What an answer is.
    LabelKind {
        /// A judgement.
        Feedback = "feedback",
        /// What would have been right.
        Expectation = "expectation",
    }
}

/// A question to reviewers.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelSchema {
    /// Its id.
    pub id: String,
    /// The project of its experiment.
    pub project: String,
    /// The experiment.
    pub experiment: String,
    /// What is asked, unique in the experiment.
    pub name: String,
    /// What an answer is.
    pub kind: LabelKind,
    /// More words for whoever answers.
    pub instruction: Option<String>,
    /// Whether a comment may be given beside the answer.
    pub comment: bool,
    /// How it may be answered, as the protocol has it.
    pub input: Json,
    /// Whether it is the experiment's own question, which nobody changes.
    pub is_default: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Label schemas of experiments.
pub trait LabelSchemas {
    /// Creates the schema; an error when its experiment has one of that name.
    fn create_label_schema(&mut self, schema: &LabelSchema) -> Result<()>;
    /// Replaces all of a known schema; an error when its experiment has another one of that name.
    fn update_label_schema(&mut self, schema: &LabelSchema) -> Result<()>;
    /// Removes the schema; false when there was none.
    fn delete_label_schema(&mut self, project: &str, id: &str) -> Result<bool>;
    /// One schema.
    fn label_schema(&mut self, project: &str, id: &str) -> Result<Option<LabelSchema>>;
    /// The schema of that name of an experiment.
    fn label_schema_by_name(&mut self, experiment: &str, name: &str)
    -> Result<Option<LabelSchema>>;
    /// A page of an experiment's schemas, the newest first; no attribute can be searched for.
    fn search_label_schemas(
        &mut self,
        experiment: &str,
        search: &Search,
    ) -> Result<Page<LabelSchema>>;
}
