//! Roll-outs that end by slowness or by a person's word, and what is left of the version before.

use crate::{
    traffic::while_asking,
    world::{World, project},
};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use testkit::{onnx, until};

const FILE: &str = project!(
    "delay",
    r#"cp model.onnx "$MAINSPAN_OUT_MODEL"; python3 log.py mae "$(cat mae)""#,
    r#"    engine: onnx
    resources: { cpu: 0.1, memory: 256MiB }
    rollout: { stages: STAGES, sticky: request_id, judge: [errors, latency.p99], at_least: 100 requests, keep_previous: KEEP }
"#
);

fn world(stages: &str, keep: &str) -> World {
    let world = World::applied(&FILE.replace("STAGES", stages).replace("KEEP", keep));
    world.ship(4.0);
    until("version 1", || {
        (world.deployment("prod")["version"] == 1).then_some(())
    });
    world
}

/// Asks from several threads at once while `work` runs, which is told how many answers there are.
fn under_traffic<T>(world: &World, work: impl FnOnce(&AtomicU64) -> T) -> T {
    let answered = AtomicU64::new(0);
    let ask = |client: u64, number: u64| {
        let row = json!({ "request_id": format!("{client}-{number}"), "dep_delay": 1 });
        let answer = world.product.predict("/delay", &row);
        if answer.is_ok_and(|answer| answer.status == 200) {
            answered.fetch_add(1, Ordering::SeqCst);
        }
    };
    while_asking(3, Duration::from_millis(2), ask, || work(&answered))
}

fn rollout_with_verdicts(world: &World, rollout: &Value) -> Value {
    let id = rollout["id"].as_str().unwrap();
    world.product.read(&format!("projects/tiny/rollouts/{id}"))
}

#[test]
fn a_slow_version_is_taken_back_with_its_figures() {
    let world = world("[20%, 50%]", "1h");
    under_traffic(&world, |answered| {
        until("a history of answers", || {
            (answered.load(Ordering::SeqCst) >= 300).then_some(())
        });
        world.project.write("model.onnx", onnx::slow(4.0, 1500.0));
        world.project.commit("Slow");
        let rollout = world.rolled_out(2);
        assert_eq!(rollout["state"], "rolled_back", "{rollout}");
        let reason = rollout["reason"].as_str().unwrap();
        assert!(reason.starts_with("latency.p99: "), "{reason}");
        let whole = rollout_with_verdicts(&world, &rollout);
        let verdict = &whole["verdicts"][0];
        assert_eq!(verdict["decision"], "roll_back", "{whole}");
        assert_eq!(verdict["reasons"]["text"][0], reason, "{verdict}");
        let slow = &verdict["evidence"]["total"][1];
        assert!(slow["requests"].as_u64().unwrap() > 0, "{slow}");
        let shown = world.say(&["rollouts", rollout["id"].as_str().unwrap()]);
        assert!(shown.stdout.contains(reason), "{shown:?}");
    });
    let deployment = world.deployment("prod");
    assert_eq!(deployment["version"], 1, "{deployment}");
    let events = world.say(&["events", "--kind", "rollout.rolled_back"]);
    assert!(events.stdout.contains("latency.p99"), "{events:?}");
}

