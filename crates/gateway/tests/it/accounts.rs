//! Evidence and the traffic log: what is counted, as what, and that it stays.

use std::sync::Arc;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use tokio::sync::watch;

use crate::engine::{Act, Engine, always, bad, good};
use crate::world::{World, arm, delay, request, until};

#[tokio::test]
async fn answers_are_counted_by_whose_fault_they_are_and_counts_survive() {
    let mut world = World::start().await;
    let socket = world.socket("v3");
    // Every tenth request fails, every fifth of the others is refused.
    let _engine = Engine::start(
        &socket,
        Arc::new(|nth, _| {
            Act::Say(match nth % 10 {
                0 => bad(500),
                5 => bad(400),
                _ => good(1.0),
            })
        }),
    );
    world
        .route(1, vec![delay(vec![arm(3, 1.0, &[&socket])])], &[&socket])
        .await;
    let mut client = world.client().await;
    let mut other = world.client().await;
    for nth in 0..20 {
        // Two connections, so most likely two threads.
        let client = if nth % 2 == 0 {
            &mut client
        } else {
            &mut other
        };
        let got = client.post("/delay", r#"{"request_id":"a"}"#).await;
        let expect = match nth % 10 {
            0 => 500,
            5 => 400,
            _ => 200,
        };
        assert_eq!((got.status, got.version), (expect, Some(3)));
    }
    client.post("/delay", "not json").await;
    client.post("/v2/models/delay/versions/3/infer", "{}").await;
    let first = world.evidence().await;
    let counted = world.counted(3).await;
    let numbers = (
        counted.requests,
        counted.errors,
        counted.client_errors,
        counted.pinned,
    );
    assert_eq!(numbers, (21, 2, 3, 1));
    assert_eq!(counted.latency.total(), 18);

    world.stop().await;
    world.resume(|_| {}).await;
    let resumed = world.evidence().await;
    assert_eq!(
        (resumed.epoch, &resumed.routes),
        (first.epoch, &first.routes)
    );
    world.connected(&socket).await;
    world.post("/delay", "{}").await;
    assert_eq!(world.counted(3).await.requests, 22);
}

#[tokio::test]
async fn what_was_shown_is_on_disk() {
    let world = World::start().await;
    let socket = world.socket("v3");
    let _engine = Engine::start(&socket, always(|| Act::Say(good(1.0))));
    world
        .route(1, vec![delay(vec![arm(3, 1.0, &[&socket])])], &[&socket])
        .await;
    let mut client = world.client().await;
    for _ in 0..20 {
        client.post("/delay", "{}").await;
        let shown = world.evidence().await;
        let bytes = std::fs::read(world.state().join("traffic/evidence.json")).unwrap();
        let kept: gateway::Evidence = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(kept.routes, shown.routes);
    }
    // And without anybody asking, soon after.
    client.post("/delay", "{}").await;
    until("21 requests are on disk", async || {
        let bytes = std::fs::read(world.state().join("traffic/evidence.json")).unwrap();
        let kept: gateway::Evidence = serde_json::from_slice(&bytes).unwrap();
        kept.routes[0].versions[0].requests == 21
    })
    .await;
}

#[tokio::test]
async fn slowness_counts_even_when_nobody_waits_for_it() {
    let world = World::start().await;
    let socket = world.socket("v3");
    let engine = Engine::start(&socket, always(|| Act::Silence));
    let mut route = delay(vec![arm(3, 1.0, &[&socket])]);
    world.route(1, vec![route.clone()], &[&socket]).await;
    let mut client = world.client().await;
    {
        let mut given_up = std::pin::pin!(client.try_send(request("POST", "/delay", "{}")));
        until("the engine has the request", async || {
            let pending = futures_util::poll!(given_up.as_mut()).is_pending();
            assert!(pending);
            engine.seen() == 1
        })
        .await;
    }
    drop(client);
    until("the request is counted", async || {
        world.counted(3).await.abandoned == 1
    })
    .await;
    until("the engine hears that it is given up", async || {
        engine.cancelled() == 1
    })
    .await;
    let counted = world.counted(3).await;
    assert_eq!(
        (counted.requests, counted.errors, counted.latency.total()),
        (1, 0, 1)
    );

    route.limits.timeout_ms = Some(20);
    world.route(2, vec![route], &[&socket]).await;
    let got = world.post("/delay", "{}").await;
    assert_eq!((got.status, got.version), (504, Some(3)));
    let counted = world.counted(3).await;
    assert_eq!((counted.requests, counted.errors), (2, 1));
}

#[tokio::test]
async fn a_full_version_refuses_without_being_blamed() {
    let world = World::start_with(|options| options.threads = 1.try_into().unwrap()).await;
    let socket = world.socket("v3");
    let (open, gate) = watch::channel(false);
    let script = move || Act::Hold(gate.clone(), good(1.0));
    let engine = Engine::start(&socket, always(script));
    let mut route = delay(vec![arm(3, 1.0, &[&socket])]);
    route.limits.max_in_flight = Some(1);
    world.route(1, vec![route], &[&socket]).await;
    let mut client = world.client().await;
    let first = tokio::spawn(async move { client.post("/delay", "{}").await });
    until("the engine has the request", async || engine.seen() == 1).await;
    let got = world.post("/delay", "{}").await;
    assert_eq!((got.status, got.version), (503, Some(3)));
    open.send(true).unwrap();
    assert_eq!(first.await.unwrap().status, 200);
    let counted = world.counted(3).await;
    assert_eq!(
        (counted.requests, counted.errors, counted.rejected),
        (1, 0, 1)
    );
}

#[tokio::test]
async fn traffic_is_in_parquet_after_the_end() {
    let mut world = World::start().await;
    let socket = world.socket("v3");
    let _engine = Engine::start(&socket, always(|| Act::Say(good(7.5))));
    world
        .route(1, vec![delay(vec![arm(3, 1.0, &[&socket])])], &[&socket])
        .await;
    for request in 0..5 {
        let body = format!("{{\"request_id\":\"r{request}\"}}");
        assert_eq!(world.post("/delay", body).await.status, 200);
    }
    world.stop().await;
    let folder = std::fs::read_dir(world.state().join("traffic/log")).unwrap();
    let files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    let [file] = &files[..] else {
        panic!("{files:?}");
    };
    let reader = SerializedFileReader::new(std::fs::File::open(file).unwrap()).unwrap();
    assert_eq!(reader.metadata().file_metadata().num_rows(), 5);
    let rows: Vec<_> = reader
        .into_iter()
        .map(|row| row.unwrap().to_string())
        .collect();
    for request in 0..5 {
        let id = format!("request_id: \"r{request}\"");
        assert!(
            rows.iter()
                .any(|row| row.contains(&id) && row.contains("prediction: 7.5"))
        );
    }
}
