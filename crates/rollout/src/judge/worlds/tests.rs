//! The verdict is held to its word in the frozen worlds, and the worlds to their reference.

use super::super::{Decision, Judge};
use super::*;

const PLAY: fn() -> Play = || Play {
    judges: vec![Judge::errors()],
    alpha: 0.05,
    lasting: None,
};

/// Runs out of `runs` in which the verdict rolls back by `minute`, each with an hour of the champion's history before.
fn rolled_back(world: &World, ratio: f64, runs: usize, minute: usize) -> usize {
    let mut rng = Rng::new(11);
    let found = (0..runs).filter(|_| {
        let method = learn(world, &world.draw(&mut rng, 60, 1.0));
        let events = world.draw(&mut rng, minute, ratio);
        PLAY().rolled_back(world, &[method], &[events]).is_some()
    });
    found.count()
}

const REFERENCE: [(usize, f64, f64, f64, f64); 6] = [
    (0, 2.0, 2.001, 1.93, 0.0),
    (1, 1.0, 2.994, 2.98, 0.0),
    (4, 2.0, 6.264, 13.77, 0.0),
    (5, 1.0, 15.730, 64.78, 0.0),
    (7, 1.0, 3.138, 5.05, 0.201),
    (8, 2.0, 31.034, 218.45, 0.523),
];

#[test]
fn draws_agree_with_the_reference_in_distribution() {
    // numpy: mean, variance and lag-1 autocorrelation of the difference, 2,000 runs of the same worlds.
    for (index, ratio, mean, variance, correlation) in REFERENCE {
        let (world, mut rng) = (frozen()[index], Rng::new(12));
        let runs: Vec<Vec<[u64; 2]>> = (0..1000).map(|_| world.draw(&mut rng, 60, ratio)).collect();
        let candidate: Vec<f64> = runs.iter().flatten().map(|[_, b]| *b as f64).collect();
        let average = |xs: &[f64]| xs.iter().sum::<f64>() / xs.len() as f64;
        let m = average(&candidate);
        let v = average(
            &candidate
                .iter()
                .map(|x| (x - m).powi(2))
                .collect::<Vec<_>>(),
        );
        let difference = |[a, b]: &[u64; 2]| *b as f64 - *a as f64;
        let gap = average(&runs.iter().flatten().map(difference).collect::<Vec<_>>());
        let products = |lag: usize| {
            let pairs = runs.iter().flat_map(|run| run.iter().zip(&run[lag..]));
            average(
                &pairs
                    .map(|(x, y)| (difference(x) - gap) * (difference(y) - gap))
                    .collect::<Vec<_>>(),
            )
        };
        let r = products(1) / products(0);
        assert!((m / mean - 1.0).abs() < 0.03, "mean {m} in {world:?}");
        assert!(
            (v / variance - 1.0).abs() < 0.08,
            "variance {v} in {world:?}"
        );
        assert!(
            (r - correlation).abs() < 0.03,
            "correlation {r} in {world:?}"
        );
    }
}

#[test]
fn no_more_good_candidates_are_taken_back_than_promised() {
    for world in frozen() {
        let count = rolled_back(&world, 1.0, 40, 60);
        // 2 are allowed; more than 6 of 40 come by chance in one case of 300.
        assert!(count <= 6, "{count} of 40 in {world:?}");
    }
}

#[test]
fn twice_the_errors_are_found_in_time() {
    for (index, minute, at_least) in [(1, 12, 80), (4, 12, 60), (7, 60, 60), (5, 12, 90)] {
        let world = frozen()[index];
        let count = rolled_back(&world, 2.0, 100, minute);
        assert!(count >= at_least, "{count} of 100 in {world:?}");
    }
}

#[test]
fn a_stage_is_passed_when_its_time_is_over_unless_something_is_suspicious() {
    let (mut rng, world) = (Rng::new(13), frozen()[1]);
    let play = Play {
        lasting: Some(std::time::Duration::from_secs(720)),
        ..PLAY()
    };
    let verdicts: Vec<(Decision, usize)> = (0..50)
        .map(|_| {
            let method = learn(&world, &world.draw(&mut rng, 60, 1.0));
            play.verdict(&world, &[method], &[world.draw(&mut rng, 60, 1.0)])
        })
        .collect();
    let promoted = verdicts
        .iter()
        .filter(|(decision, _)| *decision == Decision::Promote);
    assert!(promoted.clone().count() >= 46, "{verdicts:?}");
    assert!(
        promoted.filter(|(_, minute)| *minute == 12).count() >= 40,
        "{verdicts:?}"
    );
}
