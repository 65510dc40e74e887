//! What there is to hand out: units wait for room and say for what, and what can never fit is said at once.

use crate::world::{BINARY, World};
use serde_json::Value;
use testkit::{Product, until, until_or};

fn file(resources: &str) -> String {
    let step = |name: &str| {
        format!(
            "      {name}: {{ run: 'sh mark.sh +{name}; while [ ! -e LEAVE ]; do sleep 0.02; done; sh mark.sh -{name}', resources: {{ {resources} }} }}\n"
        )
    };
    format!(
        "mainspan: 1\nproject: tiny\nenvironments: [prod]\npipelines:\n  one:\n    steps:\n{}  other:\n    steps:\n{}",
        step("a") + &step("b"),
        step("c"),
    )
}

/// A machine of one processor, a gibibyte and one GPU.
fn world() -> World {
    let product = Product::new(BINARY);
    product.start(&["--cpus", "1", "--memory", "1GiB", "--gpus", "1"]);
    World::on(product, &file("cpu: 1"))
}

fn change(world: &World, resources: &str) {
    let leave = world.product.folder().join("leave");
    let text = file(resources).replace("LEAVE", &leave.display().to_string());
    world.project.write("mainspan.yaml", text);
    world.apply();
}

#[test]
fn units_wait_for_room_and_say_for_what() {
    let world = world();
    let leave = world.product.folder().join("leave");
    let check = |resources: &str, lacks: &str| {
        change(&world, resources);
        let _ = std::fs::remove_file(&leave);
        let before = world.marks().len();
        let start = |pipeline: &str| {
            let run = world.say(&["run", pipeline, "--no-cache", "--detach", "-o", "json"]);
            run.json()["id"].as_str().unwrap().to_owned()
        };
        let first = start("one");
        until("the first step", || {
            (world.marks().len() > before).then_some(())
        });
        let second = start("other");
        let waiting = |run: &str| -> Option<Value> {
            let run = world.product.read(&format!("projects/tiny/runs/{run}"));
            let steps = run["steps"].as_array()?.clone();
            steps.into_iter().find(|step| {
                step["state"] == "queued"
                    && step["reason"]
                        .as_str()
                        .is_some_and(|why| why.starts_with("waits for room") && why.contains(lacks))
            })
        };
        // One of the same run waits, and one of another.
        for run in [&first, &second] {
            let lacking = || {
                let run = world.product.read(&format!("projects/tiny/runs/{run}"));
                format!("a step that lacks {lacks} in {run}")
            };
            until_or(lacking, || waiting(run));
        }
        let shown = world.say(&["runs", &second]);
        assert!(shown.stdout.contains("waits for room"), "{shown:?}");
        assert_eq!(world.marks().len(), before + 1, "{:?}", world.marks());
        std::fs::write(&leave, "").unwrap();
        for run in [first, second] {
            assert_eq!(world.ended(&run)["state"], "succeeded");
        }
        // Never two at once.
        let marks = world.marks()[before..].to_vec();
        for pair in marks.chunks(2) {
            assert_eq!(pair[0][1..], pair[1][1..], "{marks:?}");
        }
    };
    check("cpu: 1, memory: 64MiB", "CPU");
    check("cpu: 0.1, gpu: 1, memory: 64MiB", "GPU");
    check("cpu: 0.1, memory: 600MiB", "memory");
}

#[test]
fn what_never_fits_is_said_at_once() {
    let world = world();
    let check = |resources: &str, says: &[&str]| {
        change(&world, resources);
        // The plan says it, and so does the run that is started all the same.
        let plan = world.say(&["plan"]);
        let run = world.run("other", &[]);
        assert_eq!(run["state"], "failed", "{run}");
        assert!(
            plan.stderr.contains("step `c` of pipeline `other`"),
            "{plan:?}"
        );
        for part in says {
            let reason = run["reason"].as_str().unwrap();
            assert!(reason.contains(part), "no `{part}` in `{reason}`");
            assert!(plan.stderr.contains(part), "no `{part}` in {plan:?}");
        }
    };
    check("cpu: 64", &["64 CPUs", "has 1", "resources.cpu"]);
    check("gpu: 2", &["2 GPUs", "has 1", "resources.gpu"]);
    check(
        "memory: 64GiB",
        &["65536MiB", "1024MiB", "resources.memory"],
    );
    assert!(world.marks().is_empty(), "{:?}", world.marks());
}

