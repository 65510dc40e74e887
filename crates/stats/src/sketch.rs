//! A column in a few hundred bytes: counts, moments, and its distribution over bins fixed by a reference.
//!
//! `pipeline` makes one per column of a data set (the profile), `watch` fills empty copies of it from traffic and
//! asks how far they are apart. Sketches of the same reference merge exactly, in any order: they are counts.

mod category;
mod number;

pub use category::{CategorySketch, OTHER};
pub use number::NumberSketch;

use crate::distance;
use serde::{Deserialize, Serialize};

/// The sketch of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnSketch {
    /// Rows, missing ones included.
    pub rows: u64,
    /// Rows without a value.
    pub missing: u64,
    /// What the values are like.
    pub values: Values,
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Values {
    /// Numbers.
    Numbers(NumberSketch),
    /// Words.
    Categories(CategorySketch),
}

/// Two sketches that do not have the same bins or categories, so that they cannot be merged or compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unlike;

impl std::fmt::Display for Unlike {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "sketches with different bins; make both from the same reference with `empty()`",
        )
    }
}

impl std::error::Error for Unlike {}

/// How far two distributions are apart, by every measure that is defined for them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Distances {
    /// Population stability index.
    pub psi: f64,
    /// Kullback–Leibler divergence.
    pub kl: f64,
    /// Jensen–Shannon distance.
    pub jensen_shannon: f64,
    /// Hellinger distance.
    pub hellinger: f64,
    /// Total variation.
    pub total_variation: f64,
    /// Kolmogorov–Smirnov statistic over the bins; numbers only.
    pub kolmogorov_smirnov: Option<f64>,
    /// Wasserstein distance over the bins in standard deviations of the reference; numbers only.
    pub wasserstein: Option<f64>,
}

impl ColumnSketch {
    /// The sketch of a column of numbers, with `bins` bins between its own quantiles; whatever is
    /// not a finite number is missing.
    pub fn of_numbers(column: impl IntoIterator<Item = Option<f64>>, bins: usize) -> Self {
        let mut rows = 0;
        let numbers: Vec<f64> = column
            .into_iter()
            .inspect(|_| rows += 1)
            .flatten()
            .filter(|x| x.is_finite())
            .collect();
        let missing = rows - numbers.len() as u64;
        Self {
            rows,
            missing,
            values: Values::Numbers(NumberSketch::of(numbers, bins)),
        }
    }

    /// The sketch of a column of words, with its `top` most frequent ones; the others are counted together.
    pub fn of_categories<S: AsRef<str>>(
        column: impl IntoIterator<Item = Option<S>>,
        top: usize,
    ) -> Self {
        let (mut rows, mut missing) = (0, 0);
        let words = column.into_iter().inspect(|word| {
            rows += 1;
            missing += u64::from(word.is_none());
        });
        let values = Values::Categories(CategorySketch::of(words.flatten(), top));
        Self {
            rows,
            missing,
            values,
        }
    }

    /// The same bins or categories with nothing in them, to be filled with what is to be compared.
    #[must_use]
    pub fn empty(&self) -> Self {
        let values = match &self.values {
            Values::Numbers(n) => Values::Numbers(n.empty()),
            Values::Categories(c) => Values::Categories(c.empty()),
        };
        Self {
            rows: 0,
            missing: 0,
            values,
        }
    }

    /// Counts one number; in a column of words it counts as the word it is written as.
    pub fn add_number(&mut self, x: f64) {
        self.rows += 1;
        match &mut self.values {
            _ if !x.is_finite() => self.missing += 1,
            Values::Numbers(n) => n.add(x),
            Values::Categories(c) => c.add(&x.to_string()),
        }
    }

    /// Counts one word; in a column of numbers one that is no number counts as missing.
    pub fn add_word(&mut self, word: &str) {
        if let Values::Categories(c) = &mut self.values {
            self.rows += 1;
            c.add(word);
        } else {
            self.add_number(word.trim().parse().unwrap_or(f64::NAN));
        }
    }

    /// Counts one row without a value.
    pub fn add_missing(&mut self) {
        self.rows += 1;
        self.missing += 1;
    }

    /// Adds the counts of another sketch of the same reference.
    ///
    /// # Errors
    /// [`Unlike`], with nothing changed, if it is of another reference.
    pub fn merge(&mut self, other: &Self) -> Result<(), Unlike> {
        match (&mut self.values, &other.values) {
            (Values::Numbers(a), Values::Numbers(b)) => a.merge(b)?,
            (Values::Categories(a), Values::Categories(b)) => a.merge(b)?,
            _ => return Err(Unlike),
        }
        self.rows += other.rows;
        self.missing += other.missing;
        Ok(())
    }

    /// The share of rows without a value; 0 without rows.
    pub fn missing_share(&self) -> f64 {
        if self.rows == 0 {
            0.0
        } else {
            self.missing as f64 / self.rows as f64
        }
    }

    /// The shares of the bins, the missing ones last. They sum to 1 unless there are no rows.
    pub fn shares(&self) -> Vec<f64> {
        let mut counts = match &self.values {
            Values::Numbers(n) => n.counts().to_vec(),
            Values::Categories(c) => c.counts(),
        };
        counts.push(self.missing);
        distance::shares(&counts)
    }

    /// How far `current` is from this reference; missing values are a bin of their own.
    ///
    /// # Errors
    /// [`Unlike`] if `current` was made from another reference.
    pub fn distances(&self, current: &Self) -> Result<Distances, Unlike> {
        let (kolmogorov_smirnov, wasserstein) = match (&self.values, &current.values) {
            (Values::Numbers(r), Values::Numbers(c)) => {
                (Some(r.kolmogorov_smirnov(c)?), Some(r.wasserstein(c)?))
            }
            (Values::Categories(r), Values::Categories(c)) if r.like(c) => (None, None),
            _ => return Err(Unlike),
        };
        let (r, c) = (self.shares(), current.shares());
        Ok(Distances {
            psi: distance::psi(&r, &c),
            kl: distance::kl(&r, &c),
            jensen_shannon: distance::jensen_shannon(&r, &c),
            hellinger: distance::hellinger(&r, &c),
            total_variation: distance::total_variation(&r, &c),
            kolmogorov_smirnov,
            wasserstein,
        })
    }
}

#[cfg(test)]
mod tests;
