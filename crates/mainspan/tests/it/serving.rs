//! Roll-outs under traffic: canary and promotion, bad candidates, other inputs, pause and resume, backup.

use crate::{
    traffic::while_asking,
    world::{World, project},
};
use serde_json::json;
use std::time::Duration;
use testkit::{onnx, until};

const FILE: &str = project!(
    "delay",
    r#"cp model.onnx "$MAINSPAN_OUT_MODEL"; python3 log.py mae 1"#,
    r#"    engine: onnx
    resources: { cpu: 0.1, memory: 128MiB }
    rollout: { stages: [20%, 50%], sticky: request_id, judge: [errors, live.mae], at_least: 50 requests, keep_previous: 1h }
    monitor: { labels: { join: request_id, within: 1d } }
"#
);

/// Sends requests with values from 0 to 9, and the true value (twice the input) of each, while `work` runs.
fn under_traffic<T>(world: &World, work: impl FnOnce() -> T) -> T {
    let ask = |_, number: u64| {
        let value = number % 10;
        let id = format!("q{number}");
        let row = json!({ "request_id": id, "dep_delay": value as f64 });
        let _ = world.product.predict("/delay", &row);
        let label = json!([{ "request_id": id, "label": (2 * value) as f64 }]);
        let _ = world.product.predict("/delay/labels", &label);
    };
    while_asking(1, Duration::from_millis(1), ask, work)
}

#[test]
fn good_versions_are_promoted_and_bad_ones_taken_back() {
    let world = World::applied(FILE);
    world.project.write("model.onnx", onnx::adding(4.0));
    world.project.commit("First");
    world.answers("/delay", 1);
    under_traffic(&world, || {
        let check = |version: u32, model: Vec<u8>, state: &str, reason: &str| {
            world.project.write("model.onnx", model);
            world.project.commit(&format!("Version {version}"));
            let rollout = world.rolled_out(version);
            assert_eq!(rollout["state"], state, "{rollout}");
            let said = rollout["reason"].as_str().unwrap();
            assert!(said.contains(reason), "no `{reason}` in `{said}`");
        };
        // About as good as the first, through both stages.
        check(2, onnx::adding(4.5), "promoted", "");
        assert_eq!(world.deployment("prod")["previous"], 1);
        // Its table has three rows: it fails on most inputs.
        check(3, onnx::failing_from(3), "rolled_back", "error");
        // It answers, and wrongly.
        check(4, onnx::adding(400.0), "rolled_back", "mae");
        // Requests of today would not fit it.
        check(5, onnx::taking("carrier", 4.0), "aborted", "`carrier`");
        assert_eq!(world.deployment("prod")["version"], 2);
    });
}

#[test]
fn people_hold_a_rollout_and_let_it_go_on() {
    let world = World::applied(FILE);
    world.ship(4.0);
    world.answers("/delay", 1);
    world.ship(4.5);
    until("the first stage", || {
        (world.rollout(2)?["state"] == "running").then_some(())
    });
    world
        .say(&["pause", "delay", "-r", "lunch", "-o", "json"])
        .json();
    under_traffic(&world, || {
        // Traffic that would promote it passes, and it stays.
        let stage = world.rollout(2).unwrap()["stage"].clone();
        let asked = || {
            world
                .product
                .predict("/delay", &json!({ "request_id": "x", "dep_delay": 1.0 }))
                .ok()
        };
        for _ in 0..200 {
            asked();
        }
        let held = world.rollout(2).unwrap();
        assert_eq!((&held["state"], &held["stage"]), (&json!("paused"), &stage));
        assert!(held["reason"].as_str().unwrap().contains("lunch"), "{held}");
        world.say(&["resume", "delay", "-o", "json"]).json();
        assert_eq!(world.rolled_out(2)["state"], "promoted");
    });
    // A person takes a candidate back in the middle of its stage.
    world.ship(4.0);
    until("the first stage", || {
        (world.rollout(3)?["state"] == "running").then_some(())
    });
    world.say(&["rollback", "delay", "-o", "json"]).json();
    assert_eq!(world.rolled_out(3)["state"], "rolled_back");
    assert_eq!(world.deployment("prod")["version"], 2);
}

#[test]
fn a_backup_made_while_it_runs_serves_the_same() {
    let mut world = World::applied(FILE);
    world.ship(4.0);
    let before = world.answers("/delay", 1);
    let saved = world.product.folder().join("saved");
    let words = ["backup", saved.to_str().unwrap(), "-o", "json"];
    world.say(&words).json();
    let down = world.say(&["down"]);
    assert_eq!(down.code, 0, "{down:?}");
    world.product.use_state("t");
    let restored = world.say(&["restore", saved.to_str().unwrap()]);
    assert_eq!(restored.code, 0, "{restored:?}");
    world.product.start(&[]);
    assert!((world.answers("/delay", 1) - before).abs() < f64::EPSILON);
    let plan = world.say(&["plan", "--detailed-exitcode"]);
    assert_eq!(plan.code, 0, "{plan:?}");
}
