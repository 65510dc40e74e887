//! What is not let in: foreign hosts and pages, strangers, bodies without end.

use gateway::{GatewayError, TokenHash};
use http::HeaderValue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, plus_one};
use crate::world::{World, arm, delay, request};

/// Sends bytes and returns the status of the answer.
pub(crate) async fn raw(world: &World, bytes: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    // The gateway may answer and close before it has everything.
    let _ = stream.write_all(bytes).await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n") {
        let byte = stream
            .read_u8()
            .await
            .unwrap_or_else(|e| panic!("{e} after {head:?}"));
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn foreign_hosts_and_pages_are_refused() {
    let world = World::start().await;
    let with = |name: &'static str, value: &'static str| {
        let mut request = request("POST", "/delay", "{}");
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
        request
    };
    let mut client = world.client().await;
    assert_eq!(client.send(with("host", "evil.example")).await.status, 421);
    assert_eq!(
        client
            .send(with("origin", "https://evil.example"))
            .await
            .status,
        403
    );
    assert_eq!(
        client.send(with("host", "127.0.0.1:7080")).await.status,
        404
    );
    assert_eq!(raw(&world, b"GET /v2 HTTP/1.1\r\n\r\n").await, 400);
    assert_eq!(
        raw(&world, b"GET /v2 HTTP/1.1\r\nHost: [::1]:1\r\n\r\n").await,
        200
    );
}

#[tokio::test]
async fn strangers_need_a_token() {
    let world = World::start_with(|options| options.tokens = vec![TokenHash::of("secret")]).await;
    let mut client = world.client().await;
    assert_eq!(client.send(request("GET", "/v2", "")).await.status, 401);
    let mut known = request("GET", "/v2", "");
    known
        .headers_mut()
        .insert("authorization", HeaderValue::from_static("Bearer secret"));
    assert_eq!(client.send(known).await.status, 200);
}

#[tokio::test]
async fn a_gateway_for_everybody_does_not_start_without_tokens() {
    let world = World::start().await;
    let mut options = world.options();
    options.state_dir = world.folder.path().join("another");
    options.listen = "0.0.0.0:0".parse().unwrap();
    let error = gateway::run(options, CancellationToken::new())
        .await
        .unwrap_err();
    assert!(matches!(error, GatewayError::Open(_)), "{error}");
}

#[tokio::test]
async fn bodies_are_bounded() {
    let world = World::start_with(|options| options.max_body = 1000).await;
    let socket = world.socket("v3");
    let engine = Engine::start(&socket, plus_one());
    let mut route = delay(vec![arm(3, 1.0, &[&socket])]);
    world.route(1, vec![route.clone()], &[&socket]).await;
    let body = |len: usize| format!("{{\"x\":1,\"pad\":\"{}\"}}", "x".repeat(len - 16));
    assert_eq!(world.post("/delay", body(1000)).await.status, 200);
    let got = world.post("/delay", body(1001)).await;
    assert_eq!(got.status, 413);
    assert!(
        got.body["error"]
            .as_str()
            .unwrap()
            .contains("longer than 1000 bytes")
    );
    assert_eq!(world.post("/delay/labels", body(1001)).await.status, 413);
    // One that only says it is long is refused at once; one that does not say is cut off.
    let head = "POST /delay HTTP/1.1\r\nHost: localhost\r\n";
    let says = format!("{head}Content-Length: 100000000\r\n\r\n");
    assert_eq!(raw(&world, says.as_bytes()).await, 413);
    let mut chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..2000 {
        chunked.extend_from_slice(b"1\r\n \r\n");
    }
    assert_eq!(raw(&world, &chunked).await, 413);
    route.limits.max_body_bytes = Some(100);
    world.route(2, vec![route], &[]).await;
    assert_eq!(world.post("/delay", body(101)).await.status, 413);
    assert_eq!(engine.seen(), 1);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let brief = std::time::Duration::from_millis(30);
    let world = World::start_with(|options| options.body_timeout = brief).await;
    world
        .route(1, vec![delay(vec![arm(3, 1.0, &[])])], &[])
        .await;
    let half = b"POST /delay HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{";
    assert_eq!(raw(&world, half).await, 408);
}
