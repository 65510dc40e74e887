//! Requests of the protocol: every datatype, flat and nested, and every refusal.

use super::*;
use crate::model::Dim;
use crate::tensor::Datatype;
use half::{bf16, f16};
use proptest::prelude::*;

fn spec(name: &str, datatype: Datatype, dims: &[Dim]) -> TensorSpec {
    TensorSpec {
        name: name.into(),
        datatype,
        dims: dims.to_vec(),
    }
}

fn free(symbol: &str) -> Dim {
    Dim::Free(Some(symbol.into()))
}

fn one(datatype: Datatype) -> Inputs {
    Inputs::new(vec![spec("x", datatype, &[free("n"), Dim::Fixed(2)])]).unwrap()
}

fn two() -> Inputs {
    let a = spec("a", Datatype::Fp32, &[free("n")]);
    let b = spec("b", Datatype::Int64, &[free("n"), Dim::Fixed(2)]);
    Inputs::new(vec![a, b]).unwrap()
}

fn outputs() -> Vec<TensorSpec> {
    vec![
        spec("y", Datatype::Fp32, &[free("n")]),
        spec("z", Datatype::Fp32, &[free("n")]),
    ]
}

fn parse(inputs: &Inputs, body: &str) -> Result<InferRequest, String> {
    InferRequest::parse(body.as_bytes(), None, inputs, &outputs()).map_err(|e| e.to_string())
}

#[test]
fn every_datatype_flat_and_nested() {
    let check = |data: Data, flat: &str, nested: &str| {
        let datatype = data.datatype();
        for json in [flat, nested] {
            let body = format!(
                r#"{{"inputs":[{{"name":"x","shape":[1,2],"datatype":"{datatype}","data":{json}}}]}}"#
            );
            let request = parse(&one(datatype), &body).unwrap();
            assert_eq!(
                request.tensors,
                [Tensor {
                    shape: vec![1, 2],
                    data: data.clone()
                }],
                "{body}"
            );
        }
    };
    check(
        Data::Bool(vec![true, false]),
        "[true,false]",
        "[[true,false]]",
    );
    check(Data::Uint8(vec![0, 255]), "[0,255]", "[[0,255]]");
    check(Data::Uint16(vec![0, 65535]), "[0,65535]", "[[0,65535]]");
    check(
        Data::Uint32(vec![0, u32::MAX]),
        "[0,4294967295]",
        "[[0,4294967295]]",
    );
    check(
        Data::Uint64(vec![0, u64::MAX]),
        "[0,18446744073709551615]",
        "[[0,18446744073709551615]]",
    );
    check(Data::Int8(vec![-128, 127]), "[-128,127]", "[[-128,127]]");
    check(Data::Int16(vec![-1, 1]), "[-1,1]", "[[-1,1]]");
    check(Data::Int32(vec![-1, 1]), "[-1,1]", "[[-1,1]]");
    check(
        Data::Int64(vec![i64::MIN, 1]),
        "[-9223372036854775808,1]",
        "[[-9223372036854775808,1]]",
    );
    check(Data::Fp32(vec![0.5, 1.0]), "[0.5,1]", "[[0.5,1]]");
    check(Data::Fp64(vec![0.1, -1.0]), "[0.1,-1]", "[[0.1,-1]]");
    let halves = vec![f16::from_f32(0.5), f16::from_f32(-2.0)];
    check(Data::Fp16(halves), "[0.5,-2]", "[[0.5,-2]]");
    let brains = vec![bf16::from_f32(0.5), bf16::from_f32(-2.0)];
    check(Data::Bf16(brains), "[0.5,-2]", "[[0.5,-2]]");
    check(
        Data::Bytes(vec!["a".into(), "\u{e9}".into()]),
        r#"["a","\u00e9"]"#,
        r#"[["a","é"]]"#,
    );
}

#[test]
fn inputs_come_in_any_order_with_id_outputs_and_parameters() {
    let body = r#"{"id":"req-1","parameters":{"p":[1]},"inputs":[
        {"data":[1,2],"name":"b","datatype":"INT64","shape":[1,2],"parameters":{"q":true}},
        {"name":"a","shape":[1],"datatype":"FP32","data":[0.5]}],"outputs":[{"name":"z"}]}"#;
    let request = parse(&two(), body).unwrap();
    assert_eq!(request.id.as_deref(), Some("req-1"));
    let z = WantedOutput {
        name: "z".into(),
        binary: None,
        classes: 0,
    };
    assert_eq!(request.wanted.outputs, Some(vec![z]));
    assert_eq!(
        request.tensors[0],
        Tensor {
            shape: vec![1],
            data: Data::Fp32(vec![0.5])
        }
    );
    assert_eq!(
        request.tensors[1],
        Tensor {
            shape: vec![1, 2],
            data: Data::Int64(vec![1, 2])
        }
    );
}

