//! The wealth against numpy, and its guarantee in simulation.

use super::*;
use crate::rng::Rng;

#[test]
fn agrees_with_numpy() {
    let mut test = BoundedMean::above(0.4);
    for x in [0.1, 0.9, 0.5, 1.0, 0.8, 0.7, 0.95, 0.6] {
        test.observe(x);
    }
    assert!(
        (test.log_evidence() - 2.0138451292724406).abs() < 1e-12,
        "{}",
        test.log_evidence()
    );
}

#[test]
fn holds_its_level_and_finds_what_is_there() {
    let (alpha, runs, steps) = (0.05_f64, 2_000, 500);
    let crossing = |mean: f64, seed: u64| {
        let mut rng = Rng::new(seed);
        let crossed = (0..runs).filter(|_| {
            let mut test = BoundedMean::above(0.2);
            // Skewed and dependent: the spread of each number depends on the one before.
            let mut last = 0.0;
            (0..steps).any(|_| {
                let top: f64 = if last > 0.3 { 1.0 } else { 2.0 * mean };
                last = if rng.chance(2.0 * mean / top) {
                    top * rng.uniform()
                } else {
                    0.0
                };
                test.observe(last);
                test.log_evidence() >= -alpha.ln()
            })
        });
        crossed.count() as f64 / f64::from(runs)
    };
    let null = crossing(0.2, 1);
    assert!(
        null <= alpha + 3.0 * (alpha * (1.0 - alpha) / f64::from(runs)).sqrt(),
        "{null}"
    );
    let power = crossing(0.3, 2);
    assert!(power > 0.95, "{power}");
}

#[test]
fn bad_numbers_never_make_evidence() {
    let mut wealth = Wealth::default();
    for u in [f64::NAN, -3.0, f64::NEG_INFINITY] {
        wealth.observe(u);
    }
    assert!(wealth.log_evidence() < 0.0);
}
