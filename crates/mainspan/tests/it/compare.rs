//! The plan for models: what changes between two versions' answers to what a service was asked, by `diff`, in `plan`, and
//! kept with a roll-out.

use crate::world::{PROJECT, World};
use serde_json::{Value, json};
use std::process::Command;
use testkit::{onnx, until};

/// Asks production rows, and lets the gateway finish its log by ending it in order.
fn ask_and_log(world: &World, rows: u32) {
    for n in 0..rows {
        let row = json!({ "request_id": format!("r{n}"), "dep_delay": n, "carrier": if n % 2 == 0 { "UA" } else { "WN" } });
        let answer = world.product.predict("/delay", &row).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let folder = world.product.state().join("traffic/log");
    let pid = world.product.pid("gateway").unwrap();
    let ended = Command::new("kill").arg(pid.to_string()).status().unwrap();
    assert!(ended.success());
    until("a file of the traffic log", || {
        let mut files = std::fs::read_dir(&folder).ok()?.flatten();
        files
            .any(|file| file.path().extension().is_some_and(|end| end == "parquet"))
            .then_some(())
    });
    until("another gateway", || {
        world.product.pid("gateway").filter(|now| *now != pid)
    });
}

/// The first version is in production; nobody asked it anything yet.
fn serves(world: &World) {
    until("version 1", || {
        (world.deployment("prod")["version"] == 1).then_some(())
    });
}

/// No engine of a comparison is left.
fn nothing_is_left(world: &World) {
    until("the end of the engines that were asked", || {
        let all = world.product.processes();
        let mut words = all.iter().flat_map(|(_, words)| words);
        (!words.any(|word| word.contains("/compare-"))).then_some(())
    });
}

#[test]
fn two_versions_are_compared_on_what_was_asked() {
    let world = World::applied(PROJECT);
    world.run_of(&world.ship(1.0));
    serves(&world);
    let refused = |words: &[&str], says: &str| {
        let said = world.say(&[&["diff"], words].concat());
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.stderr.contains(says), "no `{says}` in {said:?}");
    };
    refused(&["delay@1", "delay@1"], "no request to delay in prod");
    refused(&["delay@1", "delay@1"], "--rows");
    refused(&["delay@1", "delay@7"], "mainspan models delay");
    refused(&["price@1", "price@2"], "no model `price`");
    refused(&["delay@1", "delay@champion", "-e", "moon"], "moon");
    ask_and_log(&world, 40);

    // All at once, as the file says: what is found is kept with the roll-out.
    world.run_of(&world.ship(4.0));
    let rollout = world.rolled_out(2);
    let id = rollout["id"].as_str().unwrap();
    let kept = until("the roll-out's comparison", || {
        let found = world.product.read(&format!("projects/tiny/rollouts/{id}"));
        found["comparison"]["captured"].is_object().then_some(found)
    });
    let compared = &kept["comparison"]["captured"]["compared"];
    assert_eq!(
        (&compared["before"], &compared["after"]),
        (&json!(1), &json!(2)),
        "{kept}"
    );
    assert_eq!(compared["report"]["changed"], 40, "{kept}");
    let shown = world.say(&["rollouts", id]).stdout;
    assert!(shown.contains("40 of 40 answers change."), "{shown}");
    let events = world.say(&["events", "--kind", "rollout.compared"]).stdout;
    assert!(events.contains("40 of 40 answers change"), "{events}");

    let said = world.say(&["diff", "delay@1", "delay@2", "--detailed-exitcode"]);
    assert_eq!(said.code, 2, "{said:?}");
    for part in [
        "40 of 40 answers change.",
        "least 3, p10 3, half 3, p90 3, p99 3, most 3, mean 3",
        "dep_delay=",
    ] {
        assert!(said.stdout.contains(part), "no `{part}` in {}", said.stdout);
    }
    let found: Value = world
        .say(&["diff", "delay@1", "delay@champion", "--json"])
        .json();
    assert_eq!(found["report"]["changed"], 40, "{found}");
    assert_eq!(found["source"]["kind"], "traffic", "{found}");
    let worst = &found["report"]["worst"][0];
    assert_eq!(worst["difference"], 3.0, "{worst}");
    assert!(worst["inputs"]["carrier"].is_string(), "{worst}");
    let same = world.say(&["diff", "delay@2", "--detailed-exitcode", "--requests", "5"]);
    assert_eq!(same.code, 0, "{same:?}");
    assert!(same.stdout.contains("0 of 5 answers change."), "{same:?}");

    // Rows of a file, in which one is no row of the model.
    world
        .project
        .write("rows.csv", "dep_delay,carrier\n1,UA\n2,WN\nlate,UA\n");
    let rows = ["diff", "delay@1", "delay@2", "--rows", "rows.csv"];
    let said = world.say(&rows);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.stdout.contains("2 of 2 answers change"), "{said:?}");
    assert!(said.stdout.contains("1 requests: both fail"), "{said:?}");
    let said = world.say(&["diff", "delay@1", "delay@2", "--dataset", "rows"]);
    assert!(said.stdout.contains("3 requests: both fail"), "{said:?}");
    refused(
        &["delay@1", "delay@2", "--dataset", "none"],
        "no dataset `none`",
    );
    nothing_is_left(&world);
}

