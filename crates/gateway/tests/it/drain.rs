//! Stopping with requests in flight.

use std::time::Duration;

use gateway::GatewayError;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::engine::{Act, Engine, always, good};
use crate::world::{LONG, World, arm, delay, until};

#[tokio::test]
async fn requests_and_bodies_in_flight_are_answered() {
    let mut world = World::start().await;
    let socket = world.socket("v3");
    let (open, gate) = watch::channel(false);
    let script = move || Act::Hold(gate.clone(), good(1.0));
    let engine = Engine::start(&socket, always(script));
    world
        .route(1, vec![delay(vec![arm(3, 1.0, &[&socket])])], &[&socket])
        .await;

    // One waits for its model, one is in the middle of its body, one is idle.
    let mut waits = world.client().await;
    let waits = tokio::spawn(async move { waits.post("/delay", r#"{"request_id":"w"}"#).await });
    until("the engine has the request", async || engine.seen() == 1).await;
    let mut sends = TcpStream::connect(world.address).await.unwrap();
    let head = "POST /delay HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 18\r\n\r\n";
    sends.write_all(head.as_bytes()).await.unwrap();
    // Being told to go on shows that the gateway is reading the body.
    let mut interim = [0; 25];
    sends.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    sends.write_all(b"{\"request_id\"").await.unwrap();
    let mut idle = world.client().await;
    assert_eq!(
        idle.send(crate::world::request("GET", "/v2", ""))
            .await
            .status,
        200
    );

    world.ask_to_stop();
    until("nobody is let in any more", async || {
        TcpStream::connect(world.address).await.is_err()
    })
    .await;
    sends.write_all(b":\"s\"}").await.unwrap();
    until("the engine has the other request", async || {
        engine.seen() == 2
    })
    .await;
    open.send(true).unwrap();
    assert_eq!(waits.await.unwrap().status, 200);
    let mut answer = String::new();
    sends.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("\"request_id\":\"s\""),
        "{answer}"
    );
    world.stopped().await.unwrap();

    // All of it is on disk.
    let log = world
        .state()
        .join(format!("traffic/join/join-{:020}.log", 0));
    assert_eq!(std::fs::read_to_string(log).unwrap().lines().count(), 2);
    world.resume(|_| {}).await;
    assert_eq!(world.counted(3).await.requests, 2);
}

#[tokio::test]
async fn a_connection_without_a_request_does_not_hold_up_the_end() {
    let mut world = World::start_with(|options| options.drain = LONG * 2).await;
    let _silent = TcpStream::connect(world.address).await.unwrap();
    let mut idle = world.client().await;
    assert_eq!(
        idle.send(crate::world::request("GET", "/v2", ""))
            .await
            .status,
        200
    );
    world.stop().await;
}

#[tokio::test]
async fn draining_has_an_end() {
    let mut world = World::start_with(|options| options.drain = Duration::from_millis(50)).await;
    let socket = world.socket("v3");
    let engine = Engine::start(&socket, always(|| Act::Silence));
    world
        .route(1, vec![delay(vec![arm(3, 1.0, &[&socket])])], &[&socket])
        .await;
    let mut client = world.client().await;
    let request = crate::world::request("POST", "/delay", "{}");
    let waits = tokio::spawn(async move { client.try_send(request).await });
    until("the engine has the request", async || engine.seen() == 1).await;
    world.stop().await;
    assert!(waits.await.unwrap().is_err());
    world.resume(|_| {}).await;
    assert_eq!(world.counted(3).await.abandoned, 1);
}

#[tokio::test]
async fn a_state_directory_has_one_gateway() {
    let mut world = World::start().await;
    let second = gateway::run(world.options(), tokio_util::sync::CancellationToken::new());
    let error = second.await.unwrap_err();
    assert!(matches!(error, GatewayError::InUse(_)), "{error}");
    assert!(
        error.to_string().contains("a state directory of its own"),
        "{error}"
    );
    // The first is not disturbed.
    assert_eq!(world.get("/v2/health/live").await.status, 200);
    world.stop().await;
    world.resume(|_| {}).await;
}
