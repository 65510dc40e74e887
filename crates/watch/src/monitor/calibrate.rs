//! The threshold that keeps the false-alarm budget, found by simulating the monitor on its own reference.
//!
//! Called by the monitor whenever its reference has grown. Pure: the same reference and configuration give the same
//! threshold.
//!
//! Two stages, because the reference is itself a sample: each simulation draws a *reference* of the same length and
//! a *future*, both by the stationary bootstrap (Politis and Romano, "The stationary bootstrap", JASA 1994), which
//! keeps stretches of neighbouring blocks together so that spells of bad weather stay spells. It learns mean and
//! spread from the drawn reference, runs the cumulative sum over the drawn future and keeps its peak. With `H`
//! blocks of future (after a run-in) and a budget of one false alarm in `B` blocks, the threshold is the `exp(−H/B)` quantile of the
//! peaks; never under the cap of one block, so that no single block can raise an alarm.

use stats::rng::Rng;

use super::config::Config;
use super::reference::{Spread, spread};

const SEED: u64 = 0x6d61_696e_7370_616e;

/// The level of the cumulative sum that stands for the budget. `values` are the blocks of the reference in time
/// order, at least two; `floor` is the least standard deviation to believe in.
pub(crate) fn threshold(values: &[f64], floor: f64, config: &Config) -> f64 {
    let mut rng = Rng::new(SEED);
    let budget = config.blocks_per_alarm();
    let horizon = (config.horizon as f64).min(budget.ceil()).max(1.0) as usize;
    // A sum that starts at zero alarms later than one that has been running; a few stretches more make up for it.
    let run_in = (2.0 * config.stretch) as usize;
    let mean = spread(values, floor).mean;
    let widen = widening(values.len(), config.stretch);
    let mut drawn = Vec::with_capacity(values.len());
    let mut peaks: Vec<f64> = (0..config.simulations.max(1))
        .map(|_| {
            drawn.clear();
            let mut walk = Walk::new(values, config.stretch, &mut rng);
            drawn.extend((0..values.len()).map(|_| walk.next(&mut rng)));
            let mut null = spread(&drawn, floor);
            null.mean = mean + widen * (null.mean - mean);
            let mut walk = Walk::new(values, config.stretch, &mut rng);
            let (mut sum, mut peak) = (0.0_f64, 0.0_f64);
            for _ in 0..horizon + run_in {
                sum = (sum + step(walk.next(&mut rng), null, config)).max(0.0);
                peak = peak.max(sum);
            }
            peak
        })
        .collect();
    peaks.sort_unstable_by(f64::total_cmp);
    quantile(&peaks, (-(horizon as f64) / budget).exp()).max(config.cap)
}

/// Stretches drawn from one short history have means that vary too little, by a share of about stretch/n of the
/// variance (Künsch, "The jackknife and the bootstrap for general stationary observations", Annals of Statistics
/// 1989); the drawn means are spread by as much.
fn widening(n: usize, stretch: f64) -> f64 {
    let n = n as f64;
    (n / (n - stretch).max(n / 4.0)).sqrt()
}

/// What one block adds to the cumulative sum: its distance above the allowed mean in standard deviations, capped.
pub(crate) fn step(value: f64, null: Spread, config: &Config) -> f64 {
    ((value - config.allowed() * null.mean) / null.sd).min(config.cap)
}

/// A walk over the reference that goes on to the next block and jumps anywhere with probability 1/stretch.
struct Walk<'a> {
    values: &'a [f64],
    at: usize,
    jump: f64,
}

impl<'a> Walk<'a> {
    fn new(values: &'a [f64], stretch: f64, rng: &mut Rng) -> Self {
        Self {
            values,
            at: rng.below(values.len()),
            jump: 1.0 / stretch.max(1.0),
        }
    }

    fn next(&mut self, rng: &mut Rng) -> f64 {
        let value = self.values[self.at];
        self.at = if rng.chance(self.jump) {
            rng.below(self.values.len())
        } else {
            (self.at + 1) % self.values.len()
        };
        value
    }
}

fn quantile(sorted: &[f64], p: f64) -> f64 {
    let position = p.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use spec::LiveMetric;

    use super::*;

    fn config(days: u64) -> Config {
        Config::new(LiveMetric::Mae, Duration::from_secs(86_400 * days), 0.05)
    }

    #[test]
    fn a_stricter_budget_a_shorter_reference_and_longer_spells_raise_the_threshold() {
        let mut rng = Rng::new(3);
        let calm: Vec<f64> = (0..56).map(|_| 10.0 + rng.normal()).collect();
        let of = |values: &[f64], days: u64| threshold(values, 0.0, &config(days));
        assert_eq!(of(&calm, 365), of(&calm, 365));
        assert!(of(&calm, 90) < of(&calm, 365) && of(&calm, 365) < of(&calm, 3650));
        assert!(
            of(&calm[..14], 365) > of(&calm, 365),
            "fewer blocks, less certain reference"
        );
        let mut level = 0.0;
        let spells: Vec<f64> = (0..56)
            .map(|_| {
                level = 0.8 * level + 0.6 * rng.normal();
                10.0 + level
            })
            .collect();
        assert!(
            of(&spells, 365) > 1.3 * of(&calm, 365),
            "{} {}",
            of(&spells, 365),
            of(&calm, 365)
        );
    }

    #[test]
    fn no_single_block_can_raise_an_alarm() {
        assert_eq!(threshold(&[5.0; 28], 0.5, &config(365)), 3.0);
        let null = Spread { mean: 5.0, sd: 0.5 };
        assert_eq!(step(1e9, null, &config(365)), 3.0);
        assert_eq!(step(5.25, null, &config(365)), 0.0);
    }

    #[test]
    fn quantiles_interpolate() {
        let check = |p: f64, expected: f64| {
            assert!((quantile(&[0.0, 1.0, 4.0], p) - expected).abs() < 1e-12);
        };
        check(0.0, 0.0);
        check(0.5, 1.0);
        check(0.75, 2.5);
        check(1.0, 4.0);
    }
}
