//! How the arms of one version differ although nothing is wrong: by chance alone, by noise that comes and goes with each
//! block, or by noise that lasts (a slow pod, a warm cache).
//!
//! [`crate::contrast`] judges a candidate under every kind; [`Noise`] is what a history of the version that serves says
//! of them. `rollout` makes it once, when a roll-out starts, and stores it with the rules.

mod history;

pub(crate) use history::coin;
pub use history::{Block, Halves};

use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// What a kind of noise is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// None: requests are independent.
    Independent,
    /// Each block has its own.
    Momentary,
    /// It lasts for minutes.
    Lasting,
}

/// All classes, in order.
pub const CLASSES: [Class; 3] = [Class::Independent, Class::Momentary, Class::Lasting];

/// One kind of noise of the log ratio of two arms of the same version.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kind {
    /// Its class.
    pub class: Class,
    /// Standard deviation: √2 times that of one arm's log rate.
    pub sd: f64,
    /// How long it lasts in seconds: after this time 1/e of it is left.
    pub lasts: f64,
    /// Log of its weight within its class before any history.
    pub log_prior: f64,
}

/// Standard deviations of the momentary kinds; those in [`LASTING_RANGE`] may last.
const SDS: [f64; 8] = [0.07, 0.14, 0.21, 0.3, 0.42, 0.6, 0.85, 1.2];
/// Lasting noise that is smaller does no harm to a verdict and cannot be told from none; larger than this (one arm 60% of
/// the time a half worse or better than usual) is a fault of the service.
const LASTING_RANGE: std::ops::Range<f64> = 0.25..1.0;
/// How long lasting noise lasts, in minutes.
const MINUTES: [f64; 5] = [2.8, 6.0, 12.0, 24.0, 66.0];
/// Where the weights are highest, and how fast they fall (standard deviations of logarithms).
const MOMENTARY_SD: (f64, f64) = (0.3, 0.5);
const LASTING_SD: (f64, f64) = (0.5, 0.5);
const LASTING_MINUTES: (f64, f64) = (10.0, 1.2);
/// Variance that stands for none.
const NONE: f64 = 1e-6;

impl Kind {
    /// All kinds; their order is fixed for ever (stored states depend on it).
    pub fn all() -> &'static [Self] {
        static ALL: LazyLock<Vec<Kind>> = LazyLock::new(Kind::weighted);
        &ALL
    }

    fn weighted() -> Vec<Self> {
        let log_normal =
            |x: f64, (middle, width): (f64, f64)| -0.5 * ((x / middle).ln() / width).powi(2);
        let mut kinds = vec![Self {
            class: Class::Independent,
            sd: 0.0,
            lasts: 0.0,
            log_prior: 0.0,
        }];
        kinds.extend(SDS.map(|sd| Self {
            class: Class::Momentary,
            sd,
            lasts: 0.0,
            log_prior: log_normal(sd, MOMENTARY_SD),
        }));
        for sd in SDS.into_iter().filter(|sd| LASTING_RANGE.contains(sd)) {
            kinds.extend(MINUTES.map(|minutes| Self {
                class: Class::Lasting,
                sd,
                lasts: 60.0 * minutes,
                log_prior: log_normal(sd, LASTING_SD) + log_normal(minutes, LASTING_MINUTES),
            }));
        }
        for class in CLASSES {
            let of_class = |kind: &&Kind| kind.class == class;
            let priors: Vec<f64> = kinds
                .iter()
                .filter(of_class)
                .map(|kind| kind.log_prior)
                .collect();
            let sum = crate::log_sum_exp(priors.iter().copied());
            for kind in kinds.iter_mut().filter(|kind| kind.class == class) {
                kind.log_prior -= sum;
            }
        }
        kinds
    }

    /// Its variance, of `scale` times the log ratio.
    pub fn variance(&self, scale: f64) -> f64 {
        (self.sd * scale).powi(2).max(NONE)
    }

    /// How much of it is left after `seconds`; nothing of what is momentary.
    pub fn kept(&self, seconds: f64) -> f64 {
        if self.lasts > 0.0 {
            (-seconds / self.lasts).exp()
        } else {
            0.0
        }
    }
}

/// What a history says of the kinds of noise; nothing without one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Noise {
    /// Log likelihood of the history under each of [`Kind::all`]; empty without one.
    logs: Vec<f64>,
}

impl Noise {
    /// From the blocks of two halves of the running version's own traffic, which differ by noise alone.
    pub fn of_halves(blocks: &[Halves]) -> Self {
        let totals: Vec<Block> = blocks.iter().map(Halves::total).collect();
        let logs = Kind::all().iter().map(|kind| {
            history::of_difference(kind, blocks) + history::of_series(kind, &totals, 0.5)
        });
        Self {
            logs: logs.collect(),
        }
    }

    /// From the blocks of the running version as a whole, as one arm: what wanders in it may be the arm's own.
    ///
    /// It overstates the noise between arms where both move together (time of day), never understates it.
    pub fn of_series(blocks: &[Block]) -> Self {
        let logs = Kind::all()
            .iter()
            .map(|kind| history::of_series(kind, blocks, std::f64::consts::FRAC_1_SQRT_2));
        Self {
            logs: logs.collect(),
        }
    }

    /// The same, for a judge whose blocks are shorter than those of the history: of noise that comes and goes within
    /// a block of the history it has seen nothing, so every momentary kind stays as likely as the likeliest of all.
    #[must_use]
    pub fn for_shorter_blocks(mut self) -> Self {
        let top = self.logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for (log, kind) in self.logs.iter_mut().zip(Kind::all()) {
            if kind.class == Class::Momentary {
                *log = top;
            }
        }
        self
    }

    /// As if a long history had shown no noise at all: for plays of what a judge could find at best.
    pub fn none() -> Self {
        let logs = Kind::all().iter().map(|kind| match kind.class {
            Class::Independent => 0.0,
            _ => -50.0,
        });
        Self {
            logs: logs.collect(),
        }
    }

    /// Log likelihood of the history under the kind with this index.
    pub fn log_likelihood(&self, kind: usize) -> f64 {
        self.logs.get(kind).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests;
