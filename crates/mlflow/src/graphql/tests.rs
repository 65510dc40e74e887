//! Queries that are right, wrong, and meant to hurt.

use super::*;
use serde_json::json;

fn planned(query: &str, variables: Value, operation: Option<&str>) -> Result<Plan, Refused> {
    plan(&Request {
        query: query.to_owned(),
        variables: Some(variables),
        operation_name: operation.map(str::to_owned),
    })
}

/// What MLflow's library says of the same queries.
#[test]
fn mistakes_are_named() {
    let check =
        |query: &str, variables: Value, expect: &[&str]| match planned(query, variables, None) {
            Err(Refused::Wrong(errors)) => assert_eq!(errors, expect, "{query}"),
            other => panic!("{query}: {other:?}"),
        };
    let fields = [
        ("{nope}", "Cannot query field 'nope' on type 'Query'."),
        (
            "{test}",
            "Field 'test' of type 'Test' must have a selection of subfields. Did you mean 'test { ... }'?",
        ),
        (
            "{test(inputString:\"a\"){output{x}}}",
            "Field 'output' must not have a selection since type 'String' has no subfields.",
        ),
        (
            "{test(foo:\"a\"){output}}",
            "Unknown argument 'foo' on field 'Query.test'.",
        ),
        (
            "{test(inputString:\"a\",inputString:\"b\"){output}}",
            "There can be only one argument named 'inputString'.",
        ),
        (
            "{test(inputString:1){output}}",
            "String cannot represent a non string value: 1",
        ),
        ("{test(inputString:\"a\"){...F}}", "Unknown fragment 'F'."),
        (
            "{test(inputString:\"a\"){...F}} fragment F on Test {...F}",
            "Cannot spread fragment 'F' within itself.",
        ),
        (
            "{test(inputString:\"a\"){output}} fragment F on Test {output}",
            "Fragment 'F' is never used.",
        ),
        (
            "{test(inputString:\"a\"){output @skip(if:true)}}",
            "Unknown directive '@skip'.",
        ),
        (
            "{test(inputString:\"a\"){output} test(inputString:\"b\"){output}}",
            "Fields 'test' conflict because they have differing arguments. Use different aliases on the fields to fetch both if this was intentional.",
        ),
        (
            "{mlflowGetRun(input:{nope:\"5\"}){run{info{runId}}}}",
            "Field 'nope' is not defined by type 'MlflowGetRunInput'.",
        ),
        (
            "{mlflowSearchRuns(input:{runViewType:NOPE}){nextPageToken}}",
            "Value 'NOPE' does not exist in 'MlflowViewType' enum.",
        ),
        (
            "{mlflowSearchRuns(input:{maxResults:\"x\"}){nextPageToken}}",
            "Int cannot represent non-integer value: \"x\"",
        ),
        (
            "query A{test(inputString:\"a\"){output}} query B{test(inputString:\"b\"){output}}",
            "Must provide operation name if query contains multiple operations.",
        ),
        (
            "query A{test(inputString:\"a\"){output}} query A{test(inputString:\"b\"){output}}",
            "There can be only one operation named 'A'.",
        ),
        (
            "{test(inputString:\"a\"){output}} query A{test(inputString:\"b\"){output}}",
            "This anonymous operation must be the only defined operation.",
        ),
        (
            "{test(inputString:\"a\"){...F}} fragment F on Test {output} fragment F on Test {output}",
            "There can be only one fragment named 'F'.",
        ),
        (
            "{mlflowGetRun(input:FOO){run{info{runId}}}}",
            "Expected value of type 'MlflowGetRunInput', found FOO.",
        ),
        (
            "subscription {x}",
            "Schema is not configured to execute subscription operation.",
        ),
        (
            "{test(inputString:$s){output}}",
            "Variable '$s' is not defined.",
        ),
        (
            "query Q($s:String){test(inputString:\"x\"){output}}",
            "Variable '$s' is never used in operation 'Q'.",
        ),
        (
            "query Q($s:Int){test(inputString:$s){output}}",
            "Variable '$s' of type 'Int' used in position expecting type 'String'.",
        ),
        (
            "query Q($s:String,$s:String){test(inputString:$s){output}}",
            "There can be only one variable named '$s'.",
        ),
        (
            "query Q($s:String!){test(inputString:$s){output}}",
            "Variable '$s' of required type 'String!' was not provided.",
        ),
    ];
    for (query, expect) in fields {
        check(query, Value::Null, &[expect]);
    }
    check(
        "query Q($d:MlflowGetRunInput!){mlflowGetRun(input:$d){run{info{runId}}}}",
        json!({ "d": { "runId": 1 } }),
        &[
            "Variable '$d' got invalid value 1 at 'd.runId'; String cannot represent a non string value: 1",
        ],
    );
    check(
        "query Q($s:[String!]!){mlflowSearchRuns(input:{orderBy:$s}){nextPageToken}}",
        json!({ "s": ["a", null] }),
        &[
            "Variable '$s' got invalid value null at 's[1]'; Expected non-nullable type 'String!' not to be None.",
        ],
    );
    check(
        "query Q($s:String!){test(inputString:$s){output}}",
        json!({ "s": null }),
        &["Variable '$s' of non-null type 'String!' must not be null."],
    );
    let many = (0..11)
        .map(|n| format!("a{n}:__typename "))
        .collect::<String>();
    check(
        &format!("{{{many}}}"),
        Value::Null,
        &["GraphQL queries should have at most 10 root fields, got 11 root fields."],
    );
    assert!(matches!(
        planned("{", Value::Null, None),
        Err(Refused::Syntax(_))
    ));
    assert!(matches!(
        planned("", Value::Null, None),
        Err(Refused::Syntax(_))
    ));
}