#[test]
fn refusals_name_the_input_and_the_way_out() {
    let check = |inputs: &str, expect: &str| {
        let message = parse(&two(), &format!(r#"{{"inputs":[{inputs}]}}"#)).unwrap_err();
        assert!(message.starts_with(expect), "{inputs}: {message}");
    };
    let a = r#"{"name":"a","shape":[1],"datatype":"FP32","data":[0.5]}"#;
    check("", "input `a` is missing; the model takes `a`, `b`");
    check(a, "input `b` is missing");
    check(&format!("{a},{a}"), "input `a` is given twice");
    check(
        r#"{"name":"c","shape":[1],"datatype":"FP32","data":[1]}"#,
        "the model has no input `c`; it takes `a`, `b`",
    );
    check(
        r#"{"name":"a","shape":[1],"datatype":"INT64","data":[1]}"#,
        "input `a` is FP32, not INT64",
    );
    check(
        r#"{"name":"a","shape":[1,1],"datatype":"FP32","data":[1]}"#,
        "input `a` has shape [1, 1], but the model takes [-1]",
    );
    check(
        r#"{"name":"b","shape":[1,3],"datatype":"INT64","data":[1,2,3]}"#,
        "input `b` has shape [1, 3], but the model takes [-1, 2]",
    );
    check(
        &format!(r#"{a},{{"name":"b","shape":[2,2],"datatype":"INT64","data":[1,2,3,4]}}"#),
        "input `b` is 2 long in dimension `n`, but another input is 1",
    );
    check(
        r#"{"name":"a","shape":[2],"datatype":"FP32","data":[1]}"#,
        "input `a` has shape [2], which is 2 elements, but its data has 1",
    );
    check(
        r#"{"name":"a","shape":[1],"datatype":"FP32","data":1}"#,
        "input `a` has shape [1], which is 1 elements",
    );
    check(
        r#"{"name":"a","shape":[1],"datatype":"FP32","data":["x"]}"#,
        "input `a`: the string \"x\" where FP32 is expected",
    );
    check(
        r#"{"name":"a","shape":[1],"datatype":"FP32"}"#,
        "input `a` has no data: send `data`",
    );
    check(
        r#"{"name":"a","shape":[1],"datatype":"FP32","data":[1],"parameters":{"binary_data_size":4}}"#,
        "input `a` has both",
    );
    check(
        r#"{"name":"a","shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4}}"#,
        "input `a` says that its data is 4 bytes, but only 0 are left",
    );
    check(
        r#"{"name":"a","shape":[1],"datatype":"FP32","parameters":{"shared_memory_region":"r"}}"#,
        "input `a` is in shared memory",
    );
    check(
        r#"{"name":"a","shape":[18446744073709551615],"datatype":"FP32","data":[1]}"#,
        "the body is not an inference request: invalid value: integer `18446744073709551615`",
    );
    check(
        r#"{"name":"a","shape":[-1],"datatype":"FP32","data":[1]}"#,
        "input `a` has shape [-1], but the model takes [-1]",
    );
    let message = parse(&two(), r#"{"instances":[]}"#).unwrap_err();
    assert!(
        message.starts_with("the body is not an inference request: missing field `inputs`"),
        "{message}"
    );
    let body = format!(
        r#"{{"inputs":[{a},{{"name":"b","shape":[1,2],"datatype":"INT64","data":[1,2]}}],"outputs":[{{"name":"w"}}]}}"#
    );
    assert_eq!(
        parse(&two(), &body).unwrap_err(),
        "the model has no output `w`; it gives `y`, `z`"
    );
}

/// One input, `x`, of these dimensions.
fn only(datatype: Datatype, dims: &[Dim]) -> Inputs {
    Inputs::new(vec![spec("x", datatype, dims)]).unwrap()
}

fn with_bytes(json: &str, bytes: &[u8]) -> Result<InferRequest, String> {
    let body = [json.as_bytes(), bytes].concat();
    InferRequest::parse(&body, Some(json.len()), &two(), &outputs()).map_err(|e| e.to_string())
}

#[test]
fn bytes_behind_the_json_belong_to_the_inputs_in_turn() {
    let json = |a: u64, b: u64| {
        format!(
            r#"{{"inputs":[{{"name":"b","shape":[1,2],"datatype":"INT64","parameters":{{"binary_data_size":{b}}}}},{{"name":"a","shape":[1],"datatype":"FP32","parameters":{{"binary_data_size":{a}}}}}],"parameters":{{"binary_data_output":true}},"outputs":[{{"name":"z","parameters":{{"binary_data":false,"classification":2}}}}]}}"#
        )
    };
    let mut bytes = Vec::new();
    raw::write(&Data::Int64(vec![-5, 7]), &mut bytes);
    raw::write(&Data::Fp32(vec![0.5]), &mut bytes);
    let request = with_bytes(&json(4, 16), &bytes).unwrap();
    assert_eq!(request.tensors[0].data, Data::Fp32(vec![0.5]));
    assert_eq!(request.tensors[1].data, Data::Int64(vec![-5, 7]));
    assert!(request.wanted.binary);
    let z = &request.wanted.outputs.unwrap()[0];
    assert_eq!((z.binary, z.classes), (Some(false), 2));

    let check = |a, b, bytes: &[u8], expect: &str| {
        let message = with_bytes(&json(a, b), bytes).unwrap_err();
        assert!(message.starts_with(expect), "{message}");
    };
    check(
        4,
        16,
        &bytes[..19],
        "input `a` says that its data is 4 bytes, but only 3",
    );
    check(
        4,
        17,
        &bytes,
        "input `b`: 17 bytes where 2 elements of INT64 take 16",
    );
    check(
        4,
        u64::MAX,
        &bytes,
        "input `b` says that its data is 18446744073709551615",
    );
    bytes.push(0);
    check(4, 16, &bytes, "1 bytes are left behind");
    let short = InferRequest::parse(b"{}", Some(3), &two(), &[]).unwrap_err();
    assert!(
        short
            .to_string()
            .starts_with("the header says that the JSON is 3 bytes")
    );
}

#[test]
fn a_body_without_json_is_the_only_input() {
    let check = |inputs: &Inputs, body: &[u8], expect: Result<(&[usize], Data), &str>| {
        let got = InferRequest::parse(body, Some(0), inputs, &[]);
        match expect {
            Ok((shape, data)) => {
                let shape = shape.to_vec();
                assert_eq!(got.unwrap().tensors, [Tensor { shape, data }]);
            }
            Err(message) => assert!(got.unwrap_err().to_string().starts_with(message)),
        }
    };
    let bytes: Vec<u8> = [1.0_f32, 2.0, 3.0, 4.0].map(f32::to_le_bytes).concat();
    let four = || Data::Fp32(vec![1.0, 2.0, 3.0, 4.0]);
    let pairs = only(Datatype::Fp32, &[free("n"), Dim::Fixed(2)]);
    check(&pairs, &bytes, Ok((&[2, 2], four())));
    check(&pairs, &bytes[..12], Err("a request without JSON"));
    check(&pairs, &bytes[..7], Err("input `x`: 7 bytes"));
    let open = only(Datatype::Fp32, &[free("n"), free("m")]);
    check(&open, &bytes, Err("a request without JSON"));
    check(&two(), &bytes, Err("a request without JSON"));
    let text = only(Datatype::Bytes, &[free("n")]);
    check(
        &text,
        b"hello",
        Ok((&[1], Data::Bytes(vec!["hello".into()]))),
    );
    check(&text, &[0xff], Err("input `x`: string 0"));
}

#[test]
fn a_batch_may_be_empty() {
    let body = r#"{"inputs":[{"name":"x","shape":[0,2],"datatype":"FP32","data":[]}]}"#;
    let request = InferRequest::parse(body.as_bytes(), None, &one(Datatype::Fp32), &[]).unwrap();
    assert_eq!(request.tensors[0].shape, [0, 2]);
}

proptest! {
    #[test]
    fn any_bytes_behind_any_json_are_a_request_or_an_error(
        body in proptest::collection::vec(any::<u8>(), 0..300),
        json in 0..300_usize,
    ) {
        let _ = InferRequest::parse(&body, Some(json), &two(), &outputs());
        let _ = InferRequest::parse(&body, Some(json), &only(Datatype::Bool, &[free("n")]), &[]);
    }

    #[test]
    fn any_bytes_are_a_request_or_an_error(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = InferRequest::parse(&body, None, &two(), &outputs());
    }

    #[test]
    fn any_shape_and_data_agree_or_are_refused(
        shape in proptest::collection::vec(0..4_u64, 0..4),
        data in "(\\[|\\]|[0-9]|,|null|1\\.5){0,12}",
    ) {
        let body = format!(r#"{{"inputs":[{{"name":"x","shape":{shape:?},"datatype":"FP32","data":{data}}}]}}"#);
        if let Ok(request) = InferRequest::parse(body.as_bytes(), None, &one(Datatype::Fp32), &[]) {
            let tensor = &request.tensors[0];
            prop_assert_eq!(tensor.data.len(), tensor.shape.iter().product::<usize>());
            prop_assert_eq!(tensor.shape[1], 2);
        }
    }
}