#[test]
fn what_is_only_kept_warm_makes_room() {
    let world = world();
    let leave = world.product.folder().join("leave");
    let text = service("400MiB")
        .replace("800MiB", "500MiB")
        .replace("LEAVE", &leave.display().to_string());
    world.project.write("mainspan.yaml", text);
    world.project.commit("A service");
    world.apply();
    let cooled = |count: usize, says: &str| {
        until(&format!("{count} versions to be let go"), || {
            let events = world
                .product
                .read("projects/tiny/events?kind=deployment.cooled&limit=100");
            let events = events.as_array()?.clone();
            let newest = events.first()?["reason"].as_str()?;
            (events.len() == count && newest.contains(says)).then_some(())
        });
    };
    world.ship(1.0);
    world.answers("/delay", 1);
    world.ship(2.0);
    world.answers("/delay", 2);
    // Two versions fill the machine: for the third, the first has to go.
    world.ship(3.0);
    world.answers("/delay", 3);
    cooled(
        1,
        "version 1 is not kept warm any longer: version 3 of delay in prod",
    );
    // And a step needs the room of the second.
    world.say(&["run", "hold", "--detach"]);
    until("the step", || (world.marks() == ["hold"]).then_some(()));
    cooled(
        2,
        "version 2 is not kept warm any longer: step hold of hold",
    );
    std::fs::write(&leave, "").unwrap();
    // Going back takes a start, and works.
    world.say(&["rollback", "delay", "-o", "json"]).json();
    world.answers("/delay", 2);
}

/// A service that is larger than what is left, or than the machine.
fn service(memory: &str) -> String {
    format!(
        r#"mainspan: 1
project: tiny
environments: [prod]
pipelines:
  train:
    triggers: {{ push: [main] }}
    steps:
      fit: {{ run: 'cp model.onnx "$MAINSPAN_OUT_MODEL"; python3 log.py mae 1', writes: [model], metrics: [mae], resources: {{ cpu: 0.1, memory: 64MiB }} }}
    register: {{ model: delay, from: fit.model, gate: fit.mae < 10.0 }}
  hold:
    steps:
      hold: {{ run: 'sh mark.sh hold; while [ ! -e LEAVE ]; do sleep 0.02; done', resources: {{ cpu: 0.1, memory: 800MiB }} }}
services:
  delay: {{ model: delay, engine: onnx, resources: {{ cpu: 0.1, memory: {memory} }}, rollout: {{ stages: [] }} }}
"#
    )
}

#[test]
fn a_replica_waits_for_room_too() {
    let world = world();
    let leave = world.product.folder().join("leave");
    let write = |memory: &str| {
        let text = service(memory).replace("LEAVE", &leave.display().to_string());
        world.project.write("mainspan.yaml", text);
    };
    write("300MiB");
    world.project.commit("A service");
    world.apply();
    world.say(&["run", "hold", "--detach"]);
    until("the step", || (world.marks() == ["hold"]).then_some(()));
    world.ship(1.0);
    // Its roll-out says what it waits for, and is not given up.
    until("what the replica waits for", || {
        let rollout = world.rollout(1)?;
        let reason = rollout["reason"].as_str()?;
        (rollout["state"] == "starting" && reason.contains("memory")).then_some(())
    });
    std::fs::write(&leave, "").unwrap();
    world.answers("/delay", 1);
    // One that fits nowhere is refused, and what serves goes on.
    write("64GiB");
    let plan = world.say(&["plan"]);
    assert!(plan.stderr.contains("service `delay` in prod"), "{plan:?}");
    world
        .project
        .write("model.onnx", testkit::onnx::adding(2.0));
    world.project.commit("Too large");
    let rollout = world.rolled_out(2);
    assert_eq!(rollout["state"], "aborted", "{rollout}");
    let reason = rollout["reason"].as_str().unwrap();
    for part in ["65536MiB", "1024MiB", "resources.memory"] {
        assert!(reason.contains(part), "no `{part}` in `{reason}`");
    }
    world.answers("/delay", 1);
}
