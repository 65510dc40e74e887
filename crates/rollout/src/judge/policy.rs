//! What a roll-out was asked to do: stages, judges and the rates that its owner accepted.
//!
//! Made once, when the roll-out starts, from the project file and the champion's history, and stored with it: a
//! threshold that moved during the trial would void the guarantee.

use super::method::{Basis, Method};
use inference::latency::Histogram;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The rules of one roll-out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// The candidate's share of traffic in each stage, growing, each in (0, 1]. Empty: straight to everything.
    pub stages: Vec<f64>,
    /// What is compared.
    pub judges: Vec<Judge>,
    /// α: the chance that a candidate as good as the champion is ever rolled back; divided by the judges.
    pub false_rollbacks: f64,
    /// What each stage must have seen before it may be passed.
    pub at_least: AtLeast,
    /// What to do with a stage that does not get that far; without it the stage waits for ever.
    pub quiet: Option<Quiet>,
    /// The shortest stretch of time that counts as one observation where looks are the unit; 1 s by default.
    pub block: Duration,
    /// How each judge tells a rate from noise, in the judges' order; one that is missing knows nothing of noise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<Method>,
}

/// One thing that is compared between the arms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judge {
    /// The share of requests that failed by the model's fault.
    Errors {
        /// Harm begins when the candidate's rate is above this many times the champion's, …
        tolerance: f64,
        /// … and above this share of requests.
        floor: f64,
    },
    /// The share of requests slower than a threshold that was fixed when the roll-out started.
    Latency {
        /// The quantile that the threshold is of, in (0, 1).
        quantile: f64,
        /// The threshold, of the champion's own history; see [`Judge::latency_after`].
        threshold: Duration,
        /// Harm begins when the candidate's rate is above this many times the champion's, …
        tolerance: f64,
        /// … and above this share of requests.
        floor: f64,
    },
    /// The mean loss from labels, each loss cut at a cap.
    Live {
        /// The metric's name, for people.
        metric: String,
        /// The loss that larger ones count as; fixed when the roll-out starts.
        cap: f64,
        /// The champion's usual loss, as a first guess.
        typical: f64,
        /// Harm begins when the candidate's mean is above this many times the champion's.
        tolerance: f64,
        /// How many of the candidate's labels a stage must have seen before it may be passed.
        at_least: u64,
    },
}

/// What a stage must have seen, all of it; one is never passed before its first request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtLeast {
    /// Requests answered by the candidate within the stage.
    pub requests: u64,
    /// Time since the stage began.
    pub lasting: Duration,
}

/// The defined end of a stage with too little traffic or too few labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiet {
    /// How long after the stage began.
    pub after: Duration,
    /// What happens then.
    pub then: Then,
}

/// What a quiet stage ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// Stay where it is until a person decides or traffic comes.
    Hold,
    /// Count the stage as passed.
    Promote,
}

/// A policy that cannot be judged by.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PolicyError {
    /// α outside (0, 1).
    #[error("false_rollbacks must lie between 0% and 100%, not {0}; write for example 1%")]
    FalseRollbacks(f64),
    /// A share outside (0, 1], or one not above the one before.
    #[error("stages must grow from above 0% to 100% at most, but stage {stage} is {share}")]
    Stage {
        /// Its number, from 1.
        stage: usize,
        /// Its share.
        share: f64,
    },
    /// A tolerance under 1, a floor outside [0, 1), a cap that is not above 0.
    #[error("judge {judge} has {what} {value}, which is out of range")]
    Judge {
        /// Its name.
        judge: String,
        /// Which number.
        what: &'static str,
        /// The number.
        value: f64,
    },
}

impl Judge {
    /// How many times the champion's error rate a candidate may have.
    pub const ERRORS_TOLERANCE: f64 = 1.25;
    /// An error rate that is never called harm, whatever the champion's.
    pub const ERRORS_FLOOR: f64 = 0.001;
    /// How many times the champion's rate of slow answers a candidate may have. Twice the exceedances of a p99 are
    /// about a fifth more latency; less is within what two processes on one machine differ by.
    pub const LATENCY_TOLERANCE: f64 = 2.0;
    /// How many times the champion's mean loss a candidate may have.
    pub const LIVE_TOLERANCE: f64 = 1.05;

    /// Errors with the default tolerances.
    pub fn errors() -> Self {
        Self::Errors {
            tolerance: Self::ERRORS_TOLERANCE,
            floor: Self::ERRORS_FLOOR,
        }
    }