/// What would take for ever, or all of the stack, is refused at once.
#[test]
fn queries_stay_small() {
    let bomb = |n: usize| {
        let fragments =
            (0..n).map(|k| format!(" fragment F{k} on Test {{...F{0} ...F{0}}}", k + 1));
        format!(
            "{{test(inputString:\"a\"){{...F0}}}}{} fragment F{n} on Test {{output}}",
            fragments.collect::<String>()
        )
    };
    let deep = |n: usize| format!("{}{}", "{a".repeat(n), "}".repeat(n));
    let nested = |open: &str, close: &str| {
        let value = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        format!("{{test(inputString:{value}){{output}}}}")
    };
    let arguments = "x:1 ".repeat(100_000);
    for query in [
        bomb(40),
        bomb(10_000),
        deep(49),
        deep(100_000),
        nested("[", "]"),
        nested("{a:", "}"),
        format!("{{test({arguments}){{output}}}}"),
        format!("{{test{}{{output}}}}", "@a".repeat(100_000)),
        format!("{{test{}{{output}}}}", "@a".repeat(10_000)),
        "{test(inputString:\"\"\"x\n y\n\u{a0}z\"\"\"){output}}".to_owned(),
        format!("{{{}}}", "a ".repeat(16_000)),
        "{a}".repeat(10_000),
        format!(
            "{{test(inputString:\"a\"){{{}}}}} fragment F on Test{{output({})}}",
            "...F ".repeat(500),
            "x:1 ".repeat(7_000)
        ),
    ] {
        assert!(planned(&query, Value::Null, None).is_err());
    }
    let large = json!({ "v": vec![""; 100_000] });
    let roots = |n: usize| {
        let all = (0..n)
            .map(|k| format!("a{k}:mlflowSearchRuns(input:{{orderBy:$v}}){{nextPageToken}} "));
        format!("query Q($v:[String]){{{}}}", all.collect::<String>())
    };
    assert!(planned(&roots(10), large.clone(), None).is_ok());
    assert!(planned(&roots(450), large, None).is_err());
    assert!(planned(&roots(1), json!({ "v": ["x".repeat(2 << 20)] }), None).is_err());
    let inline = |n: usize| format!("{}output{}", "...{".repeat(n), "}".repeat(n));
    let query = format!("{{test(inputString:\"a\"){{{}}}}}", inline(20));
    assert!(planned(&query, Value::Null, None).is_ok());
    let fragments = (0..20).map(|k| {
        let inner = inline(40).replace("output", &format!("...F{}", k + 1));
        format!(" fragment F{k} on Test {{{inner}}}")
    });
    let nested = format!(
        "{{test(inputString:\"a\"){{...F0}}}}{} fragment F20 on Test {{output}}",
        fragments.collect::<String>()
    );
    assert!(planned(&nested, Value::Null, None).is_err());
}

#[test]
fn answers_have_what_was_asked_for() {
    let query = "query Q($id: String = \"r1\", $ids: [String]) { \
        one: mlflowGetRun(input: {runId: $id}) { __typename apiError { code } run { ...R info { status endTime } modelVersions { version aliases } } } \
        mlflowSearchRuns(input: {experimentIds: $ids, runViewType: ALL, maxResults: 5}) { runs { info { runId } } nextPageToken } } \
        fragment R on MlflowRunExtension { info { runId } data { metrics { key value step } } experiment { name } }";
    let plan = planned(query, json!({ "ids": "1" }), None).unwrap();
    let [one, search] = &plan.roots[..] else {
        panic!("{plan:?}")
    };
    assert_eq!((one.key(), one.asks()), ("one", Some("mlflowGetRun")));
    assert_eq!(one.input(), Some(json!({ "run_id": "r1" })));
    assert_eq!(
        search.input(),
        Some(json!({ "experiment_ids": ["1"], "run_view_type": "ALL", "max_results": 5 }))
    );
    assert!(one.asks_of_runs("experiment") && !search.asks_of_runs("experiment"));
    let experiments = [("7".to_owned(), json!({ "name": "seven" }))].into();
    let said = json!({ "run": {
        "info": { "run_id": "r1", "experiment_id": "7", "status": "FINISHED", "start_time": 5 },
        "data": { "metrics": [{ "key": "a", "value": "NaN", "step": 3 }, { "key": "b", "value": 1.5 }] },
        "model_versions": [{ "version": "2" }],
    } });
    assert_eq!(
        one.answer(&said, &experiments),
        json!({
            "__typename": "MlflowGetRunResponse",
            "apiError": null,
            "run": {
                "info": { "runId": "r1", "status": "FINISHED", "endTime": "0" },
                "data": { "metrics": [{ "key": "a", "value": null, "step": "3" }, { "key": "b", "value": 1.5, "step": "0" }] },
                "experiment": { "name": "seven" },
                "modelVersions": [{ "version": "2", "aliases": [] }],
            },
        })
    );
    assert_eq!(
        search.answer(&json!({}), &experiments),
        json!({ "runs": [], "nextPageToken": "" })
    );
    assert_eq!(search.answer(&Value::Null, &experiments), Value::Null);
    let named = planned(
        "query A{test{output}} mutation B{testMutation{output}}",
        Value::Null,
        Some("B"),
    );
    assert_eq!(named.unwrap().roots[0].asks(), Some("testMutation"));
}
