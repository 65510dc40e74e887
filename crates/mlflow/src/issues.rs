//! Issues of an experiment: requests and answers (issues.proto).

use crate::tag::integer;
use serde::{Deserialize, Serialize};

/// `POST issues`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Create {
    /// The experiment.
    pub experiment_id: String,
    /// What it is, in a few words.
    pub name: String,
    /// What it is.
    pub description: String,
    /// `pending`, `rejected` or `resolved`.
    pub status: Option<String>,
    /// `not_an_issue`, `low`, `medium` or `high`.
    pub severity: Option<String>,
    /// Where it comes from.
    pub root_causes: Vec<String>,
    /// The run that found it.
    pub source_run_id: Option<String>,
    /// Who found it.
    pub created_by: Option<String>,
    /// What kinds of issue it is.
    pub categories: Vec<String>,
}

/// `PATCH issues/{issue_id}`: what is left out or empty stays.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Update {
    /// The issue; MLflow wants it here although the path says it.
    pub issue_id: String,
    /// Another name.
    pub name: Option<String>,
    /// Another description.
    pub description: Option<String>,
    /// Another status.
    pub status: Option<String>,
    /// Another severity.
    pub severity: Option<String>,
}

/// `POST issues/search`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Search {
    /// Of this experiment.
    pub experiment_id: Option<String>,
    /// In the search grammar.
    pub filter_string: Option<String>,
    /// Rows of a page.
    #[serde(deserialize_with = "integer::deserialize")]
    pub max_results: Option<i64>,
    /// Where the last page ended.
    pub page_token: Option<String>,
    /// Whether the traces are counted that it shows in.
    pub include_trace_count: Option<bool>,
}

/// An issue as answers show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names of the protocol say it")]
pub struct Issue {
    pub issue_id: String,
    pub experiment_id: String,
    pub name: String,
    pub description: String,
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub root_causes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_run_id: Option<String>,
    pub created_timestamp: i64,
    pub last_updated_timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// Only where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_count: Option<u64>,
}
