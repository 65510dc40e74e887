//! Start, load, overload, broken peers, shutdown.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::num::NonZeroU32;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use engine::{EngineError, EngineOptions, WarmUp, Wire};
use inference::frame::{self, Reply, Request};
use tokio_util::sync::CancellationToken;

use crate::onnx;
use crate::replica::{Replica, answer, in_time, options, rows, said, threads, until};

async fn refused(model: &[u8], change: impl FnOnce(&mut EngineOptions)) -> String {
    let (options, _dir) = options(model, change);
    let socket = options.socket.clone();
    let error = in_time(engine::run(options, CancellationToken::new()))
        .await
        .unwrap_err();
    assert!(!socket.exists(), "the socket must not appear");
    error.to_string()
}

#[tokio::test]
async fn what_cannot_be_served_never_gets_a_socket() {
    let check = |got: String, expect: &str| assert!(got.starts_with(expect), "{got}");
    let none = |_: &mut EngineOptions| {};
    check(
        refused(b"not a model", none).await,
        "the file is not an ONNX model",
    );
    let whole = onnx::columns();
    check(
        refused(&whole[..whole.len() / 2], none).await,
        "the ONNX model is damaged at byte",
    );
    let small = |options: &mut EngineOptions| options.max_model_bytes = 10;
    check(refused(&whole, small).await, "the model ");
    let unknown = onnx::Graph::new().input("x", onnx::FLOAT, &[-1]).node(
        "NoSuchOperator",
        &["x"],
        &["y"],
        &[],
    );
    let unknown = unknown.output("y", onnx::FLOAT, &[-1]).model();
    check(
        refused(&unknown, none).await,
        "ONNX Runtime cannot load the model: ",
    );
    let missing = |options: &mut EngineOptions| options.model.push("nothing");
    check(refused(&whole, missing).await, "cannot read the model ");
    let directory = |options: &mut EngineOptions| {
        options.model.pop();
    };
    check(refused(&whole, directory).await, "cannot read the model ");
    let no_library = |options: &mut EngineOptions| options.library = Some("/nonexistent.so".into());
    check(
        refused(&whole, no_library).await,
        "there is no ONNX Runtime library at /nonexistent.so",
    );
    let asked = |body: &'static str| {
        move |options: &mut EngineOptions| options.warm_up = Some(warm_up(body))
    };
    check(
        refused(&whole, asked("{\"a\": 1}")).await,
        "the warm-up request is answered with 400 (",
    );
    let long = |options: &mut EngineOptions| options.socket = options.socket.join("x".repeat(200));
    check(refused(&whole, long).await, "cannot listen on ");
}

fn warm_up(body: &'static str) -> WarmUp<Wire> {
    WarmUp {
        to: Wire::Rows,
        body: body.into(),
        times: NonZeroU32::new(3).unwrap(),
    }
}

