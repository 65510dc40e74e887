//! Replicas that go away: before a request, with a request under way, for good.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::{Act, Engine, always, bad, good, plus_one};
use crate::world::{World, arm, delay, request, until};

#[tokio::test]
async fn a_request_under_way_is_tried_again_elsewhere_and_counted_first() {
    let world = World::start().await;
    let (breaks, works) = (world.socket("breaks"), world.socket("works"));
    let _engines = (
        Engine::start(&breaks, always(|| Act::Break)),
        Engine::start(&works, plus_one()),
    );
    let arms = vec![arm(3, 1.0, &[&breaks, &works])];
    world.route(1, vec![delay(arms)], &[&breaks, &works]).await;
    for _ in 0..20 {
        let got = world.post("/delay", r#"{"x":1}"#).await;
        assert_eq!((got.status, got.version), (200, Some(3)));
        world.connected(&breaks).await;
    }
    let counted = world.counted(3).await;
    assert!(counted.errors > 0, "{counted:?}");
    assert_eq!(counted.requests - counted.errors, 20);
}

#[tokio::test]
async fn the_only_replica_may_come_back() {
    let world = World::start().await;
    let socket = world.socket("v3");
    let first_breaks = |nth: usize, _: &_| match nth {
        0 => Act::Break,
        _ => Act::Say(good(1.0)),
    };
    let _engine = Engine::start(&socket, Arc::new(first_breaks));
    world
        .route(1, vec![delay(vec![arm(3, 1.0, &[&socket])])], &[&socket])
        .await;
    assert_eq!(world.post("/delay", "{}").await.status, 200);
    let counted = world.counted(3).await;
    assert_eq!((counted.requests, counted.errors), (2, 1));
}

#[tokio::test]
async fn a_request_that_kills_every_replica_is_tried_twice_only() {
    let world = World::start().await;
    let socket = world.socket("v3");
    let engine = Engine::start(&socket, always(|| Act::Break));
    world
        .route(1, vec![delay(vec![arm(3, 1.0, &[&socket])])], &[&socket])
        .await;
    let got = world.post("/delay", "{}").await;
    assert_eq!((got.status, got.version, engine.seen()), (502, Some(3), 2));
    let counted = world.counted(3).await;
    assert_eq!((counted.requests, counted.errors), (2, 2));
}

#[tokio::test]
async fn a_request_waits_for_a_replica_that_starts() {
    let world = World::start().await;
    let socket = world.socket("v3");
    world
        .route(1, vec![delay(vec![arm(3, 1.0, &[&socket])])], &[])
        .await;
    let mut client = world.client().await;
    let mut waiting = std::pin::pin!(client.post("/delay", r#"{"x":1}"#));
    // Ten more rounds of the gateway make sure that it has the request and nobody to give it to.
    for _ in 0..10 {
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        world.health().await;
    }
    let _engine = Engine::start(&socket, plus_one());
    assert_eq!(waiting.await.status, 200);
    let counted = world.counted(3).await;
    assert_eq!((counted.requests, counted.errors), (1, 0));
}

#[tokio::test]
async fn a_request_that_waits_goes_where_a_new_table_says() {
    let world = World::start().await;
    let (gone, works) = (world.socket("gone"), world.socket("works"));
    let _engine = Engine::start(&works, plus_one());
    world
        .route(1, vec![delay(vec![arm(4, 1.0, &[&gone])])], &[])
        .await;
    let mut client = world.client().await;
    let mut waiting = std::pin::pin!(client.post("/delay", r#"{"x":1}"#));
    for _ in 0..10 {
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        world.health().await;
    }
    world
        .route(2, vec![delay(vec![arm(3, 1.0, &[&works])])], &[])
        .await;
    let got = waiting.await;
    assert_eq!((got.status, got.version), (200, Some(3)));
    assert_eq!(world.counted(4).await.requests, 0);
}

#[tokio::test]
async fn patience_ends() {
    let world = World::start_with(|options| options.replica_wait = Duration::from_millis(30)).await;
    let socket = world.socket("v3");
    world
        .route(1, vec![delay(vec![arm(3, 1.0, &[&socket])])], &[])
        .await;
    let got = world.post("/delay", "{}").await;
    assert_eq!((got.status, got.version), (503, Some(3)));
    assert!(
        got.body["error"].as_str().unwrap().contains("no replica"),
        "{got:?}"
    );
    let counted = world.counted(3).await;
    assert_eq!((counted.requests, counted.errors), (1, 1));
}

#[tokio::test]
async fn replicas_take_turns() {
    let world = World::start().await;
    let (one, two) = (world.socket("one"), world.socket("two"));
    let engines = (
        Engine::start(&one, plus_one()),
        Engine::start(&two, plus_one()),
    );
    let arms = vec![arm(3, 1.0, &[&one, &two])];
    world.route(1, vec![delay(arms)], &[&one, &two]).await;
    let mut client = world.client().await;
    for _ in 0..100 {
        assert_eq!(client.post("/delay", "{}").await.status, 200);
    }
    assert_eq!(engines.0.seen() + engines.1.seen(), 100);
    assert!(
        engines.0.seen().min(engines.1.seen()) > 20,
        "{}",
        engines.0.seen()
    );
}

#[tokio::test]
async fn a_full_replica_is_passed_over() {
    let world = World::start().await;
    let (full, works) = (world.socket("full"), world.socket("works"));
    let _engines = (
        Engine::start(&full, always(|| Act::Say(bad(503)))),
        Engine::start(&works, plus_one()),
    );
    let arms = vec![arm(3, 1.0, &[&full, &works])];
    world.route(1, vec![delay(arms)], &[&full, &works]).await;
    let mut client = world.client().await;
    for _ in 0..10 {
        assert_eq!(
            client.send(request("POST", "/delay", "{}")).await.status,
            200
        );
    }
}

#[tokio::test]
async fn an_engine_that_talks_nonsense_is_dropped_not_believed() {
    use tokio::io::AsyncWriteExt as _;
    let world = World::start().await;
    let socket = world.socket("v3");
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    let nonsense = tokio::spawn(async move {
        let mut greeted = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(&[0xff; 64]).await;
            greeted += 1;
            if greeted == 6 {
                return;
            }
        }
    });
    world
        .route(1, vec![delay(vec![arm(3, 1.0, &[&socket])])], &[])
        .await;
    nonsense.await.unwrap();
    std::fs::remove_file(&socket).unwrap();
    let _engine = Engine::start(&socket, plus_one());
    until("it serves after all", async || {
        world.post("/delay", "{}").await.status == 200
    })
    .await;
}
