//! Numbers in bins between the quantiles of a reference. Used through [`super::ColumnSketch`].

use super::Unlike;
use crate::distance;
use serde::{Deserialize, Serialize};

/// Counts per bin, extremes and moments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumberSketch {
    /// Ascending and distinct. Bin i is (edges[i-1], edges[i]]; the first and the last are open-ended.
    edges: Vec<f64>,
    counts: Vec<u64>,
    /// Smallest and largest; `None` without numbers (JSON knows no infinities).
    range: Option<(f64, f64)>,
    /// The sum of each bin's numbers, so that its mean is known also where it is open-ended.
    sums: Vec<f64>,
    squares: f64,
}

impl NumberSketch {
    /// At most `bins` bins with about the same number of `numbers` in each; a value that many rows share has a bin of
    /// its own.
    pub(super) fn of(mut numbers: Vec<f64>, bins: usize) -> Self {
        numbers.sort_by(f64::total_cmp);
        let mut edges: Vec<f64> = Vec::new();
        for i in 1..bins.max(1) {
            let rank = (numbers.len() * i).div_ceil(bins).saturating_sub(1);
            let Some(&edge) = numbers.get(rank) else {
                break;
            };
            // The edge below a heavy value keeps what is smaller out of its bin.
            let below = numbers[..numbers.partition_point(|&x| x < edge)]
                .last()
                .copied();
            let heavy =
                numbers.partition_point(|&x| x <= edge) - numbers.partition_point(|&x| x < edge);
            let candidates = if heavy * bins >= numbers.len() {
                [below, Some(edge)]
            } else {
                [None, Some(edge)]
            };
            for candidate in candidates.into_iter().flatten() {
                if edges.last().is_none_or(|&last| candidate > last) {
                    edges.push(candidate);
                }
            }
        }
        let mut sketch = Self::with_edges(edges);
        numbers.into_iter().for_each(|x| sketch.add(x));
        sketch
    }

    fn with_edges(edges: Vec<f64>) -> Self {
        let bins = edges.len() + 1;
        Self {
            edges,
            counts: vec![0; bins],
            range: None,
            sums: vec![0.0; bins],
            squares: 0.0,
        }
    }

    pub(super) fn empty(&self) -> Self {
        Self::with_edges(self.edges.clone())
    }

    pub(super) fn add(&mut self, x: f64) {
        let bin = self.edges.partition_point(|&edge| edge < x);
        self.counts[bin] += 1;
        self.sums[bin] += x;
        let (low, high) = self.range.unwrap_or((x, x));
        self.range = Some((low.min(x), high.max(x)));
        self.squares += x * x;
    }

    pub(super) fn merge(&mut self, other: &Self) -> Result<(), Unlike> {
        if self.edges != other.edges {
            return Err(Unlike);
        }
        for (a, b) in self.counts.iter_mut().zip(&other.counts) {
            *a += b;
        }
        self.range = match (self.range, other.range) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
        for (a, b) in self.sums.iter_mut().zip(&other.sums) {
            *a += b;
        }
        self.squares += other.squares;
        Ok(())
    }

    /// Numbers in each bin.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The edges between the bins, one fewer than bins.
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// How many numbers.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The smallest, if any.
    pub fn min(&self) -> Option<f64> {
        self.range.map(|(low, _)| low)
    }

    /// The largest, if any.
    pub fn max(&self) -> Option<f64> {
        self.range.map(|(_, high)| high)
    }

    /// The mean, if any.
    pub fn mean(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.sums.iter().sum::<f64>() / self.count() as f64)
    }

    /// The standard deviation (n in the denominator), if any.
    pub fn sd(&self) -> Option<f64> {
        let mean = self.mean()?;
        Some(
            (self.squares / self.count() as f64 - mean * mean)
                .max(0.0)
                .sqrt(),
        )
    }

    /// About the `q` quantile, interpolated within its bin; exact at the edges of the reference itself.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let (low, high) = self.range?;
        let rank = q.clamp(0.0, 1.0) * self.count() as f64;
        let mut before = 0.0;
        for (i, &count) in self.counts.iter().enumerate() {
            let count = count as f64;
            if count > 0.0 && before + count >= rank {
                let from = if i == 0 {
                    low
                } else {
                    self.edges[i - 1].max(low)
                };
                let to = self.edges.get(i).map_or(high, |edge| edge.min(high));
                return Some(from + (to - from) * ((rank - before) / count));
            }
            before += count;
        }
        Some(high)
    }

    pub(super) fn kolmogorov_smirnov(&self, current: &Self) -> Result<f64, Unlike> {
        if self.edges != current.edges {
            return Err(Unlike);
        }
        let (r, c) = (
            distance::shares(&self.counts),
            distance::shares(&current.counts),
        );
        Ok(distance::kolmogorov_smirnov_binned(&r, &c))
    }

    /// ∫|F_r − F_c| with each bin's numbers at their mean, over the reference's standard deviation; 0 if either is
    /// empty or the reference is constant.
    pub(super) fn wasserstein(&self, current: &Self) -> Result<f64, Unlike> {
        if self.edges != current.edges {
            return Err(Unlike);
        }
        let Some(sd) = self.sd().filter(|&sd| sd > 0.0 && current.count() > 0) else {
            return Ok(0.0);
        };
        let mut masses: Vec<(f64, f64)> = self.masses(1.0).chain(current.masses(-1.0)).collect();
        masses.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut gap, mut area) = (0.0_f64, 0.0);
        for pair in masses.windows(2) {
            gap += pair[0].1;
            area += gap.abs() * (pair[1].0 - pair[0].0);
        }
        Ok(area / sd)
    }

    /// Each bin's mean with `sign` times its share.
    fn masses(&self, sign: f64) -> impl Iterator<Item = (f64, f64)> {
        let total = self.count() as f64;
        let bins = self
            .counts
            .iter()
            .zip(&self.sums)
            .filter(|(count, _)| **count > 0);
        bins.map(move |(&count, sum)| (sum / count as f64, sign * count as f64 / total))
    }
}
