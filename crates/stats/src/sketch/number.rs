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
    sum: f64,
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
                if edges.last().is_none_or(|&last| candidate > last) && candidate.is_finite() {
                    edges.push(candidate);
                }
            }
        }
        // Nothing lies above the largest value: an edge there would leave the last bin empty for new extremes only.
        let mut sketch = Self {
            counts: vec![0; edges.len() + 1],
            edges,
            range: None,
            sum: 0.0,
            squares: 0.0,
        };
        numbers.into_iter().for_each(|x| sketch.add(x));
        sketch
    }

    pub(super) fn empty(&self) -> Self {
        let counts = vec![0; self.counts.len()];
        Self {
            edges: self.edges.clone(),
            counts,
            range: None,
            sum: 0.0,
            squares: 0.0,
        }
    }

    pub(super) fn add(&mut self, x: f64) {
        self.counts[self.edges.partition_point(|&edge| edge < x)] += 1;
        let (low, high) = self.range.unwrap_or((x, x));
        self.range = Some((low.min(x), high.max(x)));
        self.sum += x;
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
        self.sum += other.sum;
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
        (self.count() > 0).then(|| self.sum / self.count() as f64)
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

    /// ∫|F_r − F_c| with both taken as linear within bins, over the reference's standard deviation; 0 if either is
    /// empty or the reference is constant.
    pub(super) fn wasserstein(&self, current: &Self) -> Result<f64, Unlike> {
        if self.edges != current.edges {
            return Err(Unlike);
        }
        let (Some(r), Some(c), Some(sd)) = (self.range, current.range, self.sd()) else {
            return Ok(0.0);
        };
        let (low, high) = (r.0.min(c.0), r.1.max(c.1));
        let ends = [low]
            .into_iter()
            .chain(self.edges.iter().copied())
            .chain([high]);
        let ends: Vec<f64> = ends.map(|x| x.clamp(low, high)).collect();
        let (r, c) = (
            distance::shares(&self.counts),
            distance::shares(&current.counts),
        );
        let (mut gap, mut area) = (0.0_f64, 0.0);
        for (bin, width) in ends.windows(2).map(|pair| pair[1] - pair[0]).enumerate() {
            let next = gap + r[bin] - c[bin];
            area += width * mean_of_absolute_line(gap, next);
            gap = next;
        }
        Ok(if sd > 0.0 { area / sd } else { 0.0 })
    }
}

/// The mean of |x| along a straight line from `a` to `b`.
fn mean_of_absolute_line(a: f64, b: f64) -> f64 {
    if a * b >= 0.0 {
        return f64::midpoint(a.abs(), b.abs());
    }
    (a * a + b * b) / (2.0 * (a - b).abs())
}
