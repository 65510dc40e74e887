//! What is done to a service every day, and what happens to one, under constant load from clients that never ask twice:
//! roll-outs, roll-backs, more replicas and fewer, replicas and servers that are killed, another gateway. No request
//! may fail.
//!
//! `MAINSPAN_RELIABILITY_ROUNDS` is how many there are of each but the last two, of which there are a fourth as many.

use crate::{
    upgrades,
    world::{World, project},
};
use serde_json::Value;
use testkit::{product::kill, until, until_or};

const ROUNDS: u32 = 3;

const FILE: &str = project!(
    "delay",
    r#"cp model.onnx "$MAINSPAN_OUT_MODEL"; python3 log.py mae 1"#,
    r#"    engine: onnx
    resources: { cpu: 0.1, memory: 128MiB }
    scale: { min: 2 }
    rollout: { stages: [50%], sticky: request_id, judge: [errors], at_least: 40 requests, keep_previous: 1h }
"#
);

#[test]
fn no_request_fails_whatever_is_done() {
    let set = std::env::var("MAINSPAN_RELIABILITY_ROUNDS").ok();
    let rounds = set.and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let (installed, world, mut client) = upgrades::world(FILE);
    for round in 0..rounds {
        let (old, new) = (round + 1, round + 2);
        world.ship(new as f32);
        // In the middle of the roll-out, or when all is quiet.
        let early = round % 2 == 0;
        if early {
            lose_a_replica(&world, old.into());
        }
        let rollout = world.rolled_out(new);
        assert_eq!(rollout["state"], "promoted", "{rollout}");
        world.answers("/delay", new);
        if !early {
            lose_a_replica(&world, new.into());
        }
        for count in [3, 2] {
            scale(&world, new.into(), count);
        }
        serve(&world, &["rollback", "delay", "-o", "json"], old);
        serve(&world, &["rollback", "delay", "-o", "json"], new);
        if round % 4 == 0 {
            lose_the_server(&world);
            installed.replace();
            upgrades::upgrade(&world);
        }
        client.assert_no_failure();
    }
    client.stop();
    client.assert_no_failure();
    let (report, failures) = client.report();
    println!("{rounds} rounds: {report:?}");
    assert_eq!(report.apart, 0, "{report:?}: {failures:?}");
    assert!(report.answered > u64::from(rounds) * 100, "{report:?}");
}

/// Says something that makes a version serve, and waits until it does.
fn serve(world: &World, words: &[&str], version: u32) {
    world.say(words).json();
    world.answers("/delay", version);
    until("the deployment", || {
        (world.deployment("prod")["version"] == version).then_some(())
    });
}

/// Has as many replicas of a version, and waits until there are.
fn scale(world: &World, version: u64, count: usize) {
    let file = FILE.replace("min: 2", &format!("min: {count}"));
    world.project.write("mainspan.yaml", file);
    world.apply();
    until(&format!("{count} replicas"), || {
        let are_there = replicas(world, version).len() == count;
        (are_there && world.ready(version) == count).then_some(())
    });
}

/// Kills one of a version's two replicas, and waits for another in its place.
fn lose_a_replica(world: &World, version: u64) {
    until("two replicas", || (world.ready(version) >= 2).then_some(()));
    let victim = replicas(world, version)[0];
    kill(victim);
    until_or(
        || format!("another replica: {}", world.product.gateway("/health")),
        || {
            let left = replicas(world, version);
            let whole = left.len() >= 2 && !left.contains(&victim);
            (whole && world.ready(version) >= 2).then_some(())
        },
    );
}

fn replicas(world: &World, version: u64) -> Vec<u32> {
    let engines = world.engines(&format!("-v{version}-"));
    engines.into_iter().map(|(pid, _)| pid).collect()
}

fn lose_the_server(world: &World) {
    let victim = world.product.pid("server").unwrap();
    kill(victim);
    until("another server", || {
        let is_new = world.product.pid("server").is_some_and(|pid| pid != victim);
        (is_new && world.product.read("projects/tiny/status") != Value::Null).then_some(())
    });
}
