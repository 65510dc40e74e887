//! Models that were written by hand, field by field, and what is made of broken ones.

use super::*;
use proptest::prelude::*;

/// A varint.
fn varint(mut n: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

/// Field `number` holding a number.
fn int(number: u64, n: u64) -> Vec<u8> {
    [varint(number << 3), varint(n)].concat()
}

/// Field `number` holding bytes.
fn bytes(number: u64, body: &[u8]) -> Vec<u8> {
    [
        varint(number << 3 | 2),
        varint(body.len() as u64),
        body.to_vec(),
    ]
    .concat()
}

fn text(number: u64, text: &str) -> Vec<u8> {
    bytes(number, text.as_bytes())
}

/// A dimension: a length, a name, or neither.
fn dimension(length: Option<i64>, name: &str) -> Vec<u8> {
    let body = match length {
        Some(n) => int(1, n as u64),
        None if name.is_empty() => Vec::new(),
        None => text(2, name),
    };
    bytes(1, &body)
}

fn tensor_type(element: u64, dims: &[Vec<u8>]) -> Vec<u8> {
    bytes(1, &[int(1, element), bytes(2, &dims.concat())].concat())
}

fn value(name: &str, kind: &[u8]) -> Vec<u8> {
    [text(1, name), bytes(2, kind)].concat()
}

fn initializer(name: &str, dims: &[u64], raw: &[u8]) -> Vec<u8> {
    let dims: Vec<_> = dims.iter().flat_map(|n| int(1, *n)).collect();
    [dims, int(2, 1), text(8, name), bytes(9, raw)].concat()
}

fn node(operator: &str, domain: &str, attribute: &[u8]) -> Vec<u8> {
    [
        text(1, "x"),
        text(2, "y"),
        text(4, operator),
        text(7, domain),
        attribute.to_vec(),
    ]
    .concat()
}

fn graph(fields: &[Vec<u8>]) -> Vec<u8> {
    let column = [dimension(None, "n"), dimension(Some(2), "")];
    let ends = [
        bytes(11, &value("x", &tensor_type(1, &column))),
        bytes(12, &value("y", &tensor_type(1, &column))),
    ];
    [ends.concat(), fields.concat()].concat()
}

fn model(graph: &[u8]) -> Vec<u8> {
    let opset = |domain: &str, version| bytes(8, &[text(1, domain), int(2, version)].concat());
    let note = bytes(14, &[text(1, "author"), text(2, "me")].concat());
    [
        int(1, 9),
        text(2, "pen"),
        text(3, "1.0"),
        bytes(7, graph),
        opset("", 17),
        opset("ai.onnx.ml", 3),
        note,
    ]
    .concat()
}

#[test]
fn a_model_is_summarised() {
    let body = graph(&[
        bytes(11, &value("w", &tensor_type(1, &[dimension(Some(2), "")]))),
        bytes(5, &initializer("w", &[2], &[0; 8])),
        bytes(1, &node("Mul", "", &[])),
        bytes(1, &node("TreeEnsembleRegressor", "ai.onnx.ml", &[])),
        bytes(1, &node("Mul", "ai.onnx", &[])),
    ]);
    let summary = describe(&model(&body)).unwrap();
    assert_eq!(
        (
            summary.ir_version,
            summary.producer.as_str(),
            summary.producer_version.as_str()
        ),
        (9, "pen", "1.0")
    );
    assert_eq!(
        summary.opsets,
        BTreeMap::from([(String::new(), 17), ("ai.onnx.ml".into(), 3)])
    );
    assert_eq!(
        summary.metadata,
        BTreeMap::from([("author".into(), "me".into())])
    );
    assert_eq!(
        (
            summary.nodes,
            summary.initializers,
            summary.initializer_bytes
        ),
        (3, 1, 8)
    );
    let operators = BTreeMap::from([
        ("Mul".into(), 2),
        ("ai.onnx.ml.TreeEnsembleRegressor".into(), 1),
    ]);
    assert_eq!(summary.operators, operators);
    let dims = Some(vec![Dim::Free(Some("n".into())), Dim::Fixed(2)]);
    let x = Value {
        name: "x".into(),
        kind: ValueType::Tensor { element: 1, dims },
    };
    assert_eq!(summary.inputs, [x], "the initializer is no input");
    let description = summary.description().unwrap();
    assert_eq!(description.outputs[0].shape, [-1, 2]);
}

#[test]
fn outputs_of_classifiers_are_tables() {
    let map = bytes(5, &[int(1, 8), bytes(2, &tensor_type(1, &[]))].concat());
    let zipmap = bytes(4, &bytes(1, &map));
    let output = bytes(12, &value("probabilities", &zipmap));
    let summary = describe(&model(&graph(&[output]))).unwrap();
    assert_eq!(
        summary.outputs[1].kind,
        ValueType::ClassMaps { key: 8, value: 1 }
    );
    let description = summary.description().unwrap();
    assert_eq!(
        (
            description.outputs[1].datatype,
            description.outputs[1].shape.as_slice()
        ),
        (Datatype::Fp32, &[-1, -1][..])
    );
    let input = bytes(11, &value("probabilities", &zipmap));
    let refused = describe(&model(&graph(&[input])))
        .unwrap()
        .description()
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("`probabilities` is a list of maps, which cannot be served"),
        "{refused}"
    );
}

#[test]
fn open_dimensions_have_many_spellings() {
    let dims = [
        dimension(Some(-1), ""),
        dimension(Some(0), ""),
        dimension(None, ""),
        dimension(None, "batch"),
    ];
    let body = graph(&[bytes(11, &value("v", &tensor_type(7, &dims)))]);
    let spec = describe(&model(&body))
        .unwrap()
        .input_specs()
        .unwrap()
        .remove(1);
    let free = || Dim::Free(None);
    assert_eq!(
        spec.dims,
        [free(), free(), free(), Dim::Free(Some("batch".into()))]
    );
}

