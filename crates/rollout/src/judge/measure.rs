//! One judge's running comparison, and how its numbers read.
//!
//! [`super::Evidence`] owns one [`Measure`] per judge and feeds it; [`super::judge`] takes [`Reading`]s from it.

use super::evidence::{Counters, Loss};
use super::policy::Judge;
use serde::{Deserialize, Serialize};
use stats::coin::{Prior, log_evidence};
use stats::difference::LossDifference;
use stats::ratio::{Arm, RateRatio};
use std::fmt;

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

    fn variance(&self) -> f64 {
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
    },
    Loss {
        index: usize,
        difference: LossDifference,
    },
}

impl Measure {
    /// The states for all judges, in order.
    pub(super) fn begin(judges: &[Judge]) -> Vec<Self> {
        let (mut slow, mut live) = (0, 0);
        let one = |judge: &Judge| match *judge {
            Judge::Errors { tolerance, floor } => Self::Rate {
                event: Event::Error,
                ratio: RateRatio::above(tolerance),
                floor,
            },
            Judge::Latency {
                tolerance, floor, ..
            } => {
                slow += 1;
                Self::Rate {
                    event: Event::Slow(slow - 1),
                    ratio: RateRatio::above(tolerance),
                    floor,
                }
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
        judges.iter().map(one).collect()
    }

    /// Takes the new counts of one block.
    pub(super) fn observe(&mut self, champion: &Tally, candidate: &Tally) {
        if let Self::Rate { event, ratio, .. } = self {
            ratio.observe(event.of(champion), event.of(candidate));
        }
    }

    pub(super) fn observe_loss(&mut self, loss: &Loss, share: f64) {
        if let Self::Loss { difference, .. } = self {
            difference.observe(loss.side, loss.loss, share);
        }
    }

    /// The log evidence that the candidate does harm; a rate must be above both its tolerance and its floor, so it
    /// is the smaller of the two (the smaller e-value is one for "under either").
    pub(super) fn log_evidence(&self, candidate: &Tally) -> f64 {
        match self {
            Self::Rate {
                event,
                ratio,
                floor,
            } => {
                let arm = event.of(candidate);
                let good = arm.requests.saturating_sub(arm.events);
                let above = if *floor > 0.0 {
                    log_evidence(arm.events, good, *floor, Prior::JEFFREYS)
                } else {
                    f64::INFINITY
                };
                ratio.log_evidence().min(above)
            }
            Self::Loss { difference, .. } => difference.log_evidence(),
        }
    }

    pub(super) fn reading(
        &self,
        name: String,
        arms: &[Tally; 2],
        peak: f64,
        threshold: f64,
    ) -> Reading {
        let alpha = 1.0 / threshold;
        let (rates, ratio, capped) = match self {
            Self::Rate { event, ratio, .. } => {
                let share = |arm: &Tally| {
                    let Arm { requests, events } = event.of(arm);
                    Rate::Share { events, requests }
                };
                (
                    [share(&arms[0]), share(&arms[1])],
                    ratio.interval(alpha),
                    false,
                )
            }
            Self::Loss { index, .. } => {
                let mean = |arm: &Tally| Rate::Mean {
                    count: arm.losses[*index].count,
                    mean: arm.losses[*index].mean(),
                };
                let interval = loss_ratio(arms[0].losses[*index], arms[1].losses[*index], alpha);
                ([mean(&arms[0]), mean(&arms[1])], interval, true)
            }
        };
        let [champion, candidate] = rates;
        let ratio = ratio.map(|(low, high)| Interval {
            low,
            high: high.is_finite().then_some(high),
            level: 1.0 - alpha,
        });
        Reading {
            judge: name,
            champion,
            candidate,
            capped,
            log_evidence: peak,
            threshold,
            ratio,
        }
    }
}

impl Event {
    fn of(self, tally: &Tally) -> Arm {
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

/// An anytime-valid interval for the ratio of two mean losses, for people; the verdict does not rest on it.
///
/// Both means' asymptotic confidence sequences at α/2 (see [`stats::confseq`]), divided.
fn loss_ratio(champion: Losses, candidate: Losses, alpha: f64) -> Option<(f64, f64)> {
    let bounds = |l: Losses| {
        let width = stats::confseq::half_width(l.count, l.variance().sqrt(), alpha / 2.0, 500);
        (l.count > 1).then(|| ((l.mean() - width).max(0.0), l.mean() + width))
    };
    let ((low0, high0), (low1, high1)) = (bounds(champion)?, bounds(candidate)?);
    Some((
        low1 / high0,
        if low0 > 0.0 {
            high1 / low0
        } else {
            f64::INFINITY
        },
    ))
}

/// What one arm did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rate {
    /// Events among requests.
    Share {
        /// How many.
        events: u64,
        /// Of how many.
        requests: u64,
    },
    /// A mean of losses.
    Mean {
        /// Of how many.
        count: u64,
        /// The mean.
        mean: f64,
    },
}

/// An interval that contains the truth at all times at once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end, if it has one.
    pub high: Option<f64>,
    /// Its confidence.
    pub level: f64,
}

/// One judge's numbers at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The judge's name.
    pub judge: String,
    /// The champion since the roll-out began.
    pub champion: Rate,
    /// The candidate since the roll-out began.
    pub candidate: Rate,
    /// Whether the losses were cut at a cap.
    pub capped: bool,
    /// Natural logarithm of the highest evidence so far.
    pub log_evidence: f64,
    /// The evidence that rolls back.
    pub threshold: f64,
    /// An anytime-valid interval for candidate's rate over champion's.
    pub ratio: Option<Interval>,
}

impl Reading {
    /// Whether the evidence has reached the threshold.
    pub fn crossed(&self) -> bool {
        self.log_evidence >= self.threshold.ln()
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            judge,
            champion,
            candidate,
            ..
        } = self;
        write!(f, "{judge}: {candidate} against {champion}")?;
        if let Some(Interval { low, high, .. }) = self.ratio {
            match high {
                Some(high) => write!(f, ", {} to {} times as much", short(low), short(high))?,
                None => write!(f, ", {} times as much or more", short(low))?,
            }
        }
        write!(
            f,
            "; evidence {} : 1, threshold {} : 1",
            odds(self.log_evidence),
            short(self.threshold)
        )
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Share { requests: 0, .. } => f.write_str("no request"),
            Self::Share { events, requests } => {
                let percent = 100.0 * events as f64 / requests as f64;
                write!(
                    f,
                    "{} of {} ({}%)",
                    thousands(events),
                    thousands(requests),
                    short(percent)
                )
            }
            Self::Mean { count: 0, .. } => f.write_str("no label"),
            Self::Mean { count, mean } => {
                write!(f, "mean {} over {} labels", short(mean), thousands(count))
            }
        }
    }
}

/// Odds in a form that people read: 0.3, 12, 4,500, 1.2e9.
pub(super) fn odds(log: f64) -> String {
    let power = log / std::f64::consts::LN_10;
    if power < 6.0 {
        return short(log.exp());
    }
    let (whole, rest) = (power.floor(), power - power.floor());
    format!("{:.1}e{whole}", 10_f64.powf(rest))
}

/// Two significant digits for small numbers, three above 10, whole ones from 100.
pub(super) fn short(x: f64) -> String {
    match x {
        _ if !x.is_finite() => "any".to_owned(),
        _ if x >= 1000.0 => thousands(x.round() as u64),
        _ if x >= 100.0 => format!("{x:.0}"),
        _ if x >= 1.0 => format!("{x:.1}").trim_end_matches(".0").to_owned(),
        _ if x >= 0.1 => format!("{x:.2}"),
        _ if x <= 0.0 => "0".to_owned(),
        _ => format!("{x:.*}", (1.0 - x.log10().floor()).min(9.0) as usize),
    }
}

/// 7801 as 7,801.
pub(super) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
