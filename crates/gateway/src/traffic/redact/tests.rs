//! Checks that redacted values are gone from every protocol, wherever a body is cut, and that the rest stays.

use std::collections::HashMap;

use bytes::Bytes;
use inference::oip::grpc::message::{
    Choice, InferInputTensor, InferOutputTensor, InferTensorContents, ModelInferRequest,
    ModelInferResponse, Parameter,
};
use proptest::prelude::*;
use prost::Message as _;

use super::*;

const SECRET: &str = "078-05-1120";

fn names() -> Vec<String> {
    vec!["ssn".to_owned(), "address.street".to_owned()]
}

fn left(protocol: Protocol, body: &[u8], json: u32, whole: usize) -> (Payload, bool) {
    let mut payload = Payload {
        bytes: Bytes::copy_from_slice(body),
        json,
        whole,
        is_answer: false,
    };
    let names = names();
    let touched = redact(&mut payload, protocol, Names(&names));
    (payload, touched)
}

fn check(protocol: Protocol, body: &str, expect: &str) {
    let (left, touched) = left(protocol, body.as_bytes(), 0, body.len());
    assert_eq!(String::from_utf8_lossy(&left.bytes), expect, "{body}");
    assert!(!touched || body != expect, "{body}");
}

#[test]
fn values_go_by_name_in_every_json() {
    let rows = |body, expect| check(Protocol::Rows, body, expect);
    rows(
        r#"{"ssn":"078-05-1120","x":1.5}"#,
        r#"{"ssn":null,"x":1.5}"#,
    );
    rows(
        r#"[{"ssn":1},{"x":[1,"a"]}]"#,
        r#"[{"ssn":null},{"x":[1,"a"]}]"#,
    );
    rows(r#"{"\u0073sn":{"a":[1]}}"#, r#"{"\u0073sn":null}"#);
    rows(r#"{"ssn":1,"ssn":2}"#, r#"{"ssn":null,"ssn":null}"#);
    // A field of a field, however deep; written as one name, too.
    rows(
        r#"{"address":{"street":"Elm","city":"Rye"},"street":"a"}"#,
        r#"{"address":{"street":null,"city":"Rye"},"street":"a"}"#,
    );
    rows(
        r#"{"who":[{"address":{"street":1}}]}"#,
        r#"{"who":[{"address":{"street":null}}]}"#,
    );
    rows(r#"{"address.street":"Elm"}"#, r#"{"address.street":null}"#);
    // Without names, nobody knows whose they are.
    rows("[[1,2]]", "[null]");

    let v1 = |body, expect| check(Protocol::V1, body, expect);
    v1(
        r#"{"instances":[{"ssn":1,"x":2}]}"#,
        r#"{"instances":[{"ssn":null,"x":2}]}"#,
    );
    v1(r#"{"instances":[[1,2],3]}"#, r#"{"instances":[null,null]}"#);
    v1(r#"{"instances":7}"#, r#"{"instances":null}"#);

    let oip = |body, expect| check(Protocol::Oip, body, expect);
    oip(
        r#"{"id":"a","parameters":{"ssn":1},"inputs":[{"data":[1],"name":"ssn","shape":[1]},{"name":"x","data":[2]}]}"#,
        r#"{"id":"a","parameters":{"ssn":null},"inputs":[{"data":null,"name":"ssn","shape":[1]},{"name":"x","data":[2]}]}"#,
    );
    oip(
        r#"{"inputs":[{"data":[1]}]}"#,
        r#"{"inputs":[{"data":null}]}"#,
    );

    let scoring = |body, expect| check(Protocol::Scoring, body, expect);
    scoring(
        r#"{"dataframe_split":{"data":[["078-05-1120",2],[3]],"columns":["ssn","x"]}}"#,
        r#"{"dataframe_split":{"data":[[null,2],[null]],"columns":["ssn","x"]}}"#,
    );
    scoring(
        r#"{"dataframe_split":{"data":[[1,2]]}}"#,
        r#"{"dataframe_split":{"data":null}}"#,
    );
    scoring(
        r#"{"dataframe_split":{"columns":[["ssn","a"]],"data":[[1]]}}"#,
        r#"{"dataframe_split":{"columns":[["ssn","a"]],"data":null}}"#,
    );
    scoring(
        r#"{"dataframe_records":[{"ssn":1,"x":NaN}]}"#,
        r#"{"dataframe_records":[{"ssn":null,"x":NaN}]}"#,
    );
    scoring(
        r#"{"inputs":{"ssn":[1],"x":[2]},"params":{"ssn":1}}"#,
        r#"{"inputs":{"ssn":null,"x":[2]},"params":{"ssn":null}}"#,
    );
    scoring(r#"{"inputs":[[1]]}"#, r#"{"inputs":[null]}"#);

    let http = |body, expect| check(Protocol::Http, body, expect);
    http(
        r#"{"model":"m","messages":[{"content":"hi","ssn":1}]}"#,
        r#"{"model":"m","messages":[{"content":"hi","ssn":null}]}"#,
    );
    http("ssn=078-05-1120", "");
    http("data: {\"ssn\":1}", "");
    // From where it is no JSON any more, nothing is kept.
    rows(r#"{"x":1,'ssn':'078-05-1120'}"#, r#"{"x":1"#);
    rows(r#"{"ssn":078-05-1120,"x":1}"#, r#"{"ssn":null,"x":1}"#);
    rows(r#"{"ssn":078 05 1120,"x":1}"#, r#"{"ssn":null"#);
    rows(SECRET, "");
}

#[test]
fn deep_bodies_end_early() {
    let deep = "[".repeat(100_000);
    let (left, _) = left(Protocol::Rows, deep.as_bytes(), 0, deep.len());
    assert!(left.bytes.len() < 100, "{}", left.bytes.len());
}

#[test]
fn columns_of_csv_go() {
    let csv = |body, expect| check(Protocol::Csv, body, expect);
    csv("ssn,x\n078-05-1120,1\n2,3\n", "ssn,x\n,1\n,3\n");
    csv("x,\"ssn\",y\n1,\"078,05\",2\n", "x,\"ssn\",y\n1,,2\n");
    csv(
        "x,address.street\n1,\"a \"\"b\"\"\"\n",
        "x,address.street\n1,\n",
    );
    csv("x,ssn\n1\n2,3", "x,ssn\n1\n2,");
    // Others may part these in another way.
    csv("x,ssn\r1,078-05-1120\r", "x,ssn\n1,\n");
    csv("x,ssn\n5\" pipe,078-05-1120\n", "x,ssn\n");
    csv("x,ssn\n1,2,078-05-1120\n", "x,ssn\n");
    csv("x,ssn\n\"1,078-05-1120\n", "x,ssn\n");
    csv("no end of a first line", "");
}

#[test]
fn raw_tensors_become_zeros() {
    let head = |ssn: &str| {
        format!(
            r#"{{"inputs":[{{"name":"a","parameters":{{"binary_data_size":2}}}},{{"name":"ssn","data":{ssn}}},{{"name":"ssn","parameters":{{"binary_data_size":11}}}},{{"name":"b","parameters":{{"binary_data_size":3}}}}],"outputs":[{{"name":"y"}}]}}"#
        )
    };
    let given = head("[5]");
    let json = u32::try_from(given.len()).unwrap();
    let body = [
        given.as_bytes(),
        b"aa",
        SECRET.as_bytes(),
        b"bbb",
        b"surplus",
    ]
    .concat();
    let (got, touched) = left(Protocol::OipBinary, &body, json, body.len());
    let expect = head("null");
    assert_eq!(got.json as usize, expect.len());
    assert!(touched);
    let zeros = [0; 11];
    assert_eq!(
        got.bytes,
        [expect.as_bytes(), b"aa", &zeros, b"bbb"].concat()
    );
    // Without a whole head, whose bytes these are is not known.
    for (body, json) in [
        (&body[..given.len() - 1], json),
        (&body[..], 0),
        (&body[..], 20),
    ] {
        assert_eq!(left(Protocol::OipBinary, body, json, 1000).0.bytes, "");
    }
}

fn request() -> ModelInferRequest {
    let tensor = |name: &str, text: Option<&str>| InferInputTensor {
        name: name.into(),
        datatype: "BYTES".into(),
        shape: vec![1, 300],
        contents: text.map(|text| InferTensorContents {
            bytes_contents: vec![Bytes::copy_from_slice(text.as_bytes())],
            ..Default::default()
        }),
        ..Default::default()
    };
    let text = |text: &str| Parameter {
        choice: Some(Choice::String(text.into())),
    };
    ModelInferRequest {
        model_name: "m".into(),
        id: "7".into(),
        parameters: HashMap::from([("ssn".into(), text(SECRET)), ("k".into(), text("v"))]),
        inputs: vec![
            tensor("ssn", Some(SECRET)),
            tensor("a", Some("kept")),
            tensor("ssn", None),
            tensor("b", None),
        ],
        raw_input_contents: vec![SECRET.into(), "raw".into()],
        ..Default::default()
    }
}

#[test]
fn tensors_of_messages_go() {
    let message = request().encode_to_vec();
    let (got, touched) = left(Protocol::Grpc, &message, 0, message.len());
    let got = ModelInferRequest::decode(got.bytes).unwrap();
    let mut expect = request();
    expect.parameters.remove("ssn");
    expect.inputs[0].contents = None;
    // Raw contents are counted over all tensors, whether or not they have typed ones.
    expect.raw_input_contents = vec![vec![0; SECRET.len()].into(), "raw".into()];
    assert_eq!((got, touched), (expect, true));

    let answer = ModelInferResponse {
        outputs: vec![InferOutputTensor {
            name: "ssn".into(),
            ..Default::default()
        }],
        raw_output_contents: vec![SECRET.into()],
        ..Default::default()
    };
    let mut payload = Payload::answer(&answer.encode_to_vec().into(), 0);
    let names = names();
    assert!(redact(&mut payload, Protocol::Grpc, Names(&names)));
    let got = ModelInferResponse::decode(payload.bytes).unwrap();
    assert_eq!(got.raw_output_contents, [vec![0; SECRET.len()]]);
}

#[test]
fn no_cut_lets_a_value_through() {
    let bodies = [
        (
            Protocol::Rows,
            r#"{"x":1,"ssn":"078-05-1120","y":"z"}"#.to_owned(),
        ),
        (
            Protocol::Oip,
            r#"{"inputs":[{"data":["078-05-1120"],"name":"ssn"}]}"#.to_owned(),
        ),
        (
            Protocol::Scoring,
            r#"{"dataframe_split":{"data":[["078-05-1120"]],"columns":["ssn"]}}"#.to_owned(),
        ),
        (
            Protocol::Csv,
            "x,ssn\n1,078-05-1120\n2,078-05-1120\n".to_owned(),
        ),
    ];
    for (protocol, body) in bodies {
        for end in 0..=body.len() {
            let (left, _) = left(protocol, &body.as_bytes()[..end], 0, body.len());
            let text = String::from_utf8_lossy(&left.bytes).into_owned();
            assert!(!text.contains("07"), "{protocol:?} cut at {end}: {text}");
        }
    }
    let message = request().encode_to_vec();
    for end in 0..=message.len() {
        let (left, _) = left(Protocol::Grpc, &message[..end], 0, message.len());
        let text = String::from_utf8_lossy(&left.bytes).into_owned();
        assert!(!text.contains("07"), "message cut at {end}: {text}");
    }
}

/// A JSON object of these keys, whose only sevens stand under `ssn`.
fn json(keys: &'static [&'static str]) -> impl Strategy<Value = String> {
    let leaf = proptest::sample::select(vec!["1", "\"a\\\"b\"", "null"]).prop_map(str::to_owned);
    let nested = leaf.prop_recursive(5, 40, 5, move |inner| {
        let field = (proptest::sample::select(keys), inner.clone());
        let field = field.prop_map(|(key, value)| match key {
            "ssn" => "\"ssn\" : [\"7\", {\"x\": 7}]".to_owned(),
            key => format!("\"{key}\": {value}"),
        });
        let items = proptest::collection::vec(inner, 0..4);
        let fields = proptest::collection::vec(field, 0..5);
        prop_oneof![
            items.prop_map(|items| format!("[{}]", items.join(", "))),
            fields.prop_map(|fields| format!("{{{}}}", fields.join(","))),
        ]
    });
    nested.prop_map(|value| format!("{{\"y\": {value} }}"))
}

proptest! {
    #[test]
    fn any_json_loses_its_values_and_no_bytes_panic(
        text in json(&["ssn", "x", "data", "name", "columns", "inputs"]),
        at in 0.0..1.0_f64,
        noise in any::<Vec<u8>>(),
    ) {
        let end = (text.len() as f64 * at) as usize;
        for end in [end, text.len()] {
            let (left, _) = left(Protocol::Rows, &text.as_bytes()[..end], 0, text.len());
            prop_assert!(!left.bytes.contains(&b'7'), "{} cut at {}", text, end);
        }
        for protocol in [Protocol::Rows, Protocol::OipBinary, Protocol::Grpc, Protocol::Csv] {
            let mut payload = Payload::body(&Bytes::from(noise.clone()), 3);
            super::redact(&mut payload, protocol, Names(&names()));
        }
    }

    #[test]
    fn what_nobody_names_stays(text in json(&["x", "name", "columns", "street"])) {
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let (left, touched) = left(Protocol::Rows, text.as_bytes(), 0, text.len());
        prop_assert!(!touched);
        let got: serde_json::Value = serde_json::from_slice(&left.bytes).unwrap();
        prop_assert_eq!(got, value);
    }
}
