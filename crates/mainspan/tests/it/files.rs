//! Project files that are wrong: each is refused with the place and what to do, and nothing is changed.

use crate::world::{PROJECT, World};

#[test]
fn every_mistake_is_shown_before_anything_happens() {
    let world = World::new(PROJECT);
    let check = |content: &[u8], says: &[&str]| {
        world.project.write("mainspan.yaml", content);
        for verb in ["plan", "apply"] {
            let words: &[&str] = if verb == "apply" {
                &["apply", "--yes"]
            } else {
                &["plan", "--detailed-exitcode"]
            };
            let said = world.say(words);
            let shown = &said.stderr[..said.stderr.len().min(2000)];
            assert_eq!(said.code, 1, "{says:?}: {shown}");
            for part in says {
                assert!(said.stderr.contains(part), "no `{part}` in {shown}");
            }
        }
    };
    let with = |from: &str, to: &str| {
        assert!(PROJECT.contains(from), "{from}");
        PROJECT.replacen(from, to, 1).into_bytes()
    };
    check(
        &with("sticky:", "stiky:"),
        &["stiky", "did you mean `sticky`", "mainspan.yaml:"],
    );
    check(
        &with("reads: [part]", "reads: [model]"),
        &["model", "mainspan.yaml:"],
    );
    check(
        &with("reads: [rows]", "reads: [row]"),
        &["row", "mainspan.yaml:"],
    );
    check(
        &with("evaluate.mae < 10.0", "evaluate.mea < 10.0"),
        &["mea", "mainspan.yaml:"],
    );
    check(
        &with("stages: []", "stages: 5"),
        &["stages", "mainspan.yaml:"],
    );
    check(
        &with("memory: 128MiB }", "memory: 128MiB, gpu: 1 }"),
        &["not supported yet", "mainspan.yaml:"],
    );
    check(&with("mainspan: 1", "mainspan: 2"), &["mainspan", "1"]);
    check(b"", &["mainspan.yaml"]);
    check(b"a: [b", &["mainspan.yaml:"]);
    check(b"mainspan: 1\nproject: \xff\xfe\n", &["UTF-8"]);
    let bomb: String = std::iter::once("a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned())
        .chain((1..12).map(|n| {
            let list = vec![format!("*a{}", n - 1); 9].join(", ");
            format!("a{n}: &a{n} [{list}]\n")
        }))
        .collect();
    check(bomb.as_bytes(), &["mainspan.yaml"]);
    check(&vec![b'#'; 100_000_000], &["mainspan.yaml"]);
    // Nothing of all this was applied.
    assert_eq!(
        world.product.read("projects/tiny/status")["deployments"],
        serde_json::Value::Null
    );
    std::fs::remove_file(world.project.folder().join("mainspan.yaml")).unwrap();
    let said = world.say(&["plan"]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("mainspan init"), "{said:?}");
}

#[test]
fn a_lock_without_hashes_is_refused() {
    let world = World::new(PROJECT);
    world.project.write("requirements.lock", "numpy==1.0\n");
    let file = PROJECT.replace(
        "    steps:\n      split",
        "    python: { version: \">=3.9\", lock: requirements.lock }\n    steps:\n      split",
    );
    world.project.write("mainspan.yaml", file);
    world.project.commit("With a lock");
    world.apply();
    let run = world.run("train", &[]);
    assert_eq!(run["state"], "failed", "{run}");
    assert!(run["reason"].as_str().unwrap().contains("hash"), "{run}");
    assert!(world.marks().is_empty());
}

#[test]
fn a_branch_that_was_moved_back_is_followed() {
    let world = World::applied(PROJECT);
    let first = world.ship(1.0);
    assert_eq!(world.run_of(&first)["state"], "succeeded");
    world.project.git(&["reset", "--hard", "--quiet", "HEAD~1"]);
    let other = world.ship(2.0);
    let run = world.run_of(&other);
    assert_eq!(run["state"], "succeeded");
    // The commit that the branch was moved back to may have been seen and run in between.
    let reason = run["reason"].as_str().unwrap();
    let version: u32 = reason.rsplit(' ').next().unwrap().parse().unwrap();
    world.answers("/delay", version);
}
