//! Pipelines: matrix and select, retry, timeout, cancel, cache, champion, gate, checks, and steps that misbehave.

use crate::world::World;
use serde_json::Value;
use testkit::until;

fn file(steps: &str, register: &str) -> String {
    let services = "services:\n  delay: { model: delay, engine: onnx, resources: { cpu: 0.1, memory: 128MiB }, rollout: { stages: [] } }\n";
    format!(
        "mainspan: 1\nproject: tiny\nenvironments: [staging, prod]\n\
         datasets:\n  rows: {{ source: data/rows.csv, format: csv, checks: [rows >= 3] }}\n\
         pipelines:\n  p:\n    params: {{ trees: 3 }}\n    steps:\n{steps}{register}{}",
        if register.is_empty() { "" } else { services }
    )
}

fn units(world: &World) -> usize {
    let entries = std::fs::read_dir(world.product.state().join("units")).unwrap();
    entries
        .flatten()
        .filter(|entry| entry.path().join("unit.json").exists())
        .count()
}

#[test]
fn how_runs_end() {
    let world = World::applied(&file("      a: { run: 'true' }\n", ""));
    let check = |steps: &str, state: &str, reason: &str| {
        world.project.write("mainspan.yaml", file(steps, ""));
        let commit = world.project.commit(steps);
        // The commit itself is applied by the push; both at once would be stale for one.
        until("the file to be applied", || {
            let said = world.say(&["plan", "--detailed-exitcode"]);
            (said.code == 0).then_some(())
        });
        let run = world.run("p", &["--commit", &commit]);
        let said = run.to_string();
        assert_eq!(run["state"], state, "{steps}: {said}");
        assert!(said.contains(reason), "{steps}: no `{reason}` in {said}");
        run
    };
    check("      a: { run: 'exit 3' }\n", "failed", "exited with 3");
    check(
        "      a: { run: 'sleep 600', timeout: 1s }\n",
        "failed",
        "1s",
    );
    check(
        "      a: { run: 'true', writes: [out] }\n",
        "failed",
        "`out`",
    );
    check(
        "      a: { run: 'true', metrics: [mae] }\n",
        "failed",
        "`mae`",
    );
    // The second attempt succeeds.
    let once = format!(
        "test -e {0} || {{ touch {0}; exit 1; }}",
        world.product.folder().join("once").display()
    );
    let run = check(
        &format!("      a: {{ run: '{once}', retry: 1 }}\n"),
        "succeeded",
        "",
    );
    assert_eq!(world.step(&run, "a")["attempt"], 2, "{run}");
    // Children do not outlive their step.
    check(
        "      a: { run: 'sleep 599 & sleep 599 & true' }\n",
        "succeeded",
        "",
    );
    until("the children's end", || {
        let left = std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let cwd = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
            line == b"sleep\x00599\x00" && cwd.starts_with(world.product.folder())
        });
        (!left).then_some(())
    });
    // A gigabyte of output is kept in part, and the disk does not fill.
    check(
        "      a: { run: 'head -c 1000000000 /dev/zero | tr \"\\0\" x' }\n",
        "succeeded",
        "",
    );
    let size = folder_size(&world.product.state().join("units"))
        + folder_size(&world.product.state().join("logs"));
    assert!(size < 200_000_000, "{size} bytes are kept");
}

