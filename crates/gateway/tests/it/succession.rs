//! One gateway after another in the same seat: nobody is refused, nothing is lost or counted twice.

use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use bytes::Bytes;
use gateway::{Handle, Options, Seat};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::engine::{Act, Engine, always, good, plus_one};
use crate::world::{Client, World, arm, delay, request, until};

/// A supervisor's part: it has the seat and gives it to gateways.
struct Places {
    seat: Seat,
    stop: CancellationToken,
}

impl Places {
    fn new(options: &Options) -> Self {
        Self {
            seat: Seat::take(options).unwrap(),
            stop: CancellationToken::new(),
        }
    }

    /// A gateway in the seat, as a process would get it.
    async fn gateway(&self, options: Options) -> Handle {
        let (giver, taker) = UnixStream::pair().unwrap();
        self.seat.hand_to(giver.as_fd()).unwrap();
        let seat = Seat::receive(taker.as_fd()).unwrap();
        gateway::start_in(options, seat, self.stop.clone())
            .await
            .unwrap()
    }
}

async fn world(threads: usize) -> (World, Places) {
    let mut world = World::start().await;
    world.stop().await;
    let mut options = world.options();
    options.threads = threads.try_into().unwrap();
    let places = Places::new(&options);
    world.address = places.seat.address();
    (world, places)
}

