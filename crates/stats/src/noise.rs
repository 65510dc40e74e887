//! How the arms of one version differ although nothing is wrong: by chance alone, by noise that comes and goes with each
//! block, or by noise that lasts (a slow pod, a warm cache).
//!
//! [`crate::contrast`] judges a candidate under every kind; [`Noise`] is what a history of the version that serves says
//! of them. `rollout` makes it once, when a roll-out starts, and stores it with the rules.

mod history;

pub use history::{Block, Halves};

use serde::{Deserialize, Serialize};
use std::{f64::consts::FRAC_1_SQRT_2, sync::LazyLock};

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

/// Standard deviations of the momentary kinds, …
const MOMENTARY: [f64; 4] = [0.1, 0.2, 0.4, 0.8];
/// … and of the lasting ones. Lasting noise that is smaller does little harm to a verdict and cannot be told from none;
/// larger (one arm 60% of the time a half worse or better than usual) is a fault of the service.
const LASTING: [f64; 3] = [0.3, 0.5, 0.8];
/// How long lasting noise lasts, in minutes.
const MINUTES: [f64; 3] = [4.0, 10.0, 30.0];
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
        kinds.extend(MOMENTARY.map(|sd| Self {
            class: Class::Momentary,
            sd,
            lasts: 0.0,
            log_prior: log_normal(sd, MOMENTARY_SD),
        }));
        for sd in LASTING {
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

    /// The variance of one arm's log rate.
    pub fn of_an_arm(&self) -> f64 {
        self.variance(FRAC_1_SQRT_2)
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

/// What a history says of the kinds of noise, and of the level of the rate; nothing without one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Noise {
    /// The part of the requests that were events.
    usual: f64,
    /// For each of [`Kind::all`]; empty without a history.
    kinds: Vec<Learned>,
}

/// What a history says if noise is of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// Its log likelihood.
    pub log: f64,
    /// The level of the rate: the logarithm of how many times the usual, …
    pub level: f64,
    /// … and how unsure that is (a variance).
    pub unsure: f64,
    /// Noise that all arms share from block to block: its variance times a block's seconds.
    pub shared: f64,
}

impl Noise {
    /// From the blocks of two halves of the running version's own traffic, which differ by noise alone.
    pub fn of_halves(blocks: &[Halves]) -> Self {
        let totals: Vec<Block> = blocks.iter().map(Halves::total).collect();
        let mut noise = Self::of(&totals, 0.5);
        for (kind, learned) in Kind::all().iter().zip(&mut noise.kinds) {
            learned.log += history::of_difference(kind, blocks);
        }
        noise
    }

    /// From the blocks of the running version as a whole, as one arm: what wanders in it may be the arm's own.
    ///
    /// It overstates the noise between arms where both move together (time of day), never understates it.
    pub fn of_series(blocks: &[Block]) -> Self {
        Self::of(blocks, FRAC_1_SQRT_2)
    }

    /// From a series whose own noise is `scale` times that of the log ratio of two arms.
    fn of(blocks: &[Block], scale: f64) -> Self {
        let usual = history::usual(blocks);
        let of_kind = |kind| history::of_series(kind, blocks, usual, scale);
        Self {
            usual,
            kinds: Kind::all().iter().map(of_kind).collect(),
        }
    }

    /// The same, for a judge whose blocks are shorter than those of the history: of noise that comes and goes within
    /// a block of the history it has seen nothing. So every momentary kind stays as likely as the likeliest of all, and
    /// what the history's blocks differ by is all shared.
    #[must_use]
    pub fn for_shorter_blocks(mut self) -> Self {
        let logs = self.kinds.iter().map(|learned| learned.log);
        let log = logs.fold(f64::NEG_INFINITY, f64::max);
        let mut kinds = Kind::all().iter().zip(&self.kinds);
        let independent = kinds.find(|(kind, _)| kind.class == Class::Independent);
        let Some((_, &independent)) = independent else {
            return self;
        };
        for (learned, kind) in self.kinds.iter_mut().zip(Kind::all()) {
            if kind.class == Class::Momentary {
                *learned = Learned { log, ..independent };
            }
        }
        self
    }

    /// The part of the requests that were events.
    pub fn usual(&self) -> f64 {
        self.usual
    }

    /// What it says for each of [`Kind::all`]; empty without a history.
    pub fn kinds(&self) -> &[Learned] {
        &self.kinds
    }
}

#[cfg(test)]
mod tests;
