//! Conditions that are right, wrong, true and false.

use expect_test::{Expect, expect};

use super::*;
use crate::file::{Format, Pipeline};
use crate::tests::supported;

fn pipeline() -> Pipeline {
    supported().pipelines["train"].clone()
}

/// The outcome of a gate, a clause a line; without champion's figures when `champion` is none.
fn gate(text: &str, mae: f64, champion: Option<f64>) -> String {
    let compiled =
        compile(text, &Scope::gate(&pipeline())).unwrap_or_else(|error| panic!("{text}: {error}"));
    let mut values = Values::new();
    values
        .set(&["evaluate", "mae"], mae)
        .set(&["evaluate", "rows"], 5.5);
    if let Some(mae) = champion {
        values.set(&["champion", "mae"], mae);
    }
    match compiled.eval(&values) {
        Ok(outcome) => {
            let line = |clause: &ClauseOutcome| {
                let values: Vec<String> = clause
                    .values
                    .iter()
                    .map(|named| format!("{}={}", named.name, named.value))
                    .collect();
                format!(
                    "{} -> {}{} [{}]",
                    clause.text,
                    clause.holds,
                    if clause.waived { " waived" } else { "" },
                    values.join(" ")
                )
            };
            let lines: Vec<String> = outcome.clauses.iter().map(line).collect();
            format!("{}: {}", outcome.holds, lines.join("; "))
        }
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn gates() {
    let check =
        |text, mae, champion, expect: &str| assert_eq!(gate(text, mae, champion), expect, "{text}");
    let both = "evaluate.mae < 15.0 && evaluate.mae < 0.99 * champion.mae";
    check(
        both,
        11.0,
        Some(12.0),
        "true: evaluate.mae < 15.0 -> true [evaluate.mae=11]; evaluate.mae < 0.99 * champion.mae -> true [evaluate.mae=11 champion.mae=12]",
    );
    check(
        both,
        11.9,
        Some(12.0),
        "false: evaluate.mae < 15.0 -> true [evaluate.mae=11.9]; evaluate.mae < 0.99 * champion.mae -> false [evaluate.mae=11.9 champion.mae=12]",
    );
    check(
        both,
        11.9,
        None,
        "true: evaluate.mae < 15.0 -> true [evaluate.mae=11.9]; evaluate.mae < 0.99 * champion.mae -> true waived [evaluate.mae=11.9]",
    );
    check(
        both,
        16.0,
        None,
        "false: evaluate.mae < 15.0 -> false [evaluate.mae=16]; evaluate.mae < 0.99 * champion.mae -> true waived [evaluate.mae=16]",
    );
    // Whole numbers compare with doubles.
    check(
        "evaluate.rows > 5",
        1.0,
        None,
        "true: evaluate.rows > 5 -> true [evaluate.rows=5.5]",
    );
    check(
        "evaluate.rows == 5",
        1.0,
        None,
        "false: evaluate.rows == 5 -> false [evaluate.rows=5.5]",
    );
    check(
        "evaluate.rows in [5, 5.5]",
        1.0,
        None,
        "true: evaluate.rows in [5, 5.5] -> true [evaluate.rows=5.5]",
    );
    check(
        "7 / 2 == 3.5 && evaluate.mae > 0",
        1.0,
        None,
        "true: 7 / 2 == 3.5 -> true []; evaluate.mae > 0 -> true [evaluate.mae=1]",
    );
    check(
        "abs(-evaluate.mae) == max(1, 2)",
        2.0,
        None,
        "true: abs(-evaluate.mae) == max(1, 2) -> true [evaluate.mae=2]",
    );
    // `&&` binds tighter than `||`, so this is one clause.
    check(
        "evaluate.mae < 1 || evaluate.mae > 2 && evaluate.rows > 1",
        3.0,
        None,
        "true: evaluate.mae < 1 || evaluate.mae > 2 && evaluate.rows > 1 -> true [evaluate.mae=3 evaluate.rows=5.5]",
    );
    check(
        "(evaluate.mae < 1 || evaluate.mae > 2) && !(evaluate.rows > 6)",
        3.0,
        None,
        "true: (evaluate.mae < 1 || evaluate.mae > 2) -> true [evaluate.mae=3]; !(evaluate.rows > 6) -> true [evaluate.rows=5.5]",
    );
    check(
        "evaluate.mae > 2 ? evaluate.rows > 6 : true",
        3.0,
        None,
        "false: evaluate.mae > 2 ? evaluate.rows > 6 : true -> false [evaluate.mae=3 evaluate.rows=5.5]",
    );
}

#[test]
fn figures_that_mean_nothing_stop_a_gate() {
    let check = |text, mae, expect: &str| assert_eq!(gate(text, mae, None), expect, "{text}");
    let nan = "error: `!(evaluate.mae > 15)` compares something that is not a number (NaN): evaluate.mae = NaN";
    check("!(evaluate.mae > 15)", f64::NAN, nan);
    let smallest = "error: `min(1, evaluate.mae) > 0` compares something that is not a number (NaN): evaluate.mae = NaN";
    check("min(1, evaluate.mae) > 0", f64::NAN, smallest);
    check(
        "fit.cv_mae < 3",
        1.0,
        "error: `fit.cv_mae` has no value, and `fit.cv_mae < 3` needs it",
    );
    check(
        "evaluate.mae == 1 || fit.cv_mae < 3",
        1.0,
        "true: evaluate.mae == 1 || fit.cv_mae < 3 -> true [evaluate.mae=1]",
    );
}

#[test]
fn a_first_model_and_a_person() {
    let check = |gate: &str, expect| {
        let compiled = compile(gate, &Scope::gate(&pipeline())).unwrap();
        assert_eq!(compiled.without_champion_needs_approval(), expect, "{gate}");
    };
    check("evaluate.mae < 15.0 && evaluate.mae < champion.mae", false);
    check("evaluate.mae < champion.mae", true);
    check("true && evaluate.mae < champion.mae", true);
    check("evaluate.mae < 15.0 || evaluate.mae < champion.mae", true);
    assert!(!gate_without_champion_needs_approval(&pipeline()));
    let mut without_gate = pipeline();
    without_gate.register.as_mut().unwrap().gate = None;
    assert!(gate_without_champion_needs_approval(&without_gate));
}

fn wrong(text: &str, scope: &Scope) -> String {
    match compile(text, scope) {
        Ok(compiled) => panic!("`{text}` was accepted: {compiled:?}"),
        Err(error) => {
            let marked = text.get(error.range.clone()).unwrap_or("?");
            format!(
                "{text}\n  {}..{} `{marked}`: {error}\n",
                error.range.start, error.range.end
            )
        }
    }
}

#[test]
fn gates_with_mistakes() {
    let scope = Scope::gate(&pipeline());
    let all = [
        "evaluate.mea < 15",
        "evalute.mae < 15",
        "evaluate.mae < 15 && evaluate.mae < 0.99 * champion.mea",
        "evaluate.mae",
        "evaluate.mae + 1",
        "evaluate",
        "evaluate.mae.x > 1",
        "split.mae > 1",
        "evaluate.mae && true",
        "!evaluate.mae",
        "evaluate.mae < 'a'",
        "'a' < 'b'",
        "evaluate.mae + 'a' > 1",
        "evaluate[\"mae\"] < 1 && evaluate[\"mea\"] < 1",
        "evaluate[1] < 1",
        "evaluate.mae < ",
        "evaluate.mae < 1 &&",
        "evaluate.mae < 1 & true",
        "evaluate.mae << 1",
        "(evaluate.mae < 1",
        "evaluate.mae < 1)",
        "'é' == 'é' && evaluate.mea < 1",
        "é < 1",
        "size('a') > 1",
        "abs(1, 2) > 1",
        "evaluate.mae.abs() > 1",
        "[1, 2].all(x, x > 0)",
        "has(evaluate.mae)",
        "evaluate.mae in 5",
        "{1: 2} == {1: 2}",
        "evaluate.mae < 1 // why",
        "evaluate.mae == null",
        "99999999999999999999 > 1",
        "'open < 1",
        "true ? 1 : false",
    ];
    let text: String = all.iter().map(|text| wrong(text, &scope)).collect();
    expect![[r#"
        evaluate.mea < 15
          9..12 `mea`: `mea` is not known in `evaluate`, did you mean `mae`?
        evalute.mae < 15
          0..7 `evalute`: `evalute` is not known here, did you mean `evaluate`?
        evaluate.mae < 15 && evaluate.mae < 0.99 * champion.mea
          52..55 `mea`: `mea` is not known in `champion`, did you mean `mae`?
        evaluate.mae
          0..12 `evaluate.mae`: a condition is true or false, and this is a number; compare it, like `evaluate.mae > 0`
        evaluate.mae + 1
          0..16 `evaluate.mae + 1`: a condition is true or false, and this is a number; compare it, like `evaluate.mae > 0`
        evaluate
          0..8 `evaluate`: `evaluate` is not a value; say which of it: mae, rows
        evaluate.mae.x > 1
          13..14 `x`: `evaluate.mae` is a number and has nothing behind a dot
        split.mae > 1
          0..5 `split`: step `split` declares no metrics; add `metrics: [NAME]` to it
        evaluate.mae && true
          0..12 `evaluate.mae`: a condition is true or false, and this is a number; compare it, like `evaluate.mae > 0`
        !evaluate.mae
          1..13 `evaluate.mae`: `!` takes a truth value, and this is a number
        evaluate.mae < 'a'
          15..18 `'a'`: `<` with a number on its left takes a number, and this is a text
        'a' < 'b'
          4..5 `<`: `<` compares numbers, and this is a text
        evaluate.mae + 'a' > 1
          15..18 `'a'`: `+` takes a number, and this is a text
        evaluate["mae"] < 1 && evaluate["mea"] < 1
          32..37 `"mea"`: `mea` is not known in `evaluate`, did you mean `mae`?
        evaluate[1] < 1
          9..10 `1`: write a text in these brackets, like `["a name"]`
        evaluate.mae < 
          14..14 ``: the condition ends too early
        evaluate.mae < 1 &&
          19..19 ``: a clause is missing beside this `&&`
        evaluate.mae < 1 & true
          17..18 `&`: `&` is not part of the expression language
        evaluate.mae << 1
          14..15 `<`: `<` does not fit here
        (evaluate.mae < 1
          17..17 ``: a bracket is not closed; add the missing `)`, `]` or `}`
        evaluate.mae < 1)
          16..17 `)`: this `)` closes nothing; remove it
        'é' == 'é' && evaluate.mea < 1
          25..28 `mea`: `mea` is not known in `evaluate`, did you mean `mae`?
        é < 1
          0..2 `é`: `é` is not part of the expression language
        size('a') > 1
          0..5 `size(`: there is no function `size`; there is abs, min and max
        abs(1, 2) > 1
          0..4 `abs(`: `abs` takes 1 argument
        evaluate.mae.abs() > 1
          8..9 `.`: there is no function `abs` on this
        [1, 2].all(x, x > 0)
          7..11 `all(`: `all`, `exists`, `map` and `filter` have no use in a condition; there is no list to go through
        has(evaluate.mae)
          0..4 `has(`: `has` has no use in a condition; every name here has a value
        evaluate.mae in 5
          16..17 `5`: `in` takes a list, like `x in [1, 2]`
        {1: 2} == {1: 2}
          0..1 `{`: braces have no use in a condition
        evaluate.mae < 1 // why
          17..18 `/`: a condition has no comments; put it behind a YAML `#`
        evaluate.mae == null
          16..20 `null`: a condition knows numbers, texts and truth values, and this is none
        99999999999999999999 > 1
          0..1 `9`: this is not a condition in CEL (invalid int literal)
        'open < 1
          0..1 `'`: this text has no closing '
        true ? 1 : false
          11..16 `false`: the other branch takes a number, and this is a truth value
    "#]].assert_eq(&text);
}

#[test]
fn an_empty_condition() {
    let error = compile("  ", &Scope::gate(&pipeline())).unwrap_err();
    assert_eq!(
        error.message,
        "this condition is empty; write one or remove the key"
    );
}

#[test]
fn checks_and_alerts_with_mistakes() {
    let check = |text: &str, scope: &Scope, expect: &Expect| expect.assert_eq(&wrong(text, scope));
    let table = Scope::checks(Format::Csv);
    check(
        "row > 1",
        &table,
        &expect![[r#"
        row > 1
          0..3 `row`: `row` is not known here, did you mean `rows`?
    "#]],
    );
    check(
        "columns.delay.null_fractoin < 0.1",
        &table,
        &expect![[r#"
            columns.delay.null_fractoin < 0.1
              14..27 `null_fractoin`: `null_fractoin` is not known in `columns.delay`, did you mean `null_fraction`?
        "#]],
    );
    check(
        "columns.delay < 0.1",
        &table,
        &expect![[r#"
        columns.delay < 0.1
          8..13 `delay`: `columns.delay` is not a value; say which of it: distinct, max, mean, min, null_fraction, nulls, std
    "#]],
    );
    check(
        "rows > 1",
        &Scope::checks(Format::Files),
        &expect![[r#"
        rows > 1
          0..4 `rows`: `rows` needs a table, and this dataset has the format `files`; set `format`
    "#]],
    );
    let alerts = Scope::alerts(&supported());
    check(
        "services.delay.prd.alarm",
        &alerts,
        &expect![[r#"
        services.delay.prd.alarm
          15..18 `prd`: `prd` is not known in `services.delay`, did you mean `prod`?
    "#]],
    );
    check(
        "services.delay.prod.alarm > 1",
        &alerts,
        &expect![[r#"
        services.delay.prod.alarm > 1
          28..29 `1`: `>` with a truth value on its left takes a truth value, and this is a number
    "#]],
    );
}

#[test]
fn names_that_are_not_words() {
    let compiled = compile(
        "columns[\"arrival delay\"].max < 10 && columns.x.min > 0",
        &Scope::checks(Format::Csv),
    )
    .unwrap();
    let names: Vec<String> = compiled.names().iter().map(|name| name.join("|")).collect();
    assert_eq!(names, ["columns|arrival delay|max", "columns|x|min"]);
    let mut values = Values::new();
    values
        .set(&["columns", "arrival delay", "max"], 12.0)
        .set(&["columns", "x", "min"], 1.0);
    let outcome = compiled.eval(&values).unwrap();
    let failure = "columns[\"arrival delay\"].max < 10 (columns[\"arrival delay\"].max = 12)";
    assert_eq!(outcome.first_failure().as_deref(), Some(failure));
}

#[test]
fn size_and_depth_are_bounded() {
    let scope = Scope::checks(Format::Csv);
    let check = |text: String, expect: &str| {
        let error = compile(&text, &scope).expect_err("too much was accepted");
        assert!(error.message.contains(expect), "{error}");
    };
    check("(".repeat(1900), "12 brackets");
    check(format!("rows > {}", "1 + ".repeat(400)), "100 operators");
    check("!".repeat(1900), "100 operators");
    check("true ? true : ".repeat(130), "100 operators");
    check("rows > 1 ".repeat(300), "2000 bytes");
    // The deepest that is allowed passes through the parser without harm.
    let deep = format!("{}rows > 1{}", "(".repeat(12), ")".repeat(12));
    assert!(compile(&deep, &scope).is_ok());
    assert!(compile(&format!("rows > {}1", "1 + ".repeat(99)), &scope).is_ok());
    assert!(compile(&format!("{}true", "!".repeat(100)), &scope).is_ok());
    assert!(compile(&format!("{}true", "true ? true : ".repeat(50)), &scope).is_ok());
    assert!(compile(&format!("rows > {}1", "-".repeat(99)), &scope).is_ok());
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn whatever_is_written_is_judged(text in "[a-z0-9 .<>=!&|?:+*/%()\\[\\]{}'\"\\\\,é-]{0,60}") {
        let scope = Scope::checks(Format::Csv);
        if let Err(error) = compile(&text, &scope) {
            assert!(error.range.start <= error.range.end && error.range.end <= text.len(), "{error:?}");
            assert!(text.is_char_boundary(error.range.start) && text.is_char_boundary(error.range.end));
        }
    }

    #[test]
    fn arithmetic_is_that_of_doubles(a in -1e6..1e6f64, b in -1e6..1e6f64) {
        let compiled = compile("rows + bytes * 2 - rows / 4 < bytes", &Scope::checks(Format::Csv)).unwrap();
        let mut values = Values::new();
        values.set(&["rows"], a).set(&["bytes"], b);
        assert_eq!(compiled.eval(&values).unwrap().holds, a + b * 2.0 - a / 4.0 < b);
    }
}
