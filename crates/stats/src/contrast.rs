//! Two arms compared under every kind of noise that the running version's history leaves possible: does the candidate do
//! worse, and not only differ?
//!
//! Looks arrive as counts of a block in which both arms had traffic. Given the block's events, how many are the
//! candidate's is a coin whose log odds are those of the requests, plus the log rate ratio, plus noise of the kind in
//! question ([`crate::noise`]): what both arms share cancels. For each kind the likelihood of all blocks is followed for
//! "the same rate" and for "worse" (twice the rate or so, or any amount), and within a class of kinds they are averaged
//! by what the history says of each (a Bayes factor, which is an e-value for the average over that class).
//! [`Contrast::log_evidence`] puts the classes together so that a class which the data leave possible can hold the
//! verdict up, however sure another one is.

use crate::belief::{Belief, Count};
use crate::beta::ln_beta;
use crate::level::{Burst, Level};
use crate::log_sum_exp;
use crate::noise::{CLASSES, Class, Kind, Noise, coin};
use crate::ratio::Arm;
use serde::{Deserialize, Serialize};
use statrs::function::erf::erfc;

/// What "worse" means: a normal distribution of the log ratio, cut off below `least`, and its weight.
struct Worse {
    mean: f64,
    sd: f64,
    least: f64,
    weight: f64,
}

/// A doubling, for which the test is designed; something more or less than that; and a version that is broken. Fixed for
/// ever (stored states depend on it).
const WORSE: [Worse; 3] = [
    Worse {
        mean: 0.69,
        sd: 0.02,
        least: 0.0,
        weight: 0.87,
    },
    Worse {
        mean: 0.9,
        sd: 0.4,
        least: 0.1,
        weight: 0.08,
    },
    Worse {
        mean: 3.5,
        sd: 1.5,
        least: 0.1,
        weight: 0.05,
    },
];
/// One block in fifty may be an accident that says nothing of either arm (a stall, twenty slow answers at once): no
/// block decides alone.
const ACCIDENT: f64 = 0.02;
/// How fast a class of noise that explains the data worse than another loses its say: the power of the Bayes factor
/// between them. Above 1, because both were estimated from the same short history.
const SAY: f64 = 2.25;

/// How much of Ville's bound is used up: a Bayes factor that is looked at when it jumps, and for an hour, reaches x with
/// a chance of about 0.6/x (simulated: docs/verdicts.md). Lasting noise gets no such discount, because an hour of history
/// holds few stretches of it.
const SHARE: f64 = 2.0 / 3.0;

/// The state of the comparison; serialise it to resume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contrast {
    /// In the order of [`Kind::all`].
    kinds: Vec<OfKind>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct OfKind {
    same: Level,
    worse: [Level; 3],
}

impl Default for Contrast {
    fn default() -> Self {
        Self::after(&Noise::default())
    }
}

impl Contrast {
    /// Before the first block, after a history that said `noise`.
    pub fn after(noise: &Noise) -> Self {
        let of_kind = |(index, kind): (usize, &Kind)| {
            let begin = |mean, sd| {
                Level::new(mean, sd, kind.variance(1.0)).with_history(noise.log_likelihood(index))
            };
            OfKind {
                same: begin(0.0, 0.0),
                worse: WORSE.map(|worse| begin(worse.mean, worse.sd)),
            }
        };
        Self {
            kinds: Kind::all().iter().enumerate().map(of_kind).collect(),
        }
    }

    /// Takes one block's *new* counts, `seconds` after the block before. Where an arm had no request, or neither an
    /// event, only time passes.
    pub fn observe(&mut self, champion: Arm, candidate: Arm, seconds: f64) {
        let count = coin(champion, candidate);
        for (kind, of_kind) in Kind::all().iter().zip(&mut self.kinds) {
            let (kept, variance) = (kind.kept(seconds), kind.variance(1.0));
            for level in of_kind.levels() {
                level.pass(kept, variance, 0.0);
                if let Some(count) = count {
                    level.observe(count, 0.0, Some(accident(count)));
                }
            }
        }
    }

    /// The log evidence now.
    ///
    /// −ln Σ over classes of f·r/E: E is the class's Bayes factor of "worse" against "the same", r ≤ 1 its say (the
    /// Bayes factor between it and the class that explains history and data best, to the power [`SAY`]), and f is
    /// [`SHARE`], for lasting noise 1.
    pub fn log_evidence(&self) -> f64 {
        let classes = CLASSES.map(|class| self.of_class(class));
        let best = classes
            .iter()
            .map(|(_, fit)| *fit)
            .fold(f64::NEG_INFINITY, f64::max);
        let terms = classes.iter().zip(CLASSES).map(|((evidence, fit), class)| {
            let share = if class == Class::Lasting { 1.0 } else { SHARE };
            share.ln() + SAY * (fit - best) - evidence
        });
        -log_sum_exp(terms.collect::<Vec<_>>())
    }

    /// A class's log Bayes factor, and the log likelihood of history and blocks under it, the same and worse together.
    fn of_class(&self, class: Class) -> (f64, f64) {
        let (mut same, mut worse) = (Vec::new(), Vec::new());
        for (kind, of_kind) in Kind::all().iter().zip(&self.kinds) {
            if kind.class != class {
                continue;
            }
            same.push(kind.log_prior + of_kind.same.log_likelihood());
            worse.extend(WORSE.iter().zip(&of_kind.worse).map(|(worse, level)| {
                let prior = Belief {
                    mean: worse.mean,
                    variance: worse.sd * worse.sd,
                };
                kind.log_prior
                    + worse.weight.ln()
                    + level.log_likelihood()
                    + ln_above(level.constant(), worse.least)
                    - ln_above(prior, worse.least)
            }));
        }
        let (same, worse) = (log_sum_exp(same), log_sum_exp(worse));
        (worse - same, log_sum_exp([worse, same]))
    }
}

impl OfKind {
    fn levels(&mut self) -> impl Iterator<Item = &mut Level> {
        std::iter::once(&mut self.same).chain(&mut self.worse)
    }
}

/// An accident may give any part of the block's events to the candidate (Jeffreys' prior).
pub(crate) fn accident(count: Count) -> Burst {
    let log = match count {
        Count::Coin { heads, all, .. } => {
            ln_beta(heads + 0.5, all - heads + 0.5) - ln_beta(0.5, 0.5)
        }
        Count::Poisson { .. } => f64::NEG_INFINITY,
    };
    Burst {
        chance: ACCIDENT,
        log,
    }
}

/// Log of the chance that a number is above `least`.
fn ln_above(belief: Belief, least: f64) -> f64 {
    (0.5 * erfc((least - belief.mean) / (2.0 * belief.variance).sqrt())).ln()
}

#[cfg(test)]
mod tests;
