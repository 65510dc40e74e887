//! What the command line says to somebody who is new or has mistyped: each message names what to do next.

use crate::world::{BINARY, PROJECT, World};
use testkit::{Product, until};

fn check(world: &World, words: &[&str], code: i32, says: &[&str]) {
    let said = world.say(words);
    let text = format!("{}{}", said.stdout, said.stderr);
    assert_eq!(said.code, code, "{words:?}: {text}");
    for part in says {
        assert!(text.contains(part), "{words:?}: no `{part}` in {text}");
    }
}

#[test]
fn mistakes_are_answered_with_what_to_do() {
    let world = World::on(Product::new(BINARY), PROJECT);
    check(&world, &[], 2, &["Usage", "mainspan init"]);
    check(&world, &["staus"], 2, &["status"]);
    check(&world, &["status"], 4, &["mainspan up"]);
    check(&world, &["doctor"], 0, &["memory", "no server answers"]);
    world.product.start(&[]);
    check(&world, &["doctor"], 0, &["memory", "gateway", "answers"]);
    check(
        &world,
        &["status"],
        1,
        &["no project `tiny`", "mainspan apply"],
    );
    check(&world, &["apply"], 1, &["pass --yes"]);
    world.apply();
    check(&world, &["run", "trian"], 1, &["`trian`", "it has `train`"]);
    check(
        &world,
        &["run", "train", "--param", "trees=1"],
        1,
        &["no parameter `trees`"],
    );
    check(&world, &["runs", "abc"], 1, &["mainspan runs"]);
    check(&world, &["logs"], 1, &["no runs yet"]);
    check(&world, &["models", "dealy"], 1, &["mainspan models"]);
    check(&world, &["rollback", "dealy"], 1, &["`dealy@prod`"]);
    check(&world, &["rollback", "delay"], 1, &["--to"]);
    check(
        &world,
        &["predict", "delay", "{}"],
        1,
        &["no version of `delay` serves in prod", "mainspan status"],
    );
    check(&world, &["predict", "delay", "{"], 1, &["not JSON"]);
    check(&world, &["events", "--kind", "run"], 0, &["No such event"]);
    check(
        &world,
        &["events", "--kind", "service"],
        0,
        &["service.created"],
    );
    check(
        &world,
        &["tokens", "create", "x", "--role", "wizard"],
        2,
        &["viewer, developer, operator or admin"],
    );
    let commit = world.ship(1.0);
    world.run_of(&commit);
    world.answers("/delay", 1);
    check(
        &world,
        &["predict", "delay", r#"{"x": 1}"#],
        1,
        &["dep_delay"],
    );
    check(
        &world,
        &["logs", "--step", "fitt"],
        1,
        &["no step `fitt`", "fit"],
    );
    check(&world, &["logs", "--step", "fit"], 0, &["printed nothing"]);
}

#[test]
fn a_project_may_begin_without_a_repository_and_move() {
    let mut world = World::on(Product::up(BINARY), PROJECT);
    // A folder that is in no repository can be applied, and is told what it lacks.
    std::fs::rename(
        world.project.folder().join(".git"),
        world.product.folder().join("git"),
    )
    .unwrap();
    check(&world, &["plan"], 0, &["git init", "pipeline `train`"]);
    world.apply();
    until("what holds the triggers up", || {
        let triggers = world.product.read("reconcilers")["triggers"].clone();
        let said = triggers["error"][1].as_str()?;
        said.contains("git init").then_some(())
    });
    std::fs::rename(
        world.product.folder().join("git"),
        world.project.folder().join(".git"),
    )
    .unwrap();
    let first = world.ship(1.0);
    assert_eq!(world.run_of(&first)["state"], "succeeded");
    // The folder moves: apply asks, and follows when told.
    let there = world.product.folder().join("there");
    std::fs::rename(world.project.folder(), &there).unwrap();
    world.project = testkit::Repository::new(&there);
    check(&world, &["apply", "--yes"], 1, &["--move"]);
    check(&world, &["apply", "--yes", "--move"], 0, &["No changes"]);
    let second = world.ship(2.0);
    assert_eq!(world.run_of(&second)["state"], "succeeded");
}