/// Asks until told to stop, on a connection that is kept or on a new one each time, and never twice.
async fn ask(world: Arc<World>, id: u64, keep: bool, done: Arc<AtomicBool>, asked: Arc<AtomicU64>) {
    let mut client: Option<Client> = None;
    for number in 0_u64.. {
        if done.load(SeqCst) {
            return;
        }
        let mut with = match client.take() {
            Some(client) => client,
            None => world.client().await,
        };
        let body = format!(r#"{{"request_id":"{id}-{number}","x":{number}}}"#);
        let (got, closes) = with.send_and_see(request("POST", "/delay", body)).await;
        assert_eq!(got.status, 200, "{got:?}");
        assert_eq!(got.body["prediction"], number as f64 + 1.0);
        asked.fetch_add(1, SeqCst);
        client = (keep && !closes).then_some(with);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_gateways_one_after_another_refuse_and_lose_nothing() {
    let (world, places) = world(2).await;
    let socket = world.socket("v3");
    let _engine = Engine::start(&socket, plus_one());
    let mut serving = places.gateway(world.options()).await;
    world
        .route(1, vec![delay(vec![arm(3, 1.0, &[&socket])])], &[&socket])
        .await;
    let world = Arc::new(world);
    let (done, asked) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let mut clients = JoinSet::new();
    for id in 0..6 {
        let ask = ask(
            Arc::clone(&world),
            id,
            id % 2 == 0,
            Arc::clone(&done),
            Arc::clone(&asked),
        );
        clients.spawn(ask);
    }
    let mut left = Vec::new();
    for turn in 2..=10_u64 {
        let next = places.gateway(world.options()).await;
        serving.leave();
        left.push(std::mem::replace(&mut serving, next));
        // Whoever has the orders now takes this table, and both serve it.
        until("the orders are taken", async || {
            let path = world.state().join("gateway.sock");
            let table = gateway::RoutingTable {
                generation: turn,
                routes: vec![delay(vec![arm(3, 1.0, &[&socket])])],
            };
            gateway::AdminClient::new(path).push(&table).await.is_ok()
        })
        .await;
        let before = asked.load(SeqCst);
        until("answers", async || asked.load(SeqCst) > before + 60).await;
    }
    done.store(true, SeqCst);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    for gateway in left {
        gateway.stopped().await.unwrap();
    }
    let all = asked.load(SeqCst);
    let counted = world.counted(3).await;
    assert_eq!((counted.requests, counted.errors), (all, 0));
    assert_eq!(counted.unlogged + counted.traffic_dropped, 0);
    places.stop.cancel();
    serving.stopped().await.unwrap();
    assert_eq!(lines(&world), all);
}

/// Whole lines of the join log, each with an id of its own.
fn lines(world: &World) -> u64 {
    let mut ids = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(world.state().join("traffic/join")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in text.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(
                ids.insert(line["id"].as_str().unwrap().to_owned()),
                "{line}"
            );
        }
    }
    ids.len() as u64
}

#[tokio::test]
async fn one_that_leaves_answers_what_it_has_by_the_newest_table() {
    // With more, those without connections end at once.
    let (world, places) = world(1).await;
    let (old, new) = (world.socket("v3"), world.socket("v4"));
    let (open, gate) = tokio::sync::watch::channel(false);
    let holds = move || Act::Hold(gate.clone(), good(3.0));
    let held = Engine::start(&old, always(holds));
    let engine = Engine::start(&new, always(|| Act::Say(good(4.0))));
    let first = places.gateway(world.options()).await;
    world
        .route(1, vec![delay(vec![arm(3, 1.0, &[&old])])], &[&old])
        .await;
    let (mut waits, mut idle) = (world.client().await, world.client().await);
    assert_eq!(idle.send(request("GET", "/v2", "")).await.status, 200);
    let waits =
        tokio::spawn(async move { waits.send_and_see(request("POST", "/delay", "{}")).await });
    until("the engine has the request", async || held.seen() == 1).await;

    // Somebody who waits for calls does not keep the orders from going on.
    let path = world.state().join("gateway.sock");
    let calls = tokio::spawn(async move { gateway::AdminClient::new(path).calls(0).await });
    assert!(!world.health().await.leaving);
    let _second = places.gateway(world.options()).await;
    first.leave();
    until("the second takes orders", async || {
        let path = world.state().join("gateway.sock");
        let table = gateway::RoutingTable {
            generation: 2,
            routes: vec![delay(vec![arm(4, 1.0, &[&new])])],
        };
        gateway::AdminClient::new(path).push(&table).await.is_ok()
    })
    .await;
    until("both to serve it", async || engine.described() == 2).await;
    calls.await.unwrap().unwrap_err();
    assert!(world.health().await.leaving);
    // The idle connection is open, and closes with its next answer; the one that waits gets its answer.
    let (got, closes) = idle.send_and_see(request("POST", "/delay", "{}")).await;
    assert_eq!((got.status, got.version, closes), (200, Some(4), true));
    open.send(true).unwrap();
    let (got, closes) = waits.await.unwrap();
    assert_eq!((got.status, got.version, closes), (200, Some(3), true));
    first.stopped().await.unwrap();
    assert!(!world.health().await.leaving);
    assert_eq!(world.counted(3).await.requests, 1);
    assert_eq!(world.counted(4).await.requests, 1);
    places.stop.cancel();
}

#[tokio::test]
async fn one_that_leaves_tells_its_http2_clients() {
    let (world, places) = world(1).await;
    let socket = world.socket("v3");
    let (open, gate) = tokio::sync::watch::channel(false);
    let holds = move || Act::Hold(gate.clone(), good(3.0));
    let held = Engine::start(&socket, always(holds));
    let first = places.gateway(world.options()).await;
    world
        .route(1, vec![delay(vec![arm(3, 1.0, &[&socket])])], &[&socket])
        .await;
    let stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let uri = format!("http://{}/delay", world.address);
    let request = http::Request::post(uri).body(http_body_util::Full::new(Bytes::from("{}")));
    let answer = tokio::spawn(sender.send_request(request.unwrap()));
    until("the engine has the request", async || held.seen() == 1).await;

    let _second = places.gateway(world.options()).await;
    first.leave();
    // The stream that is open is answered; then the connection is over, which the client would have kept.
    open.send(true).unwrap();
    assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    connection.await.unwrap().unwrap();
    drop(sender);
    first.stopped().await.unwrap();
    places.stop.cancel();
}

#[tokio::test]
async fn one_that_dies_gives_the_orders_to_the_next() {
    let (world, places) = world(2).await;
    let first = places.gateway(world.options()).await;
    let second = places.gateway(world.options()).await;
    world.route(1, vec![], &[]).await;
    // A gateway that stops for good takes the socket with it; the second makes it again.
    let socket = world.state().join("gateway.sock");
    let inode = |path: &std::path::Path| {
        let found = std::fs::metadata(path).ok()?;
        Some(std::os::unix::fs::MetadataExt::ino(&found))
    };
    let before = inode(&socket).unwrap();
    first.leave();
    first.stopped().await.unwrap();
    until("another socket", async || {
        inode(&socket).is_some_and(|now| now != before)
    })
    .await;
    assert_eq!(world.health().await.generation, 1);
    places.stop.cancel();
    second.stopped().await.unwrap();
    assert!(!socket.exists());
}
