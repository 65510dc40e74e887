//! HTTP/1.1 byte by byte: what a connection hears, however its requests are cut, joined and written.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::engine::{Act, Engine, always, good, plus_one};
use crate::world::{LONG, World, arm, delay, until};

/// A connection on which every byte counts.
struct Wire {
    stream: TcpStream,
    heard: Vec<u8>,
}

/// An answer as it was written.
#[derive(Debug)]
struct Written {
    head: String,
    body: String,
}

impl Wire {
    async fn to(world: &World) -> Self {
        let stream = TcpStream::connect(world.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            heard: Vec::new(),
        }
    }

    async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads one answer whose length is said, and not a byte more of what follows it.
    async fn answer(&mut self) -> Written {
        let end = loop {
            let end = self.heard.windows(4).position(|at| at == b"\r\n\r\n");
            match end {
                Some(end) => break end + 4,
                None => self.hear().await,
            }
        };
        let head = String::from_utf8(self.heard[..end].to_vec()).unwrap();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then_some(value)
        });
        let length: usize = length.unwrap_or("0").parse().unwrap();
        while self.heard.len() < end + length {
            self.hear().await;
        }
        let body = String::from_utf8(self.heard[end..end + length].to_vec()).unwrap();
        self.heard.drain(..end + length);
        Written { head, body }
    }

    async fn hear(&mut self) {
        let read = self.stream.read_buf(&mut self.heard);
        let read = tokio::time::timeout(LONG, read).await.unwrap().unwrap();
        assert_ne!(read, 0, "the gateway closed the connection");
    }

    /// Whether nothing follows but the end.
    async fn ends(&mut self) -> bool {
        let mut rest = Vec::new();
        let read = self.stream.read_to_end(&mut rest);
        tokio::time::timeout(LONG, read).await.unwrap().unwrap();
        self.heard.is_empty() && rest.is_empty()
    }
}

fn post(x: u32, lines: &str) -> String {
    let body = format!("{{\"x\":{x}}}");
    let length = body.len();
    format!(
        "POST /delay HTTP/1.1\r\nHost: localhost\r\n{lines}Content-Length: {length}\r\n\r\n{body}"
    )
}

fn chunked(x: u32) -> String {
    format!(
        "POST /delay HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{{\"\r\n4\r\nx\":{x}\r\n1\r\n}}\r\n0\r\n\r\n"
    )
}

async fn answered(wire: &mut Wire, x: u32) {
    let Written { head, body } = wire.answer().await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("mainspan-version: 3\r\n"), "{head}");
    assert!(head.contains("\r\ndate: "), "{head}");
    assert!(
        body.contains(&format!("\"prediction\":{}.0", x + 1)),
        "{body}"
    );
}

async fn adding() -> (World, Engine) {
    let world = World::start().await;
    let socket = world.socket("v3");
    let engine = Engine::start(&socket, plus_one());
    let arms = vec![arm(3, 1.0, &[&socket])];
    world.route(1, vec![delay(arms)], &[&socket]).await;
    (world, engine)
}

#[tokio::test]
async fn requests_sent_ahead_are_answered_in_their_order() {
    let (world, _engine) = adding().await;
    let mut wire = Wire::to(&world).await;
    let all: String = (0..50).map(|x| post(x, "")).collect();
    wire.say(all).await;
    for x in 0..50 {
        answered(&mut wire, x).await;
    }
}

#[tokio::test]
async fn requests_may_come_byte_by_byte() {
    let (world, _engine) = adding().await;
    let mut wire = Wire::to(&world).await;
    for x in 0..2 {
        for byte in post(x, "X-Own: 1\r\n").bytes() {
            wire.say([byte]).await;
        }
        answered(&mut wire, x).await;
    }
}

