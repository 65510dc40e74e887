//! Requests over gRPC: typed lists and raw bytes, and every refusal.

use super::*;
use crate::model::Dim;
use crate::tensor::Tensor;
use message::{Choice, InferInputTensor, InferRequestedOutputTensor};
use proptest::prelude::*;

fn inputs(datatype: Datatype) -> Inputs {
    let dims = vec![Dim::Free(Some("n".into()))];
    let name = "x".into();
    Inputs::new(vec![TensorSpec {
        name,
        datatype,
        dims,
    }])
    .unwrap()
}

fn request(
    datatype: &str,
    shape: &[i64],
    contents: Option<InferTensorContents>,
) -> ModelInferRequest {
    let input = InferInputTensor {
        name: "x".into(),
        datatype: datatype.into(),
        shape: shape.to_vec(),
        contents,
        ..InferInputTensor::default()
    };
    ModelInferRequest {
        model_name: "m".into(),
        inputs: vec![input],
        ..ModelInferRequest::default()
    }
}

fn read(request: &ModelInferRequest, datatype: Datatype) -> Result<InferRequest, String> {
    let outputs = inputs(Datatype::Fp32).specs().to_vec();
    parse(request.encode_to_vec().into(), &inputs(datatype), &outputs).map_err(|e| e.to_string())
}

#[test]
fn every_datatype_typed_and_raw() {
    let check = |data: Data, contents: InferTensorContents| {
        let datatype = data.datatype();
        let shape = i64::try_from(data.len()).unwrap();
        let typed = request(datatype.name(), &[shape], Some(contents));
        let mut bytes = Vec::new();
        raw::write(&data, &mut bytes);
        let raw = ModelInferRequest {
            raw_input_contents: vec![bytes.into()],
            ..request(datatype.name(), &[shape], None)
        };
        let shape = vec![data.len()];
        let expect = [Tensor { shape, data }];
        assert_eq!(read(&typed, datatype).unwrap().tensors, expect);
        assert_eq!(read(&raw, datatype).unwrap().tensors, expect);
    };
    let none = InferTensorContents::default;
    macro_rules! check {
        ($wrap:ident, $values:expr, $field:ident: $list:expr) => {
            check(
                Data::$wrap($values),
                InferTensorContents {
                    $field: $list,
                    ..none()
                },
            );
        };
    }
    check!(Bool, vec![true, false], bool_contents: vec![true, false]);
    check!(Uint8, vec![0, 255], uint_contents: vec![0, 255]);
    check!(Uint16, vec![65535], uint_contents: vec![65535]);
    check!(Uint32, vec![u32::MAX], uint_contents: vec![u32::MAX]);
    check!(Uint64, vec![u64::MAX], uint64_contents: vec![u64::MAX]);
    check!(Int8, vec![-128], int_contents: vec![-128]);
    check!(Int16, vec![-1], int_contents: vec![-1]);
    check!(Int32, vec![i32::MIN], int_contents: vec![i32::MIN]);
    check!(Int64, vec![i64::MIN], int64_contents: vec![i64::MIN]);
    check!(Fp32, vec![0.5], fp32_contents: vec![0.5]);
    check!(Fp64, vec![0.1], fp64_contents: vec![0.1]);
    check!(Fp16, vec![f16::from_f32(0.5)], fp32_contents: vec![0.5]);
    check!(Bf16, vec![bf16::from_f32(0.5)], fp32_contents: vec![0.5]);
    check!(Bytes, vec!["é".into()], bytes_contents: vec!["é".into()]);
    check(Data::Fp32(vec![]), none());
}

#[test]
fn refusals_say_what_is_wrong() {
    let check = |request: ModelInferRequest, datatype, expect: &str| {
        let message = read(&request, datatype).unwrap_err();
        assert!(message.starts_with(expect), "{message}");
    };
    let floats = |fp32_contents| InferTensorContents {
        fp32_contents,
        ..InferTensorContents::default()
    };
    let good = || request("FP32", &[2], Some(floats(vec![1.0, 2.0])));
    let two = request("FP32", &[2], Some(floats(vec![1.0])));
    check(
        two,
        Datatype::Fp32,
        "input `x` has shape [2], which is 2 elements, but its data has 1",
    );
    check(good(), Datatype::Fp64, "input `x` is FP64, not FP32");
    check(
        request("FP32", &[-2], None),
        Datatype::Fp32,
        "input `x` has shape [-2]",
    );
    let ints = InferTensorContents {
        int_contents: vec![300],
        ..InferTensorContents::default()
    };
    check(
        request("INT8", &[1], Some(ints)),
        Datatype::Int8,
        "input `x` has no data",
    );
    let raw = ModelInferRequest {
        raw_input_contents: vec![vec![0; 8].into(), vec![0; 8].into()],
        ..good()
    };
    check(
        raw,
        Datatype::Fp32,
        "raw data comes for 2 inputs, but the request has 1",
    );
    let raw = ModelInferRequest {
        raw_input_contents: vec![vec![0; 7].into()],
        ..good()
    };
    check(
        raw,
        Datatype::Fp32,
        "input `x`: 7 bytes where 2 elements of FP32 take 8",
    );
    let outputs = vec![InferRequestedOutputTensor {
        name: "w".into(),
        ..InferRequestedOutputTensor::default()
    }];
    check(
        ModelInferRequest { outputs, ..good() },
        Datatype::Fp32,
        "the model has no output `w`",
    );
}

#[test]
fn classes_are_asked_for_by_a_parameter() {
    let choice = Some(Choice::Int64(3));
    let parameters = [("classification".to_owned(), Parameter { choice })].into();
    let name = "x".into();
    let request = ModelInferRequest {
        id: "7".into(),
        outputs: vec![InferRequestedOutputTensor { name, parameters }],
        ..request("FP32", &[0], None)
    };
    let got = read(&request, Datatype::Fp32).unwrap();
    assert_eq!(got.id.as_deref(), Some("7"));
    assert_eq!(got.wanted.outputs.unwrap()[0].classes, 3);
}

proptest! {
    #[test]
    fn any_bytes_are_a_request_or_an_error(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(body.into(), &inputs(Datatype::Int8), &[]);
    }
}