#[test]
fn people_have_the_last_word() {
    let world = world("[50%]", "1h");
    let check = |words: &[&str], code: i32, says: &str| {
        let said = world.say(words);
        let text = format!("{}{}", said.stdout, said.stderr);
        assert_eq!(said.code, code, "{words:?}: {text}");
        assert!(text.contains(says), "{words:?}: no `{says}` in {text}");
    };
    let promoted = |words: &[&str], version: u32| {
        check(words, 0, "");
        world.answers("/delay", version);
        let deployment = until("the deployment", || {
            let deployment = world.deployment("prod");
            (deployment["version"] == version).then_some(deployment)
        });
        deployment["reason"].as_str().unwrap().to_owned()
    };
    let file = FILE.replace("STAGES", "[50%]").replace("KEEP", "1h");
    let ship = |model: Vec<u8>, gate: &str, version: u32| {
        let file = file.replace(", gate: fit.mae < 10.0", gate);
        world.project.write("mainspan.yaml", file);
        world.project.write("model.onnx", model);
        world.run_of(&world.project.commit(&format!("Version {version}")));
    };
    check(&["rollback", "delay"], 1, "no previous version");
    check(&["promote", "delay", "--version", "1"], 1, "serves");
    check(&["promote", "delay", "--version", "9"], 1, "version `9`");
    check(&["promote", "nothing", "--version", "1"], 1, "nothing");
    // No gate was asked, so that nothing happens by itself.
    ship(onnx::adding(5.0), "", 2);
    let second = ["promote", "delay", "--version", "2", "--at-once"];
    check(&second, 1, "--reason");
    let reason = promoted(&[&second[..], &["--reason", "we know"]].concat(), 2);
    assert!(reason.contains("we know"), "{reason}");
    // It takes other inputs: it does not come by itself, and a person says why it may.
    let gate = ", gate: fit.mae < 10.0";
    ship(onnx::taking("carrier", 6.0), gate, 3);
    let rollout = world.rolled_out(3);
    assert_eq!(rollout["state"], "aborted", "{rollout}");
    let why = rollout["reason"].as_str().unwrap();
    assert!(
        why.contains("`carrier`") && why.contains("mainspan promote"),
        "{why}"
    );
    let third = ["promote", "delay", "--version", "3", "--at-once"];
    check(&third, 1, "`carrier`");
    check(&third, 1, "--reason");
    check(&[&third[..], &["-r", "clients know"]].concat(), 0, "");
    until("version 3", || {
        let row = json!({ "carrier": 1.0 });
        let answer = world.product.predict("/delay", &row).ok()?;
        (answer.status == 200 && answer.version == Some(3)).then_some(())
    });
    // Going back needs no reason, also where the inputs differ.
    promoted(&["rollback", "delay"], 2);
    promoted(&["rollback", "delay", "--to", "1", "-r", "as before"], 1);
    // While one roll-out is going on, another has to wait for it or end it.
    ship(onnx::adding(7.0), gate, 4);
    until("the stage", || {
        (world.rollout(4)?["state"] == "running").then_some(())
    });
    check(
        &[&second[..], &["-r", "now"]].concat(),
        1,
        "mainspan rollback",
    );
    check(&["rollback", "delay", "--to", "2"], 0, "");
    world.answers("/delay", 2);
    assert_eq!(world.rolled_out(4)["state"], "rolled_back");
    // What was taken back comes again when a person says so, through its stages.
    check(&["promote", "delay", "--version", "4"], 0, "");
    until("the stage", || {
        let again = world.rollout(4)?;
        (again["state"] == "running" && again["kind"] == "manual_promote").then_some(())
    });
}

#[test]
fn the_version_before_is_kept_as_long_as_the_file_says() {
    let world = world("[]", "1s");
    let engines = || {
        let all = world.product.processes().into_iter();
        let engines = all.filter(|(_, words)| words.iter().any(|word| word == "engine"));
        engines
            .map(|(_, words)| words.join(" "))
            .collect::<Vec<_>>()
    };
    world.ship(10.0);
    world.answers("/delay", 2);
    until("the end of version 1's replica", || {
        let engines = engines();
        (engines.len() == 1 && engines[0].contains("-v2-")).then_some(())
    });
    // Nobody is sent there, and going back works all the same.
    let routes = world.product.gateway("/routes");
    assert_eq!(
        routes["routes"][0]["arms"].as_array().unwrap().len(),
        1,
        "{routes}"
    );
    let before = world.deployment("prod");
    assert_eq!(before["previous"], 1, "{before}");
    world.say(&["rollback", "delay", "-o", "json"]).json();
    assert!((world.answers("/delay", 1) - 5.0).abs() < 1e-6);
    until("the end of version 2's replica", || {
        let engines = engines();
        (engines.len() == 1 && engines[0].contains("-v1-")).then_some(())
    });
}
