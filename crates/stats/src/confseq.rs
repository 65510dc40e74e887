//! Confidence sequences: intervals that contain the truth at all times at once.
//!
//! `rollout` shows them beside its evidence and `watch` charts them. They are asymptotic: variances are estimated,
//! so the guarantee holds from a few dozen observations on, and heavy tails should be capped first.

use serde::{Deserialize, Serialize};

/// ρ that makes the sequence tightest around `at` observations (Waudby-Smith et al. 2024, appendix; the same choice
/// as in the authors' `confseq` package).
fn rho_squared(alpha: f64, at: u64) -> f64 {
    let x = -2.0 * alpha.ln();
    (x + (x + 1.0).ln()) / at.max(1) as f64
}

/// Half the width of the two-sided asymptotic confidence sequence for a mean after `count` observations with
/// standard deviation `sd`, tightest around `tuned_for` observations.
///
/// s·√(2(tρ²+1)/(t²ρ²) · ln(√(tρ²+1)/α)): Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit
/// theory and asymptotic confidence sequences", Annals of Statistics 2024, theorem 2.2.
pub fn half_width(count: u64, sd: f64, alpha: f64, tuned_for: u64) -> f64 {
    let (t, rho) = (count as f64, rho_squared(alpha, tuned_for));
    let inner = t * rho + 1.0;
    sd * (2.0 * inner / (t * t * rho) * (inner.sqrt() / alpha).ln()).sqrt()
}

/// The same on one side only: the mean is above `mean − margin` at all times with probability 1 − `alpha`.
///
/// s·√(2(tρ²+1)/(t²ρ²) · ln(1 + √(tρ²+1)/(2α))): same paper, proposition B.1.
pub fn one_sided_margin(count: u64, sd: f64, alpha: f64, tuned_for: u64) -> f64 {
    let (t, rho) = (count as f64, rho_squared(2.0 * alpha, tuned_for));
    let inner = t * rho + 1.0;
    sd * (2.0 * inner / (t * t * rho) * (inner.sqrt() / (2.0 * alpha)).ln_1p()).sqrt()
}

/// Running mean and variance (Welford 1962), with a lower confidence sequence.
///
/// For the difference of two arms, pass each look's difference of means (looks must be exchangeable), or each
/// request's inverse-propensity score.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct RunningMean {
    count: u64,
    mean: f64,
    squares: f64,
}

impl RunningMean {
    /// Takes the next number.
    pub fn observe(&mut self, x: f64) {
        self.count += 1;
        let before = x - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (x - self.mean);
    }

    /// How many numbers.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their mean; 0 for none.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Their standard deviation (n in the denominator); 0 for none.
    pub fn sd(&self) -> f64 {
        if self.count == 0 {
            0.0
        } else {
            (self.squares / self.count as f64).sqrt()
        }
    }

    /// The mean is above this at all times with probability 1 − `alpha`; `-inf` before the second number.
    pub fn lower(&self, alpha: f64, tuned_for: u64) -> f64 {
        if self.count < 2 {
            return f64::NEG_INFINITY;
        }
        self.mean - one_sided_margin(self.count, self.sd(), alpha, tuned_for)
    }
}

#[cfg(test)]
mod tests;
