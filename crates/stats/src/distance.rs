//! Distances between two distributions, as shares of bins or as sorted numbers.
//!
//! `watch` explains alarms with them and `pipeline` compares data profiles. A distance is no test: what counts as far
//! depends on the window's size, so thresholds come from the service's own history ([`crate::blocks`]).
//!
//! Shares come in pairs of equal length, reference first. Where a formula divides by or takes the logarithm of a
//! share, empty bins count as [`EMPTY`] on either side (Evidently does the same), without renormalising.

/// What an empty bin counts as in [`psi`] and [`kl`].
pub const EMPTY: f64 = 1e-4;

/// Counts as shares; all 0 for no count.
pub fn shares(counts: &[u64]) -> Vec<f64> {
    let total: u64 = counts.iter().sum();
    counts
        .iter()
        .map(|&c| {
            if total == 0 {
                0.0
            } else {
                c as f64 / total as f64
            }
        })
        .collect()
}

fn pairs<'a>(reference: &'a [f64], current: &'a [f64]) -> impl Iterator<Item = (f64, f64)> + 'a {
    reference.iter().copied().zip(current.iter().copied())
}

fn filled(share: f64) -> f64 {
    if share > 0.0 { share } else { EMPTY }
}

/// Population stability index: Σ(c − r)·ln(c/r) (Siddiqi 2006; Jeffreys' divergence).
pub fn psi(reference: &[f64], current: &[f64]) -> f64 {
    pairs(reference, current)
        .map(|(r, c)| (filled(r), filled(c)))
        .map(|(r, c)| (c - r) * (c / r).ln())
        .sum()
}

/// Kullback and Leibler's divergence of the current from the reference: Σ r·ln(r/c) (1951).
pub fn kl(reference: &[f64], current: &[f64]) -> f64 {
    pairs(reference, current)
        .map(|(r, c)| (filled(r), filled(c)))
        .map(|(r, c)| r * (r / c).ln())
        .sum()
}

/// Jensen and Shannon's distance: √(½KL(r‖m) + ½KL(c‖m)), m the mean; natural logarithm, so at most √ln 2 (Endres and
/// Schindelin 2003). Needs no fill.
pub fn jensen_shannon(reference: &[f64], current: &[f64]) -> f64 {
    let part = |x: f64, m: f64| if x > 0.0 { x * (x / m).ln() } else { 0.0 };
    let sum: f64 = pairs(reference, current)
        .map(|(r, c)| {
            let m = f64::midpoint(r, c);
            f64::midpoint(part(r, m), part(c, m))
        })
        .sum();
    sum.max(0.0).sqrt()
}

/// Hellinger's distance: √(½Σ(√r − √c)²), 0 to 1.
pub fn hellinger(reference: &[f64], current: &[f64]) -> f64 {
    let sum: f64 = pairs(reference, current)
        .map(|(r, c)| (r.sqrt() - c.sqrt()).powi(2))
        .sum();
    (sum / 2.0).sqrt()
}

/// Total variation: ½Σ|r − c|, 0 to 1.
pub fn total_variation(reference: &[f64], current: &[f64]) -> f64 {
    pairs(reference, current)
        .map(|(r, c)| (r - c).abs())
        .sum::<f64>()
        / 2.0
}

/// The largest difference of one share (Vertex' choice for categories).
pub fn l_infinity(reference: &[f64], current: &[f64]) -> f64 {
    pairs(reference, current)
        .map(|(r, c)| (r - c).abs())
        .fold(0.0, f64::max)
}

/// Kolmogorov and Smirnov's statistic over ordered bins: the largest difference of cumulated shares. A lower bound of
/// the unbinned one.
pub fn kolmogorov_smirnov_binned(reference: &[f64], current: &[f64]) -> f64 {
    let mut gap = 0.0;
    pairs(reference, current)
        .map(|(r, c)| {
            gap += r - c;
            f64::abs(gap)
        })
        .fold(0.0, f64::max)
}

/// Kolmogorov and Smirnov's statistic D = sup|F_r − F_c| of two ascending samples; 0 if one is empty.
pub fn kolmogorov_smirnov(reference: &[f64], current: &[f64]) -> f64 {
    let mut top = 0.0;
    walk(reference, current, |gap, _| top = f64::max(top, gap.abs()));
    top
}

/// Wasserstein's distance of order one, ∫|F_r − F_c|, of two ascending samples, in their unit; 0 if one is empty.
pub fn wasserstein(reference: &[f64], current: &[f64]) -> f64 {
    let mut area = 0.0;
    walk(reference, current, |gap, width| area += gap.abs() * width);
    area
}

/// Calls `step(F_r − F_c, width)` for each stretch between neighbouring values of either sample.
fn walk(reference: &[f64], current: &[f64], mut step: impl FnMut(f64, f64)) {
    if reference.is_empty() || current.is_empty() {
        return;
    }
    let (mut i, mut j) = (0, 0);
    let next = |i: usize, j: usize| match (reference.get(i), current.get(j)) {
        (Some(&a), Some(&b)) => Some(a.min(b)),
        (a, b) => a.or(b).copied(),
    };
    while let Some(value) = next(i, j) {
        i += reference[i..].iter().take_while(|&&a| a <= value).count();
        j += current[j..].iter().take_while(|&&b| b <= value).count();
        let gap = i as f64 / reference.len() as f64 - j as f64 / current.len() as f64;
        step(gap, next(i, j).map_or(0.0, |after| after - value));
    }
}

/// The chance of a Kolmogorov–Smirnov statistic of at least `d` between samples of sizes `n` and `m` of one continuous
/// distribution: Kolmogorov's series 2Σ(−1)^(k−1)·exp(−2k²λ²) with Stephens' small-sample λ (1970). Good to about
/// two digits from 20 on a side; independent rows only.
pub fn kolmogorov_smirnov_p(d: f64, n: usize, m: usize) -> f64 {
    let effective = (n as f64 * m as f64 / (n + m) as f64).sqrt();
    let lambda = (effective + 0.12 + 0.11 / effective) * d;
    if lambda < 0.2 {
        return 1.0;
    }
    let term = |k: i32| {
        let sign = if k % 2 == 1 { 2.0 } else { -2.0 };
        sign * (-2.0 * f64::from(k * k) * lambda * lambda).exp()
    };
    (1..=100).map(term).sum::<f64>().clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests;