#[test]
fn copies_show_what_a_version_would_answer_before_any_client_sees_it() {
    let staged = "rollout: { stages: [50%], shadow: 100%, sticky: request_id, judge: [errors], at_least: 60 requests }";
    let file = PROJECT
        .replace("rollout: { stages: [], sticky: request_id }", staged)
        .replace("environments: [staging, prod]", "environments: [prod]");
    let world = World::applied(&file);
    world.run_of(&world.ship(1.0));
    serves(&world);
    // Of a version that fails on what the other one answers, no client hears.
    world.project.write("model.onnx", onnx::failing_from(50));
    world.run_of(&world.project.commit("Fails on some"));
    let ask = |n: u32, versions: &[u32]| {
        let row = json!({ "request_id": format!("r{n}"), "dep_delay": n % 100 });
        let answer = world.product.predict("/delay", &row).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(versions.contains(&answer.version.unwrap()), "{answer:?}");
    };
    let reason = |version: u32| {
        let rollout = world.rollout(version)?;
        Some(rollout["reason"].as_str()?.to_owned())
    };
    until("copies", || {
        reason(2)?.starts_with("shadow: ").then_some(())
    });
    let mut n = 0;
    let held = until("version 2 is held", || {
        n += 1;
        ask(n, &[1]);
        reason(2).filter(|reason| reason.contains("is held"))
    });
    assert!(held.contains("version 2 fails "), "{held}");
    let rollout = world.rollout(2).unwrap();
    assert_eq!(
        (&rollout["state"], &rollout["stage"]),
        (&json!("running"), &json!(-1))
    );
    let id = rollout["id"].as_str().unwrap();
    let shown = world.say(&["rollouts", id]).stdout;
    assert!(
        shown.contains("version 2 on copies of 100% of requests"),
        "{shown}"
    );
    assert!(shown.contains("  shadow  hold"), "{shown}");
    let status = world.say(&["status"]).stdout;
    assert!(status.contains("on copies, "), "{status}");
    world.say(&["rollback", "delay", "-o", "json"]).json();

    // A version that answers goes on to its first stage.
    world.run_of(&world.ship(4.0));
    until("copies", || {
        reason(3)?.starts_with("shadow: ").then_some(())
    });
    let passed = until("the first stage", || {
        n += 1;
        ask(n, &[1, 3]);
        world.rollout(3).filter(|rollout| rollout["stage"] == 0)
    });
    let id = passed["id"].as_str().unwrap();
    let whole = world.product.read(&format!("projects/tiny/rollouts/{id}"));
    let shadow = &whole["comparison"]["shadow"];
    assert!(shadow["report"]["requests"].as_u64() >= Some(60), "{whole}");
    assert_eq!(
        shadow["report"]["changed"], shadow["report"]["rows"],
        "{whole}"
    );
    assert_eq!(shadow["report"]["worst"][0]["difference"], 3.0, "{whole}");
    let verdicts = whole["verdicts"].as_array().unwrap();
    let first = verdicts.last().unwrap();
    assert_eq!(
        (&first["decision"], &first["stage"]),
        (&json!("promote"), &json!(-1))
    );
}

#[test]
fn a_plan_shows_how_the_version_on_its_way_answers() {
    let staged = "rollout: { stages: [10%], sticky: request_id, judge: [errors], at_least: 100000 requests }";
    let file = PROJECT
        .replace("rollout: { stages: [], sticky: request_id }", staged)
        .replace("environments: [staging, prod]", "environments: [prod]");
    let world = World::applied(&file);
    world.run_of(&world.ship(1.0));
    serves(&world);
    ask_and_log(&world, 60);
    let before = world.say(&["plan"]).stdout;
    assert!(!before.contains("Version 2"), "{before}");
    // It fails on some of the requests, and is as the other on the rest.
    world.project.write("model.onnx", onnx::failing_from(50));
    world.run_of(&world.project.commit("Fails on some"));
    let shown = until("the comparison in the plan", || {
        let shown = world.say(&["plan"]).stdout;
        shown.contains("answers change").then_some(shown)
    });
    assert!(shown.contains("Version 2 of delay in prod:\n"), "{shown}");
    assert!(
        shown.contains("version 2 fails, version 1 answers"),
        "{shown}"
    );
    assert!(
        shown.lines().last().unwrap().starts_with("No changes."),
        "{shown}"
    );
    let json = world.say(&["plan", "-o", "json"]).json();
    let compared = &json["versions"][0]["comparison"]["captured"]["compared"];
    let failures = &compared["report"]["failures"];
    assert!(failures["after"].as_u64() > Some(0), "{json}");
    let status = world.say(&["status"]).stdout;
    assert!(status.contains("delay 2 in prod: "), "{status}");
    nothing_is_left(&world);
}
