//! More requests than a replica takes at a time: they wait, in turn, for so long, or hear when to
//! come again. And those that nobody waits for any more.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use gateway::{Limits, Priority, Route};
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use inference::oip::grpc::message::RequestHead;
use prost::Message as _;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::engine::{Act, Engine, Script, always, good, plus_one};
use crate::world::{Got, LONG, World, arm, delay, request, until};

/// `flights/prod/delay` at replicas that take one request at a time.
fn one_at_a_time(replicas: &[&Path], limits: Limits) -> Route {
    let mut route = delay(vec![arm(3, 1.0, replicas)]);
    route.limits = Limits {
        max_per_replica: Some(1),
        queue_ms: Some(LONG.as_millis().try_into().unwrap()),
        ..limits
    };
    route
}

/// Sends `x` with a header on a connection of its own, and does not wait for the answer.
async fn send(world: &World, x: u32, header: (&'static str, &'static str)) -> JoinHandle<Got> {
    let mut client = world.client().await;
    let mut request = request("POST", "/delay", format!("{{\"x\":{x}}}"));
    let value = HeaderValue::from_static(header.1);
    request.headers_mut().insert(header.0, value);
    tokio::spawn(async move { client.send(request).await })
}

const PLAIN: (&str, &str) = ("x-plain", "");

/// Waits until so many wait for a place.
async fn waiting(world: &World, expect: usize) {
    until("they wait", async || {
        world.health().await.replicas[0].waiting == expect
    })
    .await;
}

/// Answers when the gate opens, and tells the `x` of each request in the order in which they come.
fn told(gate: watch::Receiver<bool>) -> (Script, mpsc::Receiver<u64>) {
    let (tell, told) = mpsc::channel();
    let script = move |_: usize, body: &Value| {
        tell.send(body["x"].as_u64().unwrap_or(0)).unwrap();
        Act::Hold(gate.clone(), good(1.0))
    };
    (Arc::new(script), told)
}

#[tokio::test]
async fn a_replica_gets_so_many_at_a_time_from_all_threads() {
    let world = World::start().await;
    let (a, b) = (world.socket("a"), world.socket("b"));
    let (under_way, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let script = || -> Script {
        let own = Arc::new(AtomicUsize::new(0));
        let (under_way, most) = (Arc::clone(&under_way), Arc::clone(&most));
        Arc::new(move |_, _| {
            most.fetch_max(own.fetch_add(1, SeqCst) + 1, SeqCst);
            under_way.fetch_add(1, SeqCst);
            let (open, gate) = watch::channel(false);
            let own = Arc::clone(&own);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_micros(300)).await;
                own.fetch_sub(1, SeqCst);
                open.send_replace(true);
                // The gate is there until the answer is on its way.
                open.closed().await;
            });
            Act::Hold(gate, good(1.0))
        })
    };
    let _engines = (Engine::start(&a, script()), Engine::start(&b, script()));
    let mut route = one_at_a_time(&[&a, &b], Limits::default());
    route.limits.max_per_replica = Some(3);
    world.route(1, vec![route], &[&a, &b]).await;
    let clients = (0..32).map(async |_| {
        let mut client = world.client().await;
        for _ in 0..20 {
            assert_eq!(client.post("/delay", "{}").await.status, 200);
        }
    });
    futures_util::future::join_all(clients).await;
    assert_eq!(most.load(SeqCst), 3);
    assert_eq!(under_way.load(SeqCst), 32 * 20);
    waiting(&world, 0).await;
}

#[tokio::test]
async fn the_urgent_go_first() {
    let world = World::start().await;
    let socket = world.socket("v3");
    let (open, gate) = watch::channel(false);
    let (script, order) = told(gate);
    let engine = Engine::start(&socket, script);
    let limits = Limits {
        priority: Some(Priority::Normal),
        ..Limits::default()
    };
    let route = one_at_a_time(&[&socket], limits);
    world.route(1, vec![route], &[&socket]).await;
    let class = |name| ("mainspan-priority", name);
    let first = send(&world, 0, PLAIN).await;
    until("it has one", async || engine.seen() == 1).await;
    let mut served = vec![first];
    let waits = [
        (1, class("low")),
        (2, PLAIN),
        (3, class("high")),
        (4, class("normal")),
    ];
    for (at, (x, header)) in waits.into_iter().enumerate() {
        served.push(send(&world, x, header).await);
        waiting(&world, at + 1).await;
    }
    let wrong = send(&world, 5, class("urgent")).await.await.unwrap();
    assert_eq!(wrong.status, 400);
    assert!(
        wrong.body["error"]
            .as_str()
            .unwrap()
            .contains("`high`, `normal` and `low`")
    );
    open.send(true).unwrap();
    for request in served {
        assert_eq!(request.await.unwrap().status, 200);
    }
    let mut order: Vec<_> = order.try_iter().collect();
    // Of two of one class that wait in two threads, either may be first.
    order[2..4].sort_unstable();
    assert_eq!(order, [0, 3, 2, 4, 1]);
}

