//! Where requests go, and what answers look like.

use std::collections::BTreeMap;
use std::sync::Arc;

use gateway::split;
use inference::answer::{Output, oip};
use inference::frame::Answer;
use inference::oip::Wanted;
use inference::tensor::Data;
use serde_json::json;

use crate::engine::{Act, Engine, Script, always, bad, good, plus_one};
use crate::world::{World, arm, delay, request};

#[tokio::test]
async fn answers_name_their_version_and_request() {
    let world = World::start().await;
    let socket = world.socket("v3");
    let _engine = Engine::start(&socket, plus_one());
    world
        .route(1, vec![delay(vec![arm(3, 1.0, &[&socket])])], &[&socket])
        .await;

    for path in ["/flights/prod/delay", "/delay"] {
        let got = world.post(path, r#"{"x":1.5,"request_id":"r1"}"#).await;
        assert_eq!((got.status, got.version), (200, Some(3)));
        assert_eq!(
            got.body,
            json!({"prediction":2.5,"version":3,"request_id":"r1"})
        );
    }
    // Whoever sends no id gets one to send labels by.
    let got = world.post("/delay", r#"{"x":1.5}"#).await;
    assert!(got.body["request_id"].is_string(), "{got:?}");
    let got = world.post("/delay", r#"[{"x":1},{"x":2}]"#).await;
    assert_eq!(got.body, json!({"predictions":[2.0,3.0],"version":3}));
    let oip = r#"{"id":"o1","inputs":[]}"#;
    for path in [
        "/flights/prod/delay/v2/models/delay/infer",
        "/delay/v2/models/delay/infer",
        "/v2/models/delay/infer",
        "/v2/models/delay/versions/3/infer",
    ] {
        let got = world.post(path, oip).await;
        assert_eq!((got.status, got.version), (200, Some(3)), "{path}");
        assert_eq!(
            got.body,
            json!({"prediction":1.0,"model_name":"delay","model_version":"3"}),
            "{path}: unparsed"
        );
    }
    let got = world.post("/v2/models/delay/versions/4/infer", oip).await;
    assert_eq!(got.status, 404, "{got:?}");
    let got = world.post("/delay", "{\"x\":").await;
    assert_eq!((got.status, got.version), (400, Some(3)));
    assert!(
        got.body["error"].as_str().unwrap().contains("EOF"),
        "{got:?}"
    );
}

/// A version whose output is its number, in the engine's own words; with no inputs, an error.
fn speaks_protocol(version: i64) -> Script {
    Arc::new(move |_, body| {
        if body["inputs"].is_null() {
            return Act::Say(bad(400));
        }
        let output = Output {
            name: "y",
            shape: vec![1],
            data: Data::Int64(vec![version]),
            classes: None,
        };
        Act::Say(Answer {
            body: oip(body["id"].as_str(), &[output], &Wanted::default())
                .bytes
                .into(),
            ..good(1.0)
        })
    })
}

#[tokio::test]
async fn protocol_answers_name_their_model() {
    let world = World::start().await;
    let (old, new) = (world.socket("v3"), world.socket("v14"));
    let _engines = (
        Engine::start(&old, speaks_protocol(3)),
        Engine::start(&new, speaks_protocol(14)),
    );
    let arms = vec![arm(3, 1.0, &[&old]), arm(14, 0.0, &[&new])];
    world.route(1, vec![delay(arms)], &[&old, &new]).await;

    for (path, version) in [
        ("/v2/models/delay/infer", 3),
        ("/flights/prod/delay/v2/models/delay/infer", 3),
        ("/v2/models/%64elay/infer", 3),
        ("/v2/models/delay/versions/3/infer", 3),
        ("/v2/models/delay/versions/14/infer", 14),
        ("/delay/v2/models/delay/versions/14/infer", 14),
    ] {
        let mut expect = json!({
            "model_name": "delay",
            "model_version": version.to_string(),
            "outputs": [{"name":"y","datatype":"INT64","shape":[1],"data":[version]}],
        });
        let got = world.post(path, r#"{"inputs":[]}"#).await;
        assert_eq!((got.status, got.version), (200, Some(version)), "{path}");
        assert_eq!(got.body, expect, "{path}");
        let got = world.post(path, r#"{"id":"a\"}","inputs":[]}"#).await;
        expect["id"] = json!("a\"}");
        assert_eq!((got.status, got.body), (200, expect), "{path}");
        let got = world.post(path, "{}").await;
        assert_eq!(
            (got.status, got.body),
            (400, json!({"error":"so it is"})),
            "{path}: the protocol's errors have one field"
        );
    }
}

#[tokio::test]
async fn metadata_and_health() {
    let world = World::start().await;
    let socket = world.socket("v3");
    let gone = world.socket("v4");
    let engine = Engine::start(&socket, plus_one());
    let arms = vec![arm(3, 1.0, &[&socket]), arm(4, 0.0, &[&gone])];
    world.route(1, vec![delay(arms)], &[&socket]).await;

    // Connections spread over the threads; all of them are connected.
    for path in [
        "/v2/health/live",
        "/v2/health/ready",
        "/delay/v2/health/ready",
        "/v2",
    ] {
        assert_eq!(world.get(path).await.status, 200, "{path}");
    }
    let got = world.get("/v2/models/delay").await;
    assert_eq!((got.status, got.version), (200, Some(3)));
    assert_eq!(got.body["versions"], json!(["3", "4"]));
    assert_eq!(got.body["inputs"][0]["name"], "x");
    assert_eq!(world.get("/v2/models/delay/ready").await.status, 200);
    assert_eq!(
        world.get("/v2/models/delay/versions/4/ready").await.status,
        503
    );
    assert_eq!(
        world.get("/v2/models/delay/versions/9/ready").await.status,
        404
    );
    let index = world.post("/v2/repository/index", "").await;
    assert_eq!(
        index.body[0],
        json!({"name":"delay","version":"3","state":"READY","reason":""})
    );
    assert_eq!(index.body[1]["state"], "UNAVAILABLE");
    assert_eq!(world.get("/delay").await.status, 405);
    assert_eq!(world.post("/v2/health/live", "").await.status, 405);
    drop(engine);
    crate::world::until("not ready", async || {
        world.get("/v2/health/ready").await.status == 503
    })
    .await;
}

#[tokio::test]
async fn a_split_is_sticky_and_the_published_one() {
    let world = World::start().await;
    let (old, new) = (world.socket("v1"), world.socket("v2"));
    let _engines = (
        Engine::start(&old, always(|| Act::Say(good(1.0)))),
        Engine::start(&new, always(|| Act::Say(good(2.0)))),
    );
    let mut share = BTreeMap::new();
    for (generation, weight) in [(1, 0.25), (2, 0.5)] {
        let arms = vec![arm(1, 1.0 - weight, &[&old]), arm(2, weight, &[&new])];
        world
            .route(generation, vec![delay(arms)], &[&old, &new])
            .await;
        let mut taken = 0;
        for user in 0..300 {
            let id = format!("user-{user}");
            let u = split::unit(split::seed("rollout-1"), id.as_bytes());
            let expect = if u < weight { 2 } else { 1 };
            let body = json!({"x": 0, "request_id": id}).to_string();
            let mut client = world.client().await;
            for _ in 0..2 {
                let got = client.post("/delay", body.clone()).await;
                assert_eq!(got.version, Some(expect), "{id} at {weight}");
                let protocol = json!({"id": id}).to_string();
                let got = client.post("/v2/models/delay/infer", protocol).await;
                assert_eq!(
                    got.version,
                    Some(expect),
                    "{id} at {weight}, by the protocol"
                );
            }
            taken += u32::from(expect == 2);
        }
        share.insert(generation, taken);
    }
    assert!(
        share[&1] > 40 && share[&1] < 110 && share[&2] > 110,
        "{share:?}"
    );
}

#[tokio::test]
async fn a_split_by_header_or_by_request() {
    let world = World::start().await;
    let (old, new) = (world.socket("v1"), world.socket("v2"));
    let _engines = (
        Engine::start(&old, plus_one()),
        Engine::start(&new, plus_one()),
    );
    let mut route = delay(vec![arm(1, 0.5, &[&old]), arm(2, 0.5, &[&new])]);
    route.sticky = Some("header:x-user".into());
    world.route(1, vec![route.clone()], &[&old, &new]).await;
    let mut client = world.client().await;
    for user in ["a", "b", "c", "d", "e"] {
        let u = split::unit(split::seed("rollout-1"), user.as_bytes());
        let expect = if u < 0.5 { 2 } else { 1 };
        for _ in 0..3 {
            let mut request = request("POST", "/delay", "{}");
            request
                .headers_mut()
                .insert("x-user", user.parse().unwrap());
            assert_eq!(client.send(request).await.version, Some(expect), "{user}");
        }
    }
    route.sticky = None;
    world.route(2, vec![route], &[]).await;
    let mut seen = [0_u32; 3];
    for _ in 0..100 {
        let got = client
            .post("/delay", r#"{"request_id":"always-the-same"}"#)
            .await;
        seen[got.version.unwrap() as usize] += 1;
    }
    assert!(seen[1] > 10 && seen[2] > 10, "{seen:?}");
}
