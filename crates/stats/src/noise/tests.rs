//! Histories are told apart by class, and kinds are what they say.

use super::*;
use crate::ratio::Arm;
use crate::rng::Rng;

/// Two halves of 1,500 requests a minute each, 1% of which fail, with noise of `sd` in each half.
fn halves(sd: f64, kept: f64, minutes: usize, seed: u64) -> Vec<Halves> {
    let mut rng = Rng::new(seed);
    let mut x = [sd * rng.normal(), sd * rng.normal()];
    let one = |_| {
        x = x.map(|x| kept * x + (1.0 - kept * kept).sqrt() * sd * rng.normal());
        let counts = x.map(|x| Arm {
            requests: 1500,
            events: rng.binomial(1500, 0.01 * x.exp()),
        });
        Halves {
            seconds: 60.0,
            counts,
        }
    };
    (0..minutes).map(one).collect()
}

/// The log likelihood of each class, its kinds weighted.
fn classes(noise: &Noise) -> [f64; 3] {
    CLASSES.map(|class| {
        let kinds = Kind::all().iter().enumerate();
        let of_class = kinds.filter(|(_, kind)| kind.class == class);
        crate::log_sum_exp(
            of_class
                .map(|(index, kind)| kind.log_prior + noise.kinds()[index].log)
                .collect::<Vec<_>>(),
        )
    })
}

fn best(noise: &Noise) -> Class {
    let logs = classes(noise);
    let best = (0..3).max_by(|&a, &b| logs[a].total_cmp(&logs[b]));
    CLASSES[best.unwrap()]
}

#[test]
fn weights_of_a_class_sum_to_one() {
    for class in CLASSES {
        let kinds = Kind::all().iter().filter(|kind| kind.class == class);
        let sum: f64 = kinds.map(|kind| kind.log_prior.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{class:?} {sum}");
    }
}

#[test]
fn an_hour_tells_the_classes_apart() {
    let check = |sd: f64, kept: f64, class: Class| {
        let right = (0..20).filter(|&seed| {
            let history = halves(sd, kept, 60, seed);
            let totals: Vec<Block> = history.iter().map(Halves::total).collect();
            let halves = best(&Noise::of_halves(&history)) == class;
            // A series alone cannot say whether what comes and goes is the arm's or everybody's.
            let series = best(&Noise::of_series(&totals));
            halves && (class == Class::Momentary || series == class)
        });
        let right = right.count();
        assert!(right >= 15, "{right} of 20 for {class:?}");
    };
    check(0.0, 0.0, Class::Independent);
    check(0.3, 0.0, Class::Momentary);
    check(0.4, 0.93, Class::Lasting);
}

#[test]
fn the_level_and_what_is_shared_are_learned() {
    let mut rng = Rng::new(9);
    let mut of = |shared: f64| {
        let block = |_| {
            let rate = 0.01 * (shared * rng.normal()).exp();
            let counts = Arm {
                requests: 3_000,
                events: rng.binomial(3_000, rate),
            };
            Block {
                seconds: 60.0,
                counts,
            }
        };
        let blocks: Vec<Block> = (0..60).map(block).collect();
        let noise = Noise::of_series(&blocks);
        assert!(
            (noise.usual() / 0.01 - 1.0).abs() < 0.3,
            "{}",
            noise.usual()
        );
        noise.kinds()[0]
    };
    let (still, restless) = (of(0.0), of(0.4));
    assert!(still.level.abs() < 0.2 && still.unsure < 0.02, "{still:?}");
    assert!(still.shared < 0.02 * 60.0, "{still:?}");
    assert!(restless.shared > 0.1 * 60.0, "{restless:?}");
}

#[test]
fn minutes_say_nothing_of_seconds() {
    let noise = Noise::of_halves(&halves(0.0, 0.0, 60, 1)).for_shorter_blocks();
    let [independent, momentary, lasting] = classes(&noise);
    assert!((momentary - independent).abs() < 1.5 && lasting < independent - 2.0);
}

#[test]
fn nothing_known_is_nothing_said() {
    let empty = Block {
        seconds: 60.0,
        counts: Arm::default(),
    };
    for noise in [
        Noise::of_series(&[empty; 60]),
        Noise::of_series(&[]),
        Noise::of_halves(&[]),
    ] {
        assert!(
            classes(&noise).iter().all(|log| log.abs() < 1e-6),
            "{noise:?}"
        );
    }
}
