//! Conformal test martingales: is what arrives still exchangeable with the reference?
//!
//! `watch` runs one over scores (a model's outputs, its losses) where no distribution may be assumed. It needs
//! neither a window nor a horizon; it costs one rank look-up a number. On ordered real-world data exchangeability is
//! practically always false (weather, seasons), so it explains; it should not wake anybody up.

use crate::rng::Rng;
use serde::{Deserialize, Serialize};

/// A fixed reference to rank new scores against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    sorted: Vec<f64>,
}

impl Reference {
    /// Keeps the scores that are numbers.
    pub fn new(scores: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = scores.into_iter().filter(|s| !s.is_nan()).collect();
        sorted.sort_by(f64::total_cmp);
        Self { sorted }
    }

    /// The smoothed conformal p-value of `score`: (#{a > score} + u·(#{a = score} + 1)) / (n + 1), u uniform.
    ///
    /// Uniform if `score` is exchangeable with the reference. Source: Vovk, Gammerman, Shafer, "Algorithmic Learning
    /// in a Random World", 2nd edition 2022, (2.20). With a fixed reference the p-values of a sequence are
    /// not quite independent: keep the reference at least several times as long as the alarms' horizon matters.
    pub fn p_value(&self, score: f64, rng: &mut Rng) -> f64 {
        let up_to = self.sorted.partition_point(|&a| a <= score);
        let below = self.sorted.partition_point(|&a| a < score);
        let (above, equal) = (self.sorted.len() - up_to, up_to - below + 1);
        (above as f64 + rng.uniform() * equal as f64) / (self.sorted.len() + 1) as f64
    }
}

/// The Simple Jumper martingale over p-values.
///
/// C_e = 1/3 for e ∈ {−1, 0, 1}; each step C_e ← (1 − J)·C_e + J·S/3, C_e ← C_e·(1 + e(p − ½)), S = ΣC_e. Source:
/// Vovk et al., "Retrain or not retrain: conformal test martingales for change-point detection", COPA 2021.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SimpleJumper {
    jump: f64,
    /// Shares of the capital on each bet, summing to 1.
    shares: [f64; 3],
    log: f64,
}

impl Default for SimpleJumper {
    fn default() -> Self {
        Self::new(0.01)
    }
}

impl SimpleJumper {
    /// With jumping rate `jump` in (0, 1); 0.01 is the authors' choice.
    pub fn new(jump: f64) -> Self {
        Self {
            jump,
            shares: [1.0 / 3.0; 3],
            log: 0.0,
        }
    }

    /// Takes the next p-value in [0, 1].
    pub fn observe(&mut self, p: f64) {
        for (share, bet) in self.shares.iter_mut().zip([-1.0, 0.0, 1.0]) {
            *share = ((1.0 - self.jump) * *share + self.jump / 3.0) * (1.0 + bet * (p - 0.5));
        }
        let growth: f64 = self.shares.iter().sum();
        self.log += growth.ln();
        self.shares = self.shares.map(|share| share / growth);
    }

    /// The log capital; reaches ln 20 with a chance of at most 5%, ever, while p-values are independent and uniform.
    pub fn log_evidence(&self) -> f64 {
        self.log
    }
}

#[cfg(test)]
mod tests;
