//! One judge's running comparison.
//!
//! [`super::Evidence`] owns one [`Measure`] per judge and feeds it; how its numbers read is told in [`super::reading`].

use super::evidence::{Counters, Loss};
use super::method::{Method, Test};
use super::policy::Judge;
use serde::{Deserialize, Serialize};
use stats::coin::{Prior, log_evidence};
use stats::contrast::Contrast;
use stats::difference::LossDifference;
use stats::ratio::{Arm, RateRatio};
use std::time::Duration;

/// Counts of one arm over some stretch of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Requests that the version answered or failed.
    pub requests: u64,
    /// Those that failed.
    pub errors: u64,
    /// Slow ones, for each latency judge.
    pub slow: Vec<u64>,
    /// Losses, for each live judge.
    pub losses: Vec<Losses>,
}

/// Sums of capped losses.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Losses {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The sum of their squares.
    pub squares: f64,
}

impl Losses {
    pub(super) fn add(&mut self, loss: f64, cap: f64) {
        let loss = if loss.is_nan() {
            cap
        } else {
            loss.clamp(0.0, cap)
        };
        self.count += 1;
        self.sum += loss;
        self.squares += loss * loss;
    }

    /// The mean; 0 without losses.
    pub fn mean(&self) -> f64 {
        if self.count == 0 {
            0.0
        } else {
            self.sum / self.count as f64
        }
    }

    pub(super) fn variance(&self) -> f64 {
        (self.squares / self.count.max(1) as f64 - self.mean().powi(2)).max(0.0)
    }
}

impl Tally {
    pub(super) fn empty(slow: usize, live: usize) -> Self {
        Self {
            requests: 0,
            errors: 0,
            slow: vec![0; slow],
            losses: vec![Losses::default(); live],
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::empty(self.slow.len(), self.losses.len());
    }

    /// What is new in `now`; a counter that went down (a restored backup) starts again without counting.
    pub(super) fn since(before: &Counters, now: &Counters) -> Self {
        let slow = now.slow.iter().enumerate();
        Self {
            requests: now.requests.saturating_sub(before.requests),
            errors: now.errors.saturating_sub(before.errors),
            slow: slow
                .map(|(i, &n)| n.saturating_sub(before.slow.get(i).copied().unwrap_or(0)))
                .collect(),
            losses: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, new: &Self) {
        self.requests += new.requests;
        self.errors += new.errors;
        for (sum, n) in self.slow.iter_mut().zip(&new.slow) {
            *sum += n;
        }
    }
}

/// Odds at which the requests say that a ratio is above its tolerance, where the noise is known.
const CLEAR: f64 = 6.0;

/// Which count of a [`Tally`] is an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    Error,
    Slow(usize),
}

/// One judge's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Measure {
    Rate {
        event: Event,
        ratio: RateRatio,
        floor: f64,
        /// Against the noise that is known; without it, `ratio` judges alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        contrast: Option<Contrast>,
    },
    Loss {
        index: usize,
        difference: LossDifference,
    },
}

impl Measure {
    /// The states for all judges, in order, each with the method that was chosen for it.
    pub(super) fn begin(judges: &[Judge], methods: &[Method]) -> Vec<Self> {
        let (mut slow, mut live) = (0, 0);
        let rate = |index: usize, event, tolerance, floor| Self::Rate {
            event,
            ratio: RateRatio::above(tolerance),
            floor,
            contrast: methods
                .get(index)
                .filter(|method| method.basis.test == Test::Noise)
                .map(|method| Contrast::after(&method.noise)),
        };
        let one = |(index, judge): (usize, &Judge)| match *judge {
            Judge::Errors { tolerance, floor } => rate(index, Event::Error, tolerance, floor),
            Judge::Latency {
                tolerance, floor, ..
            } => {
                slow += 1;
                rate(index, Event::Slow(slow - 1), tolerance, floor)
            }
            Judge::Live {
                cap,
                typical,
                tolerance,
                ..
            } => {
                live += 1;
                Self::Loss {
                    index: live - 1,
                    difference: LossDifference::above(tolerance, cap, typical),
                }
            }
        };
        judges.iter().enumerate().map(one).collect()
    }

    /// Takes the new counts of one block, which lasted so long.
    pub(super) fn observe(&mut self, champion: &Tally, candidate: &Tally, lasted: Duration) {
        if let Self::Rate {
            event,
            ratio,
            contrast,
            ..
        } = self
        {
            let (champion, candidate) = (event.of(champion), event.of(candidate));
            ratio.observe(champion, candidate);
            if let Some(contrast) = contrast {
                contrast.observe(champion, candidate, lasted.as_secs_f64());
            }
        }
    }

    pub(super) fn observe_loss(&mut self, loss: &Loss, share: f64) {
        if let Self::Loss { difference, .. } = self {
            difference.observe(loss.side, loss.loss, share);
        }
    }

    /// The log evidence that the candidate does harm. A rate must be worse than the champion's by its method, and above
    /// its floor (the smaller e-value is one for "under either").
    pub(super) fn log_evidence(&self, candidate: &Tally) -> f64 {
        match self {
            Self::Rate {
                event,
                ratio,
                floor,
                contrast,
            } => {
                let worse = match contrast {
                    None => ratio.log_evidence(),
                    Some(_) if ratio.log_odds_above() < CLEAR.ln() => 0.0,
                    // What is plain needs no model of noise, and a version that breaks late is found by it alone.
                    Some(contrast) => contrast.log_evidence().max(ratio.log_evidence_plain()),
                };
                let arm = event.of(candidate);
                let good = arm.requests.saturating_sub(arm.events);
                let above = if *floor > 0.0 {
                    log_evidence(arm.events, good, *floor, Prior::JEFFREYS)
                } else {
                    f64::INFINITY
                };
                worse.min(above)
            }
            Self::Loss { difference, .. } => difference.log_evidence(),
        }
    }
}

impl Event {
    pub(super) fn of(self, tally: &Tally) -> Arm {
        let events = match self {
            Self::Error => tally.errors,
            Self::Slow(i) => tally.slow.get(i).copied().unwrap_or(0),
        };
        Arm {
            requests: tally.requests,
            events: events.min(tally.requests),
        }
    }
}
