//! Two versions' values of one row: same, near, or changed.

use crate::cell::Cell;
use crate::table::Row;
use serde::{Deserialize, Serialize};

/// How far apart two numbers may be and still count as one answer: `absolute + relative · max(|a|, |b|)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tolerance {
    /// In the output's own unit.
    pub absolute: f64,
    /// Of the larger of the two.
    pub relative: f64,
}

impl Default for Tolerance {
    /// A millionth and a hundred-thousandth: what single precision and another order of sums account for.
    fn default() -> Self {
        Self {
            absolute: 1e-6,
            relative: 1e-5,
        }
    }
}

impl Tolerance {
    fn allows(&self, a: f64, b: f64) -> bool {
        (b - a).abs() <= self.absolute + self.relative * a.abs().max(b.abs())
    }
}

/// How two values compare; a later one is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    /// To the bit.
    Same,
    /// Within the tolerance.
    Near,
    /// Beyond it.
    Far,
}

/// What became of one output in one row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OutputChange {
    pub(crate) change: Change,
    /// The largest difference, after − before, where there are numbers on both sides.
    pub(crate) difference: Option<f64>,
    /// The first word that changed; also where the two are not of one kind or length.
    pub(crate) words: Option<(String, String)>,
}

/// Compares one output.
pub(crate) fn output(before: &[Cell], after: &[Cell], tolerance: Tolerance) -> OutputChange {
    let mut found = OutputChange {
        change: Change::Same,
        difference: None,
        words: None,
    };
    if before.len() != after.len() {
        found.change = Change::Far;
        let length = |cells: &[Cell]| format!("({} values)", cells.len());
        found.words = Some((length(before), length(after)));
        return found;
    }
    for pair in before.iter().zip(after) {
        let change = match pair {
            (Cell::Number(a), Cell::Number(b)) => {
                let difference = (b - a).clamp(f64::MIN, f64::MAX);
                let largest = found.difference.unwrap_or(0.0);
                if found.difference.is_none() || difference.abs() > largest.abs() {
                    found.difference = Some(difference);
                }
                match (a == b, tolerance.allows(*a, *b)) {
                    (true, _) => Change::Same,
                    (false, true) => Change::Near,
                    (false, false) => Change::Far,
                }
            }
            (a, b) if a == b => Change::Same,
            (a, b) => {
                found.words.get_or_insert_with(|| (a.name(), b.name()));
                Change::Far
            }
        };
        found.change = found.change.max(change);
    }
    found
}

/// Compares all outputs of a row: those of either side, in the order in which they come.
pub(crate) fn outputs<'a>(
    before: &'a Row,
    after: &'a Row,
    tolerance: Tolerance,
) -> Vec<(&'a str, OutputChange)> {
    let none = Vec::new();
    let mut found = Vec::new();
    for (name, cells) in before {
        let other = after.get(name).unwrap_or(&none);
        found.push((name.as_str(), output(cells, other, tolerance)));
    }
    for (name, cells) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
        found.push((name.as_str(), output(&none, cells, tolerance)));
    }
    found
}
