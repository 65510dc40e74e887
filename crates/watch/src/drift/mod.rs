//! Drift per column: how recent requests differ from the data that the serving version was trained on.
//!
//! It explains alarms and raises none: on real traffic "no drift" is never true. The reconciler asks for it; what reads
//! is in [`traffic`], everything else is pure.

mod column;
#[cfg(test)]
mod tests;
pub mod traffic;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use self::column::Reference;

/// A population stability index of this much above its noise counts as moved (Siddiqi 2006 calls 0.1 "some shift").
const MOVED: f64 = 0.1;

/// How recent requests differ from the reference.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Rows of requests that were compared.
    pub rows: u64,
    /// Rows of the reference.
    pub reference_rows: u64,
    /// The columns that both have, most moved first.
    pub columns: Vec<ColumnDrift>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnDrift {
    /// Its name.
    pub column: String,
    /// Population stability index over the reference's twenty quantile bins or commonest words, and missing values.
    pub psi: f64,
    /// What the index would be on average if nothing had moved, with as many rows on either side.
    pub noise: f64,
    /// Jensen and Shannon's distance over the same bins, natural logarithm.
    pub jensen_shannon: f64,
    /// Whether the index stands out of its noise by as much as people call a shift.
    pub moved: bool,
    /// What happened, for people.
    pub what: String,
}

impl Report {
    /// Compares rows (JSON objects) with a data profile `{"rows": …, "columns": {name: {kind, quantiles, top, …}}}`.
    /// Columns that only one side has are left out.
    #[must_use]
    pub fn of<'a>(
        profile: &Json,
        rows: impl IntoIterator<Item = &'a serde_json::Map<String, Json>>,
    ) -> Self {
        let mut columns: BTreeMap<&str, Reference> = profile["columns"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(name, column)| Some((name.as_str(), Reference::read(column)?)))
            .collect();
        let mut count = 0;
        for row in rows {
            count += 1;
            for (name, reference) in &mut columns {
                reference.add(row.get(*name));
            }
        }
        let mut report = Self {
            rows: count,
            reference_rows: profile["rows"].as_u64().unwrap_or_default(),
            columns: columns
                .into_iter()
                .filter_map(|(name, reference)| reference.drift(name))
                .collect(),
        };
        report
            .columns
            .sort_by(|a, b| (b.psi - b.noise).total_cmp(&(a.psi - a.noise)));
        report
    }

    /// The columns that moved, for people; empty when none did.
    #[must_use]
    pub fn sentence(&self) -> String {
        let moved: Vec<String> = self
            .columns
            .iter()
            .filter(|column| column.moved)
            .take(3)
            .map(|column| format!("{} ({})", column.column, column.what))
            .collect();
        moved.join(", ")
    }
}
