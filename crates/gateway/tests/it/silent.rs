//! Replicas that are connected and do not answer: stopped, wedged, or only slow.

use std::time::Duration;

use gateway::Options;
use tokio::sync::watch;

use crate::engine::{Act, Engine, always, good, plus_one};
use crate::world::{World, arm, delay, until};

fn soon(options: &mut Options) {
    options.replica_silence = Duration::from_millis(150);
}

/// How many threads hold a replica for up.
async fn up(world: &World, path: &std::path::Path) -> usize {
    let replicas = world.health().await.replicas;
    let replica = replicas.iter().find(|replica| replica.path == path);
    replica.unwrap().connections
}

#[tokio::test]
async fn a_connection_alone_is_no_replica() {
    let world = World::start().await;
    let (mute, works) = (world.socket("mute"), world.socket("works"));
    let engine = Engine::start_frozen(&mute, plus_one());
    let _other = Engine::start(&works, plus_one());
    let arms = vec![arm(3, 1.0, &[&mute, &works])];
    world.route(1, vec![delay(arms)], &[&works]).await;
    for _ in 0..20 {
        assert_eq!(world.post("/delay", r#"{"x":1}"#).await.status, 200);
    }
    assert_eq!((up(&world, &mute).await, engine.seen()), (0, 0));
    let counted = world.counted(3).await;
    assert_eq!((counted.requests, counted.errors), (20, 0));
    engine.freeze(false);
    world.connected(&mute).await;
    until("it takes its share", async || {
        world.post("/delay", r#"{"x":1}"#).await.status == 200 && engine.seen() > 0
    })
    .await;
}

#[tokio::test]
async fn one_that_falls_silent_is_passed_over_and_comes_back() {
    let world = World::start_with(soon).await;
    let (stops, works) = (world.socket("stops"), world.socket("works"));
    let engine = Engine::start(&stops, plus_one());
    let _other = Engine::start(&works, plus_one());
    let arms = vec![arm(3, 1.0, &[&stops, &works])];
    world.route(1, vec![delay(arms)], &[&stops, &works]).await;
    engine.freeze(true);
    // Those that it has are tried elsewhere, long before the route's 30 seconds are over.
    for _ in 0..10 {
        assert_eq!(world.post("/delay", r#"{"x":1}"#).await.status, 200);
    }
    until("it is out", async || up(&world, &stops).await == 0).await;
    let before = world.counted(3).await;
    assert_eq!(before.requests - before.errors, 10);
    for _ in 0..10 {
        assert_eq!(world.post("/delay", r#"{"x":1}"#).await.status, 200);
    }
    let after = world.counted(3).await;
    assert_eq!(
        after.requests - before.requests,
        10,
        "tried twice: {after:?}"
    );
    assert_eq!(engine.seen(), 0);
    engine.freeze(false);
    world.connected(&stops).await;
    until("it takes its share", async || {
        let seen = engine.seen();
        world.post("/delay", r#"{"x":1}"#).await.status == 200 && engine.seen() > seen
    })
    .await;
}

#[tokio::test]
async fn the_only_one_is_waited_for() {
    let world = World::start_with(soon).await;
    let socket = world.socket("v3");
    let engine = Engine::start(&socket, plus_one());
    let arms = vec![arm(3, 1.0, &[&socket])];
    world.route(1, vec![delay(arms)], &[&socket]).await;
    engine.freeze(true);
    let (mut one, mut two) = (world.client().await, world.client().await);
    let under_way = tokio::spawn(async move { one.post("/delay", r#"{"x":1}"#).await });
    until("it has the request", async || {
        world.health().await.replicas[0].in_flight == 1
    })
    .await;
    until("it is out", async || up(&world, &socket).await == 0).await;
    assert_eq!(world.get("/v2/health/live").await.status, 200);
    assert_eq!(world.get("/delay/v2/health/ready").await.status, 503);
    let mut later = std::pin::pin!(two.post("/delay", r#"{"x":2}"#));
    for _ in 0..10 {
        assert!(futures_util::poll!(later.as_mut()).is_pending());
        world.health().await;
    }
    engine.freeze(false);
    for (got, y) in [(under_way.await.unwrap(), 2.0), (later.await, 3.0)] {
        assert_eq!(
            (got.status, got.body["prediction"].as_f64()),
            (200, Some(y))
        );
    }
    let counted = world.counted(3).await;
    assert_eq!((counted.requests, counted.errors), (2, 0));
}

#[tokio::test]
async fn slow_is_not_silent() {
    let world = World::start().await;
    let (slow, works) = (world.socket("slow"), world.socket("works"));
    let (open, gate) = watch::channel(false);
    let holds = move || Act::Hold(gate.clone(), good(7.0));
    let engine = Engine::start(&slow, always(holds));
    let arms = vec![arm(3, 1.0, &[&slow, &works])];
    world.route(1, vec![delay(arms)], &[&slow]).await;
    let mut client = world.client().await;
    let waits = tokio::spawn(async move { client.post("/delay", r#"{"x":1}"#).await });
    until("it has the request", async || engine.seen() == 1).await;
    let _other = Engine::start(&works, plus_one());
    world.connected(&works).await;
    // Several times as long as a silent one would be given, with another replica at hand.
    let before = engine.pings();
    until("it is pinged", async || engine.pings() >= before + 12).await;
    open.send(true).unwrap();
    let got = waits.await.unwrap();
    assert_eq!(
        (got.status, got.body["prediction"].as_f64()),
        (200, Some(7.0))
    );
    let counted = world.counted(3).await;
    assert_eq!((counted.requests, counted.errors), (1, 0));
}

#[tokio::test]
async fn a_new_process_on_the_socket_of_a_wedged_one_is_found() {
    let world = World::start_with(soon).await;
    let socket = world.socket("v3");
    let wedged = Engine::start(&socket, plus_one());
    let arms = vec![arm(3, 1.0, &[&socket])];
    world.route(1, vec![delay(arms)], &[&socket]).await;
    wedged.freeze(true);
    until("it is out", async || up(&world, &socket).await == 0).await;
    let engine = Engine::start(&socket, plus_one());
    world.connected(&socket).await;
    assert_eq!(world.post("/delay", r#"{"x":1}"#).await.status, 200);
    assert_eq!((wedged.seen(), engine.seen()), (0, 1));
}

#[tokio::test]
async fn silence_takes_no_try_from_a_request_whose_replica_dies() {
    let world = World::start_with(soon).await;
    let (stops, breaks) = (world.socket("stops"), world.socket("breaks"));
    let stopped = Engine::start(&stops, plus_one());
    let first_breaks = |nth: usize, _: &_| match nth {
        0 => Act::Break,
        _ => Act::Say(good(5.0)),
    };
    let _other = Engine::start(&breaks, std::sync::Arc::new(first_breaks));
    let arms = vec![arm(3, 1.0, &[&stops, &breaks])];
    world.route(1, vec![delay(arms)], &[&stops, &breaks]).await;
    stopped.freeze(true);
    // Whichever comes first: silence and a loss are two causes.
    for _ in 0..4 {
        let got = world.post("/delay", r#"{"x":1}"#).await;
        assert_eq!(
            (got.status, got.body["prediction"].as_f64()),
            (200, Some(5.0))
        );
    }
}
