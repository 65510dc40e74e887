//! The traffic log through the doors of the gateway: ids, answers and labels of every protocol, and what a service does
//! not want written.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use gateway::LogRules;
use parquet::file::reader::SerializedFileReader;
use parquet::record::{Field, Row};

use crate::engine::{Act, Engine, always, bad, good};
use crate::world::{World, arm, delay, request, until};

const SECRET: &str = "078-05-1120";

/// All rows of a folder's files.
fn rows(folder: &Path) -> Vec<Row> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: &PathBuf| {
        let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
        reader.into_iter().map(Result::unwrap).collect::<Vec<_>>()
    };
    files.iter().flat_map(read).collect()
}

fn text(row: &Row, column: &str) -> String {
    let found = row.get_column_iter().find(|(name, _)| *name == column);
    match found.unwrap().1 {
        Field::Str(text) => text.clone(),
        Field::Bytes(bytes) => String::from_utf8_lossy(bytes.data()).into_owned(),
        other => other.to_string(),
    }
}

/// Everything under a folder that holds these bytes.
fn holding(folder: &Path, needle: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, needle));
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes.windows(needle.len()).any(|window| window == needle)
        {
            found.push(path);
        }
    }
    found
}

#[tokio::test]
async fn every_request_has_an_id_an_answer_and_the_labels_that_came() {
    let mut world = World::start().await;
    let socket = world.socket("v3");
    let two = || {
        Act::Say(inference::frame::Answer {
            predictions: vec![1.5, 2.5],
            body: Bytes::from_static(b"{\"y\":[1.5,2.5]}"),
            ..good(0.0)
        })
    };
    let _engine = Engine::start(&socket, always(two));
    let mut route = delay(vec![arm(3, 1.0, &[&socket])]);
    route.sticky = None;
    world.route(1, vec![route], &[&socket]).await;

    let oip = r#"{"id":"oip-1","inputs":[]}"#;
    let cases = [
        (
            "/delay",
            r#"[{"request_id":"r1"},{"request_id":"r2"}]"#,
            "",
            "r1",
            "[\"r1\", \"r2\"]",
        ),
        (
            "/v2/models/delay/infer",
            oip,
            "",
            "oip-1",
            "[\"oip-1\", \"oip-1#1\"]",
        ),
        (
            "/v1/models/delay:predict",
            r#"{"instances":[1,2]}"#,
            "h-1",
            "h-1",
            "[\"h-1\", \"h-1#1\"]",
        ),
        (
            "/delay/invocations",
            r#"{"inputs":[1,2]}"#,
            "h-2",
            "h-2",
            "[\"h-2\", \"h-2#1\"]",
        ),
        ("/delay/invocations", r#"{"inputs":[1,2]}"#, "", "", ""),
    ];
    let mut client = world.client().await;
    for (path, body, header, id, _) in cases {
        let mut asked = request("POST", path, body);
        if !header.is_empty() {
            let headers = asked.headers_mut();
            headers.insert("x-request-id", header.parse().unwrap());
        }
        let (got, headers) = client.send_for_headers(asked).await;
        assert_eq!(got.status, 200, "{path} {got:?}");
        let told = headers["x-request-id"].to_str().unwrap();
        assert!(
            if id.is_empty() {
                told.len() == 16
            } else {
                told == id
            },
            "{path}: {told}"
        );
    }
    let labels = r#"[{"request_id":"r2","label":2.0},{"request_id":"h-1#1","label":7}]"#;
    let got = world.post("/delay/labels", labels).await;
    assert_eq!(got.body["accepted"], 2, "{got:?}");
    world.stop().await;

    let logged = rows(&world.state().join("traffic/log"));
    assert_eq!(logged.len(), cases.len());
    for (path, body, _, id, row_ids) in cases {
        let of = |row: &&Row| {
            text(row, "body") == body && (id.is_empty() || text(row, "request_id") == id)
        };
        let row = logged
            .iter()
            .find(of)
            .unwrap_or_else(|| panic!("{path} is not logged"));
        assert!(!text(row, "request_id").is_empty());
        assert!(
            row_ids.is_empty() || text(row, "row_ids") == row_ids,
            "{}",
            text(row, "row_ids")
        );
        assert_eq!(text(row, "predictions"), "[1.5, 2.5]");
        assert!(
            text(row, "answer").starts_with("{\"y\":[1.5,2.5]"),
            "{}",
            text(row, "answer")
        );
    }
    let labels = rows(&world.state().join("traffic/labels"));
    let labels: Vec<_> = labels
        .iter()
        .map(|row| (text(row, "request_id"), text(row, "label")))
        .collect();
    assert_eq!(
        labels,
        [("r2".into(), "2.0".into()), ("h-1#1".into(), "7.0".into())]
    );
}

#[tokio::test]
async fn a_redacted_value_is_nowhere_on_the_disk() {
    let mut world = World::start().await;
    let socket = world.socket("v3");
    // Every other answer repeats what was sent, in words; the engine here reads no more than JSON.
    let script = Arc::new(|nth: usize, _: &serde_json::Value| {
        let words = format!("{{\"ssn\":\"{SECRET}\",\"error\":\"no {SECRET}\"}}");
        Act::Say(match nth % 2 {
            0 => inference::frame::Answer {
                body: words.into(),
                ..bad(400)
            },
            _ => inference::frame::Answer {
                body: format!("{{\"prediction\":7.5,\"ssn\":\"{SECRET}\"}}").into(),
                ..good(7.5)
            },
        })
    });
    let engine = Engine::start(&socket, script);
    let mut route = delay(vec![arm(3, 1.0, &[&socket])]);
    route.sticky = Some("ssn".into());
    route.log = LogRules {
        redact: vec!["ssn".into()],
        ..LogRules::default()
    };
    world.route(1, vec![route], &[&socket]).await;
    let mut client = world.client().await;
    let json = r#"{"inputs":[{"name":"ssn","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":11}}]}"#;
    let binary = format!("{json}{SECRET}");
    let bodies = [
        (
            "/delay",
            format!("{{\"request_id\":\"r1\",\"ssn\":\"{SECRET}\",\"x\":1}}"),
            "",
        ),
        (
            "/v2/models/delay/infer",
            format!("{{\"inputs\":[{{\"data\":[\"{SECRET}\"],\"name\":\"ssn\"}}]}}"),
            "",
        ),
        (
            "/v2/models/delay/infer",
            binary,
            "inference-header-content-length",
        ),
        (
            "/v1/models/delay:predict",
            format!("{{\"instances\":[{{\"ssn\":\"{SECRET}\"}}]}}"),
            "",
        ),
        (
            "/delay/invocations",
            format!("{{\"dataframe_split\":{{\"data\":[[\"{SECRET}\"]],\"columns\":[\"ssn\"]}}}}"),
            "",
        ),
        (
            "/delay/invocations",
            format!("x,ssn\n1,{SECRET}\n"),
            "content-type",
        ),
        ("/delay", format!("{{\"x\": 1, broken {SECRET}"), ""),
    ];
    let sent = bodies.len();
    for (path, body, header) in bodies {
        for _ in 0..2 {
            let mut asked = request("POST", path, body.clone());
            let value = if header == "content-type" {
                "text/csv".to_owned()
            } else {
                json.len().to_string()
            };
            if !header.is_empty() {
                asked.headers_mut().insert(header, value.parse().unwrap());
            }
            client.send(asked).await;
        }
    }
    let labels = format!("{{\"request_id\":\"r1\",\"label\":1,\"ssn\":\"{SECRET}\"}}");
    assert_eq!(world.post("/delay/labels", labels).await.status, 200);
    until("the rows are taken", async || engine.seen() >= sent).await;
    world.stop().await;
    let logged = rows(&world.state().join("traffic/log"));
    assert_eq!(logged.len(), sent * 2);
    assert!(
        logged
            .iter()
            .any(|row| text(row, "body").contains("\"x\":1"))
    );
    assert!(
        logged
            .iter()
            .any(|row| text(row, "answer").contains("{\"prediction\":7.5,\"ssn\":null"))
    );
    assert_eq!(holding(&world.state(), b"078-05"), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_sample_is_by_id_and_bodies_may_stay_away() {
    let mut world = World::start().await;
    let socket = world.socket("v3");
    let _engine = Engine::start(&socket, always(|| Act::Say(good(7.5))));
    let mut route = delay(vec![arm(3, 1.0, &[&socket])]);
    route.log = LogRules {
        sample: 0.3,
        bodies: false,
        ..LogRules::default()
    };
    world.route(1, vec![route], &[&socket]).await;
    let mut client = world.client().await;
    for round in 0..2 {
        for number in 0..200 {
            let body = format!("{{\"request_id\":\"r{number}\",\"round\":{round}}}");
            assert_eq!(client.post("/delay", body).await.status, 200);
        }
    }
    assert_eq!(world.counted(3).await.traffic_dropped, 0);
    world.stop().await;
    let mut ids: Vec<_> = rows(&world.state().join("traffic/log"))
        .iter()
        .map(|row| {
            assert_eq!((text(row, "body"), text(row, "answer")), Default::default());
            assert_eq!(text(row, "prediction"), "7.5");
            text(row, "request_id")
        })
        .collect();
    ids.sort();
    assert!((60..180).contains(&ids.len()), "{} of 400", ids.len());
    // Each request twice or not at all.
    assert!(ids.chunks(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
}

#[tokio::test]
async fn what_labels_are_joined_by_cannot_be_redacted() {
    let world = World::start().await;
    let mut route = delay(vec![arm(3, 1.0, &[])]);
    route.log.redact = vec!["flown_at".into()];
    let table = gateway::RoutingTable {
        generation: 1,
        routes: vec![route],
    };
    let got = world
        .admin("PUT", "/routes", serde_json::to_vec(&table).unwrap())
        .await;
    assert_eq!(got.status, 400);
    assert!(
        got.body.to_string().contains("join by another field"),
        "{got:?}"
    );
}
