//! What the contrast finds and what it leaves alone.

use super::*;
use crate::noise::{Block, Halves};
use crate::rng::Rng;
use proptest::prelude::*;

fn arm(requests: u64, events: u64) -> Arm {
    Arm { requests, events }
}

/// Minutes of 300 requests an arm, of which 1% and `ratio` times that fail, with lasting noise of `sd` in each arm.
fn minutes(rng: &mut Rng, count: usize, ratio: f64, sd: f64) -> Vec<[Arm; 2]> {
    let mut x = [sd * rng.normal(), sd * rng.normal()];
    let one = |_| {
        x = x.map(|x| 0.9 * x + 0.19_f64.sqrt() * sd * rng.normal());
        [0, 1].map(|i| {
            let rate = 0.01 * [1.0, ratio][i] * (x[i] - sd * sd / 2.0).exp();
            arm(300, rng.binomial(300, rate))
        })
    };
    (0..count).map(one).collect()
}

/// The minute in which the evidence reaches 20, after an hour of history or none.
fn found(rng: &mut Rng, ratio: f64, sd: f64, history: bool) -> Option<usize> {
    let halves = |counts: [Arm; 2]| Halves {
        seconds: 60.0,
        counts,
    };
    let past: Vec<Halves> = minutes(rng, 60, 1.0, sd).into_iter().map(halves).collect();
    let noise = if history {
        Noise::of_halves(&past)
    } else {
        Noise::default()
    };
    let mut contrast = Contrast::after(&noise);
    minutes(rng, 60, ratio, sd)
        .into_iter()
        .position(|[champion, candidate]| {
            contrast.observe(champion, candidate, 60.0);
            contrast.log_evidence() >= 20_f64.ln()
        })
}

/// The share of 100 runs in which it is found by the minute.
fn share(ratio: f64, sd: f64, history: bool, by: usize) -> f64 {
    let mut rng = Rng::new(3);
    let times = (0..100).filter_map(|_| found(&mut rng, ratio, sd, history));
    times.filter(|&minute| minute < by).count() as f64 / 100.0
}

#[test]
fn the_same_is_left_alone_and_twice_as_much_is_found() {
    for sd in [0.0, 0.3] {
        let wrong = share(1.0, sd, true, 60);
        assert!(wrong <= 0.11, "{wrong} with noise {sd}");
    }
    let (soon, late) = (share(2.0, 0.0, true, 12), share(2.0, 0.3, true, 60));
    assert!(soon >= 0.72 && late >= 0.48, "{soon} {late}");
}

#[test]
fn without_history_lasting_noise_is_expected() {
    let (wrong, blind) = (share(1.0, 0.3, false, 60), share(2.0, 0.0, false, 12));
    assert!(wrong <= 0.11, "{wrong}");
    assert!(blind < share(2.0, 0.0, true, 12) - 0.1, "{blind}");
}

#[test]
fn a_quiet_history_makes_it_quick_and_a_restless_one_slow() {
    let evidence = |past: &dyn Fn(u64) -> u64| {
        let block = |minute: u64| Block {
            seconds: 60.0,
            counts: arm(24_000, past(minute)),
        };
        let blocks: Vec<Block> = (0..60).map(block).collect();
        let mut contrast = Contrast::after(&Noise::of_series(&blocks));
        (0..5).for_each(|_| contrast.observe(arm(1_000, 10), arm(1_000, 25), 60.0));
        contrast.log_evidence()
    };
    let still = evidence(&|minute| 230 + 20 * (minute % 2));
    let restless = evidence(&|minute| if minute / 10 % 2 == 0 { 120 } else { 360 });
    assert!(
        still > 20_f64.ln() && restless < 5_f64.ln(),
        "{still} {restless}"
    );
}

#[test]
fn no_block_decides_alone() {
    let mut contrast = Contrast::after(&Noise::none());
    (0..5).for_each(|_| contrast.observe(arm(190, 1), arm(10, 0), 1.0));
    contrast.observe(arm(190, 0), arm(10, 10), 1.0);
    assert!(
        contrast.log_evidence() < 100_f64.ln(),
        "{}",
        contrast.log_evidence()
    );
    (0..3).for_each(|_| contrast.observe(arm(190, 0), arm(10, 10), 1.0));
    assert!(
        contrast.log_evidence() > 20_f64.ln(),
        "{}",
        contrast.log_evidence()
    );
}

#[test]
fn a_state_resumes_and_one_of_before_begins_anew() {
    let mut contrast = Contrast::default();
    contrast.observe(arm(300, 3), arm(280, 6), 60.0);
    let state = (contrast.clone(), contrast.log_evidence());
    contrast.observe(arm(0, 0), arm(10, 1), 60.0);
    assert!(
        (contrast.log_evidence() - state.1).abs() < 1e-9,
        "nothing is learned from an idle arm"
    );
    assert_ne!(contrast, state.0, "but time passes");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn stays_finite_and_speaks_of_harm_alone(
        requests in 1_u64..1_000_000,
        rate in 0.0..0.4_f64,
        seconds in 1.0..600.0_f64,
    ) {
        let evidence = |ratio: f64| {
            let mut contrast = Contrast::default();
            let events = |ratio: f64| ((requests as f64 * rate * ratio) as u64).min(requests);
            for _ in 0..20 {
                contrast.observe(arm(requests, events(1.0)), arm(requests, events(ratio)), seconds);
            }
            contrast.log_evidence()
        };
        let [better, same, double] = [0.5, 1.0, 2.0].map(evidence);
        prop_assert!(better.is_finite() && same.is_finite() && double.is_finite());
        prop_assert!(better < 1.0 && same < 1.0, "{better} {same}");
        prop_assert!(same <= double + 1e-6, "{same} {double}");
    }
}
