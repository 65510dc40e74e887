//! The story in small: plan, apply, push, run, version, staging, production, roll-back, and what explains it.

use crate::world::{PROJECT, World};
use std::time::{Duration, Instant};

#[test]
fn from_a_commit_to_an_answer_and_back() {
    let world = World::new(PROJECT);
    let plan = |code: i32| {
        let said = world.say(&["plan", "--detailed-exitcode"]);
        assert_eq!(said.code, code, "{said:?}");
    };
    plan(2);
    world.apply();
    plan(0);
    // What was committed before the first apply counts as seen.
    assert_eq!(
        world
            .product
            .read("projects/tiny/runs")
            .as_array()
            .unwrap()
            .len(),
        0
    );

    let first = world.ship(1.0);
    let run = world.run_of(&first);
    assert_eq!(run["state"], "succeeded", "{run}");
    assert_eq!(world.marks(), ["split", "fit", "evaluate"]);
    assert_eq!(world.step(&run, "evaluate")["metrics"]["mae"], 5.0);
    assert!((world.answers("/delay", 1) - 2.0).abs() < 1e-6);
    assert!((world.answers("/tiny/staging/delay", 1) - 2.0).abs() < 1e-6);

    // A second model: what did not change comes from the cache.
    let second = world.ship(10.0);
    let run = world.run_of(&second);
    assert_eq!(run["state"], "succeeded", "{run}");
    assert!((world.answers("/delay", 2) - 11.0).abs() < 1e-6);
    let model = world.say(&["models", "delay", "-o", "json"]).json();
    let newest = &model["versions"][0];
    assert_eq!(newest["version"], 2, "{model}");
    assert_eq!(newest["lineage"]["commit"], second.as_str(), "{newest}");

    // Back within a second, and an unchanged file does not undo it.
    let begun = Instant::now();
    world.say(&["rollback", "delay", "-o", "json"]).json();
    world.answers("/delay", 1);
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    world.apply();
    plan(0);
    assert_eq!(world.deployment("prod")["version"], 1);
    world.say(&["rollback", "delay", "-o", "json"]).json();
    world.answers("/delay", 2);

    let events = world
        .say(&["events", "--limit", "500", "-o", "json"])
        .json();
    let kinds: Vec<&str> = events
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|e| e["kind"].as_str())
        .collect();
    for kind in [
        "run.queued",
        "run.started",
        "dataset.ingested",
        "deployment.changed",
        "rollout.promoted",
    ] {
        assert!(kinds.contains(&kind), "no {kind} in {kinds:?}");
    }

    // Destroy takes it all away, replicas included.
    world.say(&["destroy", "--yes", "-o", "json"]).json();
    testkit::until("the replicas' end", || {
        let engines = world.product.processes();
        (!engines
            .iter()
            .any(|(_, words)| words.iter().any(|word| word == "engine")))
        .then_some(())
    });
    assert_eq!(
        world
            .product
            .predict("/delay", &serde_json::json!({}))
            .unwrap()
            .status,
        404
    );
}
