//! Resampling in blocks: thresholds from a service's own history, with its order in time kept within each block.
//!
//! `watch` calibrates its budget of false alarms with it. Random numbers come from the caller's seeded [`Rng`].

use crate::rng::Rng;

/// A series as long as `series`, of blocks of `block` neighbours drawn with replacement; ends wrap round, so that each
/// point is drawn as often as any other.
///
/// The circular block bootstrap: Politis and Romano 1992. It keeps what goes on within a block and breaks what goes
/// on between blocks, so blocks must be longer than the memory of the series.
pub fn bootstrap<T: Clone>(series: &[T], block: usize, rng: &mut Rng) -> Vec<T> {
    let mut out = Vec::with_capacity(series.len());
    while out.len() < series.len() {
        let start = rng.below(series.len());
        let rest = series.len() - out.len();
        out.extend(
            series
                .iter()
                .cycle()
                .skip(start)
                .take(block.max(1).min(rest))
                .cloned(),
        );
    }
    out
}

/// The same points with their blocks of `block` neighbours in random order; a short last block is moved as it is.
///
/// The null of a permutation test for series: stationary, exchangeable between blocks.
pub fn permute<T: Clone>(series: &[T], block: usize, rng: &mut Rng) -> Vec<T> {
    let mut blocks: Vec<&[T]> = series.chunks(block.max(1)).collect();
    rng.shuffle(&mut blocks);
    blocks.concat()
}

/// The smallest threshold that at most a share `alpha` of `runs` resampled histories exceeds with their highest
/// statistic. `highest` replays a monitor over a history and returns the highest value that it reached.
///
/// Of the n = `runs` maxima the ⌈(1 − α)(n + 1)⌉-th smallest, so that a further exchangeable history exceeds it with a
/// chance of at most α (the exact quantile of permutation tests; Lehmann and Romano, 15.2); infinite if
/// `runs` < 1/α − 1.
pub fn threshold<T: Clone>(
    series: &[T],
    block: usize,
    runs: usize,
    alpha: f64,
    rng: &mut Rng,
    mut highest: impl FnMut(&[T]) -> f64,
) -> f64 {
    let mut maxima: Vec<f64> = (0..runs)
        .map(|_| highest(&permute(series, block, rng)))
        .collect();
    maxima.sort_by(f64::total_cmp);
    let rank = ((1.0 - alpha) * (runs as f64 + 1.0)).ceil() as usize;
    maxima
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests;
