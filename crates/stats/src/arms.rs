//! The rates of two arms as they move together and apart: the level of both, each arm's own noise, and how many times as
//! much the second has.
//!
//! [`crate::contrast`] follows one [`Arms`] for each kind of noise and size of harm. A Kalman filter of the logarithms, which
//! sees only their sums, through counts ([`crate::belief`]). The level is known from history better than from the first arm
//! beside it, which is why this finds harm sooner than a comparison of the two arms alone.

use crate::belief::{Belief, Count};
use crate::ratio::Arm;
use serde::{Deserialize, Serialize};
use statrs::function::gamma::ln_gamma;

/// One block in fifty of an arm may be an accident that says nothing of its rate (a stall, twenty slow answers at once): no
/// block decides alone.
const ACCIDENT: f64 = 0.02;

/// What is added up: the level of both arms, each arm's own noise, the log ratio, and what both share in this block alone.
const LEVEL: usize = 0;
const OWN: [usize; 2] = [1, 2];
const RATIO: usize = 3;
const SHARED: usize = 4;
/// The last of them is not kept from block to block.
const KEPT: usize = 4;

type Vector = [f64; KEPT + 1];
type Matrix = [Vector; KEPT + 1];

/// What is believed, and how likely all counts so far were. Kept in single precision, for it is stored at every look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arms {
    mean: [f32; KEPT],
    /// The covariance's lower half, row by row.
    covariance: [f32; KEPT * (KEPT + 1) / 2],
    log: f64,
}

/// What happens between two blocks, as variances of logarithms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Between {
    /// How much is left of an arm's own noise, …
    pub kept: f64,
    /// … and what it returns to.
    pub own: f64,
    /// By how much the level moves.
    pub drift: f64,
    /// What both arms share in the block alone.
    pub shared: f64,
}

/// What an arm's count in one block says, to any of the filters that see it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    events: f64,
    /// Where the level is 0.
    expected: f64,
    /// Log likelihood if it is an accident.
    accident: f64,
}

impl Seen {
    /// Of an arm of whose requests the part `usual` are expected to be events; nothing without a request.
    pub fn of(arm: Arm, usual: f64) -> Option<Self> {
        let (events, expected) = (arm.events as f64, usual * arm.requests as f64);
        (expected > 0.0).then(|| Self {
            events,
            expected,
            accident: accident(events, expected),
        })
    }
}

impl Arms {
    /// Before the first block: what is believed of the level and of the log ratio, with an arm's `own` noise (a variance).
    pub fn new(level: Belief, own: f64, ratio: Belief) -> Self {
        let mut arms = Self {
            mean: [0.0; KEPT],
            covariance: [0.0; KEPT * (KEPT + 1) / 2],
            log: 0.0,
        };
        let mut mean = [0.0; KEPT + 1];
        let mut covariance = [[0.0; KEPT + 1]; KEPT + 1];
        (mean[LEVEL], mean[RATIO]) = (level.mean, ratio.mean);
        covariance[LEVEL][LEVEL] = level.variance;
        covariance[RATIO][RATIO] = ratio.variance;
        for own_noise in OWN {
            covariance[own_noise][own_noise] = own;
        }
        arms.pack(&mean, &covariance);
        arms
    }

    /// Lets time pass and takes both arms' counts.
    pub fn observe(&mut self, between: &Between, counts: [Option<Seen>; 2]) {
        let (mut mean, mut covariance) = self.unpack();
        for own in OWN {
            mean[own] *= between.kept;
            covariance[own] = covariance[own].map(|value| between.kept * value);
            for row in &mut covariance {
                row[own] *= between.kept;
            }
            covariance[own][own] += (1.0 - between.kept.powi(2)) * between.own;
        }
        covariance[LEVEL][LEVEL] += between.drift;
        covariance[SHARED][SHARED] = between.shared;
        let parts = [
            &[LEVEL, OWN[0], SHARED][..],
            &[LEVEL, OWN[1], SHARED, RATIO][..],
        ];
        for (seen, parts) in counts.into_iter().zip(parts) {
            if let Some(seen) = seen {
                self.log += see(&mut mean, &mut covariance, parts, seen);
            }
        }
        self.pack(&mean, &covariance);
    }

    /// Log likelihood of all counts so far.
    pub fn log_likelihood(&self) -> f64 {
        self.log
    }

    /// What is believed of the log ratio.
    pub fn ratio(&self) -> Belief {
        let (mean, covariance) = self.unpack();
        Belief {
            mean: mean[RATIO],
            variance: covariance[RATIO][RATIO].max(1e-12),
        }
    }

    fn unpack(&self) -> (Vector, Matrix) {
        let (mut mean, mut covariance) = ([0.0; KEPT + 1], [[0.0; KEPT + 1]; KEPT + 1]);
        for (to, from) in mean.iter_mut().zip(self.mean) {
            *to = f64::from(from);
        }
        for ((row, column), value) in half().zip(self.covariance) {
            covariance[row][column] = f64::from(value);
            covariance[column][row] = f64::from(value);
        }
        (mean, covariance)
    }

    fn pack(&mut self, mean: &Vector, covariance: &Matrix) {
        for (to, from) in self.mean.iter_mut().zip(mean) {
            *to = *from as f32;
        }
        for ((row, column), value) in half().zip(&mut self.covariance) {
            *value = covariance[row][column] as f32;
        }
    }
}

/// The places of a matrix's lower half that are kept, row by row.
fn half() -> impl Iterator<Item = (usize, usize)> {
    (0..KEPT).flat_map(|row| (0..=row).map(move |column| (row, column)))
}

/// Takes a count of the sum of these parts; answers its log likelihood.
fn see(mean: &mut Vector, covariance: &mut Matrix, parts: &[usize], seen: Seen) -> f64 {
    let with_sum = covariance.map(|row| parts.iter().map(|&part| row[part]).sum::<f64>());
    let sum = Belief {
        mean: parts.iter().map(|&part| mean[part]).sum(),
        variance: parts
            .iter()
            .map(|&part| with_sum[part])
            .sum::<f64>()
            .max(1e-12),
    };
    let count = Count::Poisson {
        events: seen.events,
        expected: seen.expected,
    };
    let (log, after) = sum.after_if_related(count, ACCIDENT, seen.accident);
    let (shift, shrink) = (after.mean - sum.mean, after.variance - sum.variance);
    let gain = with_sum.map(|value| value / sum.variance);
    for (row, gain_of_row) in gain.iter().enumerate() {
        mean[row] += gain_of_row * shift;
        for (column, gain_of_column) in gain.iter().enumerate() {
            covariance[row][column] += gain_of_row * gain_of_column * shrink;
        }
    }
    log
}

/// The log likelihood of a count that may be anything: s / ((k + s)(k + s + 1)) for k events, s being one more than are
/// expected (the sum over all k is 1, and half of it lies above s), up to the constant that [`Count::Poisson`] leaves out.
fn accident(events: f64, expected: f64) -> f64 {
    let scale = expected + 1.0;
    let log = scale.ln() - (events + scale).ln() - (events + scale + 1.0).ln();
    log + ln_gamma(events + 1.0) - events * expected.ln()
}

#[cfg(test)]
mod tests;
