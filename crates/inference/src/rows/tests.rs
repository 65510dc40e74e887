//! Rows into tensors, and what is said about rows that do not fit.

use super::*;
use crate::tensor::Datatype;
use proptest::prelude::*;

fn spec(name: &str, datatype: Datatype, dims: &[Option<usize>]) -> TensorSpec {
    let dims = dims
        .iter()
        .map(|dim| dim.map_or(Dim::Free(None), Dim::Fixed))
        .collect();
    TensorSpec {
        name: name.into(),
        datatype,
        dims,
    }
}

fn flights() -> Inputs {
    Inputs::new(vec![
        spec("dep_delay", Datatype::Fp32, &[None, Some(1)]),
        spec("carrier", Datatype::Bytes, &[None, Some(1)]),
        spec("month", Datatype::Int64, &[None]),
    ])
    .unwrap()
}

fn vector(dims: &[Option<usize>]) -> Inputs {
    Inputs::new(vec![spec("x", Datatype::Fp64, dims)]).unwrap()
}

#[test]
fn one_object_is_one_row() {
    let body = br#"{"extra": {"deep": [1]}, "month": 4, "carrier": "UA", "dep_delay": 5}"#;
    let rows = parse(body, &flights(), 10).unwrap();
    assert_eq!((rows.count, rows.single), (1, true));
    assert_eq!(
        rows.tensors,
        [
            Tensor {
                shape: vec![1, 1],
                data: Data::Fp32(vec![5.0])
            },
            Tensor {
                shape: vec![1, 1],
                data: Data::Bytes(vec!["UA".into()])
            },
            Tensor {
                shape: vec![1],
                data: Data::Int64(vec![4])
            },
        ]
    );
}

#[test]
fn an_array_is_many_rows_in_any_field_order() {
    let body = br#"[{"dep_delay":1.5,"carrier":"UA","month":1},{"month":2,"dep_delay":null,"carrier":"B6"}]"#;
    let rows = parse(body, &flights(), 10).unwrap();
    assert_eq!((rows.count, rows.single), (2, false));
    assert_eq!(
        rows.tensors[1],
        Tensor {
            shape: vec![2, 1],
            data: Data::Bytes(vec!["UA".into(), "B6".into()])
        }
    );
    assert_eq!(
        rows.tensors[2],
        Tensor {
            shape: vec![2],
            data: Data::Int64(vec![1, 2])
        }
    );
    let Data::Fp32(delays) = &rows.tensors[0].data else {
        panic!("not FP32")
    };
    assert!(delays[0] == 1.5 && delays[1].is_nan());
}

