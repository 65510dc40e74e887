//! Betting: e-processes for "the mean is not above what it should be", by a gambler's wealth.
//!
//! Whoever bets on a non-negative quantity whose expectation is at most 1 cannot expect to gain; large wealth is
//! evidence that the expectation is higher. Blocks of traffic, winsorised losses and bounded scores all reduce to
//! it. `rollout` and `watch` serialise the wealth, so a restart resumes where it was.

use crate::log_sum_exp;
use serde::{Deserialize, Serialize};

/// The share of its wealth that each of the gamblers stakes each time; fixed for ever (stored states depend on it).
const STAKES: [f64; 8] = [0.01, 0.04, 0.1, 0.2, 0.35, 0.55, 0.75, 0.95];

/// The mean wealth of gamblers with fixed stakes, each starting with 1.
///
/// K_t = mean over f of ∏ (1 + f·(u_i − 1)), with u_i ≥ 0 and E[u_i | past] ≤ 1 under the null. Source: hedged
/// capital, Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS B 2023, with a
/// fixed mixture in place of a predictable plug-in: no tuning, no horizon, and the wealth depends on the numbers
/// only, not on when one looks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wealth {
    logs: Vec<f64>,
}

impl Default for Wealth {
    fn default() -> Self {
        Self {
            logs: vec![0.0; STAKES.len()],
        }
    }
}

impl Wealth {
    /// Takes the next `u`, whose conditional mean is at most 1 under the null; negative or NaN counts as 0.
    pub fn observe(&mut self, u: f64) {
        let gain = if u > 0.0 { u - 1.0 } else { -1.0 };
        for (log, stake) in self.logs.iter_mut().zip(STAKES) {
            *log += (stake * gain).ln_1p();
        }
    }

    /// The log e-value now.
    pub fn log_evidence(&self) -> f64 {
        log_sum_exp(self.logs.iter().copied()) - (self.logs.len() as f64).ln()
    }
}

/// Is the mean of numbers in [0, 1] above `mean`? One-sided hedged capital, (iv) of Waudby-Smith and Ramdas 2023.
///
/// Exact for any dependence as long as each number's mean given the past stays at or under `mean`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoundedMean {
    mean: f64,
    wealth: Wealth,
}

impl BoundedMean {
    /// Against H0: mean ≤ `mean`, which must lie in (0, 1).
    pub fn above(mean: f64) -> Self {
        Self {
            mean,
            wealth: Wealth::default(),
        }
    }

    /// Takes the next number, cut to [0, 1].
    pub fn observe(&mut self, x: f64) {
        self.wealth.observe(x.clamp(0.0, 1.0) / self.mean);
    }

    /// The log e-value now.
    pub fn log_evidence(&self) -> f64 {
        self.wealth.log_evidence()
    }
}

#[cfg(test)]
mod tests;
