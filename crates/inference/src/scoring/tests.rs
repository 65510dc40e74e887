//! MLflow's four ways to send inputs, CSV, and KServe's instances.

use super::*;
use crate::model::Dim;
use crate::tensor::{Data, Datatype};
use proptest::prelude::*;

fn spec(name: &str, datatype: Datatype, width: &[usize]) -> TensorSpec {
    let rest = width.iter().map(|n| Dim::Fixed(*n));
    TensorSpec {
        name: name.into(),
        datatype,
        dims: std::iter::once(Dim::Free(None)).chain(rest).collect(),
    }
}

/// Two columns, as converters of tables give.
fn table() -> Inputs {
    let carrier = spec("carrier", Datatype::Bytes, &[1]);
    Inputs::new(vec![spec("delay", Datatype::Fp32, &[1]), carrier]).unwrap()
}

/// One input that is two wide.
fn wide() -> Inputs {
    Inputs::new(vec![spec("x", Datatype::Fp32, &[2])]).unwrap()
}

fn flights(scored: &Scored, rows: Option<usize>) {
    assert_eq!(scored.rows, rows);
    assert_eq!(scored.tensors[0].shape, [2, 1]);
    assert_eq!(scored.tensors[0].data, Data::Fp32(vec![5.0, -1.5]));
    let carriers = vec!["UA".into(), "B6".into()];
    assert_eq!(scored.tensors[1].data, Data::Bytes(carriers));
}

fn pairs(scored: &Scored, rows: Option<usize>) {
    assert_eq!(scored.rows, rows);
    assert_eq!(scored.tensors[0].shape, [2, 2]);
    assert_eq!(scored.tensors[0].data, Data::Fp32(vec![1.0, 2.0, 3.0, 4.0]));
}

#[test]
fn a_table_in_every_way() {
    let check = |body: &str, rows| flights(&parse(body.as_bytes(), &table(), 9).unwrap(), rows);
    check(
        r#"{"dataframe_split":{"index":[0,1],"columns":["carrier","delay","more"],"data":[["UA",5,0],["B6",-1.5,null]]}}"#,
        Some(2),
    );
    check(
        r#"{"dataframe_records":[{"delay":5,"carrier":"UA"},{"carrier":"B6","delay":-1.5}],"params":{}}"#,
        Some(2),
    );
    check(
        r#"{"instances":[{"delay":5,"carrier":"UA"},{"carrier":"B6","delay":-1.5}]}"#,
        None,
    );
    check(r#"{"instances":[[5,"UA"],[-1.5,"B6"]]}"#, None);
    check(
        r#"{"inputs":{"carrier":["UA","B6"],"delay":[[5],[-1.5]]}}"#,
        None,
    );
    let csv = "carrier,delay\nUA,5\nB6,-1.5\n";
    flights(&parse_csv(csv.as_bytes(), &table(), 9).unwrap(), Some(2));
}

#[test]
fn a_wide_input_in_every_way() {
    let check = |body: &str, rows| pairs(&parse(body.as_bytes(), &wide(), 9).unwrap(), rows);
    check(
        r#"{"dataframe_split":{"columns":["a","b"],"data":[[1,2],[3,4]]}}"#,
        Some(2),
    );
    check(
        r#"{"dataframe_records":[{"a":1,"b":2},{"b":4,"a":3}]}"#,
        Some(2),
    );
    check(
        r#"{"dataframe_records":[{"x":[1,2]},{"x":[3,4]}]}"#,
        Some(2),
    );
    check(r#"{"instances":[[1,2],[3,4]]}"#, None);
    check(r#"{"instances":[{"x":[1,2]},{"x":[3,4]}]}"#, None);
    check(r#"{"inputs":[[1,2],[3,4]]}"#, None);
    check(r#"{"inputs":{"x":[[1,2],[3,4]]}}"#, None);
    pairs(&parse_csv(b"a,b\n1,2\n3,4", &wide(), 9).unwrap(), Some(2));
}

#[test]
fn what_does_not_fit_is_explained() {
    let check = |body: &str, expect: &str| {
        let message = parse(body.as_bytes(), &table(), 2).unwrap_err().to_string();
        assert!(message.contains(expect), "{body}: {message}");
    };
    check("{}", "exactly one of the input fields");
    check(r#"{"inputs":[1],"instances":[1]}"#, "but this one has 2");
    check("[]", "exactly one of the input fields");
    check(r#"{"inputs":"#, "not valid JSON");
    check(r#"{"inputs":{"delay":[1]}}"#, "input `carrier` is missing");
    check(
        r#"{"dataframe_split":{"columns":["delay"],"data":[[1]]}}"#,
        "column `carrier` is missing; the model takes `delay`, `carrier`",
    );
    check(
        r#"{"dataframe_split":{"columns":["delay","carrier"],"data":[[1]]}}"#,
        "row 0 has 1 values, but there are 2 columns",
    );
    check(
        r#"{"dataframe_split":{"columns":["delay","carrier"],"data":[["x","UA"]]}}"#,
        "input `delay`: the string",
    );
    check(
        r#"{"dataframe_split":{"columns":["delay","carrier"],"data":[]}}"#,
        "no rows",
    );
    check(r#"{"dataframe_records":[]}"#, "no rows");
    check(
        r#"{"instances":[[1,"a"],[1,"a"],[1,"a"]]}"#,
        "3 rows in one request, but at most 2",
    );
    let csv = |body: &str, expect: &str| {
        let message = parse_csv(body.as_bytes(), &table(), 2)
            .unwrap_err()
            .to_string();
        assert!(message.contains(expect), "{body}: {message}");
    };
    csv("", "no rows");
    csv("delay,carrier\n1,a\n1", "the body is not CSV");
    csv("delay,carrier\n1,a\n1,a\n1,a", "3 rows");
    csv(
        "delay,carrier\nlate,a",
        "input `delay`: `late` where FP32 is expected",
    );
}

proptest! {
    #[test]
    fn any_bytes_are_a_request_or_an_error(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        for inputs in [table(), wide()] {
            let _ = parse(&body, &inputs, 9);
            let _ = parse_csv(&body, &inputs, 9);
            let _ = v1::parse(&body, &inputs, 9);
        }
    }

    #[test]
    fn any_instances_fill_the_shape_or_are_refused(
        data in "(\\[|\\]|\\{|\\}|[0-9]|,|null|\"x\":|1\\.5){0,12}",
    ) {
        let body = format!(r#"{{"instances":{data}}}"#);
        if let Ok(rows) = v1::parse(body.as_bytes(), &wide(), 9) {
            let tensor = &rows.tensors[0];
            prop_assert_eq!(tensor.data.len(), tensor.shape.iter().product::<usize>());
            prop_assert_eq!(tensor.shape[0], rows.count);
        }
    }
}
