//! Whole texts that are no project file, and arbitrary ones.

use expect_test::{Expect, expect};

use super::*;

#[test]
fn every_mistake_is_reported_at_once() {
    let text = changed("concurrency: 8", "concurency: 8")
        .replace("timeout: 20m", "timeout: soon")
        .replace("format: csv", "format: cvs")
        .replace("within: 30d", "within: x")
        .replace("{ when:", "{ wen:");
    let wrong = parse("mainspan.yaml", &text).unwrap_err();
    let lines: Vec<String> = wrong
        .all()
        .iter()
        .map(|one| format!("{}:{} {}\n", one.line, one.column, one.message))
        .collect();
    expect![[r#"
        20:83 `soon` is not a duration; write it like `500ms`, `30s`, `20m`, `1h30m` or `30d`
        31:22 unknown key `concurency`, did you mean `concurrency`?
        41:43 `x` is not a duration; write it like `500ms`, `30s`, `20m`, `1h30m` or `30d`
        46:3 `alerts.delay-worse` lacks the key `when`
        46:18 unknown key `wen`, did you mean `when`?
    "#]]
    .assert_eq(&lines.concat());
}

#[test]
fn what_is_not_one_plain_document() {
    let check = |text: &str, expect: &Expect| match parse("mainspan.yaml", text) {
        Ok(_) => panic!("`{text}` was accepted"),
        Err(wrong) => expect.assert_eq(&wrong.to_string()),
    };
    check(
        "",
        &expect![[r#"
        error: the project file is empty; start it with `mainspan: 1` and `project: NAME`
         --> mainspan.yaml:1:1
    "#]],
    );
    check(
        "# nothing\n",
        &expect![[r#"
        error: the project file is empty; start it with `mainspan: 1` and `project: NAME`
         --> mainspan.yaml:1:1
          |
        1 | # nothing
          | ^
    "#]],
    );
    check(
        "- a\n- b\n",
        &expect![[r#"
        error: a project file is a mapping (`key: value`), found a list
         --> mainspan.yaml:1:1
          |
        1 | - a
          | ^
    "#]],
    );
    check(
        "mainspan: 1\n---\nmainspan: 1\n",
        &expect![[r#"
        error: a project file is one YAML document; remove this second one
         --> mainspan.yaml:2:1
          |
        2 | ---
          | ^^^
    "#]],
    );
    check(
        "mainspan: &a 1\nproject: *a\n",
        &expect![[r#"
        error: anchors and aliases (`&name`, `*name`) are not supported here; write the value out
         --> mainspan.yaml:1:14
          |
        1 | mainspan: &a 1
          |              ^
    "#]],
    );
    check(
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        &expect![[r#"
            error: anchors and aliases (`&name`, `*name`) are not supported here; write the value out
             --> mainspan.yaml:1:7
              |
            1 | a: &a [x, x]
              |       ^
        "#]],
    );
    check(
        "project: !!str x\n",
        &expect![[r#"
        error: tags (`!name`) are not supported here; remove the tag
         --> mainspan.yaml:1:16
          |
        1 | project: !!str x
          |                ^
    "#]],
    );
    check(
        "? [a, b]\n: c\n",
        &expect![[r#"
        error: a key must be a single word, not a list or a mapping
         --> mainspan.yaml:1:3
          |
        1 | ? [a, b]
          |   ^
    "#]],
    );
    check(
        "project: [a, b\n",
        &expect![[r#"
        error: this is not valid YAML: unclosed bracket '['
         --> mainspan.yaml:1:10
          |
        1 | project: [a, b
          |          ^
    "#]],
    );
    check(
        "project: \"a\n",
        &expect![[r#"
        error: this is not valid YAML: unclosed quote
         --> mainspan.yaml:1:10
          |
        1 | project: "a
          |          ^
    "#]],
    );
    check(
        "project: a\n  b: c\n",
        &expect![[r#"
        error: this is not valid YAML: mapping values are not allowed in this context
         --> mainspan.yaml:2:4
          |
        2 |   b: c
          |    ^
    "#]],
    );
    check(
        &format!("project: {}\n", "[".repeat(60)),
        &expect![[r#"
        error: this is not valid YAML: recursion limit exceeded
         --> mainspan.yaml:1:50
          |
        1 | project: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
          |                                                  ^
    "#]],
    );
    check(
        &format!("project: {}x{}\n", "[".repeat(35), "]".repeat(35)),
        &expect![[r#"
            error: this is nested more than 32 deep
             --> mainspan.yaml:1:41
              |
            1 | project: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]
              |                                         ^
        "#]],
    );
    check(
        &format!("project: {}!\n", "x".repeat(300)),
        &expect![[r#"
            error: the file lacks the key `environments`
             --> mainspan.yaml:1:1
              |
            1 | project: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
              | ^

            error: the file lacks the key `mainspan`
             --> mainspan.yaml:1:1
              |
            1 | project: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
              | ^

            error: `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…` is not a name; use lower-case letters, digits, `-` and `_`, starting with a letter
             --> mainspan.yaml:1:10
              |
            1 | project: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
              |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        "#]],
    );
    check(
        "project: \u{1b}[31mred\n",
        &expect![[r#"
        error: this is not valid YAML: unexpected character: `\u{1b}'
         --> mainspan.yaml:1:10
          |
        1 | project:  [31mred
          |          ^
    "#]],
    );
}

#[test]
fn bytes_that_are_no_project_file() {
    let check = |bytes: &[u8], expect: &Expect| match parse_bytes("mainspan.yaml", bytes) {
        Ok(_) => panic!("accepted"),
        Err(wrong) => expect.assert_eq(&wrong.to_string()),
    };
    check(
        b"mainspan: 1\nproject: fl\xffghts\n",
        &expect![[r#"
        error: this is not UTF-8 from here on; save the file as UTF-8
         --> mainspan.yaml:2:12
          |
        2 | project: fl
          |            ^
    "#]],
    );
    check(
        &vec![b'a'; 100 << 20],
        &expect![[r#"
        error: the project file has 104857600 bytes and may have 1048576 (1 MiB); data belongs in datasets
         --> mainspan.yaml:1:1
    "#]],
    );
    assert!(parse_bytes("mainspan.yaml", SUPPORTED.as_bytes()).is_ok());
    // Just below the bound: read, and within a moment.
    let padded = format!("{SUPPORTED}{}", "# padding\n".repeat(100_000));
    assert!(parse("mainspan.yaml", &padded).is_ok());
}

/// The most that fits into the bound, in the shapes that cost most; none may take minutes.
#[test]
fn the_worst_of_a_mebibyte_is_judged() {
    let steps = |each: &dyn Fn(usize) -> String| {
        let steps: String = (0..250)
            .map(|index| format!("      s{index}: {}\n", each(index)))
            .collect();
        format!("mainspan: 1\nproject: x\nenvironments: [a]\npipelines:\n  p:\n    steps:\n{steps}")
    };
    let names = |count: usize| {
        (0..count)
            .map(|index| format!("s{index}"))
            .collect::<Vec<_>>()
            .join(",")
    };
    let needs = names(200);
    let check = |text: String, expect: &str| {
        let text: String = text.chars().take(1 << 20).collect();
        match parse("mainspan.yaml", &text) {
            Ok(_) => assert_eq!(expect, "", "accepted"),
            Err(wrong) => assert!(wrong.to_string().contains(expect), "{wrong}"),
        }
    };
    check(
        steps(&|_| format!("{{ run: x, needs: [{needs}] }}")),
        "waits for itself",
    );
    check(
        steps(&|index| format!("{{ run: x, needs: [{}] }}", names(index.min(200)))),
        "",
    );
    check(
        steps(&|index| format!("{{ run: x, reads: [{}] }}", names(index.min(200)))),
        "no dataset or output",
    );
    check(
        format!("a: [{}]", "b,".repeat(500_000)),
        "at most 1000 entries",
    );
    check(
        format!("{{{}}}", "a: b, ".repeat(170_000)),
        "at most 1000 entries",
    );
    check("a:\n".repeat(300_000), "at most 1000 entries");
    check("- [a,b,c]\n".repeat(100_000), "at most 1000 entries");
    let wides = format!("[{}],", "{a: {b: c, d: e}, f: g},".repeat(40));
    check(
        format!("mainspan: [{}]", wides.repeat(900)),
        "expected a whole number",
    );
    let checks =
        "      - rwos > 1 && columns.a.max > 1 && bytes > 2 && rows in [1,2,3] && abs(rows) > 1\n"
            .repeat(900);
    check(
        format!(
            "mainspan: 1\nproject: x\nenvironments: [a]\ndatasets:\n  d:\n    source: a.csv\n    checks:\n{checks}"
        ),
        "did you mean `rows`",
    );
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 500, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}|[a-z:\\-\\[\\]{}&*!|>'\"#%@`, \\n]{0,200}") {
        let result = parse("mainspan.yaml", &text);
        let wrong = result.expect_err("no project file comes about by chance");
        for one in wrong.all() {
            proptest::prop_assert!(one.line >= 1 && one.column >= 1 && !one.message.is_empty());
        }
    }

    #[test]
    fn any_damage_is_read_or_refused(at in 0..SUPPORTED.len(), length in 0..40usize, put in "[a-z:{}\\[\\], \\n\"'&*0-9%.-]{0,8}") {
        let end = (at + length).min(SUPPORTED.len());
        let text = format!("{}{put}{}", &SUPPORTED[..at], &SUPPORTED[end..]);
        match parse("mainspan.yaml", &text) {
            Ok(file) => drop(plan::plan(&Desired { file, commit: None, prune: true }, &Observed::default())),
            Err(wrong) => proptest::prop_assert!(!wrong.to_string().is_empty()),
        }
    }
}
