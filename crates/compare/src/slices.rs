//! Where most changes: rows by the values of their inputs.
//!
//! The first rows say which values and which bins of numbers there are; from then on every row is counted where it
//! belongs. A slice is shown when it has rows enough, and differs from all other rows by more than chance and the number
//! of slices that were looked at account for.

use crate::cell::Cell;
use crate::report::{Shift, Slice, Sort};
use crate::table::Row;
use std::collections::{BTreeMap, BTreeSet};

/// Rows that bins are made of.
const REFERENCE: usize = 1000;
/// Inputs that are looked at; of one with several values in a row, the first ones.
const COLUMNS: usize = 128;
/// Numbers of fewer distinct values are taken as words.
const FEW: usize = 10;
/// Bins of numbers, with about as many rows each.
const BINS: usize = 5;
/// Words that are looked at one by one.
const WORDS: usize = 20;
/// The least rows of a slice, and of what it is compared with.
const LEAST: u64 = 20;
/// The chance that any slice at all is shown where there is no difference.
const CHANCE: f64 = 0.05;
/// Slices of a report, and of one input in it.
const SHOWN: usize = 10;
const SHOWN_OF_ONE: usize = 3;

/// What became of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) changed: bool,
    /// The difference of the first output of numbers.
    pub(crate) shift: Option<f64>,
}

/// Rows of one part of the inputs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Tally {
    rows: u64,
    changed: u64,
    numbers: u64,
    sum: f64,
    squares: f64,
}

impl Tally {
    fn add(&mut self, seen: Seen) {
        self.rows += 1;
        self.changed += u64::from(seen.changed);
        if let Some(shift) = seen.shift {
            self.numbers += 1;
            self.sum += shift;
            self.squares += shift * shift;
        }
    }

    fn without(&self, part: &Self) -> Self {
        Self {
            rows: self.rows - part.rows,
            changed: self.changed - part.changed,
            numbers: self.numbers - part.numbers,
            sum: self.sum - part.sum,
            squares: self.squares - part.squares,
        }
    }

    fn share(&self) -> f64 {
        self.changed as f64 / self.rows.max(1) as f64
    }

    fn mean(&self) -> f64 {
        self.sum / self.numbers.max(1) as f64
    }

    /// The variance of the mean.
    fn error(&self) -> f64 {
        let n = self.numbers.max(2) as f64;
        ((self.squares / n - (self.sum / n).powi(2)).max(0.0)) / (n - 1.0)
    }
}

/// One input's parts.
#[derive(Debug, Clone)]
enum Parts {
    /// Bin i is (edges[i-1], edges[i]]; the first and the last are open-ended.
    Numbers {
        edges: Vec<f64>,
        bins: Vec<Tally>,
        words: Tally,
    },
    Words {
        known: BTreeMap<String, Tally>,
        other: Tally,
    },
}

/// Rows counted by part.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slices {
    waiting: Vec<(BTreeMap<String, Cell>, Seen)>,
    parts: Option<BTreeMap<String, Parts>>,
    all: Tally,
}

impl Slices {
    /// Counts a row; `inputs` is what was asked.
    pub(crate) fn add(&mut self, inputs: &Row, seen: Seen) {
        self.all.add(seen);
        let columns = columns(inputs);
        if let Some(parts) = &mut self.parts {
            count(parts, &columns, seen);
            return;
        }
        self.waiting.push((columns, seen));
        if self.waiting.len() >= REFERENCE {
            self.fix();
        }
    }

    /// Makes the parts of the rows so far.
    fn fix(&mut self) {
        let mut values: BTreeMap<String, Vec<Cell>> = BTreeMap::new();
        for (columns, _) in &self.waiting {
            for (name, cell) in columns {
                let room = values.len() < COLUMNS;
                match values.get_mut(name) {
                    Some(cells) => cells.push(cell.clone()),
                    None if room => {
                        values.insert(name.clone(), vec![cell.clone()]);
                    }
                    None => {}
                }
            }
        }
        let parts = values.into_iter();
        let mut parts = parts
            .map(|(name, cells)| (name, Parts::of(&cells)))
            .collect();
        for (columns, seen) in std::mem::take(&mut self.waiting) {
            count(&mut parts, &columns, seen);
        }
        self.parts = Some(parts);
    }

    /// The slices that differ most.
    pub(crate) fn report(&self) -> Vec<Slice> {
        let mut fixed = self.clone();
        if fixed.parts.is_none() {
            fixed.fix();
        }
        let named = fixed.parts.unwrap_or_default();
        let mut looked_at = Vec::new();
        for (column, parts) in &named {
            for (value, part) in parts.named() {
                let rest = self.all.without(&part);
                if part.rows >= LEAST && rest.rows >= LEAST {
                    looked_at.push((column, value, part, rest));
                }
            }
        }
        let threshold = threshold(2 * looked_at.len());
        let mut found: Vec<(f64, Slice)> = Vec::new();
        for (column, value, part, rest) in looked_at {
            let (more, shifted) = (share_score(&part, &rest), shift_score(&part, &rest));
            let (score, sort) = if more >= threshold {
                (more, Sort::Changed)
            } else {
                (shifted, Sort::Shifted)
            };
            if score >= threshold {
                let slice = Slice {
                    column: column.clone(),
                    value,
                    sort,
                    rows: part.rows,
                    changed: part.changed,
                    elsewhere: rest.share(),
                    shift: (part.numbers > 0 && rest.numbers > 0).then(|| Shift {
                        inside: part.mean(),
                        elsewhere: rest.mean(),
                    }),
                };
                found.push((score, slice));
            }
        }
        // A stable sort of what is in the order of names.
        let rank = |(score, slice): &(f64, Slice)| (slice.sort == Sort::Changed, *score);
        found.sort_by(|a, b| {
            let ((a, x), (b, y)) = (rank(a), rank(b));
            b.cmp(&a).then(y.total_cmp(&x))
        });
        let mut shown: Vec<Slice> = Vec::new();
        for (_, slice) in found {
            let of_one = shown.iter().filter(|known| known.column == slice.column);
            if of_one.count() < SHOWN_OF_ONE && shown.len() < SHOWN {
                shown.push(slice);
            }
        }
        shown
    }
}

