//! Two arms' event rates (errors, slow answers) compared: is the candidate's more than r0 times the champion's?
//!
//! Looks arrive as counts of a stretch of time in which both arms had traffic, and each *request* is taken as the unit:
//! exact for independent requests, too sure of itself where arms have noise of their own ([`crate::contrast`] has not).
//! `rollout` shows people the interval and asks for the odds that the tolerance is passed.

use crate::log_sum_exp;
use serde::{Deserialize, Serialize};

/// Counts of one arm in one look: `events` among `requests`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Arm {
    /// What could have been an event.
    pub requests: u64,
    /// What was one.
    pub events: u64,
}

/// The grid of log rate ratios: from e^-5 to e^7 in steps of a tenth; fixed for ever (stored states depend on it).
const POINTS: usize = 121;
const FIRST: f64 = -5.0;
const STEP: f64 = 0.1;

fn grid(i: usize) -> f64 {
    FIRST + STEP * i as f64
}

/// The state of the comparison; serialise it to resume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RateRatio {
    tolerance: f64,
    /// Log-likelihood of each grid point.
    points: Vec<f64>,
}

impl RateRatio {
    /// Nothing seen yet; the question is whether the candidate's rate is above `tolerance` (above 0) times the champion's.
    pub fn above(tolerance: f64) -> Self {
        Self {
            tolerance,
            points: vec![0.0; POINTS],
        }
    }

    /// Takes one look's *new* counts. Nothing is learned from a look in which an arm had no request or neither had
    /// an event.
    pub fn observe(&mut self, champion: Arm, candidate: Arm) {
        if champion.requests == 0
            || candidate.requests == 0
            || champion.events + candidate.events == 0
        {
            return;
        }
        let odds = (candidate.requests as f64 / champion.requests as f64).ln();
        let (s, f) = (candidate.events as f64, champion.events as f64);
        let likelihood =
            |log_ratio: f64| -s * softplus(-odds - log_ratio) - f * softplus(odds + log_ratio);
        for (i, point) in self.points.iter_mut().enumerate() {
            *point += likelihood(grid(i));
        }
    }

    /// How much more likely a ratio above the tolerance is than one within it, by the requests alone and before which
    /// every ratio was as likely as any other: log odds.
    pub fn log_odds_above(&self) -> f64 {
        let floor = self.tolerance.ln();
        let side = |above: bool| {
            let points = (0..POINTS).filter(move |&i| (grid(i) > floor) == above);
            log_sum_exp(points.map(|i| self.points[i]))
        };
        side(true) - side(false)
    }

    /// A confidence sequence for the rate ratio: contains it at all times at once with probability 1 − `alpha`, for
    /// independent requests. Ratios whose own null the flat mixture over the grid does not contradict, widened to
    /// the next grid point. `None` before the first event.
    pub fn interval(&self, alpha: f64) -> Option<(f64, f64)> {
        let flat = log_sum_exp(self.points.iter().copied()) - (POINTS as f64).ln();
        if flat == 0.0 {
            return None;
        }
        let kept = |i: &usize| flat - self.points[*i] < -alpha.ln();
        let (low, high) = ((0..POINTS).find(kept)?, (0..POINTS).rfind(kept)?);
        let lower = if low == 0 { 0.0 } else { grid(low - 1).exp() };
        let upper = if high + 1 == POINTS {
            f64::INFINITY
        } else {
            grid(high + 1).exp()
        };
        Some((lower, upper))
    }
}

/// `ln(1 + e^x)` without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests;
