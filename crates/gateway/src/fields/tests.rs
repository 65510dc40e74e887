//! Checks that the fields of a request are found in any JSON, without reading more of it than needed.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;

const WANTED: Wanted<'_> = Wanted {
    id: "request_id",
    value: Some("user"),
    time: Some("flown_at"),
};

fn fields<'a>(id: Option<&'a str>, value: Option<&'a str>, time: Option<&'a str>) -> Fields<'a> {
    Fields { id, value, time }
}

#[test]
fn rows_give_the_wanted_scalars_as_sent() {
    let check = |body: &str, expect: Rows<'_>| {
        assert_eq!(
            rows(body.as_bytes(), WANTED).as_ref(),
            Ok(&expect),
            "{body}"
        );
    };
    check("{}", Rows::One(fields(None, None, None)));
    check(
        r#" {"a":[1,{"user":"no"}],"request_id":"r1","user":17,"flown_at":"2013-04-01"} "#,
        Rows::One(fields(Some("\"r1\""), Some("17"), Some("\"2013-04-01\""))),
    );
    check(
        r#"{"request_id":null,"user":{"a":1},"flown_at":[1]}"#,
        Rows::One(fields(None, None, None)),
    );
    check(
        r#"{"request_id":"a","request_id":"b"}"#,
        Rows::One(fields(Some("\"b\""), None, None)),
    );
    check(
        r#"{"us\u0065r":true}"#,
        Rows::One(fields(None, Some("true"), None)),
    );
    check("[]", Rows::Many(vec![]));
    check(
        r#"[{"request_id":1},{"request_id":2}]"#,
        Rows::Many(vec![
            fields(Some("1"), None, None),
            fields(Some("2"), None, None),
        ]),
    );
    let one_name = Wanted {
        value: Some("request_id"),
        ..WANTED
    };
    let both = rows(br#"{"request_id":"r1"}"#, one_name).unwrap();
    assert_eq!(
        both,
        Rows::One(fields(Some("\"r1\""), Some("\"r1\""), None))
    );
}

#[test]
fn what_is_no_rows_says_where() {
    let check = |body: &[u8], expect: &str| {
        let error = rows(body, WANTED).unwrap_err().to_string();
        assert!(error.contains(expect), "{error:?} lacks {expect:?}");
        assert!(
            error.starts_with("the body is not a JSON object"),
            "{error}"
        );
    };
    check(b"", "EOF while parsing a value at line 1 column 0");
    check(b"7", "invalid type: integer `7`");
    check(b"[1]", "invalid type: integer `1`, expected an object");
    check(b"{\"a\":1", "EOF while parsing an object");
    check(b"{\"a\":NaN}", "expected value at line 1 column 6");
    check(b"{} {}", "trailing characters");
    check(b"{\"a\xff", "EOF");
    check("[".repeat(100_000).as_bytes(), "expected an object");
}

