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