#[test]
fn what_must_not_be_loaded_is_refused() {
    let check = |file: &[u8], expect: &str| {
        let message = describe(file).unwrap_err().to_string();
        assert!(message.starts_with(expect), "{message}");
    };
    check(b"", "the file is not an ONNX model (it is empty)");
    check(
        b"hello, world",
        "the file is not an ONNX model (it is no protobuf message)",
    );
    check(b"PK\x03\x04rest of a zip", "the file is not an ONNX model");
    check(
        &int(1, 9),
        "the file is not an ONNX model (it has no graph)",
    );
    check(
        &bytes(7, &graph(&[])),
        "the file is not an ONNX model (it has no format version)",
    );
    check(
        &[int(1, 9), bytes(7, &graph(&[]))].concat(),
        "the file is not an ONNX model (it names no operator set)",
    );
    let whole = model(&graph(&[bytes(5, &initializer("w", &[2], &[0; 8]))]));
    check(
        &whole[..whole.len() - 3],
        "the ONNX model is damaged at byte",
    );

    let outside = [
        initializer("w", &[2], &[]),
        bytes(13, &[text(1, "location"), text(2, "/etc/passwd")].concat()),
    ]
    .concat();
    check(
        &model(&graph(&[bytes(5, &outside)])),
        "tensor `w` keeps its data in another file",
    );
    let located = [initializer("w", &[2], &[0; 8]), int(14, 1)].concat();
    check(
        &model(&graph(&[bytes(5, &located)])),
        "tensor `w` keeps its data in another file",
    );
    let in_attribute = node("Constant", "", &bytes(5, &bytes(5, &outside)));
    check(
        &model(&graph(&[bytes(1, &in_attribute)])),
        "tensor `w` keeps its data in another file",
    );
    let subgraph = node("If", "", &bytes(5, &bytes(6, &bytes(5, &outside))));
    check(
        &model(&graph(&[bytes(1, &subgraph)])),
        "tensor `w` keeps its data in another file",
    );
    let sparse = bytes(15, &bytes(1, &outside));
    check(
        &model(&graph(&[sparse])),
        "tensor `w` keeps its data in another file",
    );
    let function = bytes(25, &bytes(7, &in_attribute));
    check(
        &[model(&graph(&[])), function].concat(),
        "tensor `w` keeps its data in another file",
    );

    let absurd = initializer("w", &[1 << 40, 1 << 40], &[0; 8]);
    check(
        &model(&graph(&[bytes(5, &absurd)])),
        "tensor `w` claims 18446744073709551615 elements",
    );
    let negative = initializer("w", &[u64::MAX], &[0; 8]);
    check(
        &model(&graph(&[bytes(5, &negative)])),
        "tensor `w` claims 18446744073709551615 elements",
    );
    let wide = value("v", &tensor_type(1, &[dimension(Some(i64::MAX), "")]));
    check(
        &model(&graph(&[bytes(11, &wide)])),
        "the ONNX model has the size of an input or output above",
    );
    let dims = vec![dimension(Some(1), ""); 17];
    check(
        &model(&graph(&[bytes(11, &value("v", &tensor_type(1, &dims)))])),
        "the ONNX model has the rank of a tensor above",
    );
    let long = "n".repeat(MAX_NAME + 1);
    check(
        &model(&graph(&[bytes(11, &text(1, &long))])),
        "the ONNX model has the name of an input or output above",
    );
    let mut nested = Vec::new();
    for _ in 0..100 {
        nested = bytes(1, &node("If", "", &bytes(5, &bytes(6, &nested))));
    }
    check(
        &model(&graph(&[nested])),
        "the ONNX model has nested graphs above the limit of 32",
    );
}

#[test]
fn values_that_cannot_be_served_are_named() {
    let check = |kind: &[u8], expect: &str| {
        let file = model(&graph(&[bytes(12, &value("v", kind))]));
        let message = describe(&file)
            .unwrap()
            .description()
            .unwrap_err()
            .to_string();
        assert_eq!(
            message,
            format!(
                "`v` is {expect}, which cannot be served; only tensors, and maps from a class as an output, can"
            )
        );
    };
    check(&bytes(4, &bytes(1, &tensor_type(1, &[]))), "a list");
    check(
        &bytes(5, &[int(1, 8), bytes(2, &tensor_type(1, &[]))].concat()),
        "a map",
    );
    check(&bytes(8, &[]), "a sparse tensor");
    check(&bytes(9, &[]), "an optional");
    check(&[], "of no type");
    check(&tensor_type(14, &[]), "a tensor of ONNX element type 14");
    let mut deep = tensor_type(1, &[]);
    for _ in 0..10_000 {
        deep = bytes(4, &bytes(1, &deep));
    }
    check(&deep, "a list");
}

#[test]
fn every_cut_of_a_model_is_an_error_or_a_smaller_model() {
    let body = graph(&[
        bytes(5, &initializer("w", &[2], &[0; 8])),
        bytes(1, &node("Mul", "", &[])),
    ]);
    let whole = model(&body);
    let start_of_graph = whole
        .windows(body.len())
        .position(|window| window == body)
        .unwrap();
    for cut in 0..start_of_graph + body.len() {
        assert!(describe(&whole[..cut]).is_err(), "cut at {cut}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_model_or_an_error(file in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = describe(&file);
    }

    #[test]
    fn a_model_with_some_bytes_changed_never_panics(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut file = model(&graph(&[bytes(5, &initializer("w", &[2], &[0; 8])), bytes(1, &node("Mul", "", &[]))]));
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if let Ok(summary) = describe(&file) {
            let _ = summary.description();
        }
    }
}
