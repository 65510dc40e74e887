//! What each datatype takes and refuses.

use super::*;
use crate::tensor::Tensor;

fn push(datatype: Datatype, json: &str) -> Result<Data, String> {
    let mut data = Data::empty(datatype);
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let scalar = Scalar {
        name: "x",
        data: &mut data,
    };
    scalar
        .deserialize(&mut deserializer)
        .map_err(|e| e.to_string())?;
    Ok(data)
}

#[test]
fn scalars_go_where_they_fit() {
    let check =
        |datatype, json: &str, expect: Data| assert_eq!(push(datatype, json), Ok(expect), "{json}");
    check(Datatype::Int64, "-3", Data::Int64(vec![-3]));
    check(Datatype::Int64, "3.0", Data::Int64(vec![3]));
    check(
        Datatype::Uint64,
        "18446744073709551615",
        Data::Uint64(vec![u64::MAX]),
    );
    check(Datatype::Int8, "-128", Data::Int8(vec![-128]));
    check(Datatype::Fp32, "0.1", Data::Fp32(vec![0.1]));
    check(Datatype::Fp32, "7", Data::Fp32(vec![7.0]));
    check(Datatype::Fp64, "1e300", Data::Fp64(vec![1e300]));
    check(Datatype::Bool, "true", Data::Bool(vec![true]));
    check(Datatype::Bytes, "\"UA\"", Data::Bytes(vec!["UA".into()]));
    assert!(matches!(push(Datatype::Fp32, "null"), Ok(Data::Fp32(v)) if v[0].is_nan()));
    assert!(matches!(push(Datatype::Fp64, "null"), Ok(Data::Fp64(v)) if v[0].is_nan()));
}

#[test]
fn scalars_that_do_not_fit_are_refused_by_name() {
    let check = |datatype, json: &str, expect: &str| {
        let message = push(datatype, json).unwrap_err();
        assert!(message.starts_with(expect), "{json}: {message}");
    };
    check(
        Datatype::Int8,
        "128",
        "input `x`: 128 where INT8 is expected",
    );
    check(
        Datatype::Uint8,
        "-1",
        "input `x`: -1 where UINT8 is expected",
    );
    check(
        Datatype::Int64,
        "1.5",
        "input `x`: 1.5 where INT64 is expected",
    );
    check(
        Datatype::Int64,
        "1e17",
        "input `x`: 100000000000000000 where INT64 is expected",
    );
    check(
        Datatype::Int64,
        "null",
        "input `x`: null where INT64 is expected",
    );
    check(
        Datatype::Fp32,
        "1e39",
        "input `x`: 1000000000000000000000000000000000000000 where FP32",
    );
    check(
        Datatype::Fp32,
        "\"5\"",
        "input `x`: the string \"5\" where FP32 is expected",
    );
    check(
        Datatype::Fp32,
        "true",
        "input `x`: true where FP32 is expected",
    );
    check(
        Datatype::Bool,
        "1",
        "input `x`: the number 1 where BOOL is expected",
    );
    check(
        Datatype::Bytes,
        "1",
        "input `x`: the number 1 where BYTES is expected",
    );
    check(
        Datatype::Bytes,
        "\"a\\u0000b\"",
        "input `x`: a string with a NUL character",
    );
    check(
        Datatype::Fp32,
        "[1]",
        "invalid type: sequence, expected input `x` to be one value",
    );
    check(
        Datatype::Fp32,
        "{}",
        "invalid type: map, expected input `x` to be one value",
    );
    check(Datatype::Fp64, "1e400", "number out of range");
    check(Datatype::Fp32, "NaN", "expected value");
}

fn array(shape: &[Option<usize>], json: &str) -> Result<Tensor, String> {
    let mut data = Data::empty(Datatype::Int64);
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let shape: Vec<_> = shape.iter().map(|length| Cell::new(*length)).collect();
    let array = Array {
        name: "x",
        data: &mut data,
        shape: &shape,
        level: 0,
    };
    array
        .deserialize(&mut deserializer)
        .map_err(|e| e.to_string())?;
    Ok(Tensor {
        shape: Vec::new(),
        data,
    })
}

#[test]
fn arrays_may_be_flat_or_nested_as_their_shape() {
    let shape = [Some(2), Some(3)];
    let flat = Data::Int64(vec![1, 2, 3, 4, 5, 6]);
    for json in ["[1,2,3,4,5,6]", "[[1,2,3],[4,5,6]]"] {
        assert_eq!(array(&shape, json).unwrap().data, flat, "{json}");
    }
    let check = |json: &str, expect: &str| {
        let message = array(&shape, json).unwrap_err();
        assert!(message.starts_with(expect), "{json}: {message}");
    };
    check(
        "[[1,2],[3,4],[5,6]]",
        "input `x` has 2 elements in dimension 1, not 3",
    );
    check(
        "[[1,2,3]]",
        "input `x` has 1 elements in dimension 0, not 2",
    );
    let open = array(&[Some(2), None], "[[1,2],[3,4]]").unwrap();
    assert_eq!(open.data, Data::Int64(vec![1, 2, 3, 4]));
    let ragged = array(&[Some(2), None], "[[1,2],[3]]").unwrap_err();
    assert!(
        ragged.starts_with("input `x` has 1 elements in dimension 1, not 2"),
        "{ragged}"
    );
    check("[[1,2,3],4]", "input `x` mixes values and arrays");
    check(
        "[[[1,2,3]],[[4,5,6]]]",
        "input `x` is nested, but not 2 deep",
    );
    let deep = "[".repeat(10_000);
    check(&deep, "recursion limit exceeded");
}
