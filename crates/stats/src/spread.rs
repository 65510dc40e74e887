//! A distribution of numbers of any sign and size, to within one per cent, in bounded memory.
//!
//! For what has no reference to take bins from: differences between two answers, of which nobody knows beforehand
//! whether they are of a millionth or of a million. Buckets grow by a factor (Masson, Rim and Lee: "DDSketch: a fast and
//! fully-mergeable quantile sketch with relative-error guarantees", VLDB 2019), for each sign apart; zero has a bucket of
//! its own. The same numbers make the same sketch in any order.

use std::collections::BTreeMap;

/// How far a quantile may be from the true one, relative to it.
pub const ACCURACY: f64 = 0.01;
/// Buckets of one sign; beyond that, the smallest are counted together.
const BUCKETS: usize = 2048;

/// Counts per bucket, extremes and the sum.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Spread {
    positive: BTreeMap<i32, u64>,
    negative: BTreeMap<i32, u64>,
    zero: u64,
    sum: f64,
    range: Option<(f64, f64)>,
}

impl Spread {
    /// Counts a number; one that is not finite is left out.
    pub fn add(&mut self, x: f64) {
        if !x.is_finite() {
            return;
        }
        self.sum += x;
        let (low, high) = self.range.unwrap_or((x, x));
        self.range = Some((low.min(x), high.max(x)));
        if x == 0.0 {
            self.zero += 1;
            return;
        }
        let side = if x > 0.0 {
            &mut self.positive
        } else {
            &mut self.negative
        };
        *side.entry(bucket(x.abs())).or_default() += 1;
        if side.len() > BUCKETS
            && let Some((_, smallest)) = side.pop_first()
            && let Some(mut next) = side.first_entry()
        {
            *next.get_mut() += smallest;
        }
    }

    /// How many numbers.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.zero + self.positive.values().sum::<u64>() + self.negative.values().sum::<u64>()
    }

    /// The mean, if any.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.sum / self.count() as f64)
    }

    /// The smallest and the largest, if any.
    #[must_use]
    pub fn range(&self) -> Option<(f64, f64)> {
        self.range
    }

    /// The `q` quantile to within [`ACCURACY`] of itself, if any.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let (low, high) = self.range?;
        let rank = (q.clamp(0.0, 1.0) * self.count().saturating_sub(1) as f64).floor() as u64;
        let negative = self.negative.iter().rev().map(|(k, n)| (-middle(*k), *n));
        let positive = self.positive.iter().map(|(k, n)| (middle(*k), *n));
        let mut before = 0;
        for (value, count) in negative.chain([(0.0, self.zero)]).chain(positive) {
            before += count;
            if before > rank {
                return Some(value.clamp(low, high));
            }
        }
        Some(high)
    }

    /// The distribution of the sizes alone.
    #[must_use]
    pub fn sizes(&self) -> Self {
        let mut sizes = Self {
            zero: self.zero,
            positive: self.positive.clone(),
            ..Self::default()
        };
        for (bucket, count) in &self.negative {
            *sizes.positive.entry(*bucket).or_default() += count;
        }
        let sum = |(bucket, count): (&i32, &u64)| middle(*bucket) * *count as f64;
        sizes.sum = sizes.positive.iter().map(sum).sum();
        sizes.range = self.range.map(|(low, high)| {
            let crosses = self.zero > 0 || (low < 0.0 && high > 0.0);
            let smallest = sizes.positive.keys().next().map_or(0.0, |k| middle(*k));
            let least = match (self.zero > 0, crosses) {
                (true, _) => 0.0,
                (false, true) => smallest,
                (false, false) => low.abs().min(high.abs()),
            };
            (least, low.abs().max(high.abs()))
        });
        sizes
    }

    /// How many numbers are in each power of ten of each sign, ascending: from, to, count. The two ends of a bar are its
    /// smaller and its larger number; zeros are a bar of their own.
    #[must_use]
    pub fn decades(&self) -> Vec<(f64, f64, u64)> {
        let mut bars: BTreeMap<(i8, i32), u64> = BTreeMap::new();
        for (sign, side) in [(-1, &self.negative), (1, &self.positive)] {
            for (bucket, count) in side {
                let decade = middle(*bucket).log10().floor() as i32;
                *bars.entry((sign, i32::from(sign) * decade)).or_default() += count;
            }
        }
        if self.zero > 0 {
            bars.insert((0, 0), self.zero);
        }
        let ends = |((sign, decade), count): ((i8, i32), u64)| {
            let (from, to) = (
                10_f64.powi(i32::from(sign) * decade),
                10_f64.powi(i32::from(sign) * decade + 1),
            );
            match sign {
                -1 => (-to, -from, count),
                0 => (0.0, 0.0, count),
                _ => (from, to, count),
            }
        };
        bars.into_iter().map(ends).collect()
    }
}

/// (1 + a) / (1 − a): any two numbers of a bucket are within twice the accuracy of each other.
fn growth() -> f64 {
    (1.0 + ACCURACY) / (1.0 - ACCURACY)
}

fn bucket(size: f64) -> i32 {
    (size.ln() / growth().ln()).ceil() as i32
}

/// The number that no other of its bucket is further from than the accuracy.
fn middle(bucket: i32) -> f64 {
    let top = (f64::from(bucket) * growth().ln()).exp();
    2.0 * top / (growth() + 1.0)
}

#[cfg(test)]
mod tests;
