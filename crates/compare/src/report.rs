//! What a comparison has seen, as it is stored, sent and shown.

use crate::row::Tolerance;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Everything about two versions' answers to the same requests. A row is what has one answer; a request may have many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What counts as changed.
    pub tolerance: Tolerance,
    /// Requests that both versions were asked.
    pub requests: u64,
    /// Rows that both answered.
    pub rows: u64,
    /// Of those, the ones that are the same to the bit.
    pub same: u64,
    /// Of those, the ones that differ within the tolerance.
    pub near: u64,
    /// Of those, the ones that differ beyond it.
    pub changed: u64,
    /// Requests of which one answer has another number of rows than the other; none of their rows is counted.
    pub unlike: u64,
    /// Requests that one or both failed.
    pub failures: Failures,
    /// Each output.
    pub outputs: Vec<OutputReport>,
    /// Outputs that there was no room for.
    pub more_outputs: u64,
    /// The rows that change most, worst first.
    pub worst: Vec<WorstRow>,
    /// The parts of the inputs where most changes.
    pub slices: Vec<Slice>,
}

/// Requests that were not answered by both.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Failures {
    /// Failed by the version before, answered by the one after.
    pub before: u64,
    /// Failed by the version after, answered by the one before.
    pub after: u64,
    /// Failed by both.
    pub both: u64,
    /// Answered by something that is no answer of the wire that was asked in.
    pub unread: u64,
    /// The most frequent reasons.
    pub messages: Vec<Message>,
}

/// A reason, and how often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Which version said it: `before` or `after`.
    pub side: String,
    /// Its words.
    pub message: String,
    /// How often.
    pub requests: u64,
    /// The first request.
    pub first: String,
}

/// What changed in one output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputReport {
    /// Its name.
    pub name: String,
    /// Rows that have it.
    pub rows: u64,
    /// Rows in which it changed beyond the tolerance.
    pub changed: u64,
    /// The mean difference, after − before; none without numbers. Of several numbers in a row, the one that differs most.
    pub mean: Option<f64>,
    /// The distribution of the differences.
    pub difference: Option<Quantiles>,
    /// The distribution of their sizes.
    pub size: Option<Quantiles>,
    /// How many rows differ by how much, in powers of ten.
    pub histogram: Vec<Bar>,
    /// Words that became others, the most frequent first.
    pub words: Vec<Words>,
    /// Rows with other pairs of words.
    pub other_words: u64,
}

/// A distribution, each to within a hundredth of itself but for the ends, which are exact.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Quantiles {
    pub smallest: f64,
    pub p01: f64,
    pub p10: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub largest: f64,
}

/// Differences between two numbers; 0 to 0 are those that are none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// The smaller end.
    pub from: f64,
    /// The larger end.
    pub to: f64,
    /// How many.
    pub rows: u64,
}

/// A word that became another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Words {
    /// What the version before says.
    pub before: String,
    /// What the version after says.
    pub after: String,
    /// In how many rows.
    pub rows: u64,
}

/// A row that changes much.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorstRow {
    /// Its request.
    pub request: String,
    /// Which row of the request, from 0.
    pub row: u64,
    /// The largest difference; none where words changed and no number did.
    pub difference: Option<f64>,
    /// What was asked.
    pub inputs: Map<String, Value>,
    /// What the version before says, by output.
    pub before: Map<String, Value>,
    /// What the version after says.
    pub after: Map<String, Value>,
}

/// A part of the rows in which more changes than elsewhere, by more than chance accounts for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// The input.
    pub column: String,
    /// Its value, or `from … to`.
    pub value: String,
    /// What differs there.
    pub sort: Sort,
    /// Rows in it.
    pub rows: u64,
    /// Of those, changed.
    pub changed: u64,
    /// The share changed of all other rows.
    pub elsewhere: f64,
    /// The mean difference of the first output of numbers, in it and elsewhere.
    pub shift: Option<Shift>,
}

/// Why a slice is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// More rows change.
    Changed,
    /// They change by another amount, or the other way.
    Shifted,
}

/// Mean differences.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Shift {
    /// In the slice.
    pub inside: f64,
    /// In all other rows.
    pub elsewhere: f64,
}

impl Report {
    /// The share of rows that changed; 0 without rows.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.rows == 0 {
            return 0.0;
        }
        self.changed as f64 / self.rows as f64
    }
}
