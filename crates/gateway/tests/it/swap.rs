//! Changing the table under traffic.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use tokio::sync::watch;

use crate::engine::{Act, Engine, always, good, plus_one};
use crate::world::{Client, World, arm, delay, request, until};

const CLIENTS: usize = 64;
const SWAPS: u64 = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_the_table_changes() {
    let world = World::start().await;
    let sockets = [world.socket("v1"), world.socket("v2"), world.socket("v3")];
    let _engines: Vec<_> = sockets
        .iter()
        .map(|s| Engine::start(s, plus_one()))
        .collect();
    let first = vec![arm(1, 1.0, &[&sockets[0]])];
    world.route(1, vec![delay(first)], &[&sockets[0]]).await;

    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let mut clients = Vec::new();
    for client in 0..CLIENTS {
        let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
        let mut connection = Client::connect(world.address).await;
        clients.push(tokio::spawn(async move {
            let mut nth = 0;
            while !stop.load(SeqCst) {
                let body = format!("{{\"x\":{nth},\"request_id\":\"{client}-{nth}\"}}");
                let got = connection.post("/delay", body).await;
                assert_eq!(got.status, 200, "{got:?}");
                assert_eq!(got.body["prediction"], f64::from(nth) + 1.0);
                assert_eq!(got.body["version"], got.version.unwrap());
                answered.fetch_add(1, SeqCst);
                nth += 1;
            }
        }));
    }
    for swap in 0..SWAPS {
        // Arms come, grow, go and change places.
        let weight = f64::from(u32::try_from(swap % 5).unwrap()) / 5.0;
        let (from, to) = ((swap / 5 % 3) as usize, (swap / 5 + 1) as usize % 3);
        let version = |at: usize| u32::try_from(at).unwrap() + 1;
        let arms = vec![
            arm(version(from), 1.0 - weight, &[&sockets[from]]),
            arm(version(to), weight, &[&sockets[to]]),
        ];
        let before = answered.load(SeqCst);
        world.route(swap + 2, vec![delay(arms)], &[]).await;
        until("traffic flows", async || {
            answered.load(SeqCst) > before
                || clients.iter().any(tokio::task::JoinHandle::is_finished)
        })
        .await;
    }
    stop.store(true, SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    let evidence = world.evidence().await;
    let versions = &evidence.routes[0].versions;
    let requests: u64 = versions.iter().map(|v| v.requests).sum();
    assert_eq!(requests, answered.load(SeqCst) as u64);
    assert!(
        versions.iter().all(|v| v.errors == 0 && v.requests > 0),
        "{versions:?}"
    );
}

#[tokio::test]
async fn a_table_is_in_force_everywhere_when_its_push_is_answered() {
    let world = World::start().await;
    let sockets = [world.socket("v1"), world.socket("v2")];
    let _engines = sockets.each_ref().map(|s| Engine::start(s, plus_one()));
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(world.client().await);
    }
    for generation in 1..=40 {
        let version = u32::try_from(generation % 2).unwrap() + 1;
        let socket = &sockets[version as usize - 1];
        world
            .route(
                generation,
                vec![delay(vec![arm(version, 1.0, &[socket])])],
                &[],
            )
            .await;
        for client in &mut clients {
            assert_eq!(client.post("/delay", "{}").await.version, Some(version));
        }
    }
}

#[tokio::test]
async fn an_arm_that_disappears_finishes_its_requests() {
    let world = World::start().await;
    let (old, new) = (world.socket("v1"), world.socket("v2"));
    let (open, gate) = watch::channel(false);
    let script = move || Act::Hold(gate.clone(), good(1.0));
    let engine = Engine::start(&old, always(script));
    let _other = Engine::start(&new, plus_one());
    world
        .route(1, vec![delay(vec![arm(1, 1.0, &[&old])])], &[&old])
        .await;
    let mut client = world.client().await;
    let slow = tokio::spawn(async move { client.send(request("POST", "/delay", "{}")).await });
    until("the engine has the request", async || engine.seen() == 1).await;
    world
        .route(2, vec![delay(vec![arm(2, 1.0, &[&new])])], &[&new])
        .await;
    assert_eq!(world.post("/delay", "{}").await.version, Some(2));
    // Whoever would stop its replica sees that it has something to do.
    let left = async || {
        let replicas = world.health().await.replicas;
        replicas.iter().find(|r| r.path == old).map(|r| r.in_flight)
    };
    assert_eq!(left().await, Some(1));
    open.send(true).unwrap();
    let got = slow.await.unwrap();
    assert_eq!((got.status, got.version), (200, Some(1)));
    assert_eq!(left().await, None);
    // Its counters stay, for whoever asks why it went.
    assert_eq!(world.counted(1).await.requests, 1);
}
