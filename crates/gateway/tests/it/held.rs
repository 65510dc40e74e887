//! Requests for a version that has no replica: how many are held, for how long, and who learns of it.

use std::path::Path;
use std::time::Duration;

use gateway::{AdminClient, Limits, Route, Speaks, VersionLoad};

use crate::engine::{Engine, plus_one};
use crate::world::{Got, World, arm, delay, until};

/// Longer than any test takes.
const LONG: u64 = 60_000;

/// `delay` with a version that has these replicas and holds so many requests for so long.
fn holding(replicas: &[&Path], max_held: usize, hold_ms: u64) -> Route {
    Route {
        limits: Limits {
            max_held: Some(max_held),
            hold_ms: Some(hold_ms),
            ..Limits::default()
        },
        ..delay(vec![arm(1, 1.0, replicas)])
    }
}

async fn load(world: &World) -> VersionLoad {
    let loads = world.health().await.loads;
    let found = loads.into_iter().find(|load| load.version == 1);
    found.unwrap()
}

fn refused(got: &Got) {
    assert_eq!((got.status, got.version), (503, Some(1)), "{got:?}");
    assert!(got.retry_after.is_some(), "{got:?}");
}

#[tokio::test]
async fn requests_are_held_until_a_replica_comes() {
    let world = World::start().await;
    let socket = world.socket("v1");
    world.route(1, vec![holding(&[], 2, LONG)], &[]).await;
    let admin = AdminClient::new(world.state().join("gateway.sock"));
    assert_eq!(admin.calls(7).await.unwrap(), 0);
    let told = tokio::spawn(async move { admin.calls(0).await.unwrap() });

    let held: Vec<_> = [1, 2]
        .into_iter()
        .map(|x| {
            let address = world.address;
            tokio::spawn(async move {
                let mut client = crate::world::Client::connect(address).await;
                client.post("/delay", format!("{{\"x\":{x}}}")).await
            })
        })
        .collect();
    until("two are held", async || load(&world).await.held == 2).await;
    assert_eq!(told.await.unwrap(), 1);
    let seen = load(&world).await;
    assert_eq!(
        (&*seen.route, seen.present, seen.arrived),
        ("flights/prod/delay", 2, 2)
    );
    refused(&world.post("/delay", "{}").await);

    let _engine = Engine::start(&socket, plus_one());
    let routes = vec![holding(&[&socket], 2, LONG)];
    world.route(2, routes, &[&socket]).await;
    for (held, expect) in held.into_iter().zip([2.0, 3.0]) {
        let got = held.await.unwrap();
        assert_eq!((got.status, &got.body["prediction"]), (200, &expect.into()));
    }
    let after = load(&world).await;
    assert_eq!((after.present, after.held, after.arrived), (0, 0, 3));
    assert!(after.micros >= seen.micros, "{after:?} after {seen:?}");
    assert_eq!(world.post("/delay", "{\"x\":1}").await.status, 200);
}

#[tokio::test]
async fn nobody_is_held_for_longer_than_is_said() {
    let world =
        World::start_with(|options| options.replica_wait = Duration::from_millis(LONG)).await;
    for speaks in [Speaks::Frames, Speaks::Http] {
        let route = Route {
            speaks,
            ..holding(&[], 9, 1)
        };
        let generation = world.health().await.generation + 1;
        world.route(generation, vec![route], &[]).await;
        refused(&world.post("/delay", "{}").await);
        let load = load(&world).await;
        assert_eq!((load.present, load.held), (0, 0));
    }
}

#[tokio::test]
async fn bodies_are_held_up_to_a_length_in_all() {
    let world = World::start_with(|options| options.max_held_bytes = 10).await;
    for speaks in [Speaks::Frames, Speaks::Http] {
        let route = Route {
            speaks,
            ..holding(&[], 9, LONG)
        };
        let generation = world.health().await.generation + 1;
        world.route(generation, vec![route], &[]).await;
        refused(&world.post("/delay", "{\"x\":12345}").await);
    }
}
