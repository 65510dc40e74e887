//! Two arms' event rates (errors, slow answers) compared: is the candidate's more than r0 times the champion's?
//!
//! Looks arrive as counts of a stretch of time in which both arms had traffic. Two e-processes read them: one takes
//! each *request* as the unit (it has the tolerance, and needs independent requests), one takes each *look* as the unit
//! (it holds for noise that comes and goes from look to look, however over-dispersed, but has no tolerance).
//! [`RateRatio::log_evidence`] is the smaller: a false alarm needs both to fail. Neither holds where noise of one arm lasts
//! from look to look: where a history says what noise there is, [`crate::contrast`] judges, and this one is asked only for
//! the odds that the tolerance is passed, and for what is plain ([`RateRatio::log_evidence_plain`]).

use crate::beta::ln_upper_tail;
use crate::betting::Wealth;
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

/// The logarithm of a ratio that noise between two arms of one version does not have: three times as much.
const PLAIN: f64 = 1.1;

fn grid(i: usize) -> f64 {
    FIRST + STEP * i as f64
}

/// The state of the comparison; serialise it to resume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RateRatio {
    tolerance: f64,
    /// Log-likelihood of each grid point, and of the tolerance itself.
    points: Vec<f64>,
    at_tolerance: f64,
    parts: Wealth,
    signs: Wealth,
}

impl RateRatio {
    /// Against H0: candidate's rate ≤ `tolerance` × champion's (above 0).
    pub fn above(tolerance: f64) -> Self {
        Self {
            tolerance,
            points: vec![0.0; POINTS],
            at_tolerance: 0.0,
            parts: Wealth::default(),
            signs: Wealth::default(),
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
        self.at_tolerance += likelihood(self.tolerance.ln());
        self.observe_look(champion, candidate);
    }

    /// Bets on the candidate's part of the look's events, and on its being above what was expected.
    fn observe_look(&mut self, champion: Arm, candidate: Arm) {
        let fair = candidate.requests as f64 / (candidate.requests + champion.requests) as f64;
        let (heads, all) = (
            candidate.events as f64,
            (candidate.events + champion.events) as f64,
        );
        self.parts.observe(heads / all / fair);
        let expected = (fair * all).floor();
        // P(Binomial(all, fair) > expected), as a beta tail (NIST DLMF 8.17.5).
        let chance = -ln_upper_tail(fair, expected + 1.0, all - expected).exp_m1();
        let above = if heads > expected { 1.0 } else { 0.0 };
        self.signs
            .observe(if chance > 0.0 { above / chance } else { 1.0 });
    }

    /// Evidence with each request as the unit.
    ///
    /// ∏ over looks of (θ/θ0)^s ((1−θ)/(1−θ0))^f, mixed over ratios r > r0 on a grid, with θ = n1·r/(n1·r + n0) from
    /// the look's *own* request counts, so that shares may change from stage to stage and traffic may fluctuate.
    /// It is formula (i) of Lindon and Malek 2022 conditioned on the arms' requests; for independent requests with
    /// p1 ≤ r0·p0, E[(θ/θ0)^s] E[((1−θ)/(1−θ0))^f] ≤ exp((θ−θ0)(n1·r0 + n0)(p1/r0 − p0)) ≤ 1 because 1 + x ≤ e^x:
    /// an exact supermartingale, also when events are not rare.
    pub fn log_evidence_by_request(&self) -> f64 {
        self.mixed_above(self.tolerance.ln(), self.at_tolerance)
    }

    /// The mixture of ratios above `floor` (a logarithm) against the log-likelihood at it.
    fn mixed_above(&self, floor: f64, at_floor: f64) -> f64 {
        let above = (0..POINTS).filter(|&i| grid(i) > floor);
        let top = above
            .clone()
            .map(|i| self.points[i])
            .fold(f64::NEG_INFINITY, f64::max);
        let (mut weights, mut sum) = (0.0, 0.0);
        for i in above {
            let weight = (1.0 + grid(i) - floor).powi(-2);
            weights += weight;
            sum += weight * (self.points[i] - top).exp();
        }
        (sum / weights).ln() + top - at_floor
    }

    /// Evidence with each look as the unit, against H0: the arms are alike (ratio 1), whatever the noise.
    ///
    /// The mean of two bets (see [`Wealth`]): one on the candidate's part of the look's events, whose mean is its part of
    /// the requests, one on the sign of its surplus, with the chance that independent requests would give it. Exact for
    /// independent rare events, and for any noise that is exchangeable between arms of equal size; close to it for
    /// unequal arms, where few events are nearly independent and many have a nearly even sign.
    pub fn log_evidence_by_look(&self) -> f64 {
        log_sum_exp([self.parts.log_evidence(), self.signs.log_evidence()]) - std::f64::consts::LN_2
    }

    /// The smaller of the two: an e-value whenever either is one, so under independent requests with a ratio up to the
    /// tolerance, and under exchangeable noise of any size with arms that are alike.
    pub fn log_evidence(&self) -> f64 {
        self.log_evidence_by_request()
            .min(self.log_evidence_by_look())
    }

    /// The evidence that the candidate has more than three times the champion's rate (or the tolerance, if that is more),
    /// by request and by look: of a size, and in so many looks, that noise between two arms of one version is not.
    pub fn log_evidence_plain(&self) -> f64 {
        let plain = (0..POINTS).find(|&i| grid(i) >= PLAIN.max(self.tolerance.ln()));
        let by_request = plain.map_or(0.0, |i| self.mixed_above(grid(i), self.points[i]));
        by_request.min(self.log_evidence_by_look())
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
