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

/// The minute in which the evidence reaches 20, after an hour of history; both arms have `shift` times the errors of then.
fn found(rng: &mut Rng, ratio: f64, sd: f64, shift: u64) -> Option<usize> {
    let halves = |counts: [Arm; 2]| Halves {
        seconds: 60.0,
        counts,
    };
    let past: Vec<Halves> = minutes(rng, 60, 1.0, sd).into_iter().map(halves).collect();
    let mut contrast = Contrast::after(&Noise::of_halves(&past));
    minutes(rng, 60, ratio, sd).into_iter().position(|counts| {
        let [champion, candidate] = counts.map(|Arm { requests, events }| Arm {
            requests,
            events: shift * events,
        });
        contrast.observe(champion, candidate, 60.0);
        contrast.log_evidence() >= 20_f64.ln()
    })
}

/// The share of 100 runs in which it is found by the minute.
fn share(ratio: f64, sd: f64, by: usize) -> f64 {
    let mut rng = Rng::new(3);
    let times = (0..100).filter_map(|_| found(&mut rng, ratio, sd, 1));
    times.filter(|&minute| minute < by).count() as f64 / 100.0
}

#[test]
fn the_same_is_left_alone_and_twice_as_much_is_found() {
    for sd in [0.0, 0.3] {
        let wrong = share(1.0, sd, 60);
        assert!(wrong <= 0.1, "{wrong} with noise {sd}");
    }
    let (soon, late) = (share(2.0, 0.0, 12), share(2.0, 0.3, 60));
    assert!(soon >= 0.8 && late >= 0.55, "{soon} {late}");
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

/// An hour in which a part of the requests were events, steadily.
fn steady(rate: f64) -> Noise {
    let block = Block {
        seconds: 60.0,
        counts: arm(10_000, (10_000.0 * rate) as u64),
    };
    Noise::of_series(&[block; 60]).for_shorter_blocks()
}

#[test]
fn no_block_decides_alone() {
    let mut contrast = Contrast::after(&steady(0.005));
    (0..5).for_each(|_| contrast.observe(arm(190, 1), arm(10, 0), 1.0));
    contrast.observe(arm(190, 0), arm(10, 10), 1.0);
    let one = contrast.log_evidence();
    assert!(one < 100_f64.ln(), "{one}");
    (0..11).for_each(|_| contrast.observe(arm(190, 0), arm(10, 10), 1.0));
    let many = contrast.log_evidence();
    assert!(many > 300_f64.ln(), "{many}");
}

#[test]
fn what_befalls_both_arms_is_not_the_candidates() {
    let mut contrast = Contrast::after(&steady(0.01));
    for minute in 0..60 {
        let events = if minute < 2 { 10 } else { 40 };
        contrast.observe(arm(1_000, events), arm(1_000, events), 60.0);
        let evidence = contrast.log_evidence();
        assert!(evidence < 3_f64.ln(), "{evidence} in minute {minute}");
    }
}

#[test]
fn nothing_is_learned_from_idle_arms() {
    let mut contrast = Contrast::after(&steady(0.01));
    contrast.observe(arm(300, 3), arm(280, 6), 60.0);
    let (before, evidence) = (contrast.clone(), contrast.log_evidence());
    contrast.observe(arm(0, 0), arm(0, 0), 60.0);
    let idle = contrast.log_evidence() - evidence;
    assert!(idle.abs() < 1e-4, "{idle}");
    assert_ne!(contrast, before, "but time passes");
}

#[test]
fn looks_of_a_second_take_noise_of_minutes_for_what_it_is() {
    let (mut rng, sd) = (Rng::new(5), 0.3);
    let mut minute = |x: &mut [f64; 2]| {
        *x = x.map(|x| 0.9 * x + 0.19_f64.sqrt() * sd * rng.normal());
        let shared = sd * rng.normal();
        x.map(|x| 0.01 * (shared + x).exp())
    };
    let mut counts = Rng::new(6);
    let wrong = (0..40).filter(|_| {
        let mut x = [0.0, 0.0];
        let mut past = |_| {
            let [rate, _] = minute(&mut x);
            Block {
                seconds: 60.0,
                counts: arm(24_000, counts.binomial(24_000, rate)),
            }
        };
        let past: Vec<Block> = (0..60).map(&mut past).collect();
        let noise = Noise::of_series(&past).for_shorter_blocks();
        let mut contrast = Contrast::after(&noise);
        (0..5).any(|_| {
            let rates = minute(&mut x);
            (0..60).any(|_| {
                let [champion, candidate] = [(380, rates[0]), (20, rates[1])]
                    .map(|(requests, rate)| arm(requests, counts.binomial(requests, rate)));
                contrast.observe(champion, candidate, 1.0);
                contrast.log_evidence() >= 20_f64.ln()
            })
        })
    });
    let wrong = wrong.count();
    assert!(wrong <= 2, "{wrong} of 40");
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
            let mut contrast = Contrast::after(&steady(rate));
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
