//! What `plan` says of roll-outs that are not there yet: how soon a stage finds a harm at the traffic of today.

use crate::world::{PROJECT, World};
use serde_json::{Value, json};
use testkit::until;

#[test]
fn plan_tells_what_a_stage_can_find_at_present_traffic() {
    let staged = "rollout: { stages: [10%], judge: [errors, latency.p99], at_least: 100 requests }";
    let file = PROJECT.replace("rollout: { stages: [], sticky: request_id }", staged);
    let file =
        file + "overrides:\n  staging: { services: { delay: { rollout: { stages: [] } } } }\n";
    let world = World::new(&file);
    let plan = || world.say(&["plan", "-o", "json"]).json()["rollouts"].clone();
    let said = world.say(&["plan"]).stdout;
    let nothing = "Roll-outs of delay in prod: no requests in the last minutes";
    assert!(said.contains(nothing), "{said}");
    assert!(!said.contains("delay in staging: "), "{said}");
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("Plan: "), "{said}");
    assert_eq!(plan()[0]["stages"], json!([]));

    world.apply();
    assert_eq!(world.run_of(&world.ship(1.0))["state"], "succeeded");
    world.answers("/delay", 1);
    let row = json!({ "request_id": "r", "dep_delay": 1.0 });
    let seen = until("traffic in a plan", || {
        for _ in 0..100 {
            world.product.predict("/delay", &row).ok()?;
        }
        let seen = plan()[0].clone();
        // Enough for a threshold of latency as well.
        let judged = seen["not_judged"] == json!([]);
        (!seen["requests_per_second"].is_null() && judged).then_some(seen)
    });
    let stage = &seen["stages"][0];
    assert_eq!(stage["share"], 0.1, "{seen}");
    assert!(stage["lasts_seconds"].as_f64() >= Some(5.0), "{seen}");
    let finds: Vec<&Value> = stage["finds"].as_array().unwrap().iter().collect();
    assert_eq!(finds[0]["judge"], "errors", "{seen}");
    assert_eq!(finds[0]["harm"], "1% errors", "{seen}");
    assert!(finds[0]["seconds"].as_f64() > Some(0.0), "{seen}");
    assert_eq!(finds[1]["judge"], "latency.p99", "{seen}");

    // It is no part of what is agreed to: the traffic has moved, and the plan is the same.
    let said = world.say(&["plan", "--detailed-exitcode"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.stdout.contains("requests a second (the last "),
        "{said:?}"
    );
    world.apply();
}
