//! Everything that is played: the nine frozen worlds with good and bad candidates, noise that nobody prepared for, and
//! three metrics at once.

use super::cell::Setting;
use rollout::judge::worlds::{World, frozen};

/// Errors of a candidate that is as good as the champion.
pub(super) const GOOD: &str = "as good";
/// Twice the errors.
pub(super) const DOUBLE: &str = "2x errors";
/// Three metrics at once, all as good.
pub(super) const THREE: &str = "three metrics, as good";

/// Both have twice the errors of the hour before, from the first minute on.
const BOTH: &str = "as good, both 2x";

/// The candidate's part of answers above the champion's p99 when it is slower by a fifth (lognormal, sigma 0.6):
/// P(Z > 2.326 − ln 1.2 / 0.6) = 2.16 of a hundred.
const SLOWER: f64 = 2.16;
/// Noise that the method was not tuned to: deviation, memory from minute to minute, name.
const UNSEEN: [(f64, f64, &str); 6] = [
    (0.15, 0.0, "15% a minute"),
    (0.5, 0.0, "50% a minute"),
    (0.15, 0.9, "15%, lasting"),
    (0.5, 0.9, "50%, lasting"),
    (0.3, 0.6, "30%, short memory"),
    (0.5, 0.6, "50%, short memory"),
];

/// All of them, in the order of the table.
pub(super) fn all() -> Vec<Setting> {
    let mut settings = Vec::new();
    let mut add = |world, name, ratio, metrics, seed: u64| {
        settings.push(Setting {
            world,
            name,
            ratio,
            risen: 1.0,
            metrics,
            seed: 20_261_130 + seed,
        });
    };
    for (world, seed) in frozen().into_iter().zip((0..).step_by(100)) {
        add(world, GOOD, 1.0, 1, seed);
        add(world, "1.25x errors", 1.25, 1, seed + 1);
        add(world, "1.5x errors", 1.5, 1, seed + 2);
        add(world, DOUBLE, 2.0, 1, seed + 3);
        // Slow answers are one in a hundred in every world.
        let slow = World {
            rate: 0.01,
            ..world
        };
        add(slow, "1.2x latency", SLOWER, 1, seed + 4);
    }
    for (world, seed) in frozen().into_iter().zip((1_000..).step_by(100)) {
        if world.requests == 300 {
            add(world, THREE, 1.0, 3, seed);
        }
    }
    for ((sd, phi, name), seed) in UNSEEN.into_iter().zip((2_000..).step_by(100)) {
        for (requests, seed) in [300, 1500].into_iter().zip((seed..).step_by(10)) {
            let world = World {
                name,
                sd,
                phi,
                requests,
                rate: 0.01,
            };
            add(world, GOOD, 1.0, 1, seed);
            add(world, DOUBLE, 2.0, 1, seed + 1);
        }
    }
    for (world, seed) in frozen().into_iter().zip((3_000..).step_by(100)) {
        if world.requests == 300 {
            settings.push(Setting {
                world,
                name: BOTH,
                ratio: 1.0,
                risen: 2.0,
                metrics: 1,
                seed: 20_261_130 + seed,
            });
        }
    }
    settings
}
