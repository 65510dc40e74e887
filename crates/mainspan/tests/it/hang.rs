//! A replica that is stopped in the middle of its work, as a debugger or a full machine stops one.

use crate::world::{PROJECT, World};
use serde_json::{Value, json};
use std::process::Command;
use testkit::until;

/// Runs `kill -SIGNAL`.
fn signal(pid: u32, name: &str) {
    let done = Command::new("kill").args([name, &pid.to_string()]).status();
    assert!(done.unwrap().success(), "{name} of {pid}");
}

/// On how many of the gateway's threads the replica at a socket is up, and how many threads there are.
fn up(world: &World, socket: &str) -> Option<(u64, u64)> {
    let health = world.product.gateway("/health");
    let replicas = health["replicas"].as_array()?;
    let replica = replicas.iter().find(|r| r["path"] == socket)?;
    Some((
        replica["connections"].as_u64()?,
        health["threads"].as_u64()?,
    ))
}

/// The replicas of production: process and socket.
fn replicas(world: &World) -> Vec<(u32, String)> {
    let of = |(pid, words): (u32, Vec<String>)| {
        let mut words = words.into_iter();
        let socket = words.find(|word| word.ends_with("/engine.sock"))?;
        Some((pid, socket))
    };
    world.engines("-prod-").into_iter().filter_map(of).collect()
}

#[test]
fn a_replica_that_hangs_for_good_is_started_again() {
    let world = World::applied(PROJECT);
    world.ship(1.0);
    world.answers("/delay", 1);
    let first = until("a replica", || replicas(&world).pop());
    signal(first.0, "-STOP");
    until("another replica in its place", || {
        replicas(&world)
            .iter()
            .any(|(pid, _)| *pid != first.0)
            .then_some(())
    });
    world.answers("/delay", 1);
    let ended = world
        .product
        .read("projects/tiny/events?kind=replica.ended");
    assert_eq!(ended.as_array().unwrap().len(), 1, "{ended}");
    assert_eq!(ended[0]["subject"], "service/delay@prod");
    assert!(!replicas(&world).contains(&first));
}

#[test]
fn requests_go_elsewhere_while_a_replica_is_stopped() {
    let file = PROJECT.replace(
        "engine: onnx",
        "engine: onnx\n    scale: { min: 2, max: 2 }",
    );
    let world = World::applied(&file);
    world.ship(1.0);
    world.answers("/delay", 1);
    let engines = until("two replicas that are up", || {
        let found = replicas(&world);
        let all = found
            .iter()
            .all(|(_, socket)| up(&world, socket).is_some_and(|(up, all)| up == all));
        (found.len() == 2 && all).then_some(found)
    });
    let (pid, socket) = &engines[0];
    signal(*pid, "-STOP");
    let row = json!({ "request_id": "r", "dep_delay": 1.0 });
    let answered = |n: usize| {
        for _ in 0..n {
            let answer = world.product.predict("/delay", &row).unwrap();
            assert_eq!(answer.status, 200, "{:?}", answer.json());
            assert_eq!(answer.json()["prediction"], Value::from(2.0));
        }
    };
    answered(10);
    until("the gateway to take it out", || {
        up(&world, socket).filter(|(up, _)| *up == 0)
    });
    answered(50);
    signal(*pid, "-CONT");
    until("it to come back", || {
        up(&world, socket).filter(|(up, all)| up == all)
    });
    answered(10);
    assert_eq!(replicas(&world).len(), 2);
    assert!(
        replicas(&world).contains(&engines[0]),
        "it is the same process"
    );
}
