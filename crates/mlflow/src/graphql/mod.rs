//! MLflow's GraphQL, which its pages ask for runs, experiments, versions and files: a query is checked against the types,
//! answered by the endpoints beside it, and shown as it was asked for.
//!
//! What MLflow's own library checks is checked here, with its messages; introspection is not offered.

mod answer;
mod input;
mod plan;
mod schema;

use crate::{Error, ErrorCode};
use graphql_parser::parse_query;
use serde::Deserialize;
use serde_json::{Map, Value};

/// `graphql`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Request {
    /// What is asked.
    pub query: String,
    /// The variables' values; a text of JSON in the query of an address.
    pub variables: Option<Value>,
    /// Which of several operations.
    pub operation_name: Option<String>,
}

/// A query that is right by the types.
#[derive(Debug)]
pub struct Plan {
    /// What is asked for at the top, in order.
    pub roots: Vec<Root>,
}

/// One field at the top of a query.
#[derive(Debug)]
pub struct Root {
    chosen: plan::Chosen,
}

/// Why there is no plan.
#[derive(Debug)]
pub enum Refused {
    /// The text is no query.
    Syntax(Error),
    /// These are wrong with it.
    Wrong(Vec<String>),
}

/// Reads a query and checks it.
///
/// # Errors
/// When it cannot be read, or asks for what there is not.
pub fn plan(request: &Request) -> Result<Plan, Refused> {
    let syntax = |error: &dyn std::fmt::Display| {
        Refused::Syntax(Error::new(ErrorCode::BadRequest, format!("{error}")))
    };
    let document = parse_query::<String>(&request.query)
        .map_err(|error| syntax(&error.to_string().trim()))?
        .into_static();
    let variables = match &request.variables {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(given)) => given.clone(),
        Some(Value::String(text)) => serde_json::from_str(text).map_err(|error| syntax(&error))?,
        Some(_) => return Err(syntax(&"Variables are not a JSON object.")),
    };
    plan::plan(&document, request.operation_name.as_deref(), &variables).map_err(Refused::Wrong)
}

impl Root {
    /// The name under which the answer stands.
    pub fn key(&self) -> &str {
        &self.chosen.key
    }

    /// The field's name in the schema; none is the name of the type itself.
    pub fn asks(&self) -> Option<&'static str> {
        self.chosen.field.map(|field| field.name.as_str())
    }

    /// The message for the endpoint that answers, with its own names; none was given when it is missing.
    pub fn input(&self) -> Option<Value> {
        self.chosen.input.as_ref().map(answer::snake_fields)
    }

    /// Whether this field is asked of a run anywhere below.
    pub fn asks_of_runs(&self, field: &str) -> bool {
        self.chosen.asks_of("MlflowRunExtension", field)
    }

    /// The answer, of what the endpoint said.
    pub fn answer(&self, said: &Value) -> Value {
        answer::field(&self.chosen, Some(said))
    }
}

#[cfg(test)]
mod tests {
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
        let check = |query: &str, variables: Value, expect: &[&str]| match planned(
            query, variables, None,
        ) {
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
                "Variable '$d' got invalid value {\"runId\":1}; String cannot represent a non string value: 1",
            ],
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
        ] {
            assert!(planned(&query, Value::Null, None).is_err());
        }
        let inline = format!(
            "{{test(inputString:\"a\"){}output{}}}",
            "{...".repeat(40),
            "}".repeat(40)
        );
        let _ = planned(&inline, Value::Null, None);
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
        let said = json!({ "run": {
            "info": { "run_id": "r1", "status": "FINISHED", "start_time": 5 },
            "data": { "metrics": [{ "key": "a", "value": "NaN", "step": 3 }, { "key": "b", "value": 1.5 }] },
            "model_versions": [{ "version": "2" }],
        } });
        assert_eq!(
            one.answer(&said),
            json!({
                "__typename": "MlflowGetRunResponse",
                "apiError": null,
                "run": {
                    "info": { "runId": "r1", "status": "FINISHED", "endTime": "0" },
                    "data": { "metrics": [{ "key": "a", "value": null, "step": "3" }, { "key": "b", "value": 1.5, "step": "0" }] },
                    "experiment": { "name": "" },
                    "modelVersions": [{ "version": "2", "aliases": [] }],
                },
            })
        );
        assert_eq!(
            search.answer(&json!({})),
            json!({ "runs": [], "nextPageToken": "" })
        );
        assert_eq!(search.answer(&Value::Null), Value::Null);
        let named = planned(
            "query A{test{output}} mutation B{testMutation{output}}",
            Value::Null,
            Some("B"),
        );
        assert_eq!(named.unwrap().roots[0].asks(), Some("testMutation"));
    }
}