#[test]
fn wide_inputs_take_an_array_a_row() {
    let check = |dims: &[Option<usize>], body: &str, shape: &[usize]| {
        let rows = parse(body.as_bytes(), &vector(dims), 10).unwrap();
        assert_eq!(rows.tensors[0].shape, shape, "{body}");
    };
    check(&[None, Some(3)], r#"{"x":[1,2,3]}"#, &[1, 3]);
    check(&[None, None], r#"[{"x":[1,2]},{"x":[3,4]}]"#, &[2, 2]);
    check(
        &[None, Some(2), Some(2)],
        r#"{"x":[[1,2],[3,4]]}"#,
        &[1, 2, 2],
    );
    check(&[None, Some(2), None], r#"{"x":[1,2,3,4,5,6]}"#, &[1, 2, 3]);
    check(&[Some(1), Some(3)], r#"{"x":[1,2,3]}"#, &[1, 3]);
}

#[test]
fn what_does_not_fit_is_explained() {
    let check = |inputs: &Inputs, body: &str, expect: &str| {
        let message = parse(body.as_bytes(), inputs, 2).unwrap_err().to_string();
        assert!(message.starts_with(expect), "{body}: {message}");
    };
    let flights = flights();
    check(
        &flights,
        r#"{"carrier":"UA","month":1}"#,
        "input `dep_delay` is missing in row 0",
    );
    check(
        &flights,
        r#"{"dep_delay":1,"carrier":"UA","month":null}"#,
        "input `month`: null where INT64 is expected",
    );
    check(
        &flights,
        r#"{"dep_delay":1,"carrier":7,"month":1}"#,
        "input `carrier`: the number 7 where BYTES",
    );
    check(
        &flights,
        r#"{"dep_delay":NaN}"#,
        "the body is not valid JSON: expected value",
    );
    check(
        &flights,
        r#"{"dep_delay":1"#,
        "the body is not valid JSON: EOF",
    );
    check(&flights, "", "the body is not valid JSON: EOF");
    check(
        &flights,
        r#"{"dep_delay":1,"dep_delay":1,"carrier":"UA","month":1}"#,
        "input `dep_delay` is given twice",
    );
    check(
        &flights,
        r#"{"dep_delay":1,"carrier":"UA","month":1} x"#,
        "the body is not valid JSON: trailing",
    );
    check(&flights, "[]", "the body has no rows");
    check(
        &flights,
        "[3]",
        "invalid type: integer `3`, expected row 0 to be an object with the fields `dep_delay`",
    );
    check(
        &flights,
        "3",
        "invalid type: integer `3`, expected an object with the fields `dep_delay`, `carrier`, `month`",
    );
    let row = r#"{"dep_delay":1,"carrier":"UA","month":1}"#;
    check(
        &flights,
        &format!("[{row},{row},{row}]"),
        "3 rows in one request, but at most 2",
    );
    check(
        &vector(&[None, Some(3)]),
        r#"{"x":[1,2]}"#,
        "input `x` has 2 values in row 0, not 3",
    );
    check(
        &vector(&[None, Some(3)]),
        r#"{"x":5}"#,
        "input `x` must be an array in row 0",
    );
    check(
        &vector(&[None, None]),
        r#"[{"x":[1,2]},{"x":[3]}]"#,
        "input `x` has 1 values in row 1, not 2",
    );
    check(
        &vector(&[None, Some(2), None]),
        r#"{"x":[1,2,3]}"#,
        "input `x` has 3 values a row, but its shape is [-1, 2, -1]",
    );
    check(
        &vector(&[None, None]),
        r#"{"x":[]}"#,
        "input `x` is missing",
    );
    check(
        &vector(&[None, None, None]),
        r#"{"x":[]}"#,
        "input `x` has a shape that rows cannot express",
    );
    check(
        &vector(&[Some(2), Some(1)]),
        r#"{"x":1}"#,
        "the model takes exactly 2 rows a request, not 1",
    );
    check(
        &vector(&[None, Some(usize::MAX), Some(2)]),
        r#"{"x":[1]}"#,
        "input `x` has 1 values in row 0",
    );
}

proptest! {
    #[test]
    fn any_bytes_are_rows_or_an_error(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(rows) = parse(&body, &flights(), 10) {
            prop_assert!(rows.count > 0);
        }
    }

    #[test]
    fn any_json_is_rows_or_an_error(
        body in r#"(\[)?\{("(dep_delay|carrier|month|x)":(-?[0-9]{1,3}(\.5)?|"[a-z]{0,3}"|null|true|\[1,2\]),?){0,4}\}(,\{\})?\]?"#,
    ) {
        if let Ok(rows) = parse(body.as_bytes(), &flights(), 10) {
            for tensor in &rows.tensors {
                prop_assert_eq!(tensor.data.len(), tensor.shape.iter().product::<usize>());
                prop_assert_eq!(tensor.data.len(), rows.count);
            }
        }
    }

    #[test]
    fn values_come_through_unchanged(values in proptest::collection::vec(-1e12..1e12_f64, 1..40)) {
        let body: Vec<_> = values.iter().map(|x| serde_json::json!({ "x": [x, 1] })).collect();
        let rows = parse(&serde_json::to_vec(&body).unwrap(), &vector(&[None, Some(2)]), 100).unwrap();
        let expect: Vec<_> = values.iter().flat_map(|x| [*x, 1.0]).collect();
        prop_assert_eq!(&rows.tensors[0].data, &Data::Fp64(expect));
    }
}