#[test]
fn a_protocol_request_names_itself_by_id_or_parameter() {
    let check = |body: &str, wanted: Wanted<'_>, expect: Fields<'_>| {
        assert_eq!(
            protocol(body.as_bytes(), wanted).as_ref(),
            Ok(&expect),
            "{body}"
        );
    };
    let body = r#"{"id":"r1","inputs":[{"name":"x","shape":[1],"data":[1]}]}"#;
    check(body, WANTED, fields(Some("\"r1\""), None, None));
    let body = r#"{"inputs":[],"parameters":{"request_id":"p1","user":5,"flown_at":7}}"#;
    check(body, WANTED, fields(Some("\"p1\""), Some("5"), Some("7")));
    let flight = Wanted {
        id: "flight",
        ..WANTED
    };
    check(body, flight, fields(Some("\"p1\""), Some("5"), Some("7")));
    let body = r#"{"parameters":{"flight":"f1","request_id":"p1"}}"#;
    check(body, flight, fields(Some("\"f1\""), None, None));
    let by_id = Wanted {
        value: Some("request_id"),
        ..WANTED
    };
    let elsewhere = Wanted {
        id: "flight",
        ..by_id
    };
    check(
        r#"{"id":"r1"}"#,
        elsewhere,
        fields(Some("\"r1\""), Some("\"r1\""), None),
    );
    let body = r#"{"id":"r1","parameters":{"request_id":"p1"}}"#;
    check(body, by_id, fields(Some("\"r1\""), Some("\"r1\""), None));
    check(r#"{"parameters":3}"#, WANTED, fields(None, None, None));
    assert!(protocol(b"[]", WANTED).is_err());
}

#[test]
fn the_text_of_a_scalar() {
    for (raw, expect) in [
        ("17", "17"),
        ("\"17\"", "17"),
        ("true", "true"),
        (r#""a\"b""#, "a\"b"),
        (r#""\u00e9""#, "\u{e9}"),
        ("\"\"", ""),
    ] {
        assert_eq!(text(raw), expect, "{raw}");
    }
}

/// Any JSON, with the wanted names among the keys.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let key = prop_oneof![
        "request_id",
        "user",
        "flown_at",
        "id",
        "parameters",
        any::<String>()
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(key.clone(), inner, 0..6)
                .prop_map(|map| Value::from(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// What a full parser finds.
fn reference(row: &Map<String, Value>, name: &str) -> Option<String> {
    match row.get(name)? {
        Value::String(text) => Some(text.clone()),
        scalar @ (Value::Bool(_) | Value::Number(_)) => Some(scalar.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn found(raw: Option<Raw<'_>>) -> Option<String> {
    raw.map(|raw| text(raw).into_owned())
}

proptest! {
    #[test]
    fn skipping_finds_what_parsing_finds(value in json()) {
        let body = value.to_string();
        let rows_wanted: Option<Vec<&Map<String, Value>>> = match &value {
            Value::Object(row) => Some(vec![row]),
            Value::Array(rows) => rows.iter().map(Value::as_object).collect(),
            _ => None,
        };
        let got = rows(body.as_bytes(), WANTED).ok();
        prop_assert_eq!(got.is_some(), rows_wanted.is_some(), "{}", body);
        for (row, expect) in got.iter().flat_map(Rows::as_slice).zip(rows_wanted.into_iter().flatten()) {
            prop_assert_eq!(found(row.id), reference(expect, "request_id"));
            prop_assert_eq!(found(row.value), reference(expect, "user"));
            prop_assert_eq!(found(row.time), reference(expect, "flown_at"));
        }
        let got = protocol(body.as_bytes(), WANTED).ok();
        prop_assert_eq!(got.is_some(), value.is_object(), "{}", body);
        if let (Some(got), Some(request)) = (got, value.as_object()) {
            let none = Map::new();
            let parameters = request.get("parameters").and_then(Value::as_object).unwrap_or(&none);
            let id = reference(request, "id").or_else(|| reference(parameters, "request_id"));
            prop_assert_eq!(found(got.id), id);
            prop_assert_eq!(found(got.value), reference(parameters, "user"));
        }
    }

    #[test]
    fn no_bytes_make_the_parsers_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let valid = serde_json::from_slice::<Value>(&body).is_ok_and(|v| v.is_object());
        let parsed = rows(&body, WANTED).is_ok_and(|rows| matches!(rows, Rows::One(_)));
        // Skipped strings are not checked for UTF-8; all else is the full parser's word.
        prop_assert!(parsed || !valid);
        prop_assert!(protocol(&body, WANTED).is_ok() || !valid);
    }
}

#[test]
fn fuzz_fields() {
    let one = br#"{"a":[1,{"user":"no"}],"request_id":"r1","user":17,"flown_at":"2013-04-01"}"#;
    let many = br#"[{"request_id":1,"user":"\u00e9"},{"us\u0065r":true}]"#;
    let oip = br#"{"id":"a","parameters":{"user":5},"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}"#;
    let v1 = br#"{"instances":[{"request_id":"a","user":1.5}]}"#;
    let large = br#"{"request_id":1e999,"user":-1e999}"#;
    fuzz::run("fields", &[one, many, oip, v1, large], |body| {
        let rows = [rows(body, WANTED), instances(body, WANTED)];
        let understood = rows.iter().any(Result::is_ok);
        for row in rows.iter().flatten().flat_map(Rows::as_slice) {
            for raw in [row.id, row.value, row.time].into_iter().flatten() {
                // It may be a number that no float holds: as text that is as good as another.
                let scalar: &RawValue = serde_json::from_str(raw).unwrap();
                assert!(!scalar.get().starts_with(['{', '[', 'n']));
                let _ = text(raw);
            }
        }
        let protocol = protocol(body, WANTED);
        if let Ok(found) = &protocol {
            let _ = found.id.map(text);
            let _ = found.value.map(text);
        }
        understood || protocol.is_ok()
    });
}
