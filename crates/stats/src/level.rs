//! A log rate, or a log ratio of rates, as it moves in time: a constant part and a part that comes and goes.
//!
//! [`crate::noise`] weighs kinds of noise with it and [`crate::contrast`] two arms. A Kalman filter of two numbers that
//! sees only their sum, through counts ([`crate::belief`]).

use crate::belief::{Belief, Count};
use serde::{Deserialize, Serialize};

/// What is believed of both parts, and how likely all counts so far were.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// Means of the constant and of the moving part.
    mean: [f64; 2],
    /// Variance of the constant part, covariance, variance of the moving part.
    variance: [f64; 3],
    /// Log likelihood of all counts so far.
    log: f64,
}

/// How a count may be wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Burst {
    /// The chance that it has nothing to do with the level.
    pub chance: f64,
    /// Its log likelihood then.
    pub log: f64,
}

impl Level {
    /// A constant part around `mean` with standard deviation `sd` (0: it is known), and a moving part around 0.
    pub fn new(mean: f64, sd: f64, moving_variance: f64) -> Self {
        Self {
            mean: [mean, 0.0],
            variance: [sd * sd, 0.0, moving_variance],
            log: 0.0,
        }
    }

    /// The same after a history whose counts had this log likelihood.
    #[must_use]
    pub fn with_history(mut self, log: f64) -> Self {
        self.log = log;
        self
    }

    /// Lets time pass: the moving part keeps `kept` of itself and returns to `moving_variance`; the constant part drifts
    /// by `drift` (a variance).
    pub fn pass(&mut self, kept: f64, moving_variance: f64, drift: f64) {
        self.mean[1] *= kept;
        self.variance[0] += drift;
        self.variance[1] *= kept;
        self.variance[2] = kept * kept * self.variance[2] + (1.0 - kept * kept) * moving_variance;
    }

    /// Takes a count of the sum, on top of which comes `noise` (a variance) of this count alone.
    pub fn observe(&mut self, count: Count, noise: f64, burst: Option<Burst>) {
        let [constant, both, moving] = self.variance;
        let sum = Belief {
            mean: self.mean[0] + self.mean[1],
            variance: (constant + 2.0 * both + moving + noise).max(1e-12),
        };
        let (log, after) = match burst {
            Some(Burst { chance, log }) => sum.after_if_related(count, chance, log),
            None => sum.after(count),
        };
        let gain = [
            (constant + both) / sum.variance,
            (both + moving) / sum.variance,
        ];
        let (shift, shrink) = (after.mean - sum.mean, after.variance - sum.variance);
        self.mean[0] += gain[0] * shift;
        self.mean[1] += gain[1] * shift;
        self.variance = [
            constant + gain[0] * gain[0] * shrink,
            both + gain[0] * gain[1] * shrink,
            moving + gain[1] * gain[1] * shrink,
        ];
        self.log += log;
    }

    /// Log likelihood of all counts so far.
    pub fn log_likelihood(&self) -> f64 {
        self.log
    }

    /// What is believed of the constant part.
    pub fn constant(&self) -> Belief {
        Belief {
            mean: self.mean[0],
            variance: self.variance[0].max(1e-12),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn the_constant_part_is_learned_and_the_moving_part_is_not_taken_for_it() {
        let mut rng = Rng::new(5);
        let check = |moves: f64, rng: &mut Rng| {
            let mut level = Level::new(0.0, 1.0, 0.2);
            let mut x = 0.0;
            for _ in 0..2_000 {
                x = 0.9 * x + (1.0 - 0.81_f64).sqrt() * moves * rng.normal();
                level.pass(0.9, 0.2, 0.0);
                let heads = rng.binomial(40, 1.0 / (1.0 + (-0.7 - x).exp())) as f64;
                level.observe(
                    Count::Coin {
                        heads,
                        all: 40.0,
                        odds: 0.0,
                    },
                    0.0,
                    None,
                );
            }
            level.constant()
        };
        let belief = check(0.2_f64.sqrt(), &mut rng);
        assert!((belief.mean - 0.7).abs() < 0.15, "{belief:?}");
        // 2,000 counts whose noise lasts for ten are a hundred, not 2,000.
        let sd = belief.variance.sqrt();
        assert!((0.02..0.08).contains(&sd), "{sd}");
    }

    #[test]
    fn noise_of_a_count_alone_makes_it_weigh_less() {
        let after = |noise: f64| {
            let mut level = Level::new(0.0, 1.0, 1e-6);
            level.observe(
                Count::Poisson {
                    events: 50.0,
                    expected: 40.0,
                },
                noise,
                None,
            );
            level.constant()
        };
        assert!(after(1.0).variance > 5.0 * after(0.0).variance);
    }
}