#[tokio::test]
async fn a_full_line_turns_away_the_least_urgent() {
    let world = World::start_with(|options| options.threads = 1.try_into().unwrap()).await;
    let socket = world.socket("v3");
    let (open, gate) = watch::channel(false);
    let (script, order) = told(gate);
    let engine = Engine::start(&socket, script);
    let limits = Limits {
        max_waiting: Some(1),
        ..Limits::default()
    };
    let route = one_at_a_time(&[&socket], limits);
    world.route(1, vec![route], &[&socket]).await;
    let first = send(&world, 0, PLAIN).await;
    until("it has one", async || engine.seen() == 1).await;
    let low = send(&world, 1, ("mainspan-priority", "low")).await;
    waiting(&world, 1).await;
    let full = send(&world, 2, ("mainspan-priority", "low"))
        .await
        .await
        .unwrap();
    assert_eq!((full.status, full.version), (503, Some(3)));
    assert!(full.retry_after.is_some_and(|seconds| seconds >= 1));
    let high = send(&world, 3, ("mainspan-priority", "high")).await;
    let pushed = low.await.unwrap();
    assert_eq!((pushed.status, pushed.retry_after.is_some()), (503, true));
    open.send(true).unwrap();
    assert_eq!(first.await.unwrap().status, 200);
    assert_eq!(high.await.unwrap().status, 200);
    assert_eq!(order.try_iter().collect::<Vec<_>>(), [0, 3]);
    let counted = world.counted(3).await;
    let counts = (counted.requests, counted.errors, counted.rejected);
    assert_eq!(counts, (2, 0, 2));
}

#[tokio::test]
async fn the_wait_for_a_place_is_bounded() {
    let world = World::start().await;
    let socket = world.socket("v3");
    let engine = Engine::start(&socket, always(|| Act::Silence));
    let mut route = one_at_a_time(&[&socket], Limits::default());
    route.limits.queue_ms = Some(30);
    world.route(1, vec![route], &[&socket]).await;
    let first = send(&world, 0, PLAIN).await;
    until("it has one", async || engine.seen() == 1).await;
    let got = send(&world, 1, PLAIN).await.await.unwrap();
    assert_eq!((got.status, got.retry_after), (503, Some(1)));
    assert_eq!(engine.seen(), 1);
    first.abort();
    // Whoever goes away makes room, as an answer does.
    until("the place is free", async || {
        send(&world, 2, ("mainspan-timeout-ms", "50"))
            .await
            .await
            .unwrap()
            .status
            == 504
    })
    .await;
    assert_eq!(engine.seen(), 2);
}

#[tokio::test]
async fn what_waits_is_found_by_a_new_table_and_forgotten_with_its_client() {
    let world = World::start().await;
    let (old, new) = (world.socket("old"), world.socket("new"));
    let (engine, other) = (
        Engine::start(&old, always(|| Act::Silence)),
        Engine::start(&new, plus_one()),
    );
    let route = one_at_a_time(&[&old], Limits::default());
    world.route(1, vec![route], &[&old]).await;
    let _held = send(&world, 0, PLAIN).await;
    until("it has one", async || engine.seen() == 1).await;
    let gone = send(&world, 1, PLAIN).await;
    waiting(&world, 1).await;
    gone.abort();
    waiting(&world, 0).await;
    let kept: Vec<_> = [
        send(&world, 2, ("mainspan-priority", "low")).await,
        send(&world, 3, PLAIN).await,
        send(&world, 4, ("mainspan-priority", "high")).await,
    ]
    .into();
    waiting(&world, 3).await;
    let route = one_at_a_time(&[&old, &new], Limits::default());
    world.route(2, vec![route], &[&new]).await;
    for request in kept {
        assert_eq!(request.await.unwrap().status, 200);
    }
    assert_eq!((engine.seen(), other.seen()), (1, 3));
}

#[tokio::test]
async fn nothing_is_sent_that_nobody_waits_for() {
    let world = World::start().await;
    let socket = world.socket("v3");
    let engine = Engine::start(&socket, always(|| Act::Silence));
    let route = one_at_a_time(&[&socket], Limits::default());
    world.route(1, vec![route], &[&socket]).await;
    for header in [
        ("mainspan-timeout-ms", "0"),
        ("x-envoy-expected-rq-timeout-ms", "0"),
    ] {
        let got = send(&world, 0, header).await.await.unwrap();
        assert_eq!((got.status, got.version), (504, Some(3)));
    }
    assert_eq!(engine.seen(), 0);
    // One that is at the engine is given up there, and one that waits behind it does not get there.
    let at_engine = send(&world, 1, ("mainspan-timeout-ms", "400")).await;
    until("it has one", async || engine.seen() == 1).await;
    let behind = send(&world, 2, ("mainspan-timeout-ms", "40")).await;
    assert_eq!(behind.await.unwrap().status, 504);
    assert_eq!(at_engine.await.unwrap().status, 504);
    until("it hears so", async || engine.cancelled() == 1).await;
    assert_eq!(engine.seen(), 1);
    let counted = world.counted(3).await;
    let counts = (
        counted.requests,
        counted.errors,
        counted.abandoned,
        counted.rejected,
    );
    assert_eq!(counts, (1, 0, 1, 3));
    let got = send(&world, 3, ("mainspan-timeout-ms", "1s"))
        .await
        .await
        .unwrap();
    assert_eq!(got.status, 400);
}

