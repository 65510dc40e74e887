//! Hostile paths, sent as bytes.

use crate::doors::raw;
use crate::engine::{Engine, plus_one};
use crate::world::{World, arm, delay};

#[tokio::test]
async fn no_spelling_of_a_path_leads_astray() {
    let world = World::start().await;
    let socket = world.socket("v3");
    let engine = Engine::start(&socket, plus_one());
    world
        .route(1, vec![delay(vec![arm(3, 1.0, &[&socket])])], &[&socket])
        .await;
    for path in [
        "/../flights/prod/delay",
        "/flights/prod/../prod/delay",
        "/flights/./prod/delay",
        "/flights/%2e%2e/flights/prod/delay",
        "/flights/%2E%2e/delay",
        "/%252e%252e/flights/prod/delay",
        "/flights%2fprod%2fdelay",
        "/flights%252Fprod%252Fdelay",
        "/flights\\prod\\delay",
        "/flights%5cprod%5cdelay",
        "/flights/prod/delay%00",
        "/flights/prod/delay\0",
        "/flights/prod/delay%00.onnx",
        "//flights/prod/delay",
        "/flights//prod/delay",
        "/flights/prod/delay/",
        "/etc/passwd",
        "/flights/prod/delay/../../../../etc/passwd",
        "flights/prod/delay",
        "/flights/prod/delay;x",
        "/flights/prod/delay/%6cabels%2f..",
        "http://evil.example/flights/prod/delay",
        "file:///flights/prod/delay",
        "*",
    ] {
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{{}}");
        let status = raw(&world, head.as_bytes()).await;
        assert!(matches!(status, 400 | 404 | 421), "{path:?}: {status}");
    }
    assert_eq!(engine.seen(), 0);
    for path in ["/flights/prod/delay", "/flights/prod/%64elay?x=/../.."] {
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{{}}");
        assert_eq!(raw(&world, head.as_bytes()).await, 200, "{path}");
    }
}
