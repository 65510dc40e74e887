//! The bodies that clients see.

use super::*;
use crate::oip::grpc::message::ModelInferResponse;
use crate::oip::{Wanted, WantedOutput};
use prost::Message as _;

fn output<'a>(name: &'a str, shape: &[usize], data: Data) -> Output<'a> {
    Output {
        name,
        shape: shape.to_vec(),
        data,
        classes: None,
    }
}

fn classes(shape: &[usize], data: Vec<f32>) -> Output<'static> {
    let classes = Some(vec!["no".into(), "yes".into()]);
    Output {
        name: "p",
        shape: shape.to_vec(),
        data: Data::Fp32(data),
        classes,
    }
}

#[test]
fn rows_answer_by_row() {
    let check = |outputs: &[Output<'_>], count, single, expect: &str| {
        assert_eq!(
            String::from_utf8(rows(outputs, count, single).unwrap()).unwrap(),
            expect
        );
    };
    let column = output("y", &[1, 1], Data::Fp32(vec![12.5]));
    check(
        std::slice::from_ref(&column),
        1,
        true,
        r#"{"prediction":12.5}"#,
    );
    check(
        std::slice::from_ref(&column),
        1,
        false,
        r#"{"predictions":[12.5]}"#,
    );
    let two = output("y", &[2, 1], Data::Fp32(vec![0.1, f32::NAN]));
    check(&[two], 2, false, r#"{"predictions":[0.1,null]}"#);
    let scalar = output("y", &[], Data::Int64(vec![7]));
    check(&[scalar], 1, true, r#"{"prediction":7}"#);
    let wide = output("y", &[2, 2], Data::Int32(vec![1, 2, 3, 4]));
    check(&[wide], 2, false, r#"{"predictions":[[1,2],[3,4]]}"#);
    let deep = output("y", &[1, 2, 2], Data::Bool(vec![true, false, false, true]));
    check(
        &[deep],
        1,
        true,
        r#"{"prediction":[[true,false],[false,true]]}"#,
    );
    let label = output("label", &[2], Data::Bytes(vec!["no".into(), "a\"b".into()]));
    check(
        &[label, classes(&[2, 2], vec![0.75, 0.25, 0.5, 0.5])],
        2,
        false,
        r#"{"predictions":["no","a\"b"],"outputs":[{"label":"no","p":{"no":0.75,"yes":0.25}},{"label":"a\"b","p":{"no":0.5,"yes":0.5}}]}"#,
    );
    let label = output("label", &[1], Data::Int64(vec![1]));
    check(
        &[label, classes(&[1, 2], vec![0.25, 0.75])],
        1,
        true,
        r#"{"prediction":1,"output":{"label":1,"p":{"no":0.25,"yes":0.75}}}"#,
    );
    check(&[], 3, false, r#"{"predictions":[]}"#);
}

#[test]
fn outputs_without_rows_are_not_split() {
    let sum = output("sum", &[1], Data::Fp32(vec![1.0]));
    let message = rows(&[sum], 2, false).unwrap_err().to_string();
    assert!(
        message.starts_with("output `sum` has shape [1], which has no part for each of 2 rows"),
        "{message}"
    );
}

/// One output asked for.
fn wanted(name: &str, binary: Option<bool>, classes: usize) -> Wanted {
    let name = name.to_owned();
    let one = WantedOutput {
        name,
        binary,
        classes,
    };
    Wanted {
        outputs: Some(vec![one]),
        binary: false,
    }
}

fn two() -> [Output<'static>; 2] {
    [
        output("y", &[2], Data::Fp64(vec![1.5, f64::INFINITY])),
        classes(&[1, 2], vec![0.25, 0.75]),
    ]
}

#[test]
fn protocol_answers_are_json_and_bytes() {
    let check = |id: Option<&str>, wanted: &Wanted, expect: &str, bytes: &[u8]| {
        let got = oip(id, &two(), wanted);
        let json = got.json.unwrap_or(got.bytes.len());
        assert_eq!(std::str::from_utf8(&got.bytes[..json]), Ok(expect));
        assert_eq!(&got.bytes[json..], bytes);
        assert_eq!(got.json.is_some(), !bytes.is_empty());
    };
    let y = r#"{"name":"y","datatype":"FP64","shape":[2],"data":[1.5,null]}"#;
    let p = r#"{"name":"p","datatype":"FP32","shape":[1,2],"parameters":{"classes":"[\"no\",\"yes\"]"},"data":[0.25,0.75]}"#;
    let all = Wanted::default();
    check(
        Some("a\"1"),
        &all,
        &format!(r#"{{"id":"a\"1","outputs":[{y},{p}]}}"#),
        &[],
    );
    check(
        None,
        &wanted("p", None, 0),
        &format!(r#"{{"outputs":[{p}]}}"#),
        &[],
    );
    let bytes = [1.5_f64, f64::INFINITY].map(f64::to_le_bytes).concat();
    let y = r#"{"name":"y","datatype":"FP64","shape":[2],"parameters":{"binary_data_size":16}}"#;
    check(
        None,
        &wanted("y", Some(true), 0),
        &format!(r#"{{"outputs":[{y}]}}"#),
        &bytes,
    );
    let p = r#"{"name":"p","datatype":"BYTES","shape":[1,1],"data":["0.750000:1:yes"]}"#;
    check(
        None,
        &wanted("p", None, 1),
        &format!(r#"{{"outputs":[{p}]}}"#),
        &[],
    );
    let halves = output("h", &[1], Data::Fp16(vec![f16::from_f32(0.5)]));
    let h = br#"{"outputs":[{"name":"h","datatype":"FP16","shape":[1],"data":[0.5]}]}"#;
    assert_eq!(oip(None, &[halves], &all).bytes, h);
}

#[test]
fn grpc_answers_are_raw() {
    let message = grpc(Some("a"), &two(), &Wanted::default());
    let got = ModelInferResponse::decode(&message[..]).unwrap();
    let shapes: Vec<_> = got
        .outputs
        .iter()
        .map(|o| (o.name.as_str(), o.shape.as_slice()))
        .collect();
    assert_eq!(shapes, [("y", &[2][..]), ("p", &[1, 2])]);
    assert_eq!(got.id, "a");
    let bytes = [0.25_f32, 0.75].map(f32::to_le_bytes).concat();
    assert_eq!(got.raw_output_contents[1], bytes);
    let classes = got.outputs[1].parameters["classes"].text();
    assert_eq!(classes.as_deref(), Some(r#"["no","yes"]"#));
}

#[test]
fn predictions_are_the_first_of_each_row() {
    let check = |output: Output<'_>, most, expect: &[f64]| {
        let got = predictions(&[output], most);
        assert!(
            got.len() == expect.len()
                && got.iter().zip(expect).all(|(a, b)| a.total_cmp(b).is_eq()),
            "{got:?}"
        );
    };
    check(
        output("y", &[3, 1], Data::Fp32(vec![1.0, 2.0, 3.0])),
        10,
        &[1.0, 2.0, 3.0],
    );
    check(
        output("y", &[3, 1], Data::Fp32(vec![1.0, 2.0, 3.0])),
        2,
        &[1.0, 2.0],
    );
    check(
        output("y", &[2, 2], Data::Int64(vec![1, 2, 3, 4])),
        10,
        &[1.0, 3.0],
    );
    check(output("y", &[], Data::Bool(vec![true])), 10, &[1.0]);
    check(
        output("y", &[1], Data::Bytes(vec!["a".into()])),
        10,
        &[f64::NAN],
    );
    check(output("y", &[0], Data::Fp32(vec![])), 10, &[]);
    assert!(predictions(&[], 10).is_empty());
}

#[test]
fn errors_are_one_key() {
    assert_eq!(error("a \"b\""), br#"{"error":"a \"b\""}"#);
}
