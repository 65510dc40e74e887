//! The detectors' run length without a change, and their delay after one.

use super::*;
use crate::rng::Rng;

/// How many observations of uniform numbers with `mean` until the alarm at `alpha`, up to `limit`.
fn run_length(kind: Kind, rng: &mut Rng, alpha: f64, mean: f64, limit: u32) -> u32 {
    let mut detector = Detector::new(kind);
    (1..=limit)
        .find(|_| {
            detector.observe(2.0 * mean * rng.uniform() / 0.3);
            detector.log_value() >= -alpha.ln()
        })
        .unwrap_or(limit)
}

#[test]
fn false_alarms_are_as_rare_as_asked_and_changes_are_found() {
    for kind in [Kind::Cusum, Kind::ShiryaevRoberts] {
        let mut rng = Rng::new(9);
        let mean = |rng: &mut Rng, rate: f64, limit: u32| {
            (0..200)
                .map(|_| f64::from(run_length(kind, rng, level_for(500.0), rate, limit)))
                .sum::<f64>()
                / 200.0
        };
        let calm = mean(&mut rng, 0.3, 20_000);
        assert!(calm >= 500.0, "{kind:?}: {calm}");
        let changed = mean(&mut rng, 0.45, 20_000);
        assert!(changed < 50.0, "{kind:?}: {changed}");
    }
}

#[test]
fn calm_does_not_make_it_slow() {
    let mut detector = Detector::new(Kind::Cusum);
    (0..10_000).for_each(|_| detector.observe(0.8));
    let delay = (0..200).find(|_| {
        detector.observe(2.0);
        detector.log_value() >= 1_000_f64.ln()
    });
    assert!(delay.is_some_and(|d| d < 30), "{delay:?}");
}
