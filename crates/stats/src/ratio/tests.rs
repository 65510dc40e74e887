//! The interval and the odds against numpy and in simulation.

use super::*;
use crate::rng::Rng;

fn arm(requests: u64, events: u64) -> Arm {
    Arm { requests, events }
}

#[test]
fn agrees_with_numpy() {
    let mut test = RateRatio::above(1.25);
    for ((n0, f), (n1, s)) in [
        ((380, 1), (20, 2)),
        ((400, 0), (22, 1)),
        ((310, 3), (90, 5)),
        ((0, 0), (10, 3)),
        ((300, 0), (100, 0)),
    ] {
        test.observe(arm(n0, f), arm(n1, s));
    }
    let (low, high) = test.interval(0.05).unwrap();
    assert!(
        (low - 1.6487212707001282).abs() < 1e-9 && (high - 164.02190729990198).abs() < 1e-9,
        "{low} {high}"
    );
}

/// The share of runs in which `crossed` ever holds, over 400 looks at a 10% share.
fn run(rate: f64, ratio: f64, seed: u64, crossed: impl Fn(&RateRatio) -> bool) -> f64 {
    let runs = 300;
    let mut rng = Rng::new(seed);
    let found = (0..runs).filter(|_| {
        let mut test = RateRatio::above(1.25);
        (0..400).any(|_| {
            let events = [
                rng.binomial(180, rate),
                rng.binomial(20, (rate * ratio).min(1.0)),
            ];
            test.observe(arm(180, events[0]), arm(20, events[1]));
            crossed(&test)
        })
    });
    found.count() as f64 / f64::from(runs)
}

#[test]
fn the_interval_keeps_the_true_ratio() {
    let missed = run(0.02, 2.0, 4, |t| {
        t.interval(0.05)
            .is_some_and(|(low, high)| !(low..high).contains(&2.0))
    });
    assert!(missed <= 0.05, "{missed}");
}

#[test]
fn odds_say_on_which_side_of_the_tolerance_the_ratio_is() {
    let check = |candidate: u64, from: f64, to: f64| {
        let mut test = RateRatio::above(1.25);
        test.observe(arm(10_000, 100), arm(10_000, candidate));
        let odds = test.log_odds_above();
        assert!((from..to).contains(&odds), "{candidate}: {odds}");
    };
    check(100, -6.0, -1.0);
    check(125, -1.0, 1.0);
    check(200, 4.0, 12.0);
}

#[test]
fn stays_finite_at_tens_of_millions_and_survives_the_store() {
    let mut test = RateRatio::above(1.25);
    for _ in 0..20 {
        test.observe(arm(1_000_000, 500_000), arm(1_000_000, 900_000));
    }
    assert!(test.log_odds_above().is_finite());
    let (low, high) = test.interval(0.01).unwrap();
    assert!(
        (1.5..=1.8).contains(&low) && (1.8..2.2).contains(&high),
        "{low} {high}"
    );
}