#[tokio::test]
async fn a_replica_that_is_warmed_up_answers() {
    let replica = Replica::start(&onnx::columns(), |options| {
        options.warm_up = Some(warm_up("[{\"a\": 1, \"b\": 2}]"));
        options.threads = threads(2);
    })
    .await;
    let mut connection = replica.connect().await;
    connection.send(&[rows(r#"{"a":1,"b":2}"#)]).await;
    let (_, reply) = connection.receive().await.unwrap();
    assert_eq!(answer(reply).status, 200);
}

#[tokio::test]
async fn many_clients_get_their_own_answers() {
    for count in [1, 2] {
        let replica =
            Replica::start(&onnx::columns(), |options| options.threads = threads(count)).await;
        let clients = (0..8).map(async |client: u64| {
            let mut connection = replica.connect().await;
            for round in 0..20_u64 {
                let requests: Vec<_> = (0..16)
                    .map(|n| rows(&format!(r#"{{"a":{client},"b":{}}}"#, round * 16 + n)))
                    .collect();
                let ids = connection.send(&requests).await;
                let first = ids[0];
                let mut open: BTreeSet<_> = ids.into_iter().collect();
                while !open.is_empty() {
                    let (id, reply) = connection.receive().await.unwrap();
                    assert!(open.remove(&id));
                    let expect = client + 10 * (round * 16 + id - first);
                    assert_eq!(answer(reply).predictions, [expect as f64]);
                }
            }
        });
        futures_join(clients.collect()).await;
        replica.stop().await.unwrap();
    }
}

#[test]
fn a_connection_does_not_keep_the_thread_for_itself() {
    let (options, _dir) = options(&onnx::columns(), |_| {});
    let (socket, stop) = (options.socket.clone(), CancellationToken::new());
    let running = std::thread::spawn({
        let stop = stop.clone();
        move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().unwrap();
            runtime.block_on(engine::run(options, stop))
        }
    });
    // On a machine that is busy otherwise the model may pass for a slow one, which is computed elsewhere.
    assert!((0..5).any(|_| answered_before_another(&socket) < CROWD / 4));
    stop.cancel();
    running.join().unwrap().unwrap();
}

const CROWD: u64 = 40_000;

/// How many of a crowd of requests on one connection are answered before a single one on another.
fn answered_before_another(socket: &Path) -> u64 {
    let frames = |count| {
        let mut out = BytesMut::new();
        for id in 0..count {
            frame::encode_request(id, &rows(r#"{"a":1,"b":2}"#), &mut out).unwrap();
        }
        out
    };
    let mut crowd = connected(socket);
    // It finds out that the model is quick.
    for _ in 0..100 {
        crowd.write_all(&frames(1)).unwrap();
        assert!(crowd.read(&mut [0; 100]).unwrap() > 0);
    }
    let mut incoming = crowd.try_clone().unwrap();
    let (first, heard) = std::sync::mpsc::channel();
    let answered = Arc::new(AtomicU64::new(0));
    let sending = std::thread::spawn(move || crowd.write_all(&frames(CROWD)).unwrap());
    let receiving = std::thread::spawn({
        let answered = Arc::clone(&answered);
        move || {
            let (mut input, mut piece) = (BytesMut::new(), vec![0; 1 << 16]);
            while answered.load(Ordering::Relaxed) < CROWD {
                let got = incoming.read(&mut piece).unwrap();
                input.extend_from_slice(&piece[..got]);
                while frame::decode_reply(&mut input).unwrap().is_some() {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                // Told once; later on nobody listens.
                let _ = first.send(());
            }
        }
    });
    heard.recv().unwrap();
    let mut alone = connected(socket);
    alone.write_all(&frames(1)).unwrap();
    assert!(alone.read(&mut [0; 100]).unwrap() > 0);
    let before = answered.load(Ordering::Relaxed);
    sending.join().unwrap();
    receiving.join().unwrap();
    before
}

fn connected(socket: &Path) -> UnixStream {
    let began = Instant::now();
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return stream,
            Err(e) => assert!(began.elapsed() < Duration::from_secs(60), "{e}"),
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// Runs futures side by side, to their ends.
async fn futures_join<F: Future<Output = ()>>(futures: Vec<F>) {
    let mut futures: Vec<_> = futures
        .into_iter()
        .map(|future| (Box::pin(future), false))
        .collect();
    std::future::poll_fn(|context| {
        for (future, done) in &mut futures {
            *done = *done || future.as_mut().poll(context).is_ready();
        }
        if futures.iter().all(|(_, done)| *done) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

#[tokio::test]
async fn a_full_replica_says_so_and_still_answers_pings() {
    let slow = onnx::slow(400);
    let replica = Replica::start(&slow, |options| options.queue = threads(2)).await;
    let mut client = replica.connect().await;
    let mut requests = vec![rows(r#"{"x":1}"#); 20];
    requests.push(Request::Ping);
    client.send(&requests).await;
    let (mut good, mut full, mut answered_at_pong) = (0, 0, None);
    for _ in 0..requests.len() {
        match client.receive().await.unwrap().1 {
            Reply::Pong => answered_at_pong = Some(good),
            reply => match answer(reply) {
                answer if answer.status == 503 => {
                    assert!(
                        said(&answer)
                            .1
                            .starts_with(r#"{"error":"the replica has too many requests waiting"#)
                    );
                    full += 1;
                }
                answer => {
                    assert_eq!(said(&answer), (200, r#"{"prediction":1.0}"#));
                    good += 1;
                }
            },
        }
    }
    assert_eq!(good + full, 20);
    assert!(full >= 10, "{full} refused");
    assert!(
        answered_at_pong.unwrap() < good,
        "the ping waited behind the model"
    );
    replica.stop().await.unwrap();
}

#[tokio::test]
async fn a_shutdown_finishes_what_was_asked() {
    let replica = Replica::start(&onnx::slow(100), |_| {}).await;
    let (mut busy, mut idle) = (replica.connect().await, replica.connect().await);
    assert_eq!(idle.ask(Request::Ping).await, Reply::Pong);
    let requests = vec![rows(r#"{"x":3}"#); 5];
    busy.send(&requests).await;
    // The first answer shows that the batch has been read.
    let mut answers = vec![busy.receive().await.unwrap()];
    replica.ask_to_stop();
    while let Some(reply) = busy.receive().await {
        answers.push(reply);
    }
    assert_eq!(answers.len(), requests.len());
    assert!(
        answers
            .into_iter()
            .all(|(_, reply)| answer(reply).predictions == [3.0])
    );
    assert_eq!(idle.receive().await, None);
    assert!(!replica.socket.exists());
    replica.stop().await.unwrap();
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever() {
    let grace = |options: &mut EngineOptions| options.grace = Duration::from_millis(1);
    let replica = Replica::start(&onnx::slow(400), grace).await;
    let mut client = replica.connect().await;
    client.send(&vec![rows(r#"{"x":1}"#); 50]).await;
    client.receive().await.unwrap();
    replica.ask_to_stop();
    let mut answers = 1;
    while client.receive().await.is_some() {
        answers += 1;
    }
    assert!(answers < 50, "all were answered");
    replica.stop().await.unwrap();
}

#[tokio::test]
async fn a_broken_peer_is_cut_off_and_others_are_not() {
    let replica = Replica::start(&onnx::columns(), |_| {}).await;
    let mut good = replica.connect().await;
    let too_long = u32::try_from(frame::MAX_LEN + 1).unwrap().to_le_bytes();
    let unknown = [9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 200];
    for bytes in [&too_long[..], &unknown, &[1, 0, 0, 0, 9, 9]] {
        let mut bad = replica.connect().await;
        bad.send_bytes(bytes).await.unwrap();
        assert_eq!(bad.receive().await, None, "{bytes:?}");
    }
    let mut gone = replica.connect().await;
    gone.send(&[rows(r#"{"a":1,"b":1}"#)]).await;
    drop(gone);
    assert_eq!(good.rows(r#"{"a":1,"b":1}"#).await.predictions, [11.0]);
}

#[tokio::test]
async fn a_request_of_a_whole_frame_is_answered() {
    let replica = Replica::start(&onnx::columns(), |_| {}).await;
    let mut client = replica.connect().await;
    let padding = "x".repeat(frame::MAX_BODY - 40);
    let good = client
        .rows(&format!(r#"{{"a":1,"b":2,"pad":"{padding}"}}"#))
        .await;
    assert_eq!(said(&good), (200, r#"{"prediction":21.0}"#));
}

#[tokio::test]
async fn a_stale_socket_is_replaced() {
    let (options, _dir) = options(&onnx::columns(), |_| {});
    drop(std::os::unix::net::UnixListener::bind(&options.socket).unwrap());
    std::fs::write(options.socket.with_extension("new"), "left by a crash").unwrap();
    let stop = CancellationToken::new();
    let socket = options.socket.clone();
    let running = tokio::spawn(engine::run(options, stop.clone()));
    let connected = || std::os::unix::net::UnixStream::connect(&socket).is_ok();
    until(|| running.is_finished() || connected()).await;
    assert!(!running.is_finished());
    stop.cancel();
    assert!(matches!(
        in_time(running).await.unwrap(),
        Ok::<(), EngineError>(())
    ));
}
