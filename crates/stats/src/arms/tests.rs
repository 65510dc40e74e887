//! The filter finds what is there, and takes noise of one arm for noise.

use super::*;
use crate::rng::Rng;

const KNOWN: Belief = Belief {
    mean: 0.0,
    variance: 0.01,
};
const UNKNOWN: Belief = Belief {
    mean: 0.0,
    variance: 1.0,
};

fn arm(requests: u64, events: u64) -> Arm {
    Arm { requests, events }
}

fn between(own: f64) -> Between {
    Between {
        kept: 0.9,
        own,
        drift: 0.0,
        shared: 0.0,
    }
}

/// What is believed of the ratio after so many blocks with these rates, of which 1% is usual.
fn ratio(level: Belief, own: f64, blocks: usize, rates: [f64; 2]) -> Belief {
    let (mut rng, mut arms) = (Rng::new(7), Arms::new(level, own, UNKNOWN));
    for _ in 0..blocks {
        let counts = rates.map(|rate| arm(1_000, rng.binomial(1_000, rate)));
        arms.observe(&between(own), counts.map(|arm| Seen::of(arm, 0.01)));
    }
    arms.ratio()
}

#[test]
fn the_ratio_is_found() {
    let doubled = ratio(UNKNOWN, 1e-6, 60, [0.01, 0.02]);
    assert!((doubled.mean - 2_f64.ln()).abs() < 0.1, "{doubled:?}");
    assert!(doubled.variance < 0.01, "{doubled:?}");
    // Both arms have risen: no ratio, though the level was thought to be known.
    let both = ratio(UNKNOWN, 1e-6, 60, [0.03, 0.03]);
    assert!(both.mean.abs() < 0.1, "{both:?}");
}

#[test]
fn a_known_level_says_more_and_noise_of_an_arm_less() {
    let [known, unknown, noisy] = [(KNOWN, 1e-6), (UNKNOWN, 1e-6), (KNOWN, 0.2)]
        .map(|(level, own)| ratio(level, own, 5, [0.01, 0.02]).variance);
    assert!(known < 0.8 * unknown, "{known} {unknown}");
    assert!(noisy > 3.0 * known, "{noisy} {known}");
}

#[test]
fn an_idle_arm_says_nothing() {
    let mut arms = Arms::new(KNOWN, 0.1, UNKNOWN);
    let counts = [arm(1_000, 10), arm(0, 0)].map(|arm| Seen::of(arm, 0.01));
    arms.observe(&between(0.1), counts);
    assert_eq!(arms.ratio(), Arms::new(KNOWN, 0.1, UNKNOWN).ratio());
}

#[test]
fn an_accident_moves_little() {
    let after = |events: u64| {
        let mut arms = Arms::new(KNOWN, 1e-6, UNKNOWN);
        let counts = [arm(1_000, 10), arm(100, events)].map(|arm| Seen::of(arm, 0.01));
        arms.observe(&between(1e-6), counts);
        arms
    };
    let (usual, burst) = (after(1), after(60));
    assert!(
        burst.ratio().mean < 2.0,
        "{:?} {:?}",
        burst.ratio(),
        usual.ratio()
    );
    assert!(usual.log_likelihood() - burst.log_likelihood() < 60.0 * 60_f64.ln());
}
