//! MLflow's GraphQL, which its pages ask for runs, experiments, versions and files: a query is checked against the types,
//! answered by the endpoints beside it, and shown as it was asked for.
//!
//! Mistakes have the messages of MLflow's own library. Introspection is not offered.

mod answer;
mod input;
mod plan;
mod schema;

use crate::{Error, ErrorCode};
use graphql_parser::parse_query;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::{borrow::Cow, collections::BTreeMap};

/// The type of runs.
const RUN: &str = "MlflowRunExtension";
/// The longest query; those of MLflow's pages have a tenth of it.
const LONGEST: usize = 32 << 10;
/// The longest text of variables: some may be used in several places.
const VARIABLES: usize = 1 << 20;

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
    if request.query.len() > LONGEST {
        return Err(syntax(&format_args!(
            "A query has at most {LONGEST} bytes."
        )));
    }
    // The parser takes their indent for one of ASCII, and panics.
    if request.query.contains("\"\"\"") {
        return Err(syntax(&"Texts in three quotes are not taken."));
    }
    let document = parse_query::<String>(&request.query)
        .map_err(|error| syntax(&error.to_string().trim()))?
        .into_static();
    let variables = match &request.variables {
        None | Some(Value::Null) => Cow::Owned(Map::new()),
        Some(Value::Object(given)) => Cow::Borrowed(given),
        Some(Value::String(text)) => {
            Cow::Owned(serde_json::from_str(text).map_err(|error| syntax(&error))?)
        }
        Some(_) => return Err(syntax(&"Variables are not a JSON object.")),
    };
    if serde_json::to_vec(&variables).is_ok_and(|text| text.len() > VARIABLES) {
        return Err(syntax(&format_args!(
            "Variables have at most {VARIABLES} bytes."
        )));
    }
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
        self.chosen.asks_of(RUN, field)
    }

    /// The answer, of what the endpoint said and the experiments of the runs in it, by their ids.
    pub fn answer(&self, said: &Value, experiments: &BTreeMap<String, Value>) -> Value {
        answer::field(&self.chosen, Some(said), experiments)
    }
}

#[cfg(test)]
mod tests;