    /// How far above the champion's own quantile the threshold lies: half as much again, and a millisecond at the
    /// least, because nobody minds less.
    pub const LATENCY_SLACK: f64 = 1.5;

    /// Latency with the default tolerances: no harm while `1 − quantile` of the requests are slower
    /// than the threshold at the most, that is, while the candidate's quantile is under it.
    pub fn latency(quantile: f64, threshold: Duration) -> Self {
        let (tolerance, floor) = (Self::LATENCY_TOLERANCE, 1.0 - quantile);
        Self::Latency {
            quantile,
            threshold,
            tolerance,
            floor,
        }
    }

    /// The same with the threshold from what the champion has done so far (its own quantile, plus
    /// [`Self::LATENCY_SLACK`]); `None` without a request.
    pub fn latency_after(champion: &Histogram, quantile: f64) -> Option<Self> {
        let usual = champion.quantile(quantile)? as f64;
        let threshold = (usual * Self::LATENCY_SLACK).max(usual + 1000.0);
        Some(Self::latency(
            quantile,
            Duration::from_micros(threshold as u64),
        ))
    }

    /// A live metric with the default tolerance, cap and typical loss from the champion's `history`
    /// of losses: the cap is its 99th percentile, or its largest loss if that is 0 (rare mistakes).
    /// `None` if the history has no positive loss, so that there is nothing to scale by.
    pub fn live(metric: &str, history: &[f64], at_least: u64) -> Option<Self> {
        let mut sorted: Vec<f64> = history.iter().copied().filter(|l| l.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (last, largest) = (sorted.len().checked_sub(1)?, *sorted.last()?);
        let high = sorted[(last as f64 * 0.99).ceil() as usize];
        let cap = if high > 0.0 { high } else { largest };
        let typical = sorted.iter().map(|l| l.min(cap)).sum::<f64>() / sorted.len() as f64;
        let (metric, tolerance) = (metric.to_owned(), Self::LIVE_TOLERANCE);
        (cap > 0.0).then_some(Self::Live {
            metric,
            cap,
            typical,
            tolerance,
            at_least,
        })
    }

    /// The name as in the project file: `errors`, `latency.p99`, `live.mae`.
    pub fn name(&self) -> String {
        match self {
            Self::Errors { .. } => "errors".to_owned(),
            Self::Latency { quantile, .. } => {
                format!("latency.p{}", (quantile * 1e6).round() / 1e4)
            }
            Self::Live { metric, .. } => format!("live.{metric}"),
        }
    }

    fn check(&self) -> Result<(), PolicyError> {
        let (tolerance, floor, cap) = match *self {
            Self::Errors { tolerance, floor }
            | Self::Latency {
                tolerance, floor, ..
            } => (tolerance, floor, 1.0),
            Self::Live { tolerance, cap, .. } => (tolerance, 0.0, cap),
        };
        let bad = |what, value| {
            Err(PolicyError::Judge {
                judge: self.name(),
                what,
                value,
            })
        };
        if !(tolerance >= 1.0 && tolerance.is_finite()) {
            return bad("tolerance", tolerance);
        }
        if !(0.0..1.0).contains(&floor) {
            return bad("floor", floor);
        }
        if !(cap > 0.0 && cap.is_finite()) {
            return bad("cap", cap);
        }
        Ok(())
    }
}

impl Policy {
    /// Whether it can be judged by.
    ///
    /// # Errors
    /// The first number that is out of range.
    pub fn check(&self) -> Result<(), PolicyError> {
        if !(self.false_rollbacks > 0.0 && self.false_rollbacks < 1.0) {
            return Err(PolicyError::FalseRollbacks(self.false_rollbacks));
        }
        let mut before = 0.0;
        for (i, &share) in self.stages.iter().enumerate() {
            if !(share > before && share <= 1.0) {
                return Err(PolicyError::Stage {
                    stage: i + 1,
                    share,
                });
            }
            before = share;
        }
        self.judges.iter().try_for_each(Judge::check)
    }

    /// How this judge tells a rate from noise, and why so.
    pub(super) fn basis(&self, judge: usize) -> Basis {
        self.methods
            .get(judge)
            .map(|method| method.basis)
            .unwrap_or_default()
    }

    /// 1/α for each judge: the evidence at which one of them rolls back.
    pub fn threshold(&self) -> f64 {
        self.judges.len().max(1) as f64 / self.false_rollbacks
    }
}
