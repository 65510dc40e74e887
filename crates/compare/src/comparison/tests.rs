//! Pairs of answers of every kind, what is counted of them, and how the report reads.

use super::*;
use crate::report::Words;
use expect_test::expect;
use proptest::prelude::*;
use serde_json::json;

fn said(body: &serde_json::Value) -> Side {
    Ok(Answered {
        status: 200,
        json: 0,
        body: body.to_string().into(),
    })
}

fn refused(status: u16, why: &str) -> Side {
    Ok(Answered {
        status,
        json: 0,
        body: json!({ "error": why }).to_string().into(),
    })
}

/// Asks one row.
fn ask(
    comparison: &mut Comparison,
    id: &str,
    inputs: &serde_json::Value,
    before: &Side,
    after: &Side,
) -> Found {
    let body = Bytes::from(inputs.to_string());
    let wire = Wire::Rows;
    let asked = Asked {
        id,
        wire,
        body: &body,
    };
    comparison.add(asked, before, after)
}

fn predicting(x: f64) -> Side {
    said(&json!({ "prediction": x }))
}

#[test]
fn exactly_the_rows_that_differ_are_counted_and_shown() {
    let mut comparison = Comparison::new(Options::default());
    for n in 0..1000 {
        let x = f64::from(n);
        let after = match n {
            7 | 500 => x + 10.0 * f64::from(n + 1),
            _ if n % 100 == 3 => x + 1e-7,
            _ => x,
        };
        let inputs = json!({ "x": x, "carrier": "WN" });
        let id = format!("r{n}");
        let found = ask(
            &mut comparison,
            &id,
            &inputs,
            &predicting(x),
            &predicting(after),
        );
        let expect = if n == 7 || n == 500 {
            Found::Differed
        } else {
            Found::Agreed
        };
        assert_eq!(found, expect, "{n}");
    }
    let report = comparison.report();
    assert_eq!(
        (
            report.requests,
            report.rows,
            report.same,
            report.near,
            report.changed
        ),
        (1000, 1000, 988, 10, 2)
    );
    let worst: Vec<&str> = report
        .worst
        .iter()
        .map(|row| row.request.as_str())
        .collect();
    assert_eq!(worst, ["r500", "r7"]);
    assert_eq!(report.worst[0].inputs["x"], json!(500.0));
    assert_eq!(report.worst[0].difference, Some(5010.0));
    let stored: Report = serde_json::from_value(serde_json::to_value(&report).unwrap()).unwrap();
    assert_eq!(stored, report);
    expect![[r#"
        2 of 1,000 answers change.
            changed: by more than 1e-6 and 0.001% (0.20% of all); 10 change by less, 988 not at all
        prediction: 2 of 1,000 change
            difference  least 0, p10 0, half 0, p90 0, p99 1.008e-7, most 5010, mean 5.09
            size        least 0, p10 0, half 0, p90 0, p99 1.008e-7, most 5010
                           0        988 ██████████████████████████████
                 1e-7 … 1e-6         10 █
                    10 … 100          1 █
                1000 … 10000          1 █
        Rows that change most:
            r500: 500 → 5510   carrier=WN x=500
            r7: 7 → 87   carrier=WN x=7
    "#]]
    .assert_eq(&report.text("version 1", "version 2"));
}

#[test]
fn words_failures_and_rows_of_another_number() {
    let mut comparison = Comparison::new(Options::default());
    let inputs = json!({ "x": 1 });
    let word = |label: &str, p: f64| {
        said(&json!({ "prediction": label, "output": { "label": label, "p": p } }))
    };
    let cases: &[(Side, Side, Found)] = &[
        (word("late", 0.9), word("late", 0.9), Found::Agreed),
        (word("late", 0.6), word("on time", 0.4), Found::Differed),
        (
            word("late", 0.9),
            refused(500, "the model failed"),
            Found::Failed,
        ),
        (
            word("late", 0.9),
            Err("no answer in 10 s".into()),
            Found::Failed,
        ),
        (refused(400, "no x"), word("late", 0.9), Found::Failed),
        (refused(400, "no x"), refused(400, "no x"), Found::Failed),
        (word("late", 0.9), said(&json!([])), Found::Failed),
        (
            word("late", 0.9),
            said(&json!({ "predictions": ["late", "late"] })),
            Found::Differed,
        ),
    ];
    for (before, after, expect) in cases {
        assert_eq!(
            ask(&mut comparison, "r", &inputs, before, after),
            *expect,
            "{after:?}"
        );
    }
    let report = comparison.report();
    assert_eq!(
        (report.rows, report.same, report.changed, report.unlike),
        (2, 1, 1, 1)
    );
    let failures = &report.failures;
    assert_eq!(
        (
            failures.before,
            failures.after,
            failures.both,
            failures.unread
        ),
        (1, 2, 1, 1)
    );
    assert_eq!(failures.messages.len(), 4);
    assert_eq!(
        (
            failures.messages[0].message.as_str(),
            failures.messages[0].requests
        ),
        ("400: no x", 2)
    );
    let label = report.outputs.iter().find(|o| o.name == "label").unwrap();
    assert_eq!(
        label.words,
        [Words {
            before: "late".into(),
            after: "on time".into(),
            rows: 1
        }]
    );
    assert_eq!(
        report.headline(),
        "1 of 2 answers change, and 4 requests are not answered as before"
    );
}

#[test]
fn outputs_that_come_or_go_are_changes() {
    let mut comparison = Comparison::new(Options::default());
    let one = said(&json!({ "predictions": [1, 2], "outputs": [{ "a": 1 }, { "a": 2 }] }));
    let other =
        said(&json!({ "predictions": [1, 2], "outputs": [{ "a": 1, "b": 0 }, { "a": 2 }] }));
    let body = Bytes::from_static(br#"[{"x":1},{"x":2}]"#);
    let asked = Asked {
        id: "r",
        wire: Wire::Rows,
        body: &body,
    };
    assert_eq!(comparison.add(asked, &one, &other), Found::Differed);
    let report = comparison.report();
    assert_eq!((report.rows, report.changed), (2, 1));
    assert_eq!(report.worst[0].inputs["x"], json!(1.0));
    assert_eq!(
        Comparison::new(Options::default()).report().headline(),
        "no answer to compare: 0 requests, none of which both versions answered"
    );
}

#[test]
fn memory_does_not_grow_with_what_comes() {
    let mut comparison = Comparison::new(Options::default());
    for n in 0..3000 {
        let name = format!("o{n}");
        let before =
            said(&json!({ "prediction": 0, "output": { &name: format!("a{n}"), "z": 1 } }));
        let after = said(&json!({ "prediction": 0, "output": { &name: format!("b{n}"), "z": 1 } }));
        let inputs = json!({ format!("x{n}"): n, "y": format!("word {n}") });
        ask(&mut comparison, "r", &inputs, &before, &after);
        let lost: Side = Err(format!("reason {n}"));
        ask(&mut comparison, "r", &inputs, &before, &lost);
    }
    assert!(comparison.outputs.len() <= OUTPUTS && comparison.messages.len() <= MESSAGES);
    let report = comparison.report();
    assert_eq!((report.changed, report.worst.len()), (3000, 10));
    assert!(report.more_outputs > 0);
}

proptest! {
    /// Counts are those of the definition, and the same pairs make the same report.
    #[test]
    fn counts_follow_the_tolerance(
        pairs in proptest::collection::vec((-100.0..100.0_f64, prop_oneof![Just(0.0), -1e-7..1e-7_f64, -50.0..50.0_f64]), 1..200),
    ) {
        let mut first = Comparison::new(Options::default());
        let mut second = Comparison::new(Options::default());
        let (mut same, mut changed) = (0, 0);
        let tolerance = Tolerance::default();
        for (at, (x, d)) in pairs.iter().enumerate() {
            let y = x + d;
            same += u64::from(*x == y);
            let allowed = tolerance.absolute + tolerance.relative * x.abs().max(y.abs());
            changed += u64::from((y - x).abs() > allowed);
            for comparison in [&mut first, &mut second] {
                let inputs = json!({ "x": x });
                ask(comparison, &at.to_string(), &inputs, &predicting(*x), &predicting(y));
            }
        }
        let report = first.report();
        prop_assert_eq!((report.same, report.changed), (same, changed));
        prop_assert_eq!(report.same + report.near + report.changed, report.rows);
        prop_assert_eq!(&report, &second.report());
        let sizes: Vec<f64> = report.worst.iter().filter_map(|row| row.difference).map(f64::abs).collect();
        prop_assert!(sizes.is_sorted_by(|a, b| a >= b));
        prop_assert_eq!(sizes.len() as u64, changed.min(10));
    }

    /// Whatever bytes are said and asked, there is a report.
    #[test]
    fn any_bytes_are_compared(
        body in proptest::collection::vec(any::<u8>(), 0..100),
        before in proptest::collection::vec(any::<u8>(), 0..100),
        after in proptest::collection::vec(any::<u8>(), 0..100),
        json in 0..120_u32,
    ) {
        let body = Bytes::from(body);
        let _ = crate::wire_of(&body);
        let said = |bytes: Vec<u8>| -> Side {
            Ok(Answered { status: 200, json, body: bytes.into() })
        };
        let (before, after) = (said(before), said(after));
        for wire in [Wire::Rows, Wire::Oip, Wire::OipRaw(json), Wire::Grpc, Wire::V1, Wire::Scoring, Wire::Csv] {
            let mut comparison = Comparison::new(Options::default());
            let asked = Asked { id: "r", wire, body: &body };
            comparison.add(asked, &before, &after);
            prop_assert_eq!(comparison.report().requests, 1);
        }
    }
}
