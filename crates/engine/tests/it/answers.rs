//! What models answer, number by number, and what is said about requests that do not fit.

use inference::frame::{EDITION, Reply, Request};
use inference::model::{ModelDescription, Understands};

use crate::onnx;
use crate::replica::{Replica, said};

#[tokio::test]
async fn rows_are_columns_by_name() {
    let replica = Replica::start(&onnx::columns(), |_| {}).await;
    let mut client = replica.connect().await;
    let good = client
        .rows(r#"{"b": 2, "a": 0.5, "request_id": "r1"}"#)
        .await;
    assert_eq!(said(&good), (200, r#"{"prediction":20.5}"#));
    assert_eq!(good.predictions, [20.5]);
    let good = client
        .rows(r#"[{"a":1,"b":1},{"a":2,"b":2},{"a":null,"b":3}]"#)
        .await;
    assert_eq!(said(&good), (200, r#"{"predictions":[11.0,22.0,null]}"#));
    assert_eq!(good.predictions[..2], [11.0, 22.0]);
    assert!(good.predictions[2].is_nan());

    for (body, message) in [
        (r#"{"a":1}"#, "input `b` is missing in row 0"),
        (
            r#"{"a":"1","b":1}"#,
            "input `a`: the string \\\"1\\\" where FP32 is expected",
        ),
        (
            r#"{"a":1,"b":null}"#,
            "input `b`: null where INT64 is expected",
        ),
        (r#"{"a":NaN,"b":1}"#, "the body is not valid JSON"),
        (
            r#"{"a":1,"b":1.5}"#,
            "input `b`: 1.5 where INT64 is expected",
        ),
        ("[]", "the body has no rows"),
        ("", "the body is not valid JSON"),
    ] {
        let bad = client.rows(body).await;
        assert_eq!(bad.status, 400, "{body}");
        assert!(
            said(&bad)
                .1
                .starts_with(&format!("{{\"error\":\"{message}")),
            "{body}: {:?}",
            said(&bad)
        );
        assert!(bad.predictions.is_empty());
    }
    replica.stop().await.unwrap();
}

#[tokio::test]
async fn too_many_rows_are_refused() {
    let replica = Replica::start(&onnx::columns(), |options| options.max_rows = 2).await;
    let mut client = replica.connect().await;
    let bad = client
        .rows(r#"[{"a":1,"b":1},{"a":1,"b":1},{"a":1,"b":1}]"#)
        .await;
    assert_eq!(
        said(&bad),
        (
            400,
            r#"{"error":"3 rows in one request, but at most 2 are allowed; send them in parts"}"#
        )
    );
}

#[tokio::test]
async fn a_tree_takes_a_vector() {
    let replica = Replica::start(&onnx::tree(), |_| {}).await;
    let mut client = replica.connect().await;
    let good = client
        .rows(r#"[{"x":[0.5,9]},{"x":[0.6,3]},{"x":[0.6,3.5]}]"#)
        .await;
    assert_eq!(said(&good), (200, r#"{"predictions":[1.0,20.0,300.0]}"#));
    let body =
        r#"{"id":"q","inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[0,0,1,9]}]}"#;
    let good = client.oip(body).await;
    let expect =
        r#"{"id":"q","outputs":[{"name":"y","datatype":"FP32","shape":[2,1],"data":[1.0,300.0]}]}"#;
    assert_eq!(said(&good), (200, expect));
    assert_eq!(good.predictions, [1.0, 300.0]);
    let bad = client.rows(r#"{"x":[1]}"#).await;
    assert_eq!(bad.status, 400);
    let bad = client
        .oip(r#"{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":[0,0,1]}]}"#)
        .await;
    let message = r#"{"error":"input `x` has shape [1, 3], but the model takes [-1, 2]"}"#;
    assert_eq!(said(&bad), (400, message));
}

#[tokio::test]
async fn every_datatype_goes_through() {
    let all = [
        (onnx::FLOAT, "FP32", "[0.25,null]"),
        (2, "UINT8", "[0,255]"),
        (3, "INT8", "[-128,127]"),
        (4, "UINT16", "[0,65535]"),
        (5, "INT16", "[-32768,32767]"),
        (6, "INT32", "[-2147483648,2147483647]"),
        (
            onnx::INT64,
            "INT64",
            "[-9223372036854775808,9223372036854775807]",
        ),
        (onnx::STRING, "BYTES", r#"["","é\"\n"]"#),
        (onnx::BOOL, "BOOL", "[true,false]"),
        (11, "FP64", "[0.1,1e+300]"),
        (12, "UINT32", "[0,4294967295]"),
        (13, "UINT64", "[0,18446744073709551615]"),
    ];
    for (element, datatype, data) in all {
        let replica = Replica::start(&onnx::identity(element), |_| {}).await;
        let mut client = replica.connect().await;
        let tensor = |name| {
            format!(r#"{{"name":"{name}","datatype":"{datatype}","shape":[1,2],"data":{data}}}"#)
        };
        let good = client
            .oip(&format!(r#"{{"inputs":[{}]}}"#, tensor("x")))
            .await;
        assert_eq!(
            said(&good),
            (200, format!(r#"{{"outputs":[{}]}}"#, tensor("y")).as_str())
        );
        let good = client.rows(&format!(r#"{{"x":{data}}}"#)).await;
        assert_eq!(
            said(&good),
            (200, format!(r#"{{"prediction":{data}}}"#).as_str())
        );
        replica.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_failing_run_is_the_models_fault_and_the_next_one_works() {
    let replica = Replica::start(&onnx::gather(), |_| {}).await;
    let mut client = replica.connect().await;
    let good = client.rows(r#"[{"i":0},{"i":1},{"i":2}]"#).await;
    assert_eq!(said(&good), (200, r#"{"predictions":[0.5,null,2.5]}"#));
    for _ in 0..3 {
        let bad = client.rows(r#"{"i":7}"#).await;
        assert_eq!(bad.status, 500);
        assert!(
            said(&bad).1.starts_with(r#"{"error":"the model failed: "#),
            "{:?}",
            said(&bad)
        );
        assert!(
            said(&bad).1.contains("out of data bounds"),
            "{:?}",
            said(&bad)
        );
        assert_eq!(
            said(&client.rows(r#"{"i":0}"#).await),
            (200, r#"{"prediction":0.5}"#)
        );
    }
}

#[tokio::test]
async fn classifiers_answer_labels_and_probabilities() {
    let replica = Replica::start(&onnx::classifier(), |_| {}).await;
    let mut client = replica.connect().await;
    let good = client.rows(r#"[{"x":2},{"x":-3}]"#).await;
    let expect = r#"{"predictions":["yes","no"],"outputs":[{"label":"yes","probabilities":{"no":-2.0,"yes":2.0}},{"label":"no","probabilities":{"no":3.0,"yes":-3.0}}]}"#;
    assert_eq!(said(&good), (200, expect));
    assert!(good.predictions.iter().all(|p| p.is_nan()) && good.predictions.len() == 2);
    let body = r#"{"inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[2]}],"outputs":[{"name":"probabilities"}]}"#;
    let good = client.oip(body).await;
    let expect = r#"{"outputs":[{"name":"probabilities","datatype":"FP32","shape":[1,2],"parameters":{"classes":"[\"no\",\"yes\"]"},"data":[-2.0,2.0]}]}"#;
    assert_eq!(said(&good), (200, expect));
}

#[tokio::test]
async fn a_replica_describes_its_model() {
    let replica = Replica::start(&onnx::columns(), |_| {}).await;
    let mut client = replica.connect().await;
    assert_eq!(client.ask(Request::Ping).await, Reply::Pong);
    let Reply::Description(json) = client.ask(Request::Describe).await else {
        panic!("no description")
    };
    let told: Understands = serde_json::from_slice(&json).unwrap();
    assert_eq!(told.frames, EDITION);
    let description: ModelDescription = serde_json::from_slice(&json).unwrap();
    assert_eq!(
        serde_json::to_string(&description).unwrap(),
        r#"{"inputs":[{"name":"a","datatype":"FP32","shape":[-1,1]},{"name":"b","datatype":"INT64","shape":[-1,1]}],"outputs":[{"name":"y","datatype":"FP32","shape":[-1,1]}]}"#
    );
}

/// What [`onnx::forest`] must give, by walking down its trees.
fn walk(row: &[f32], trees: usize, depth: u32) -> f64 {
    let descend = |tree: usize| {
        let mut node = 0;
        for _ in 0..depth {
            let feature = (tree * 13 + node * 5) % row.len();
            let threshold = ((tree * 31 + node * 17) % 100) as f32 / 100.0;
            node = 2 * node + if row[feature] <= threshold { 1 } else { 2 };
        }
        ((tree * 7 + node) % 11) as f64 / 10.0
    };
    (0..trees).map(descend).sum()
}

#[tokio::test]
async fn a_forest_answers_what_a_walk_down_its_trees_gives() {
    let (features, trees, depth) = (5, 20, 4);
    let columns = Replica::start(&onnx::forest(features, trees, depth, true), |_| {}).await;
    let vector = Replica::start(&onnx::forest(features, trees, depth, false), |_| {}).await;
    let (mut columns, mut vector) = (columns.connect().await, vector.connect().await);
    for seed in 0..50 {
        let row: Vec<f32> = (0..features)
            .map(|n| ((seed * 37 + n * 23) % 101) as f32 / 100.0)
            .collect();
        let expect = walk(&row, trees as usize, depth);
        let fields = row
            .iter()
            .enumerate()
            .map(|(n, x)| format!("\"c{n}\":{x}"))
            .collect::<Vec<_>>();
        let by_column = columns
            .rows(&format!("{{{}}}", fields.join(",")))
            .await
            .predictions[0];
        let by_vector = vector.rows(&format!("{{\"x\":{row:?}}}")).await.predictions[0];
        assert!(
            (by_column - expect).abs() < 1e-5,
            "row {row:?}: {by_column}, not {expect}"
        );
        assert!(
            (by_vector - expect).abs() < 1e-5,
            "row {row:?}: {by_vector}, not {expect}"
        );
    }
}
