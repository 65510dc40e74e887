//! The rows that change most, with what was asked and what was said.

use crate::cell;
use crate::report::WorstRow;
use crate::table::Row;
use serde_json::{Map, Value};

/// Inputs and outputs of a row that are kept, and values of each.
const FIELDS: usize = 64;
const VALUES: usize = 16;

/// A bounded list, worst first; of rows that are as bad, the first ones stay.
#[derive(Debug, Clone)]
pub(crate) struct Worst {
    most: usize,
    rows: Vec<(bool, f64, WorstRow)>,
}

impl Worst {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            rows: Vec::new(),
        }
    }

    /// Takes a changed row if it is bad enough; a word that changed comes before any number.
    pub(crate) fn offer(
        &mut self,
        words: bool,
        difference: Option<f64>,
        row: impl Fn() -> WorstRow,
    ) {
        let size = difference.unwrap_or(0.0).abs();
        let before = |(w, s, _): &(bool, f64, WorstRow)| (*w, *s) >= (words, size);
        let place = self.rows.partition_point(before);
        if place < self.most {
            self.rows.insert(place, (words, size, row()));
            self.rows.truncate(self.most);
        }
    }

    pub(crate) fn report(&self) -> Vec<WorstRow> {
        self.rows.iter().map(|(_, _, row)| row.clone()).collect()
    }
}

/// A row as JSON, cut.
pub(crate) fn shown(row: &Row) -> Map<String, Value> {
    row.iter()
        .take(FIELDS)
        .map(|(name, cells)| (name.clone(), cell::json(cells, VALUES)))
        .collect()
}
