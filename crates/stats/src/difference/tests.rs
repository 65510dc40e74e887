//! The loss comparison's guarantee under everything that losses do, and how soon it finds harm.

use super::*;
use crate::rng::Rng;

/// Losses like absolute errors of flight delays: lognormal, mean 13, deviation 25, scaled by the hour's weather.
fn loss(rng: &mut Rng, weather: f64) -> f64 {
    weather * (13_f64.ln() - 0.774 + 1.244 * rng.normal()).exp()
}

/// Runs until the evidence reaches `threshold`; `None` if 20,000 requests were not enough.
fn requests_until(
    rng: &mut Rng,
    share: f64,
    worse: f64,
    threshold: f64,
    storms: bool,
) -> Option<u32> {
    let mut test = LossDifference::above(1.05, 80.0, 12.0);
    let mut weather = 1.0;
    (0..20_000).find(|i| {
        if storms && i % 500 == 0 {
            weather = (0.7 * rng.normal()).exp();
        }
        let base = loss(rng, weather);
        let (side, loss) = if rng.chance(share) {
            (Side::Candidate, worse * base)
        } else {
            (Side::Champion, base)
        };
        test.observe(side, loss, share);
        test.log_evidence() >= threshold.ln()
    })
}

#[test]
fn holds_its_level_with_heavy_tails_and_storms() {
    let runs = 400;
    for (share, storms) in [(0.05, false), (0.05, true), (0.5, true)] {
        let mut rng = Rng::new(11);
        // Five per cent worse before the cap is less after it: inside the null, close to its edge.
        let found = (0..runs)
            .filter(|_| requests_until(&mut rng, share, 1.05, 20.0, storms).is_some())
            .count();
        assert!(
            found as f64 <= 0.05 * f64::from(runs) + 3.0 * (0.0475 * f64::from(runs)).sqrt(),
            "{found} at {share}"
        );
    }
}

#[test]
fn finds_forty_per_cent_more_within_tens_of_seconds() {
    for (share, within) in [(0.05, 16_000), (0.25, 5_000), (0.5, 4_000)] {
        let mut rng = Rng::new(12);
        let mut times: Vec<u32> = (0..60)
            .map(|_| requests_until(&mut rng, share, 1.4, 300.0, true).unwrap_or(u32::MAX))
            .collect();
        times.sort_unstable();
        assert!(
            times[30] < within,
            "median {} of {times:?} at {share}",
            times[30]
        );
    }
}

#[test]
fn losses_that_are_no_numbers_count_as_the_worst() {
    let (mut broken, mut worst) = (
        LossDifference::above(1.05, 80.0, 12.0),
        LossDifference::above(1.05, 80.0, 12.0),
    );
    for _ in 0..50 {
        broken.observe(Side::Candidate, f64::NAN, 0.5);
        worst.observe(Side::Candidate, 80.0, 0.5);
    }
    assert_eq!(broken, worst);
    assert!(broken.log_evidence() > 0.0);
}
