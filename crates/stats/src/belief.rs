//! What is believed of one number that cannot be seen, and what a count says of it.
//!
//! [`crate::level`] moves beliefs through time. The number is a logarithm (of a rate, or of a ratio of rates), the belief
//! a normal distribution, and a count's likelihood is folded in by moment matching: assumed-density filtering
//! (Maybeck 1982, 12.7), with the integral by Gauss and Hermite's rule around the posterior's mode (Liu and Pierce 1994).

/// Five points and weights for a standard normal variable (Abramowitz and Stegun 25.4.46, scaled by √2).
const POINTS: [(f64, f64); 5] = [
    (-2.856_970_013_872_806, 0.011_257_411_327_720_7),
    (-1.355_626_179_974_266, 0.222_075_922_005_613),
    (0.0, 0.533_333_333_333_333),
    (1.355_626_179_974_266, 0.222_075_922_005_613),
    (2.856_970_013_872_806, 0.011_257_411_327_720_7),
];
/// Newton's steps towards the mode, the longest of them, and one after which another is not worth it.
const STEPS: usize = 8;
const LONGEST: f64 = 2.0;
const CLOSE: f64 = 1e-6;
/// A belief is never surer than this, so that rounding makes no variance negative.
const LEAST_VARIANCE: f64 = 1e-9;

/// A count that says something of a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Count {
    /// `heads` of `all` tosses of a coin whose log odds are the number plus `odds`.
    Coin {
        /// Heads.
        heads: f64,
        /// All tosses.
        all: f64,
        /// Log odds where the number is 0.
        odds: f64,
    },
    /// `events` where `expected` times e^number are expected.
    Poisson {
        /// How many.
        events: f64,
        /// How many are expected where the number is 0.
        expected: f64,
    },
}

impl Count {
    /// Log likelihood at `x`, up to a constant.
    fn log_likelihood(self, x: f64) -> f64 {
        match self {
            Self::Coin { heads, all, odds } => heads * (odds + x) - all * softplus(odds + x),
            Self::Poisson { events, expected } => events * x - expected * x.exp(),
        }
    }

    /// Its first derivative, and the second with its sign turned.
    fn slope_and_curvature(self, x: f64) -> (f64, f64) {
        match self {
            Self::Coin { heads, all, odds } => {
                let chance = 1.0 / (1.0 + (-odds - x).exp());
                (heads - all * chance, all * chance * (1.0 - chance))
            }
            Self::Poisson { events, expected } => (events - expected * x.exp(), expected * x.exp()),
        }
    }
}

/// A normal distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Belief {
    /// Its mean.
    pub mean: f64,
    /// Its variance, above 0.
    pub variance: f64,
}

impl Belief {
    /// The log of the chance that this belief gave to `count`, and what is believed after it.
    pub fn after(self, count: Count) -> (f64, Self) {
        let precision = 1.0 / self.variance;
        let mut mode = self.mean;
        for _ in 0..STEPS {
            let (slope, curved) = count.slope_and_curvature(mode);
            let step = (slope - (mode - self.mean) * precision) / (curved + precision);
            mode += step.clamp(-LONGEST, LONGEST);
            if step.abs() < CLOSE {
                break;
            }
        }
        let (_, curved) = count.slope_and_curvature(mode);
        let width = 1.0 / (curved + precision).sqrt();
        // The integrand over the normal density that it is compared with, at each point.
        let logs = POINTS.map(|(at, _)| {
            let x = mode + width * at;
            count.log_likelihood(x) - 0.5 * (x - self.mean).powi(2) * precision + 0.5 * at * at
        });
        let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
        for ((at, weight), log) in POINTS.iter().zip(logs) {
            let mass = weight * (log - top).exp();
            sum += mass;
            first += mass * at;
            second += mass * at * at;
        }
        let (first, second) = (first / sum, second / sum);
        let after = Self {
            mean: mode + width * first,
            variance: (width * width * (second - first * first)).max(LEAST_VARIANCE),
        };
        (
            sum.ln() + top + width.ln() - 0.5 * self.variance.ln(),
            after,
        )
    }

    /// The same where the count may, with probability `chance`, have nothing to do with the number and then had log
    /// likelihood `log_other`.
    pub fn after_if_related(self, count: Count, chance: f64, log_other: f64) -> (f64, Self) {
        let (log, after) = self.after(count);
        let related = log + (-chance).ln_1p();
        let other = chance.ln() + log_other;
        let top = related.max(other);
        let all = top + ((related - top).exp() + (other - top).exp()).ln();
        let part = (related - all).exp();
        let mean = self.mean + part * (after.mean - self.mean);
        let spread = |belief: Self| belief.variance + (belief.mean - mean).powi(2);
        let variance = part * spread(after) + (1.0 - part) * spread(self);
        (all, Self { mean, variance })
    }
}

/// `ln(1 + e^x)` without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Chance and moments by plain summation over a fine grid.
    fn check(prior: Belief, count: Count) {
        let sd = prior.variance.sqrt();
        let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
        let top = (-1600..=1600)
            .map(|i| count.log_likelihood(prior.mean + sd * f64::from(i) / 50.0))
            .fold(f64::NEG_INFINITY, f64::max);
        // A count may pull a belief away by more than fifteen of its standard deviations.
        for i in -16_000..=16_000 {
            let at = f64::from(i) / 500.0;
            let x = prior.mean + sd * at;
            let mass = (count.log_likelihood(x) - top - 0.5 * at * at).exp()
                / (500.0 * std::f64::consts::TAU.sqrt());
            sum += mass;
            first += mass * x;
            second += mass * x * x;
        }
        let (mean, variance) = (first / sum, second / sum - (first / sum).powi(2));
        let (log, after) = prior.after(count);
        assert!(
            (log - sum.ln() - top).abs() < 0.03,
            "{log} in place of {}",
            sum.ln() + top
        );
        assert!(
            (after.mean - mean).abs() < 0.06 * sd,
            "{after:?} in place of mean {mean}"
        );
        assert!(
            (after.variance / variance - 1.0).abs() < 0.1,
            "{after:?} in place of variance {variance}"
        );
    }

    proptest! {
        #[test]
        fn agrees_with_summation(
            mean in -1.0..1.0_f64,
            sd in 0.05..1.2_f64,
            all in 1_u32..200,
            part in 0.0..1.0_f64,
            odds in -3.0..1.0_f64,
        ) {
            let prior = Belief { mean, variance: sd * sd };
            let heads = (f64::from(all) * part).round();
            check(prior, Count::Coin { heads, all: f64::from(all), odds });
            check(prior, Count::Poisson { events: heads.min(40.0), expected: 8.0 });
        }
    }

    #[test]
    fn a_count_far_from_what_was_believed_is_believed() {
        let prior = Belief {
            mean: -0.834,
            variance: 0.0498,
        };
        let count = Count::Coin {
            heads: 108.0,
            all: 109.0,
            odds: -2.882,
        };
        check(prior, count);
    }

    #[test]
    fn an_unrelated_count_changes_little() {
        let prior = Belief {
            mean: 0.0,
            variance: 0.04,
        };
        let burst = Count::Coin {
            heads: 20.0,
            all: 20.0,
            odds: -3.0,
        };
        let (_, moved) = prior.after(burst);
        let (log, kept) = prior.after_if_related(burst, 0.02, -2.0);
        assert!(moved.mean > 0.5 && kept.mean < 0.01, "{moved:?} {kept:?}");
        assert!((log - (0.02_f64.ln() - 2.0)).abs() < 0.01);
    }
}
