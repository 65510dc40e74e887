//! The two-arm comparison against numpy, and its guarantee and power in simulation.

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
    assert!(
        (test.log_evidence_by_request() - 5.22761402565769).abs() < 1e-9,
        "{}",
        test.log_evidence_by_request()
    );
    assert!(
        (test.log_evidence_by_look() - 4.663051789111685).abs() < 1e-9,
        "{}",
        test.log_evidence_by_look()
    );
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
fn holds_its_level_at_the_edge_and_has_power() {
    let alpha = 0.05_f64;
    let limit = alpha + 3.0 * (alpha * (1.0 - alpha) / 300.0).sqrt();
    for rate in [0.001, 0.02, 0.3] {
        let by_request = run(rate, 1.25, 1, |t| {
            t.log_evidence_by_request() >= -alpha.ln()
        });
        assert!(by_request <= limit, "{by_request} at {rate} by request");
        let both = run(rate, 1.25, 2, |t| t.log_evidence() >= -alpha.ln());
        assert!(both <= by_request, "{both} at {rate}");
        let found = run(rate, 8.0_f64.min(0.95 / rate), 3, |t| {
            t.log_evidence() >= -alpha.ln()
        });
        assert!(found > 0.95, "{found} at {rate}");
    }
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
fn what_is_plain_is_found_however_late_it_begins() {
    let mut rng = Rng::new(8);
    let mut test = RateRatio::above(1.25);
    let mut look = |candidate: f64, test: &mut RateRatio| {
        let events = [(380, 0.01), (20, candidate)].map(|(n, p)| arm(n, rng.binomial(n, p)));
        test.observe(events[0], events[1]);
        test.log_evidence_plain()
    };
    for _ in 0..600 {
        let evidence = look(0.02, &mut test);
        assert!(evidence < 300_f64.ln(), "{evidence} for twice as much");
    }
    let found = (0..60).position(|_| look(1.0, &mut test) >= 300_f64.ln());
    assert!(found.is_some_and(|looks| looks < 40), "{found:?}");
}

#[test]
fn one_bad_look_alone_cannot_decide() {
    let mut test = RateRatio::above(1.25);
    for _ in 0..5 {
        test.observe(arm(190, 1), arm(10, 0));
    }
    test.observe(arm(190, 0), arm(10, 10));
    assert!(test.log_evidence_by_request() > 300_f64.ln());
    assert!(test.log_evidence() < 20_f64.ln(), "{}", test.log_evidence());
}

#[test]
fn stays_finite_at_tens_of_millions_and_survives_the_store() {
    let mut test = RateRatio::above(1.25);
    for _ in 0..20 {
        test.observe(arm(1_000_000, 500_000), arm(1_000_000, 900_000));
    }
    assert!(test.log_evidence_by_request().is_finite() && test.log_evidence_by_look().is_finite());
    let (low, high) = test.interval(0.01).unwrap();
    assert!(
        (1.5..=1.8).contains(&low) && (1.8..2.2).contains(&high),
        "{low} {high}"
    );
}
