//! One coin, one-sided: is its chance of heads above θ0?
//!
//! Two arms' error counts become a coin (each error: is it the candidate's?), so do a sample-ratio check (each
//! request: is it the candidate's?), an absolute floor (each request: did it fail?) and a sign test. `rollout` and
//! `watch` keep two integers and ask for the evidence whenever they look.

use crate::beta::{ln_beta, ln_upper_tail};

/// The chance that an event is the candidate's, when the candidate gets `share` of the traffic and its rate is
/// `ratio` times the other arm's: θ = q·r / (q·r + 1 − q).
pub fn theta(share: f64, ratio: f64) -> f64 {
    share * ratio / (share * ratio + 1.0 - share)
}

/// A Beta(a, b) prior over the chance of heads, cut off below θ0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior {
    /// First shape, above 0.
    pub a: f64,
    /// Second shape, above 0.
    pub b: f64,
}

impl Prior {
    /// Jeffreys' prior, the default wherever nothing is known of the harm.
    pub const JEFFREYS: Self = Self { a: 0.5, b: 0.5 };
}

/// The log e-value of `heads` and `tails` against H0: θ ≤ `theta0`.
///
/// E = ∫_{θ0}^{1} (θ/θ0)^s ((1−θ)/(1−θ0))^f π(dθ) with π a Beta truncated to (θ0, 1): a ratio of incomplete betas.
/// Each θ's integrand is a supermartingale for every chance at or under θ0, hence so is the mixture, at any
/// stopping time. Source: Lindon and Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022;
/// the mixture is Robbins' (1970). Stable beyond 10^7 counts.
///
/// `theta0` outside (0, 1) means that nothing can contradict the null: the evidence is 0.
pub fn log_evidence(heads: u64, tails: u64, theta0: f64, prior: Prior) -> f64 {
    if !(theta0 > 0.0 && theta0 < 1.0) {
        return 0.0;
    }
    let (s, f) = (heads as f64, tails as f64);
    let Prior { a, b } = prior;
    ln_beta(a + s, b + f) + ln_upper_tail(theta0, a + s, b + f)
        - ln_beta(a, b)
        - ln_upper_tail(theta0, a, b)
        - s * theta0.ln()
        - f * (-theta0).ln_1p()
}

/// The log e-value of two arms' event counts against H0: rate ratio ≤ `ratio0`, at a fixed traffic `share`.
pub fn log_evidence_two_arms(candidate: u64, champion: u64, share: f64, ratio0: f64) -> f64 {
    log_evidence(candidate, champion, theta(share, ratio0), Prior::JEFFREYS)
}

/// The log e-value of category counts against exact `shares` (which sum to 1): the multinomial sample-ratio test.
///
/// E = [B(a + n) / B(a)] / ∏ θ0^n with a flat Dirichlet (Lindon and Malek 2022). Two-sided: a departure in any
/// direction counts. A category with share 0 that has events contradicts the null for good.
pub fn log_evidence_shares(counts: &[u64], shares: &[f64]) -> f64 {
    use statrs::function::gamma::ln_gamma;
    let total: u64 = counts.iter().sum();
    let categories = counts.len() as f64;
    let mut log = ln_gamma(categories) - ln_gamma(categories + total as f64);
    for (&count, &share) in counts.iter().zip(shares) {
        if count > 0 {
            log += ln_gamma(1.0 + count as f64) - count as f64 * share.ln();
        }
    }
    log
}

/// The sign test for paired looks: `worse` against `better` looks, ties dropped, H0: P(worse) ≤ ½.
///
/// Exact for any exchangeable noise of the two arms within a look, however large (facts: it is the only test of its
/// kind that more traffic does not spoil); blind to how much worse.
pub fn log_evidence_signs(worse: u64, better: u64) -> f64 {
    log_evidence(worse, better, 0.5, Prior::JEFFREYS)
}

#[cfg(test)]
mod tests;
