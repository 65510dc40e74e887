//! Simulated worlds in which verdicts are judged: errors per minute of a champion and a candidate.
//!
//! The example `worlds` prints the table of docs/verdicts.md from them and the tests hold the verdict to its word.
//! Nothing in the product draws from them.
//!
//! Both arms serve `requests` a minute. The error probability of an arm in minute t is p · shared_t · arm_t (the
//! candidate's also · ratio), cut to [0, 1]: shared_t is lognormal(0, sd), the time of day; arm_t is
//! exp(x_t − sd²/2) of each arm's own x_t = φ·x_{t−1} + √(1 − φ²)·N(0, sd), a slow pod or a warm cache.

use super::{AtLeast, Counters, Decision, Evidence, Judge, Look, Policy, judge};
use jiff::{SignedDuration, Timestamp};
use stats::rng::Rng;
use std::time::Duration;

/// One world.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct World {
    /// What to call it.
    pub name: &'static str,
    /// Deviation of the logarithm of the minute's factors; 0: independent requests.
    pub sd: f64,
    /// Autocorrelation of an arm's own factor from minute to minute.
    pub phi: f64,
    /// Requests a minute of each arm.
    pub requests: u64,
    /// Error rate of the champion.
    pub rate: f64,
}

const NOISES: [(&str, f64, f64); 3] = [
    ("independent", 0.0, 0.0),
    ("30% a minute", 0.3, 0.0),
    ("30%, lasting", 0.3, 0.9),
];
const TRAFFIC: [(u64, f64); 3] = [(50, 0.02), (300, 0.01), (1500, 0.01)];

/// The nine frozen worlds: three kinds of noise, three sizes of traffic.
pub fn frozen() -> Vec<World> {
    let world = |(name, sd, phi)| {
        TRAFFIC.map(|(requests, rate)| World {
            name,
            sd,
            phi,
            requests,
            rate,
        })
    };
    NOISES.into_iter().flat_map(world).collect()
}

impl World {
    /// Errors of champion and candidate in each of `minutes` minutes, the candidate's rate being `ratio` times the
    /// champion's.
    pub fn draw(&self, rng: &mut Rng, minutes: usize, ratio: f64) -> Vec<[u64; 2]> {
        let innovation = (1.0 - self.phi * self.phi).sqrt() * self.sd;
        let mut x = [self.sd * rng.normal(), self.sd * rng.normal()];
        let mut errors = Vec::with_capacity(minutes);
        for minute in 0..minutes {
            let shared = (self.sd * rng.normal()).exp();
            if minute > 0 {
                x = x.map(|x| self.phi * x + innovation * rng.normal());
            }
            let arm = |x: f64, ratio: f64| {
                let factor = (x - self.sd * self.sd / 2.0).exp();
                (self.rate * ratio * shared * factor).clamp(0.0, 1.0)
            };
            let (champion, candidate) = (arm(x[0], 1.0), arm(x[1], ratio));
            errors.push([champion, candidate].map(|p| rng.binomial(self.requests, p)));
        }
        errors
    }

