//! Words counted by name, the rare ones together. Used through [`super::ColumnSketch`].

use super::Unlike;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name that the rare and new words are shown under.
pub const OTHER: &str = "(other)";

/// Distinct words that are counted exactly while a reference is made; beyond it, new ones count as other.
const DISTINCT: usize = 100_000;

/// Counts of the reference's most frequent words, and of all others together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CategorySketch {
    top: BTreeMap<String, u64>,
    other: u64,
    /// Distinct words in the reference, up to 100,000.
    distinct: u64,
}

impl CategorySketch {
    pub(super) fn of<S: AsRef<str>>(words: impl IntoIterator<Item = S>, top: usize) -> Self {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        let mut other = 0;
        for word in words {
            let word = word.as_ref();
            if let Some(count) = counts.get_mut(word) {
                *count += 1;
            } else if counts.len() < DISTINCT {
                counts.insert(word.to_owned(), 1);
            } else {
                other += 1;
            }
        }
        let distinct = counts.len() as u64;
        let mut ranked: Vec<(String, u64)> = counts.into_iter().collect();
        ranked.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        other += ranked.iter().skip(top).map(|(_, count)| count).sum::<u64>();
        ranked.truncate(top);
        Self {
            top: ranked.into_iter().collect(),
            other,
            distinct,
        }
    }

    pub(super) fn empty(&self) -> Self {
        let top = self.top.keys().map(|word| (word.clone(), 0)).collect();
        Self {
            top,
            other: 0,
            distinct: self.distinct,
        }
    }

    pub(super) fn add(&mut self, word: &str) {
        *self.top.get_mut(word).unwrap_or(&mut self.other) += 1;
    }

    pub(super) fn like(&self, other: &Self) -> bool {
        self.top.keys().eq(other.top.keys())
    }

    pub(super) fn merge(&mut self, other: &Self) -> Result<(), Unlike> {
        if !self.like(other) {
            return Err(Unlike);
        }
        for (count, more) in self.top.values_mut().zip(other.top.values()) {
            *count += more;
        }
        self.other += other.other;
        Ok(())
    }

    /// Each word's count in the order of the words, the others' together last.
    pub fn counts(&self) -> Vec<u64> {
        self.top.values().copied().chain([self.other]).collect()
    }

    /// The words with their counts, [`OTHER`] last.
    pub fn words(&self) -> impl Iterator<Item = (&str, u64)> {
        self.top
            .iter()
            .map(|(word, &count)| (word.as_str(), count))
            .chain([(OTHER, self.other)])
    }

    /// Distinct words in the reference, up to 100,000.
    pub fn distinct(&self) -> u64 {
        self.distinct
    }
}
