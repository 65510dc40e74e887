//! Two arms' losses compared request by request: is the candidate's mean loss above `1 + tolerance` times the
//! champion's?
//!
//! Losses (absolute errors, say) are heavy-tailed, drift with the weather and arrive in bursts, and no test that
//! takes them as independent draws of one distribution survives that. What *is* known is the coin that sent each
//! request to its arm. The test rests on that coin alone.
//!
//! Assumptions: (1) each unit went to the candidate with the stated share, independently of the others and of what
//! its loss would be; (2) losses are cut at a cap that was fixed before the roll-out began (a high quantile of the
//! champion's own history), so the claim is about the mean of `min(loss, cap)`; (3) a label comes, or does not come,
//! whichever arm answered. The mean may move as it likes. Units with many requests each (a heavy user) break (1):
//! then the unit's mean loss is what should be passed in.

use crate::betting::Wealth;
use serde::{Deserialize, Serialize};

/// Which arm answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The version that serves now.
    Champion,
    /// The version on trial.
    Candidate,
}

/// How many champion's losses the running centre remembers, as an exponential average.
const MEMORY: f64 = 500.0;

/// The state of the comparison; serialise it to resume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LossDifference {
    cap: f64,
    scale: f64,
    centre: f64,
    wealth: Wealth,
}

impl LossDifference {
    /// Against H0: mean of the candidate's capped loss ≤ `ratio` × the champion's. `cap` > 0; `typical` is the
    /// champion's usual capped loss (any value in 0..=cap is valid; a good one makes the test faster).
    pub fn above(ratio: f64, cap: f64, typical: f64) -> Self {
        Self {
            cap,
            scale: ratio,
            centre: typical.clamp(0.0, cap),
            wealth: Wealth::default(),
        }
    }

    /// Takes one loss of a request that had the chance `share` of going to the candidate; a loss that is not a
    /// number counts as the cap.
    ///
    /// The bet is on Z = (L − ρm)/q for a candidate's loss, −ρ(L − m)/(1 − q) for a champion's, with ρ the ratio
    /// under test and m the champion's running mean before this loss: E\[Z\] = E\[L1\] − ρ·E\[L0\] over the coin, for any
    /// m (the augmented inverse-propensity score of Robins, Rotnitzky and Zhao 1994; its use in confidence sequences:
    /// Waudby-Smith et al. 2024). Z ≥ −c with c known beforehand, so 1 + Z/c is a fair bet.
    pub fn observe(&mut self, side: Side, loss: f64, share: f64) {
        let loss = if loss.is_nan() {
            self.cap
        } else {
            loss.clamp(0.0, self.cap)
        };
        if share > 0.0 && share < 1.0 {
            let (rho, m) = (self.scale, self.centre);
            let z = match side {
                Side::Candidate => (loss - rho * m) / share,
                Side::Champion => -rho * (loss - m) / (1.0 - share),
            };
            let worst = (rho * m / share).max(rho * (self.cap - m) / (1.0 - share));
            self.wealth.observe(1.0 + z / worst);
        }
        if side == Side::Champion {
            self.centre += (loss - self.centre) / MEMORY;
        }
    }

    /// The log e-value now.
    pub fn log_evidence(&self) -> f64 {
        self.wealth.log_evidence()
    }
}

#[cfg(test)]
mod tests;