    /// The minute after which the verdict rolls back, if it does, with errors as the one judge, nothing that ends the
    /// stage and one look a minute; `block` minutes count as one observation.
    pub fn rolled_back(&self, errors: &[[u64; 2]], alpha: f64, block: usize) -> Option<usize> {
        let policy = Policy {
            stages: vec![0.5],
            judges: vec![Judge::errors()],
            false_rollbacks: alpha,
            at_least: AtLeast {
                requests: u64::MAX,
                lasting: Duration::ZERO,
            },
            quiet: None,
            block: Duration::from_secs(60 * block as u64),
        };
        let at = |minute: usize| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute as i64);
        let mut evidence = Evidence::begin(&policy, at(0));
        let mut arms = [Counters::default(), Counters::default()];
        let nothing = [[0, 0]];
        (0..)
            .zip(nothing.iter().chain(errors))
            .find_map(|(minute, errors)| {
                for (arm, errors) in arms.iter_mut().zip(errors).filter(|_| minute > 0) {
                    arm.requests += self.requests;
                    arm.errors += errors;
                }
                let [champion, candidate] = arms.clone();
                let losses = Vec::new();
                let look = Look {
                    at: at(minute),
                    passed: Duration::from_secs(60),
                    champion,
                    candidate,
                    losses,
                    pending: 0,
                };
                evidence.look(&policy, &look);
                let verdict = judge(&evidence, &policy);
                (verdict.decision == Decision::RollBack).then_some(minute)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs out of `runs` in which the verdict rolls back within an hour, and the median minute.
    fn rollbacks(world: &World, ratio: f64, runs: usize) -> (usize, usize) {
        let mut rng = Rng::new(11);
        let mut minutes: Vec<usize> = (0..runs)
            .filter_map(|_| world.rolled_back(&world.draw(&mut rng, 60, ratio), 0.05, 1))
            .collect();
        minutes.sort_unstable();
        (
            minutes.len(),
            minutes.get(minutes.len() / 2).copied().unwrap_or(60),
        )
    }

    #[test]
    fn no_more_good_candidates_are_taken_back_than_promised() {
        for world in frozen().iter().filter(|world| world.phi == 0.0) {
            let (count, _) = rollbacks(world, 1.0, 200);
            assert!(count <= 10, "{count} of 200 in {world:?}");
        }
    }

    #[test]
    fn harm_is_found_within_the_hour() {
        for (index, ratio, share, within) in [
            (0, 4.0, 0.99, 12),
            (1, 2.0, 0.95, 25),
            (2, 2.0, 0.99, 10),
            (5, 2.0, 0.99, 15),
        ] {
            let world = frozen()[index];
            let (count, median) = rollbacks(&world, ratio, 100);
            assert!(
                count as f64 >= share * 100.0 && median <= within,
                "{count}, minute {median} in {world:?}"
            );
        }
    }

    const REFERENCE: [(usize, f64, f64, f64, f64); 6] = [
        (0, 2.0, 2.001, 1.93, 0.0),
        (1, 1.0, 2.994, 2.98, 0.0),
        (4, 2.0, 6.264, 13.77, 0.0),
        (5, 1.0, 15.730, 64.78, 0.0),
        (7, 1.0, 3.138, 5.05, 0.201),
        (8, 2.0, 31.034, 218.45, 0.523),
    ];

    #[test]
    fn draws_agree_with_the_reference_in_distribution() {
        // numpy: mean, variance and lag-1 autocorrelation of the difference, 2,000 runs of the same worlds.
        for (index, ratio, mean, variance, correlation) in REFERENCE {
            let (world, mut rng) = (frozen()[index], Rng::new(12));
            let runs: Vec<Vec<[u64; 2]>> =
                (0..1000).map(|_| world.draw(&mut rng, 60, ratio)).collect();
            let candidate: Vec<f64> = runs.iter().flatten().map(|[_, b]| *b as f64).collect();
            let average = |xs: &[f64]| xs.iter().sum::<f64>() / xs.len() as f64;
            let m = average(&candidate);
            let v = average(
                &candidate
                    .iter()
                    .map(|x| (x - m).powi(2))
                    .collect::<Vec<_>>(),
            );
            let difference = |[a, b]: &[u64; 2]| *b as f64 - *a as f64;
            let gap = average(&runs.iter().flatten().map(difference).collect::<Vec<_>>());
            let products = |lag: usize| {
                let pairs = runs.iter().flat_map(|run| run.iter().zip(&run[lag..]));
                average(
                    &pairs
                        .map(|(x, y)| (difference(x) - gap) * (difference(y) - gap))
                        .collect::<Vec<_>>(),
                )
            };
            let r = products(1) / products(0);
            assert!((m / mean - 1.0).abs() < 0.03, "mean {m} in {world:?}");
            assert!(
                (v / variance - 1.0).abs() < 0.08,
                "variance {v} in {world:?}"
            );
            assert!(
                (r - correlation).abs() < 0.03,
                "correlation {r} in {world:?}"
            );
        }
    }
}
