//! Resampling in blocks: thresholds from a service's own history, with its order in time kept within each block.
//!
//! `watch` calibrates its budget of false alarms with it and `rollout` the length of a block, below which looks are
//! not independent. Random numbers come from the caller's seeded [`Rng`].

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

/// The autocorrelation of a series at `lag`; 0 for one that is constant or too short.
pub fn autocorrelation(series: &[f64], lag: usize) -> f64 {
    let mean = series.iter().sum::<f64>() / series.len().max(1) as f64;
    let squares: f64 = series.iter().map(|x| (x - mean).powi(2)).sum();
    let products: f64 = series
        .iter()
        .zip(series.iter().skip(lag))
        .map(|(a, b)| (a - mean) * (b - mean))
        .sum();
    if squares > 0.0 {
        products / squares
    } else {
        0.0
    }
}

/// The shortest block length (in points) from which on the sums of neighbouring blocks no longer go together:
/// lengths 1, 2, 3, 5, 8, … up to an eighth of the series, the first whose lag-one autocorrelation is under
/// one standard error, 1/√blocks. `None` if there is none, so that the series is too short for its memory.
///
/// A rule of thumb, not a test: it errs towards longer blocks, since the estimate of the autocorrelation of few
/// blocks is biased downwards by about 1/blocks, which is added back (Kendall 1954).
pub fn independent_length(series: &[f64]) -> Option<usize> {
    let lengths =
        std::iter::successors(Some((1_usize, 2_usize)), |&(a, b)| Some((b, a + b))).map(|(a, _)| a);
    lengths
        .take_while(|length| length * 8 <= series.len())
        .find(|&length| {
            let sums: Vec<f64> = series
                .chunks_exact(length)
                .map(|chunk| chunk.iter().sum())
                .collect();
            let blocks = sums.len() as f64;
            autocorrelation(&sums, 1) + 1.0 / blocks < 1.0 / blocks.sqrt()
        })
}

#[cfg(test)]
mod tests;
