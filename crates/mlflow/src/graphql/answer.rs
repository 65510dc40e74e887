//! What an endpoint said, with the fields that were asked for and the names of GraphQL. What is not there is its type's
//! default, as in the messages behind MLflow's own schema.

use super::{
    RUN,
    plan::Chosen,
    schema::{self, Named},
};
use crate::names;
use graphql_parser::schema::Type;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Experiments of the runs in an answer, by their ids: many runs have one.
pub(super) type Experiments = BTreeMap<String, Value>;

/// The value of a field of what was said.
pub(super) fn field(chosen: &Chosen, said: Option<&Value>, beside: &Experiments) -> Value {
    match chosen.field {
        None => chosen.of.into(),
        Some(field) => of_type(&field.field_type, said, &chosen.below, beside),
    }
}

fn of_type(of: &Named, said: Option<&Value>, below: &[Chosen], beside: &Experiments) -> Value {
    match of {
        Type::NonNullType(inner) => of_type(inner, said, below, beside),
        Type::ListType(inner) => {
            let items = said.and_then(Value::as_array).into_iter().flatten();
            items
                .map(|one| of_type(inner, Some(one), below, beside))
                .collect()
        }
        Type::NamedType(name) => named(name, said, below, beside),
    }
}

fn named(name: &str, said: Option<&Value>, below: &[Chosen], beside: &Experiments) -> Value {
    let text = || match said {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    if let Some(words) = schema::words(name) {
        let first = words.values.first().map_or("", |word| word.name.as_str());
        return text().unwrap_or_else(|| first.to_owned()).into();
    }
    match name {
        "String" => text().unwrap_or_default().into(),
        "LongString" => text().unwrap_or_else(|| "0".to_owned()).into(),
        "Boolean" => said.and_then(Value::as_bool).unwrap_or_default().into(),
        // JSON has no other numbers: the infinite ones are as large as they can be, and NaN is null.
        "Float" => match said {
            None => 0.0.into(),
            Some(Value::String(text)) if text == "Infinity" => f64::MAX.into(),
            Some(Value::String(text)) if text == "-Infinity" => f64::MIN.into(),
            Some(number) => number.as_f64().map_or(Value::Null, Value::from),
        },
        "ApiError" => Value::Null,
        _ => object(said, below, beside),
    }
}

/// What was asked for of a record: defaults where it is not there, and null where it is.
fn object(said: Option<&Value>, below: &[Chosen], beside: &Experiments) -> Value {
    if said.is_some_and(Value::is_null) {
        return Value::Null;
    }
    let fields = below.iter().map(|chosen| {
        let name = chosen.field.map_or("", |field| field.name.as_str());
        let said = match (chosen.of, name) {
            (RUN, "experiment") => said
                .and_then(|run| run["info"]["experiment_id"].as_str())
                .and_then(|id| beside.get(id)),
            _ => said.and_then(|said| said.get(names::snake(name))),
        };
        (chosen.key.clone(), field(chosen, said, beside))
    });
    Value::Object(fields.collect())
}

/// The same fields, named as the other endpoints name them. What is null was not given.
pub(super) fn snake_fields(given: &Value) -> Value {
    let Value::Object(fields) = given else {
        return given.clone();
    };
    let fields = fields.iter().filter(|(_, value)| !value.is_null());
    let named: Map<_, _> = fields
        .map(|(name, value)| (names::snake(name), value.clone()))
        .collect();
    Value::Object(named)
}