#[tokio::test]
async fn without_a_replica_the_deadline_counts_too() {
    let world = World::start().await;
    let socket = world.socket("v3");
    let route = delay(vec![arm(3, 1.0, &[&socket])]);
    world.route(1, vec![route], &[]).await;
    let got = send(&world, 0, ("mainspan-timeout-ms", "20"))
        .await
        .await
        .unwrap();
    assert_eq!((got.status, got.version), (504, Some(3)));
    assert_eq!(world.counted(3).await.errors, 0);
}

#[tokio::test]
async fn a_version_can_be_asked_for_if_it_is_in_the_table() {
    let world = World::start().await;
    let (three, four) = (world.socket("three"), world.socket("four"));
    let _engines = (
        Engine::start(&three, plus_one()),
        Engine::start(&four, plus_one()),
    );
    let arms = vec![arm(3, 1.0, &[&three]), arm(4, 0.0, &[&four])];
    world.route(1, vec![delay(arms)], &[&three, &four]).await;
    let check = async |version: &'static str, expect: (u16, Option<u32>)| {
        let got = send(&world, 1, ("mainspan-version", version))
            .await
            .await
            .unwrap();
        assert_eq!((got.status, got.version), expect, "{version}: {got:?}");
    };
    check("3", (200, Some(3))).await;
    check("4", (200, Some(4))).await;
    check("9", (404, None)).await;
    check("latest", (400, None)).await;
    // No part of the split, so no evidence.
    let counted = world.counted(4).await;
    assert_eq!((counted.requests, counted.pinned), (0, 1));
    let mut both = request("POST", "/delay/v2/models/delay/versions/3/infer", "{}");
    both.headers_mut()
        .insert("mainspan-version", HeaderValue::from_static("4"));
    assert_eq!(world.client().await.send(both).await.status, 400);
}

/// The trailers of a `ModelInfer` with some metadata.
async fn infer(world: &World, metadata: (&'static str, &'static str)) -> HeaderMap {
    let stream = TcpStream::connect(world.address).await.unwrap();
    let connected = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = connected.unwrap();
    tokio::spawn(connection);
    let head = RequestHead {
        model_name: "delay".into(),
        ..RequestHead::default()
    };
    let message = head.encode_to_vec();
    let mut body = BytesMut::new();
    body.put_u8(0);
    body.put_u32(message.len().try_into().unwrap());
    body.put_slice(&message);
    let uri = format!(
        "http://{}/inference.GRPCInferenceService/ModelInfer",
        world.address
    );
    let request = Request::post(uri)
        .header("content-type", "application/grpc")
        .header(metadata.0, metadata.1)
        .body(Full::<Bytes>::new(body.freeze()))
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let headers = answer.headers().clone();
    let collected = answer.into_body().collect().await.unwrap();
    collected.trailers().cloned().unwrap_or(headers)
}

#[tokio::test]
async fn grpc_says_the_same_in_its_own_words() {
    let world = World::start().await;
    let socket = world.socket("v3");
    let (open, gate) = watch::channel(false);
    let script = move || Act::Hold(gate.clone(), good(1.0));
    let engine = Engine::start(&socket, always(script));
    let mut route = one_at_a_time(&[&socket], Limits::default());
    route.limits.queue_ms = Some(30);
    world.route(1, vec![route], &[&socket]).await;
    let late = infer(&world, ("grpc-timeout", "0m")).await;
    assert_eq!(late["grpc-status"], "4");
    assert_eq!(engine.seen(), 0);
    let first = send(&world, 0, PLAIN).await;
    until("it has one", async || engine.seen() == 1).await;
    let full = infer(&world, PLAIN).await;
    assert_eq!(full["grpc-status"], "14");
    assert_eq!(full["grpc-retry-pushback-ms"], "1000");
    assert!(full.contains_key("grpc-status-details-bin"));
    let late = infer(&world, ("grpc-timeout", "5m")).await;
    assert_eq!(late["grpc-status"], "4");
    let wrong = infer(&world, ("mainspan-priority", "urgent")).await;
    assert_eq!(wrong["grpc-status"], "3");
    open.send(true).unwrap();
    assert_eq!(first.await.unwrap().status, 200);
    let good = infer(&world, ("mainspan-version", "3")).await;
    assert_eq!(good["grpc-status"], "0");
}
