//! Two arms compared under every kind of noise that the running version's history leaves possible: does the candidate do
//! worse, and not only differ?
//!
//! Looks arrive as counts of a block. For each kind of noise ([`crate::noise`]) a filter ([`crate::arms`]) follows how likely
//! all counts are with "the same rate", with "twice the rate" and with "more", once with the level that history shows and
//! once with a level that may have moved since. Within a class of kinds they are averaged by what the history says of each
//! (a Bayes factor, which is an e-value for the average over that class). [`Contrast::log_evidence`] puts the classes
//! together so that one which the data leave possible can hold the verdict up, however sure another one is.

use crate::arms::{Arms, Between, Seen};
use crate::belief::Belief;
use crate::log_sum_exp;
use crate::noise::{CLASSES, Class, Kind, Noise};
use crate::ratio::Arm;
use serde::{Deserialize, Serialize};
use statrs::function::erf::erfc;

/// A log ratio that is asked for: a normal distribution, cut off below `least`, and its weight.
struct Ratio {
    belief: Belief,
    least: f64,
    weight: f64,
}

const fn exactly(mean: f64, weight: f64) -> Ratio {
    Ratio {
        belief: Belief {
            mean,
            variance: 0.0,
        },
        least: f64::NEG_INFINITY,
        weight,
    }
}

const fn around(mean: f64, sd: f64, weight: f64) -> Ratio {
    Ratio {
        belief: Belief {
            mean,
            variance: sd * sd,
        },
        least: 0.1,
        weight,
    }
}

/// The same; a doubling, for which the test is designed; something more or less than that; and a version that is broken.
/// Fixed for ever (stored states depend on it).
const RATIOS: [Ratio; 4] = [
    exactly(0.0, 1.0),
    exactly(std::f64::consts::LN_2, 0.87),
    around(0.9, 0.4, 0.08),
    around(3.5, 1.5, 0.05),
];

/// What may have become of the level since the history: how unsure it is beside what history leaves open, and how far it
/// moves in a minute (variances). It goes on as before, by 2% a minute; or it has moved, and goes on moving by 20%.
const LEVELS: [(f64, f64); 2] = [(0.0, 4e-4), (1.0, 0.04)];

/// How fast a class of noise that explains the data worse than another loses its say: the power of the Bayes factor
/// between them. At 1 a class holds a verdict up for long after the data speak against it; far above 1 an hour of history
/// by chance silences the one that is true.
const SAY: f64 = 1.5;

/// The state of the comparison; serialise it to resume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contrast {
    usual: f64,
    /// In the order of [`Kind::all`].
    kinds: Vec<OfKind>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct OfKind {
    /// Log likelihood of the history.
    history: f64,
    /// Noise that both arms share: its variance times the seconds for which it stays.
    shared: f64,
    /// For each of [`LEVELS`], each of [`RATIOS`].
    levels: [[Arms; RATIOS.len()]; LEVELS.len()],
}

impl Contrast {
    /// Before the first block, after a history that said `noise`.
    pub fn after(noise: &Noise) -> Self {
        let of_kind = |(kind, learned): (&Kind, &crate::noise::Learned)| OfKind {
            history: learned.log,
            shared: learned.shared,
            levels: LEVELS.map(|(unsure, _)| {
                let level = Belief {
                    mean: learned.level,
                    variance: learned.unsure + unsure,
                };
                RATIOS.map(|ratio| Arms::new(level, kind.of_an_arm(), ratio.belief))
            }),
        };
        Self {
            usual: noise.usual(),
            kinds: Kind::all().iter().zip(noise.kinds()).map(of_kind).collect(),
        }
    }

    /// Takes one block's *new* counts, `seconds` after the block before. An arm without a request says nothing.
    pub fn observe(&mut self, champion: Arm, candidate: Arm, seconds: f64) {
        if seconds <= 0.0 {
            return;
        }
        let counts = [champion, candidate].map(|arm| Seen::of(arm, self.usual));
        for (kind, of_kind) in Kind::all().iter().zip(&mut self.kinds) {
            for (arms, (_, drift)) in of_kind.levels.iter_mut().zip(LEVELS) {
                let between = Between {
                    kept: kind.kept(seconds),
                    own: kind.of_an_arm(),
                    drift: drift * seconds / 60.0,
                    shared: of_kind.shared / seconds,
                };
                for arms in arms {
                    arms.observe(&between, counts);
                }
            }
        }
    }

    /// The log evidence now.
    ///
    /// −ln Σ over classes and [`LEVELS`] of r/E: E is the class's Bayes factor of "worse" against "the same", r ≤ 1 its say
    /// (the Bayes factor between it and what explains history and data best, to the power [`SAY`]).
    pub fn log_evidence(&self) -> f64 {
        let classes = CLASSES
            .iter()
            .flat_map(|&class| (0..LEVELS.len()).map(move |level| self.of_class(class, level)));
        let classes: Vec<(f64, f64)> = classes.collect();
        let best = classes
            .iter()
            .map(|(_, fit)| *fit)
            .fold(f64::NEG_INFINITY, f64::max);
        let held_up = classes
            .iter()
            .map(|(evidence, fit)| SAY * (fit - best) - evidence);
        -log_sum_exp(held_up.collect::<Vec<_>>())
    }

    /// A class's log Bayes factor, and the log likelihood of history and blocks under it, the same and worse together.
    fn of_class(&self, class: Class, level: usize) -> (f64, f64) {
        let (mut same, mut worse) = (Vec::new(), Vec::new());
        for (kind, of_kind) in Kind::all().iter().zip(&self.kinds) {
            if kind.class != class {
                continue;
            }
            for (index, (ratio, arms)) in RATIOS.iter().zip(&of_kind.levels[level]).enumerate() {
                let log = kind.log_prior
                    + of_kind.history
                    + ratio.weight.ln()
                    + arms.log_likelihood()
                    + ln_above(arms.ratio(), ratio.least)
                    - ln_above(ratio.belief, ratio.least);
                if index == 0 { &mut same } else { &mut worse }.push(log);
            }
        }
        let (same, worse) = (log_sum_exp(same), log_sum_exp(worse));
        (worse - same, log_sum_exp([worse, same]))
    }
}

/// Log of the chance that a number is above `least`.
fn ln_above(belief: Belief, least: f64) -> f64 {
    if least == f64::NEG_INFINITY {
        return 0.0;
    }
    (0.5 * erfc((least - belief.mean) / (2.0 * belief.variance).sqrt())).ln()
}

#[cfg(test)]
mod tests;
