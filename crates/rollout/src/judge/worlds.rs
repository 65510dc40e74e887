//! Simulated worlds in which verdicts are judged: errors per minute of a champion and a candidate.
//!
//! `cargo xtask bench verdicts` draws the tables of docs/verdicts.md from them and the tests hold the verdict to its word.
//! Nothing in the product draws from them.
//!
//! Both arms serve `requests` a minute. The error probability of an arm in minute t is p · shared_t · arm_t (the
//! candidate's also · ratio), cut to [0, 1]: shared_t is lognormal(0, sd), the time of day; arm_t is
//! exp(x_t − sd²/2) of each arm's own x_t = φ·x_{t−1} + √(1 − φ²)·N(0, sd), a slow pod or a warm cache.

mod play;

pub use play::{Play, Series, learn};

use stats::rng::Rng;

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
    /// Events of champion and candidate in each of `minutes` minutes, the candidate's rate being `ratio` times the
    /// champion's.
    pub fn draw(&self, rng: &mut Rng, minutes: usize, ratio: f64) -> Series {
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
}

#[cfg(test)]
mod tests;
