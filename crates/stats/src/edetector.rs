//! E-detectors: alarms for a change at an unknown time, with a budget of false ones.
//!
//! An e-process is about "ever since the start"; a detector restarts its memory, so that years of calm do not make
//! it slow. Alarming at 1/α keeps the mean time between false alarms at 1/α observations or more, without a
//! distribution, as long as each increment's conditional mean is at most 1 under the null. `watch` turns "1 per 90d"
//! into α with [`level_for`].

use crate::log_sum_exp;
use serde::{Deserialize, Serialize};

/// How a detector forgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// M ← L·max(M, 1): remembers the best starting time.
    Cusum,
    /// M ← L·(M + 1): sums over all starting times; slightly faster for changes that are small and late.
    ShiryaevRoberts,
}

/// The fractions that increments are staked with, mixed; see [`crate::betting`].
const STAKES: [f64; 8] = [0.01, 0.03, 0.07, 0.15, 0.3, 0.5, 0.7, 0.9];

/// The log of nothing, in a form that JSON can hold.
const NOTHING: f64 = f64::MIN;

/// The running detector; serialise it to resume.
///
/// Source: Shin, Ramdas, Rinaldo, "E-detectors: a nonparametric framework for sequential change detection", NEJSDS
/// 2023 (arXiv:2203.03532), theorems 2.4 and 2.7; a mean of detectors is one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detector {
    kind: Kind,
    logs: Vec<f64>,
}

impl Detector {
    /// A fresh one.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            logs: vec![NOTHING; STAKES.len()],
        }
    }

    /// Takes the next `u` ≥ 0, whose conditional mean is at most 1 under the null: L = 1 + f·(u − 1) for each stake.
    /// For a bounded x against a mean m, u is x/m.
    pub fn observe(&mut self, u: f64) {
        let gain = if u > 0.0 { u - 1.0 } else { -1.0 };
        for (log, stake) in self.logs.iter_mut().zip(STAKES) {
            let start = match self.kind {
                Kind::Cusum => log.max(0.0),
                Kind::ShiryaevRoberts => log_sum_exp([*log, 0.0]),
            };
            *log = start + (stake * gain).ln_1p();
        }
    }

    /// The log of the detector's value; alarm when it reaches ln(1/α).
    pub fn log_value(&self) -> f64 {
        log_sum_exp(self.logs.iter().copied()) - (self.logs.len() as f64).ln()
    }
}

/// The α with which one false alarm is expected in no fewer than `observations` observations.
pub fn level_for(observations: f64) -> f64 {
    1.0 / observations.max(1.0)
}

#[cfg(test)]
mod tests;
