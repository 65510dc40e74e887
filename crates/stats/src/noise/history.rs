//! How likely a history of the running version is under one kind of noise.

use super::{Class, Kind};
use crate::belief::Count;
use crate::contrast::accident;
use crate::level::Level;
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
    pub(super) fn total(&self) -> Block {
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
        let [a, b] = block.counts;
        level.pass(kind.kept(block.seconds), variance, 0.0);
        if let Some(count) = coin(a, b) {
            level.observe(count, 0.0, Some(accident(count)));
        }
    }
    level.log_likelihood()
}

/// Log likelihood of a series whose own noise is `scale` times that of the log ratio of two arms, beside noise that
/// all arms share, of any size.
pub(super) fn of_series(kind: &Kind, blocks: &[Block], scale: f64) -> f64 {
    let variance = kind.variance(scale);
    let sum = blocks.iter().fold(Arm::default(), |sum, block| Arm {
        requests: sum.requests + block.counts.requests,
        events: sum.events + block.counts.events,
    });
    if sum.requests == 0 {
        return 0.0;
    }
    let usual = (sum.events as f64).max(0.5) / sum.requests as f64;
    let shared = SHARED.iter().zip(SHARED_ALONE).map(|(&sd, alone)| {
        let weight = match kind.class {
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
        weight.ln() + level.log_likelihood()
    });
    log_sum_exp(shared.collect::<Vec<_>>())
}

/// One block of two arms as a coin: each event, is it the second arm's?
pub(crate) fn coin(first: Arm, second: Arm) -> Option<Count> {
    let events = first.events + second.events;
    (first.requests > 0 && second.requests > 0 && events > 0).then(|| Count::Coin {
        heads: second.events as f64,
        all: events as f64,
        odds: (second.requests as f64 / first.requests as f64).ln(),
    })
}
