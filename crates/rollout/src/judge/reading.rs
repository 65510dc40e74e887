//! A judge's numbers at one time, and how they read.
//!
//! [`super::judge`] takes a [`Reading`] of each judge into its reasons; they are stored with the verdict and shown to people.

use super::measure::{Losses, Measure, Tally};
use super::method::Basis;
use serde::{Deserialize, Serialize};
use stats::ratio::Arm;
use std::fmt;

impl Measure {
    pub(super) fn reading(
        &self,
        name: String,
        basis: Basis,
        arms: &[Tally; 2],
        peak: f64,
        threshold: f64,
    ) -> Reading {
        let alpha = 1.0 / threshold;
        let (rates, ratio, basis) = match self {
            Self::Rate { event, ratio, .. } => {
                let share = |arm: &Tally| {
                    let Arm { requests, events } = event.of(arm);
                    Rate::Share { events, requests }
                };
                (
                    [share(&arms[0]), share(&arms[1])],
                    ratio.interval(alpha),
                    Some(basis),
                )
            }
            Self::Loss { index, .. } => {
                let mean = |arm: &Tally| Rate::Mean {
                    count: arm.losses[*index].count,
                    mean: arm.losses[*index].mean(),
                };
                let interval = loss_ratio(arms[0].losses[*index], arms[1].losses[*index], alpha);
                ([mean(&arms[0]), mean(&arms[1])], interval, None)
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
            capped: matches!(self, Self::Loss { .. }),
            basis,
            log_evidence: peak,
            threshold,
            ratio,
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
    /// How a rate is told from noise; none for losses, nor in what an older version recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
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
        )?;
        match self.basis {
            Some(basis) => write!(f, ", {basis}"),
            None => Ok(()),
        }
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
