//! The coin's evidence against numerical integration, and its guarantee in simulation.

use super::*;
use crate::rng::Rng;
use proptest::prelude::*;

#[test]
fn agrees_with_numerical_integration() {
    // scipy 1.17: trapezium rule over 4 million points of logit θ in log space.
    for (heads, tails, theta0, expected) in [
        (0, 0, 0.05, 0.0),
        (3, 1, 0.05, 5.950812328922524),
        (37, 3, 0.0617, 90.68499832301967),
        (5, 95, 0.05, -3.021475912321872),
        (60, 940, 0.05, -2.6128823867336504),
        (1200, 1000, 0.5, 5.722597908811373),
        (40, 400, 0.5, -6.341060382068882),
        (300_000, 700_000, 0.29, 234.53692554915546),
        (290_000, 710_000, 0.29, -7.377106892832421),
        (52_000, 948_000, 0.05, 34.605256867327554),
    ] {
        let log = log_evidence(heads, tails, theta0, Prior::JEFFREYS);
        assert!(
            (log - expected).abs() < 1e-4 * (1.0 + expected.abs()),
            "{heads} {tails} {theta0}: {log} {expected}"
        );
    }
}

#[test]
fn stays_finite_at_hundreds_of_millions() {
    for (heads, tails) in [
        (100_000_000, 1),
        (1, 100_000_000),
        (50_000_000, 50_000_000),
        (0, 400_000_000),
    ] {
        for theta0 in [1e-6, 0.05, 0.5, 0.999] {
            let log = log_evidence(heads, tails, theta0, Prior::JEFFREYS);
            assert!(log.is_finite(), "{heads} {tails} {theta0}: {log}");
        }
    }
    assert_eq!(log_evidence(5, 5, 1.0, Prior::JEFFREYS), 0.0);
    assert_eq!(log_evidence(5, 5, 0.0, Prior::JEFFREYS), 0.0);
}

#[test]
fn shares_agree_with_scipy() {
    for (counts, shares, expected) in [
        (&[960, 40][..], &[0.95, 0.05][..], -3.0369949341193205),
        (&[980, 20], &[0.95, 0.05], 7.645077248526832),
        (&[5, 3, 9], &[0.2, 0.3, 0.5], -1.3682257143601575),
    ] {
        let log = log_evidence_shares(counts, shares);
        assert!(
            (log - expected).abs() < 1e-8,
            "{counts:?}: {log} {expected}"
        );
    }
}

/// Ville: under the null, at its edge, with a look after every single event, the share of paths that ever cross 1/α.
#[test]
fn crosses_no_more_often_than_it_says() {
    let (alpha, runs, events) = (0.05_f64, 500, 400);
    for theta0 in [0.06, 0.3, 0.5] {
        let mut rng = Rng::new(20_261_124);
        let crossed = (0..runs)
            .filter(|_| {
                let mut heads = 0;
                (1..=events).any(|n| {
                    heads += u64::from(rng.chance(theta0));
                    log_evidence(heads, n - heads, theta0, Prior::JEFFREYS) >= -alpha.ln()
                })
            })
            .count();
        let limit =
            f64::from(runs) * alpha + 3.0 * (f64::from(runs) * alpha * (1.0 - alpha)).sqrt();
        assert!((crossed as f64) <= limit, "{crossed} of {runs} at {theta0}");
    }
}

proptest! {
    #[test]
    fn more_heads_are_more_evidence(heads in 0_u64..5_000, tails in 0_u64..5_000, theta0 in 0.001..0.999_f64) {
        let log = |h, t| log_evidence(h, t, theta0, Prior::JEFFREYS);
        prop_assert!(log(heads + 1, tails) >= log(heads, tails) - 1e-7);
        prop_assert!(log(heads, tails + 1) <= log(heads, tails) + 1e-7);
    }

    /// One step of the martingale: at the null's edge the expectation of the next e-value is the present one.
    #[test]
    fn is_a_fair_game_at_the_edge(heads in 0_u64..2_000, tails in 0_u64..2_000, theta0 in 0.01..0.99_f64) {
        let log = |h, t| log_evidence(h, t, theta0, Prior::JEFFREYS);
        let next = theta0 * (log(heads + 1, tails) - log(heads, tails)).exp()
            + (1.0 - theta0) * (log(heads, tails + 1) - log(heads, tails)).exp();
        prop_assert!((next - 1.0).abs() < 1e-6, "{}", next);
    }
}
