//! The sequences against numpy, and their coverage in simulation.

use super::*;
use crate::rng::Rng;

#[test]
fn agrees_with_numpy() {
    for (actual, expected) in [
        (half_width(100, 1.0, 0.05, 100), 0.3035208990376253),
        (half_width(1000, 2.0, 0.01, 500), 0.22740601462184204),
        (one_sided_margin(100, 1.0, 0.05, 100), 0.2779094235313522),
        (one_sided_margin(1000, 2.0, 0.01, 500), 0.21374013237680883),
    ] {
        assert!((actual - expected).abs() < 1e-12, "{actual} {expected}");
    }
}

#[test]
fn covers_the_mean_at_all_times_from_thirty_on() {
    let (alpha, runs) = (0.05, 1_000);
    let mut rng = Rng::new(5);
    let missed = (0..runs).filter(|_| {
        let mut mean = RunningMean::default();
        (0..2_000).any(|i| {
            mean.observe(rng.uniform().powi(2));
            i >= 30 && mean.lower(alpha, 200) > 1.0 / 3.0
        })
    });
    let missed = missed.count() as f64 / f64::from(runs);
    assert!(
        missed <= alpha + 3.0 * (alpha * (1.0 - alpha) / f64::from(runs)).sqrt(),
        "{missed}"
    );
}

#[test]
fn finds_a_mean_above_nothing() {
    let (mut rng, mut mean) = (Rng::new(6), RunningMean::default());
    assert_eq!(mean.lower(0.05, 100), f64::NEG_INFINITY);
    for _ in 0..400 {
        mean.observe(0.5 + rng.normal());
    }
    assert!(mean.lower(0.01, 200) > 0.0);
    assert_eq!(mean.count(), 400);
    assert!((mean.sd() - 1.0).abs() < 0.1 && (mean.mean() - 0.5).abs() < 0.15);
}