#[tokio::test]
async fn a_connection_changes_its_ways_at_any_request() {
    let (world, _engine) = adding().await;
    let mut wire = Wire::to(&world).await;
    // All at once, so that what was read ahead has to go along.
    let all = [post(1, ""), chunked(2), post(3, ""), chunked(4)].concat();
    wire.say(all).await;
    for x in 1..5 {
        answered(&mut wire, x).await;
    }
    let waits = post(5, "Expect: 100-continue\r\n");
    let (head, body) = waits.split_at(waits.len() - 7);
    wire.say(head).await;
    let interim = wire.answer().await;
    assert_eq!(interim.head, "HTTP/1.1 100 Continue\r\n\r\n");
    wire.say(body).await;
    answered(&mut wire, 5).await;
    wire.say("HEAD /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    let end = |wire: &Wire| wire.heard.ends_with(b"\r\n\r\n");
    while !end(&wire) {
        wire.hear().await;
    }
    let head = String::from_utf8(std::mem::take(&mut wire.heard)).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    wire.say(post(6, "Connection: close\r\n")).await;
    answered(&mut wire, 6).await;
    assert!(wire.ends().await);
}

#[tokio::test]
async fn long_bodies_are_served_as_short_ones_are() {
    let (world, _engine) = adding().await;
    let mut wire = Wire::to(&world).await;
    for length in [5_000, 100_000, 300_000, 6_000, 1_000_000] {
        let body = format!("{{\"x\":{length},\"pad\":\"{}\"}}", "x".repeat(length));
        let head = "POST /delay HTTP/1.1\r\nHost: localhost\r\n";
        wire.say(format!(
            "{head}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
        answered(&mut wire, length as u32).await;
    }
}

#[tokio::test]
async fn nonsense_ends_a_connection_after_what_was_right() {
    let (world, _engine) = adding().await;
    let mut wire = Wire::to(&world).await;
    wire.say(post(1, "")).await;
    answered(&mut wire, 1).await;
    wire.say("nonsense\r\n\r\n").await;
    let Written { head, .. } = wire.answer().await;
    assert!(head.starts_with("HTTP/1.1 400"), "{head}");
    assert!(wire.ends().await);
}

#[tokio::test]
async fn a_late_body_is_told_so_and_nothing_after_it_is_believed() {
    let brief = std::time::Duration::from_millis(30);
    let world = World::start_with(|options| options.body_timeout = brief).await;
    let table = vec![delay(vec![arm(3, 1.0, &[])])];
    world.route(1, table, &[]).await;
    for path in ["POST /delay", "GET /v2"] {
        let mut wire = Wire::to(&world).await;
        wire.say(format!(
            "{path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{{"
        ))
        .await;
        let Written { head, body } = wire.answer().await;
        assert!(head.contains("connection: close"), "{head}");
        if path.starts_with("POST") {
            assert!(head.starts_with("HTTP/1.1 408"), "{head}");
            assert!(body.contains("did not arrive within"), "{body}");
        }
        assert!(wire.ends().await);
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_is_not_answered() {
    let world = World::start().await;
    let socket = world.socket("v3");
    let (open, gate) = watch::channel(false);
    let script = move || Act::Hold(gate.clone(), good(1.0));
    let engine = Engine::start(&socket, always(script));
    let arms = vec![arm(3, 1.0, &[&socket])];
    world.route(1, vec![delay(arms)], &[&socket]).await;
    let mut wire = Wire::to(&world).await;
    wire.say(post(1, "")).await;
    until("the engine has it", async || engine.seen() == 1).await;
    // One that sends ahead is still there.
    wire.say(post(2, "")).await;
    drop(wire);
    until("the engine hears of it", async || engine.cancelled() == 1).await;
    open.send(true).unwrap();
    until("it is counted", async || {
        world.counted(3).await.abandoned == 1
    })
    .await;
}

#[tokio::test]
async fn stopping_says_so_with_the_last_answer() {
    let mut world = World::start().await;
    let socket = world.socket("v3");
    let (open, gate) = watch::channel(false);
    let script = move || Act::Hold(gate.clone(), good(2.0));
    let engine = Engine::start(&socket, always(script));
    let arms = vec![arm(3, 1.0, &[&socket])];
    world.route(1, vec![delay(arms)], &[&socket]).await;
    let mut wire = Wire::to(&world).await;
    wire.say(post(1, "")).await;
    until("the engine has it", async || engine.seen() == 1).await;
    world.ask_to_stop();
    until("nobody is let in any more", async || {
        TcpStream::connect(world.address).await.is_err()
    })
    .await;
    open.send(true).unwrap();
    let Written { head, .. } = wire.answer().await;
    assert!(head.contains("connection: close\r\n"), "{head}");
    assert!(wire.ends().await);
    world.stopped().await.unwrap();
}
