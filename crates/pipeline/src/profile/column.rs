//! One column while it is read, and what is kept of it.

use super::Cell;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet, hash_map::DefaultHasher};
use std::hash::{Hash as _, Hasher as _};

/// Values kept for quantiles.
pub(super) const RESERVOIR: usize = 20_000;
/// Distinct values counted exactly up to here; then the count stays.
const DISTINCT: usize = 1_000_000;
/// Different texts counted by name; later ones only by hash.
const NAMED: usize = 2_000;
/// Texts shown.
const TOP: usize = 50;
/// Quantiles kept: 0, 1/20, … 1.
const QUANTILES: usize = 21;

/// What is known of a column.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ColumnProfile {
    /// `number`, `text`, or `empty` when every value is null.
    pub kind: String,
    /// Values that are not null.
    pub count: u64,
    /// Nulls: empty cells, `NA`, `NaN`, `null`, `None`.
    pub nulls: u64,
    /// Nulls over rows.
    pub null_fraction: f64,
    /// Different values; exact up to a million, then a lower bound.
    pub distinct: u64,
    /// Smallest number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Largest number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Mean of the numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// Standard deviation of the numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub std: Option<f64>,
    /// Numbers at the quantiles 0, 0.05, … 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quantiles: Vec<f64>,
    /// Share of the numbers at or below each quantile: more than its probability where values repeat.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub masses: Vec<f64>,
    /// Commonest texts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<TopValue>,
}

/// A text and how often it occurs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopValue {
    /// The text.
    pub value: String,
    /// How often.
    pub count: u64,
}

pub(super) struct Column {
    seen: u64,
    nulls: u64,
    numbers: Moments,
    texts: u64,
    reservoir: Vec<f64>,
    random: u64,
    distinct: HashSet<u64>,
    named: HashMap<String, u64>,
}

#[derive(Default)]
struct Moments {
    count: u64,
    mean: f64,
    m2: f64,
    min: f64,
    max: f64,
}

impl Moments {
    /// Welford's update.
    fn add(&mut self, value: f64) {
        if self.count == 0 {
            (self.min, self.max) = (value, value);
        }
        self.count += 1;
        let delta = value - self.mean;
        self.mean += delta / self.count as f64;
        self.m2 += delta * (value - self.mean);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }
}

impl Column {
    /// A column that first appears after `missed` rows.
    pub(super) fn new(missed: u64) -> Self {
        Column {
            seen: missed,
            nulls: missed,
            numbers: Moments::default(),
            texts: 0,
            reservoir: Vec::new(),
            random: 0x9E37_79B9_7F4A_7C15,
            distinct: HashSet::new(),
            named: HashMap::new(),
        }
    }

    pub(super) fn add(&mut self, cell: &Cell<'_>) {
        self.seen += 1;
        match cell {
            Cell::Null => self.nulls += 1,
            Cell::Number(value) => self.add_number(*value),
            Cell::Text(text) => self.add_text(text),
        }
    }

    /// Counts a null for a row that did not mention the column.
    pub(super) fn fill(&mut self, rows: u64) {
        if self.seen < rows {
            self.nulls += rows - self.seen;
            self.seen = rows;
        }
    }

    fn add_number(&mut self, value: f64) {
        self.numbers.add(value);
        self.remember(value.to_bits());
        if self.reservoir.len() < RESERVOIR {
            self.reservoir.push(value);
        } else {
            let at = usize::try_from(self.next_random() % self.numbers.count).unwrap_or(usize::MAX);
            if let Some(slot) = self.reservoir.get_mut(at) {
                *slot = value;
            }
        }
    }

    fn add_text(&mut self, text: &str) {
        self.texts += 1;
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        self.remember(hasher.finish());
        if let Some(count) = self.named.get_mut(text) {
            *count += 1;
        } else if self.named.len() < NAMED {
            self.named.insert(text.chars().take(200).collect(), 1);
        }
    }

    fn remember(&mut self, hash: u64) {
        if self.distinct.len() < DISTINCT {
            self.distinct.insert(hash);
        }
    }

    /// xorshift64: reservoir sampling needs no better, and the seed is fixed on purpose.
    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    pub(super) fn finish(mut self) -> ColumnProfile {
        let count = self.numbers.count + self.texts;
        let rows = count + self.nulls;
        let numeric = self.numbers.count > 0 && self.texts == 0;
        let only = |value: f64| numeric.then_some(value);
        self.reservoir.sort_by(f64::total_cmp);
        let mut top: Vec<TopValue> = self
            .named
            .into_iter()
            .map(|(value, count)| TopValue { value, count })
            .collect();
        top.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
        top.truncate(TOP);
        ColumnProfile {
            kind: if numeric {
                "number"
            } else if self.texts > 0 {
                "text"
            } else {
                "empty"
            }
            .to_owned(),
            count,
            nulls: self.nulls,
            null_fraction: if rows == 0 {
                0.0
            } else {
                self.nulls as f64 / rows as f64
            },
            distinct: self.distinct.len() as u64,
            min: only(self.numbers.min),
            max: only(self.numbers.max),
            mean: only(self.numbers.mean),
            std: only((self.numbers.m2 / self.numbers.count.max(1) as f64).sqrt()),
            masses: if numeric {
                masses(&self.reservoir)
            } else {
                Vec::new()
            },
            quantiles: if numeric {
                quantiles(&self.reservoir)
            } else {
                Vec::new()
            },
            top,
        }
    }
}

fn quantiles(sorted: &[f64]) -> Vec<f64> {
    let last = sorted.len() - 1;
    (0..QUANTILES)
        .map(|i| sorted[(i * last + (QUANTILES - 1) / 2) / (QUANTILES - 1)])
        .collect()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a reservoir's length is far below 2^53"
)]
fn masses(sorted: &[f64]) -> Vec<f64> {
    let below = |quantile: f64| sorted.partition_point(|value| *value <= quantile);
    quantiles(sorted)
        .into_iter()
        .map(|q| below(q) as f64 / sorted.len() as f64)
        .collect()
}