impl Parts {
    fn of(cells: &[Cell]) -> Self {
        let mut numbers: Vec<f64> = cells.iter().filter_map(number).collect();
        numbers.sort_by(f64::total_cmp);
        let mut distinct = numbers.clone();
        distinct.dedup();
        let words = cells.iter().any(|cell| matches!(cell, Cell::Word(_)));
        if !words && distinct.len() > FEW {
            let at = |i: usize| numbers[numbers.len() * i / BINS];
            let last = distinct[distinct.len() - 1];
            let edges: BTreeSet<u64> = (1..BINS)
                .map(at)
                .filter(|edge| *edge < last)
                .map(ordered)
                .collect();
            let edges: Vec<f64> = edges.into_iter().map(unordered).collect();
            return Self::Numbers {
                bins: vec![Tally::default(); edges.len() + 1],
                edges,
                words: Tally::default(),
            };
        }
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for cell in cells {
            *counts.entry(cell.name()).or_default() += 1;
        }
        let mut ranked: Vec<(String, u64)> = counts.into_iter().collect();
        ranked.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        ranked.truncate(WORDS);
        let none = |(word, _)| (word, Tally::default());
        Self::Words {
            known: ranked.into_iter().map(none).collect(),
            other: Tally::default(),
        }
    }

    fn add(&mut self, cell: &Cell, seen: Seen) {
        let tally = match self {
            Self::Numbers { edges, bins, words } => match number(cell) {
                Some(x) => &mut bins[edges.partition_point(|edge| *edge < x)],
                None => words,
            },
            Self::Words { known, other } => known.get_mut(&cell.name()).unwrap_or(other),
        };
        tally.add(seen);
    }

    fn named(&self) -> Vec<(String, Tally)> {
        match self {
            Self::Numbers { edges, bins, words } => {
                let name = |at: usize| match (at.checked_sub(1).map(|i| edges[i]), edges.get(at)) {
                    (None, Some(to)) => format!("up to {to}"),
                    (Some(from), Some(to)) => format!("above {from}, up to {to}"),
                    (Some(from), None) => format!("above {from}"),
                    (None, None) => "any number".to_owned(),
                };
                let numbers = bins.iter().enumerate().map(|(at, bin)| (name(at), *bin));
                numbers.chain([("no number".to_owned(), *words)]).collect()
            }
            Self::Words { known, other } => {
                let known = known.iter().map(|(word, tally)| (word.clone(), *tally));
                known.chain([("any other".to_owned(), *other)]).collect()
            }
        }
    }
}

fn number(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Number(x) => Some(*x),
        Cell::Word(_) | Cell::Missing => None,
    }
}

/// Bits whose order is that of the numbers, and back.
fn ordered(x: f64) -> u64 {
    let bits = x.to_bits();
    if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    }
}

fn unordered(bits: u64) -> f64 {
    f64::from_bits(if bits >> 63 == 1 {
        bits & !(1 << 63)
    } else {
        !bits
    })
}

fn count(parts: &mut BTreeMap<String, Parts>, columns: &BTreeMap<String, Cell>, seen: Seen) {
    for (name, cell) in columns {
        if let Some(part) = parts.get_mut(name) {
            part.add(cell, seen);
        }
    }
}

/// The inputs of a row, one value each.
fn columns(inputs: &Row) -> BTreeMap<String, Cell> {
    let mut columns = BTreeMap::new();
    for (name, cells) in inputs {
        match cells.as_slice() {
            [one] => {
                columns.insert(name.clone(), one.clone());
            }
            many => {
                for (at, cell) in many.iter().take(COLUMNS).enumerate() {
                    columns.insert(format!("{name}[{at}]"), cell.clone());
                }
            }
        }
        if columns.len() >= COLUMNS {
            break;
        }
    }
    columns
}

/// What a standard normal exceeds, on either side, with a chance of less than [`CHANCE`] over all looks: from
/// P(|Z| > z) ≤ 2 exp(−z²/2).
fn threshold(looks: usize) -> f64 {
    (2.0 * (2.0 * looks.max(1) as f64 / CHANCE).ln()).sqrt()
}

/// How many standard errors more of a part changes than of the rest.
fn share_score(part: &Tally, rest: &Tally) -> f64 {
    let all = (part.rows + rest.rows) as f64;
    let pooled = (part.changed + rest.changed) as f64 / all;
    let error = pooled * (1.0 - pooled) * (1.0 / part.rows as f64 + 1.0 / rest.rows as f64);
    score(part.share() - rest.share(), error).max(0.0)
}

/// How many standard errors a part's mean difference is from that of the rest (Welch).
fn shift_score(part: &Tally, rest: &Tally) -> f64 {
    if part.numbers < LEAST || rest.numbers < LEAST {
        return 0.0;
    }
    score(part.mean() - rest.mean(), part.error() + rest.error()).abs()
}

/// A difference in standard errors; one without any error is as sure as can be.
fn score(difference: f64, error: f64) -> f64 {
    let size = difference.abs();
    if size <= f64::EPSILON {
        0.0
    } else {
        difference / error.sqrt().max(size / 1e6)
    }
}

#[cfg(test)]
mod tests;
