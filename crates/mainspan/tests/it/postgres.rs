//! The product on Postgres: from a commit to an answer and back, and all of it again after a restart.

use crate::world::{BINARY, PROJECT, World};
use testkit::{Postgres, Product};

#[test]
fn everything_is_kept_in_postgres() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    let url = postgres.url();
    let product = Product::new(BINARY);
    product.start_in(&[("MAINSPAN_STORE", &url)], &[]);
    // The address may hold a password, and everybody on a machine can read command lines.
    let said = product.processes().into_iter().flat_map(|(_, words)| words);
    assert_eq!(said.filter(|word| word.contains("postgres")).count(), 0);
    let world = World::on(product, PROJECT);
    world.apply();
    for (constant, version) in [(1.0, 1), (10.0, 2)] {
        let run = world.run_of(&world.ship(constant));
        assert_eq!(run["state"], "succeeded", "{run}");
        assert!((world.answers("/delay", version) - 1.0 - f64::from(constant)).abs() < 1e-6);
    }
    world.say(&["rollback", "delay", "-o", "json"]).json();
    world.answers("/delay", 1);
    assert!(
        !world.product.state().join("store.db").exists(),
        "records are in Postgres only"
    );

    let look = |what: &str| world.product.read(what);
    let all = [
        "models/delay",
        "runs",
        "rollouts",
        "datasets",
        "events?limit=1000",
    ];
    let before = all.map(|what| look(&format!("projects/tiny/{what}")));
    assert!(!before.iter().any(serde_json::Value::is_null), "{before:?}");
    let down = world.say(&["down"]);
    assert_eq!(down.code, 0, "{down:?}");
    world.product.start(&["--store", &url]);
    world.answers("/delay", 1);
    assert_eq!(world.deployment("prod")["version"], 1);
    assert_eq!(world.deployment("prod")["previous"], 2);
    let after = all.map(|what| look(&format!("projects/tiny/{what}")));
    assert_eq!(before, after);
    let plan = world.say(&["plan", "--detailed-exitcode"]);
    assert_eq!(plan.code, 0, "{plan:?}");
    // It goes on: forth again, and a new version.
    world.say(&["rollback", "delay", "-o", "json"]).json();
    world.answers("/delay", 2);
    assert_eq!(world.run_of(&world.ship(20.0))["state"], "succeeded");
    world.answers("/delay", 3);
}
