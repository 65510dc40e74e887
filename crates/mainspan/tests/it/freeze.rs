//! A frozen environment: nothing comes to it by itself, everything goes back, and a person may say why it comes all the same.

use crate::world::{World, project};
use serde_json::json;
use testkit::until;

const FILE: &str = project!(
    "delay",
    r#"cp model.onnx "$MAINSPAN_OUT_MODEL"; python3 log.py mae "$(cat mae)""#,
    r#"    engine: onnx
    resources: { cpu: 0.1, memory: 256MiB }
    rollout: { stages: STAGES, sticky: request_id, at_least: 20 requests }
"#
);
/// All of every week.
const FROZEN: &str =
    "overrides: { prod: { freeze: [Mon 00:00 - Thu 00:00, Thu 00:00 - Mon 00:00] } }\n";

fn check(world: &World, words: &[&str], code: i32, says: &str) {
    let said = world.say(words);
    let text = format!("{}{}", said.stdout, said.stderr);
    assert_eq!(said.code, code, "{words:?}: {text}");
    assert!(text.contains(says), "{words:?}: no `{says}` in {text}");
}

fn apply(world: &World, file: &str) {
    world.project.write("mainspan.yaml", file);
    world.apply();
}

#[test]
fn nothing_comes_but_with_a_reason_and_everything_goes_back() {
    let file = FILE.replace("STAGES", "[]");
    let frozen = format!("{file}{FROZEN}");
    let world = World::applied(&file);
    world.ship(1.0);
    world.answers("/delay", 1);
    world.project.write("mainspan.yaml", &frozen);
    check(&world, &["plan"], 0, "prod is frozen until ");
    check(&world, &["plan"], 0, "freeze.windows");
    world.apply();
    check(&world, &["status"], 0, "Mon 00:00 - Thu 00:00");
    let run = world.run_of(&world.ship(2.0));
    assert_eq!(run["state"], "succeeded", "{run}");
    // It has passed its gate and is not rolled out: there is no roll-out in the way of this one.
    let promote = ["promote", "delay", "--version", "2", "--at-once"];
    check(&world, &promote, 1, "frozen until ");
    let why = ["--reason", "the old one is wrong"];
    check(&world, &[&promote[..], &why].concat(), 0, "");
    world.answers("/delay", 2);
    check(&world, &["rollback", "delay"], 0, "");
    world.answers("/delay", 1);
    world.run_of(&world.ship(3.0));
    assert!(world.rollout(3).is_none());
    apply(&world, &file);
    world.answers("/delay", 3);
}

#[test]
fn a_roll_out_stops_at_its_stage_until_a_person_lets_it_go_on() {
    let file = FILE.replace("STAGES", "[50%]");
    let world = World::applied(&file);
    world.ship(1.0);
    world.answers("/delay", 1);
    world.ship(2.0);
    until("the stage", || {
        (world.rollout(2)?["state"] == "running").then_some(())
    });
    apply(&world, &format!("{file}{FROZEN}"));
    // Enough requests for the stage, which is all that this roll-out asks for.
    let mut asked = 0;
    let rollout = until("the freeze", || {
        for _ in 0..50 {
            let row = json!({ "request_id": format!("r{asked}"), "dep_delay": 1.0 });
            assert_eq!(world.product.predict("/delay", &row).unwrap().status, 200);
            asked += 1;
        }
        let rollout = world.rollout(2)?;
        let reason = rollout["reason"].as_str()?;
        reason
            .starts_with("held: frozen until ")
            .then(|| rollout.clone())
    });
    assert_eq!(rollout["state"], "running", "{rollout}");
    check(&world, &["resume", "delay"], 1, "--reason");
    let resume = ["resume", "delay", "--reason", "customers wait for it"];
    check(&world, &resume, 0, "");
    let rollout = world.rolled_out(2);
    assert_eq!(rollout["state"], "promoted", "{rollout}");
}
