//! Labels and the join log.

use serde_json::{Value, json};

use crate::engine::{Engine, plus_one};
use crate::world::{World, arm, delay, until};

fn records(world: &World) -> Vec<Value> {
    let folder = std::fs::read_dir(world.state().join("traffic/join")).unwrap();
    let mut paths: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let text = paths
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap());
    let text: String = text.collect();
    // A reader takes whole lines only.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn of_kind(world: &World, kind: &str) -> Vec<(String, Value, Value)> {
    let wanted = records(world).into_iter().filter(|r| r["k"] == kind);
    wanted
        .map(|r| {
            (
                r["id"].as_str().unwrap().to_owned(),
                r["y"].clone(),
                r["t"].clone(),
            )
        })
        .collect()
}

#[tokio::test]
async fn predictions_and_labels_meet_in_the_log_across_restarts() {
    let mut world = World::start().await;
    let socket = world.socket("v3");
    let _engine = Engine::start(&socket, plus_one());
    world
        .route(1, vec![delay(vec![arm(3, 1.0, &[&socket])])], &[&socket])
        .await;
    let day = 1_364_774_400_000_000_i64;
    world
        .post(
            "/delay",
            r#"{"x":1,"request_id":"a","flown_at":"2013-04-01"}"#,
        )
        .await;
    world
        .post(
            "/delay",
            r#"[{"x":2,"request_id":7},{"x":3},{"x":4,"request_id":"c"}]"#,
        )
        .await;
    let protocol = r#"{"id":"o","inputs":[],"parameters":{"flown_at":1364774400}}"#;
    world.post("/v2/models/delay/infer", protocol).await;
    // Neither errors nor what was asked of a version by its address wait for labels.
    world.post("/delay", "{").await;
    world
        .post("/v2/models/delay/versions/3/infer", r#"{"id":"pinned"}"#)
        .await;

    let got = world
        .post("/delay/labels", r#"{"request_id":"a","label":2.25}"#)
        .await;
    assert_eq!((got.status, got.body), (200, json!({"accepted":1})));
    // Acknowledged means on disk: no polling here.
    let labels = of_kind(&world, "l");
    assert_eq!(labels, [("a".to_owned(), json!(2.25), Value::Null)]);
    // Two threads wrote them: the log is in order within each only.
    let mut predictions = of_kind(&world, "p");
    predictions.sort_by(|a, b| a.0.cmp(&b.0));
    let ids: Vec<_> = predictions
        .iter()
        .map(|(id, y, _)| (id.as_str(), y.as_f64().unwrap()))
        .collect();
    assert_eq!(ids, [("7", 3.0), ("a", 2.0), ("c", 5.0), ("o", 1.0)]);
    assert_eq!(
        (&predictions[1].2, &predictions[3].2),
        (&json!(day), &json!(day))
    );
    let all = records(&world);
    let record = all.iter().find(|r| r["k"] == "p").unwrap();
    assert_eq!(
        (&record["r"], &record["v"]),
        (&json!("flights/prod/delay"), &json!(3))
    );
    assert!(
        predictions[0].2.as_i64() > Some(day),
        "arrival time without an event time"
    );

    let body =
        r#"[{"request_id":7,"label":true},{"request_id":"c","label":-1,"flown_at":"2013-04-01"}]"#;
    let got = world.post("/flights/prod/delay/labels", body).await;
    assert_eq!(got.body, json!({"accepted":2}));
    world.stop().await;

    // A crash in the middle of a line.
    let file = world
        .state()
        .join(format!("traffic/join/join-{:020}.log", 0));
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.extend_from_slice(b"{\"k\":\"p\",\"r\":\"fl");
    std::fs::write(&file, bytes).unwrap();
    world.resume(|_| {}).await;
    world.connected(&socket).await;
    world.post("/delay", r#"{"x":9,"request_id":"last"}"#).await;
    until("the last prediction is in the log", async || {
        of_kind(&world, "p").iter().any(|(id, _, _)| id == "last")
    })
    .await;
    let labels: Vec<_> = of_kind(&world, "l")
        .into_iter()
        .map(|(id, y, t)| (id, y.as_f64(), t))
        .collect();
    let expect = [
        ("a".to_owned(), Some(2.25), Value::Null),
        ("7".to_owned(), Some(1.0), Value::Null),
        ("c".to_owned(), Some(-1.0), json!(day)),
    ];
    assert_eq!(labels, expect);
    assert_eq!(of_kind(&world, "p").len(), 5);
}

#[tokio::test]
async fn the_join_key_may_have_its_own_name() {
    let world = World::start().await;
    let socket = world.socket("v3");
    let _engine = Engine::start(&socket, plus_one());
    let mut route = delay(vec![arm(3, 1.0, &[&socket])]);
    route.join = Some("flight".into());
    world.route(1, vec![route], &[&socket]).await;
    let got = world.post("/delay", r#"{"x":1,"flight":"UA1"}"#).await;
    assert_eq!(got.body["request_id"], "UA1");
    for body in [
        r#"{"flight":"UA1","label":1}"#,
        r#"{"request_id":"UA1","label":2}"#,
        r#"[{"flight":"UA1","label":3},{"request_id":"UA1","label":4}]"#,
    ] {
        assert_eq!(
            world.post("/delay/labels", body).await.status,
            200,
            "{body}"
        );
    }
    let labels: Vec<_> = of_kind(&world, "l")
        .into_iter()
        .map(|(id, y, _)| (id, y.as_f64()))
        .collect();
    let expect = [1.0, 2.0, 3.0, 4.0].map(|y| ("UA1".to_owned(), Some(y)));
    assert_eq!(labels, expect);
}

#[tokio::test]
async fn labels_that_cannot_be_are_refused_whole() {
    let world = World::start().await;
    let mut unjoined = delay(vec![arm(1, 1.0, &[])]);
    unjoined.service = "other".into();
    unjoined.join = None;
    world
        .route(1, vec![delay(vec![arm(3, 1.0, &[])]), unjoined], &[])
        .await;
    for (body, expect) in [
        ("", "not a JSON object"),
        ("7", "not a JSON object"),
        (r#"{"label":1}"#, "label 0 has no `request_id`"),
        (
            r#"{"request_id":"a"}"#,
            "label 0 has no `label` that is a number",
        ),
        (
            r#"{"request_id":"a","label":"12"}"#,
            "label 0 has no `label`",
        ),
        (
            r#"{"request_id":"a","label":null}"#,
            "label 0 has no `label`",
        ),
        (
            r#"{"request_id":"a","label":1e999}"#,
            "label 0 has no `label`",
        ),
        (
            &format!(r#"{{"request_id":"{}","label":1}}"#, "x".repeat(2000)),
            "label 0 has an id of more than",
        ),
        (
            r#"[{"request_id":"a","label":1},{"request_id":"b"}]"#,
            "label 1 has no `label`",
        ),
    ] {
        let got = world.post("/delay/labels", body.to_owned()).await;
        let message = got.body["error"].as_str().unwrap_or_default();
        assert!(
            got.status == 400 && message.contains(expect),
            "{body}: {got:?}"
        );
    }
    assert_eq!(
        world.post("/delay/labels", "[]").await.body,
        json!({"accepted":0})
    );
    let got = world
        .post("/other/labels", r#"{"request_id":"a","label":1}"#)
        .await;
    assert_eq!(got.status, 409);
    assert!(
        got.body["error"]
            .as_str()
            .unwrap()
            .contains("monitor.labels.join")
    );
    assert_eq!(records(&world), [] as [Value; 0]);
}