fn folder_size(folder: &std::path::Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => folder_size(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

#[test]
fn matrix_champion_cache_and_gate() {
    let steps = "      fit: { run: 'sh mark.sh fit-$MAINSPAN_PARAM_DEPTH; cp model.onnx \"$MAINSPAN_OUT_MODEL\"; python3 log.py cv $MAINSPAN_PARAM_DEPTH', writes: [model], metrics: [cv], matrix: { depth: [4, 2, 6] }, select: { min: cv } }\n      \
                 evaluate: { run: 'sh mark.sh evaluate; python3 log.py mae \"$(wc -c < \"$MAINSPAN_IN_MODEL\")\"; python3 log.py rows 3', reads: [rows, model], metrics: [mae, rows], against: champion }\n";
    let register = "    register: { model: delay, from: fit.model, gate: 'evaluate.rows > 2 && evaluate.mae <= champion.mae' }\n";
    let world = World::applied(&file(steps, register));
    let run = world.run("p", &[]);
    assert_eq!(run["state"], "succeeded", "{run}");
    assert_eq!(world.marks().len(), 4, "{:?}", world.marks());
    world.answers("/delay", 1);

    // Unchanged: everything comes from the cache, but the champion was not evaluated yet.
    let before = world.marks();
    let run = world.run("p", &[]);
    assert_eq!(run["state"], "succeeded", "{run}");
    let ran: Vec<String> = world.marks()[before.len()..].to_vec();
    assert!(!ran.iter().any(|mark| mark.starts_with("fit")), "{ran:?}");

    // A larger file is a worse model here: the gate holds it back.
    let mut larger = testkit::onnx::adding(1.0);
    larger.extend([0x1a, 0x03, b'd', b'o', b'c']);
    world.project.write("model.onnx", larger);
    let commit = world.project.commit("Worse");
    let run = world.run("p", &["--commit", &commit]);
    let reason = run["reason"].as_str().unwrap();
    assert!(reason.contains("evaluate.mae <= champion.mae"), "{reason}");
    let model = world.say(&["models", "delay", "-o", "json"]).json();
    assert_eq!(model["versions"][0]["version"], 2, "{model}");

    // Without the cache, every step runs.
    let before = world.marks().len();
    let run = world.run("p", &["--no-cache"]);
    assert!(matches!(
        run["state"].as_str(),
        Some("succeeded" | "failed")
    ));
    assert!(world.marks().len() >= before + 4, "{:?}", world.marks());
}

#[test]
fn cancel_leaves_nothing_behind() {
    let world = World::applied(&file(
        "      a: { run: 'sh mark.sh a; sleep 598 & sleep 598' }\n      b: { run: 'true', needs: [a] }\n",
        "",
    ));
    let run = world.say(&["run", "p", "--detach", "-o", "json"]).json();
    let id = run["id"].as_str().unwrap();
    until("the step", || (world.marks() == ["a"]).then_some(()));
    let run = world.say(&["cancel", id, "-o", "json"]).json();
    assert_eq!(run["state"], "cancelled", "{run}");
    until("nothing left", || (units(&world) == 0).then_some(()));
    // Its shim waits a moment for another unit.
    until("no shim left", || {
        let mut left = world.product.processes().into_iter();
        (!left.any(|(_, words)| words.iter().any(|word| word == "unit"))).then_some(())
    });
}

#[test]
fn data_that_fails_its_checks_stops_the_run() {
    let world = World::applied(&file(
        "      a: { run: 'sh mark.sh a', reads: [rows] }\n",
        "",
    ));
    world.project.write("data/rows.csv", "a,b\n1,2\n");
    let run = world.run("p", &[]);
    assert_eq!(run["state"], "failed", "{run}");
    let reason = run["reason"].as_str().unwrap();
    assert!(reason.contains("rows >= 3"), "{reason}");
    assert!(world.marks().is_empty());
    std::fs::remove_file(world.project.folder().join("data/rows.csv")).unwrap();
    let run = world.run("p", &[]);
    assert_eq!(run["state"], "failed", "{run}");
    assert!(
        run["reason"].as_str().unwrap().contains("data/rows.csv"),
        "{run}"
    );
}

#[test]
fn data_that_cannot_be_read_says_where() {
    let reads = "      a: { run: 'sh mark.sh a', reads: [rows] }\n";
    let world = World::applied(&file(reads, ""));
    let check = |content: &[u8], says: &[&str]| {
        world.project.write("data/rows.csv", content);
        let run = world.run("p", &[]);
        assert_eq!(run["state"], "failed", "{run}");
        let reason = run["reason"].as_str().unwrap();
        for part in says {
            assert!(reason.contains(part), "no `{part}` in `{reason}`");
        }
    };
    check(b"a,b\n1,2\n\xff\xfe,4\n5,6\n7,8\n", &["rows", "UTF-8", "3"]);
    check(b"a\xff,b\n1,2\n3,4\n5,6\n", &["rows", "UTF-8"]);
    check(b"a,b\n1,2\n3,4,5\n5,6\n", &["rows", "3"]);
    check(b"", &["rows"]);
    check(b"a,b\n1,2\n\x00\x01\x02", &["rows"]);
    assert!(world.marks().is_empty(), "{:?}", world.marks());
    world.project.write("data/rows.csv", "a,b\n1,2\n3,4\n5,6\n");
    assert_eq!(world.run("p", &[])["state"], "succeeded");
}

#[test]
fn a_dirty_tree_never_reaches_the_last_environment() {
    let steps = "      fit: { run: 'cp model.onnx \"$MAINSPAN_OUT_MODEL\"; python3 log.py mae 1', writes: [model], metrics: [mae] }\n";
    let world = World::applied(&file(
        steps,
        "    register: { model: delay, from: fit.model, gate: fit.mae < 2.0 }\n",
    ));
    world
        .project
        .write("model.onnx", testkit::onnx::adding(7.0));
    let run = world.run("p", &[]);
    assert_eq!(
        (&run["state"], &run["dirty"]),
        (&Value::from("succeeded"), &Value::from(true)),
        "{run}"
    );
    world.answers("/tiny/staging/delay", 1);
    assert_eq!(world.deployment("prod")["version"], Value::Null);
}

#[test]
fn a_model_that_is_none_becomes_no_version() {
    let steps = "      fit: { run: 'cp model.onnx \"$MAINSPAN_OUT_MODEL\"; python3 log.py mae 1', writes: [model], metrics: [mae] }\n";
    let world = World::applied(&file(
        steps,
        "    register: { model: delay, from: fit.model, gate: fit.mae < 2.0 }\n",
    ));
    let good = testkit::onnx::adding(1.0);
    let check = |content: &[u8]| {
        world.project.write("model.onnx", content);
        let commit = world.project.commit("A file");
        let run = world.run("p", &["--commit", &commit]);
        assert_eq!(run["state"], "failed", "{run}");
        let reason = run["reason"].as_str().unwrap();
        assert!(reason.contains("ONNX"), "{reason}");
    };
    check(b"this is no model");
    check(&good[..good.len() / 2]);
    check(b"");
    assert_eq!(
        world.product.read("projects/tiny/models/delay")["versions"]
            .as_array()
            .map_or(0, Vec::len),
        0
    );
}
