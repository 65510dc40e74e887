//! The latency histogram that gateway, roll-outs and monitors share.
//!
//! Log-linear: 16 buckets per power of two of microseconds (so a bucket is at most 1/16 wide,
//! relative to its value), every microsecond of its own below 32 µs, and one bucket for all that
//! takes 2^26 µs (67 s) or longer. The bounds never change: counts of two versions, two processes
//! or two releases can be added and compared. Nothing here reads a clock.

use serde::{Deserialize, Serialize};

/// A time in microseconds.
pub type Micros = u64;

/// Buckets per power of two.
const SUB: usize = 16;
/// log2 of [`SUB`]: below two to this, a bucket is one microsecond.
const SUB_BITS: u32 = 4;
/// log2 of the first value of the last bucket.
const TOP_BITS: u32 = 26;

/// How many buckets there are. The last one has no upper bound.
pub const BUCKETS: usize = SUB + (TOP_BITS - SUB_BITS) as usize * SUB + 1;

/// The bucket that counts a request of this length.
#[must_use]
pub fn bucket(micros: Micros) -> usize {
    if micros < SUB as u64 {
        return usize::try_from(micros).unwrap_or(0);
    }
    let power = micros.ilog2();
    if power >= TOP_BITS {
        return BUCKETS - 1;
    }
    let row = (power - SUB_BITS) as usize;
    let column = (micros >> (power - SUB_BITS)) as usize & (SUB - 1);
    SUB + row * SUB + column
}

/// The shortest time that falls into bucket `index`; for an index past the last, the last's.
#[must_use]
pub fn lower_bound(index: usize) -> Micros {
    let index = index.min(BUCKETS - 1);
    if index < SUB {
        return index as u64;
    }
    let (row, column) = ((index - SUB) / SUB, (index - SUB) % SUB);
    ((SUB + column) as u64) << row
}

/// The longest time that falls into bucket `index`; `u64::MAX` for the last.
#[must_use]
pub fn upper_bound(index: usize) -> Micros {
    if index >= BUCKETS - 1 {
        return Micros::MAX;
    }
    lower_bound(index + 1) - 1
}

/// Counts of requests by length. As JSON it is the array of counts without the zeros at its end.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<u64>", try_from = "Vec<u64>")]
pub struct Histogram {
    counts: Box<[u64; BUCKETS]>,
}

/// More counts than there are buckets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a latency histogram has at most {BUCKETS} buckets, not {0}")]
pub struct TooManyBuckets(pub usize);

impl Histogram {
    /// A histogram without any request.
    #[must_use]
    pub fn new() -> Self {
        Self {
            counts: Box::new([0; BUCKETS]),
        }
    }

    /// A histogram from counts by bucket; what is missing at the end is zero.
    pub fn from_counts(counts: &[u64]) -> Result<Self, TooManyBuckets> {
        let mut new = Self::new();
        let kept = new
            .counts
            .get_mut(..counts.len())
            .ok_or(TooManyBuckets(counts.len()))?;
        kept.copy_from_slice(counts);
        Ok(new)
    }

    /// The counts by bucket.
    #[must_use]
    pub fn counts(&self) -> &[u64; BUCKETS] {
        &self.counts
    }

    /// Counts one request.
    pub fn add(&mut self, micros: Micros) {
        self.add_many(micros, 1);
    }

    /// Counts `n` requests of one length.
    pub fn add_many(&mut self, micros: Micros, n: u64) {
        let count = &mut self.counts[bucket(micros)];
        *count = count.saturating_add(n);
    }

    /// Adds another's counts to this one's.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts.iter()) {
            *mine = mine.saturating_add(*theirs);
        }
    }

    /// What was counted since an earlier state of the same histogram. A count that went down (the
    /// counter began anew) gives zero.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut new = self.clone();
        for (mine, theirs) in new.counts.iter_mut().zip(earlier.counts.iter()) {
            *mine = mine.saturating_sub(*theirs);
        }
        new
    }

    /// How many requests were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// The `q` quantile (0..=1), as the longest time of the bucket it falls into, so never too
    /// short and at most 1/16 too long. `None` without requests or for a `q` outside. In the last
    /// bucket, which has no end, its lower bound.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<Micros> {
        let total = self.total();
        if total == 0 || !(0.0..=1.0).contains(&q) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "q is in 0..=1, so the rank is in 0..=total; above 2^53 a rank may be off by a few"
        )]
        let rank = ((q * total as f64).ceil() as u64).clamp(1, total);
        let mut seen = 0_u64;
        for (index, count) in self.counts.iter().enumerate() {
            seen = seen.saturating_add(*count);
            if seen >= rank {
                return Some(if index == BUCKETS - 1 {
                    lower_bound(index)
                } else {
                    upper_bound(index)
                });
            }
        }
        None
    }

    /// How many requests took longer than `threshold`. Those in the threshold's own bucket are not
    /// counted: the threshold is rounded up to the end of its bucket (by at most 1/16), the same
    /// way for every version that is compared.
    #[must_use]
    pub fn exceeding(&self, threshold: Micros) -> u64 {
        let above = &self.counts[bucket(threshold) + 1..];
        above.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let filled = self.counts.iter().enumerate().filter(|(_, n)| **n > 0);
        f.debug_map()
            .entries(filled.map(|(i, n)| (lower_bound(i), n)))
            .finish()
    }
}

impl From<Histogram> for Vec<u64> {
    fn from(histogram: Histogram) -> Self {
        let used = histogram
            .counts
            .iter()
            .rposition(|n| *n > 0)
            .map_or(0, |last| last + 1);
        histogram.counts[..used].to_vec()
    }
}

impl TryFrom<Vec<u64>> for Histogram {
    type Error = TooManyBuckets;

    fn try_from(counts: Vec<u64>) -> Result<Self, Self::Error> {
        Self::from_counts(&counts)
    }
}

#[cfg(test)]
mod tests;
