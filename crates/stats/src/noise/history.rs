//! How likely a history of the running version is under one kind of noise.

use super::{Class, Kind, Learned};
use crate::belief::Count;
use crate::beta::ln_beta;
use crate::level::{Burst, Level};
use crate::log_sum_exp;
use crate::ratio::Arm;

/// Counts of the running version over some seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Block {
    /// How long it is.
    pub seconds: f64,
    /// What was counted.
    pub counts: Arm,
}

/// Counts of two halves of its traffic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Halves {
    /// How long it is.
    pub seconds: f64,
    /// What was counted in each half.
    pub counts: [Arm; 2],
}

impl Halves {
    /// Both together.
    pub fn total(&self) -> Block {
        let [a, b] = self.counts;
        let counts = Arm {
            requests: a.requests + b.requests,
            events: a.events + b.events,
        };
        Block {
            seconds: self.seconds,
            counts,
        }
    }
}

/// Noise that all arms share (time of day, what clients ask for): its standard deviations from block to block, …
const SHARED: [f64; 5] = [0.0, 0.1, 0.2, 0.4, 0.8];
/// … how likely each is where arms have no noise of their own, of 16, …
const SHARED_ALONE: [f64; 5] = [10.0, 3.0, 1.0, 1.0, 1.0];
/// … and how far it drifts in a minute: the square of 2%.
const DRIFT: f64 = 4e-4;

/// Log likelihood of the halves' difference, whose constant part is known to be 0.
pub(super) fn of_difference(kind: &Kind, blocks: &[Halves]) -> f64 {
    let variance = kind.variance(1.0);
    let mut level = Level::new(0.0, 0.0, variance);
    for block in blocks {
        level.pass(kind.kept(block.seconds), variance, 0.0);
        let [a, b] = block.counts;
        let (heads, all) = (b.events as f64, (a.events + b.events) as f64);
        if a.requests > 0 && b.requests > 0 && all > 0.0 {
            let odds = (b.requests as f64 / a.requests as f64).ln();
            let count = Count::Coin { heads, all, odds };
            level.observe(count, 0.0, Some(accident(heads, all)));
        }
    }
    level.log_likelihood()
}

/// The part of the requests that were events; half an event where there was none.
pub(super) fn usual(blocks: &[Block]) -> f64 {
    let sum = blocks.iter().fold(Arm::default(), |sum, block| Arm {
        requests: sum.requests + block.counts.requests,
        events: sum.events + block.counts.events,
    });
    (sum.events as f64).max(0.5) / (sum.requests as f64).max(1.0)
}

/// What a series says whose own noise is `scale` times that of the log ratio of two arms, beside noise that all arms share,
/// of any size; the level and the size of what is shared are the likeliest.
pub(super) fn of_series(kind: &Kind, blocks: &[Block], usual: f64, scale: f64) -> Learned {
    let variance = kind.variance(scale);
    let shared = SHARED.iter().zip(SHARED_ALONE).map(|(&sd, alone)| {
        let weight: f64 = match kind.class {
            Class::Independent => alone / 16.0,
            _ => 1.0 / SHARED.len() as f64,
        };
        let mut level = Level::new(0.0, 1.0, variance);
        for block in blocks {
            level.pass(
                kind.kept(block.seconds),
                variance,
                DRIFT * block.seconds / 60.0,
            );
            let expected = usual * block.counts.requests as f64;
            if expected > 0.0 {
                let events = block.counts.events as f64;
                level.observe(Count::Poisson { events, expected }, sd * sd, None);
            }
        }
        (weight.ln() + level.log_likelihood(), sd, level.constant())
    });
    let shared: Vec<_> = shared.collect();
    let likeliest = shared.iter().max_by(|(a, ..), (b, ..)| a.total_cmp(b));
    let (sd, level) = likeliest.map_or((0.0, Level::new(0.0, 1.0, variance).constant()), |one| {
        (one.1, one.2)
    });
    let seconds =
        blocks.iter().map(|block| block.seconds).sum::<f64>() / blocks.len().max(1) as f64;
    Learned {
        log: log_sum_exp(shared.iter().map(|(log, ..)| *log)),
        level: level.mean,
        unsure: level.variance,
        shared: sd * sd * seconds,
    }
}

/// The chance of an accident, which may give any part of a block's events to one half (Jeffreys' prior).
const ACCIDENT: f64 = 0.02;

fn accident(heads: f64, all: f64) -> Burst {
    Burst {
        chance: ACCIDENT,
        log: ln_beta(heads + 0.5, all - heads + 0.5) - ln_beta(0.5, 0.5),
    }
}
