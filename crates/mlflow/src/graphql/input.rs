//! Values of arguments: as they stand in the query, and as variables bring them.

use super::schema::{self, Named};
use graphql_parser::query::{Type, Value as Literal};
use serde_json::{Map, Value};

/// How much of a wrong value is shown.
const SHOWN: usize = 100;

/// A value that stands in a query; `variable` finds those that do not.
pub(super) fn literal(
    of: &Named,
    value: &Literal<'static, String>,
    variable: &mut dyn FnMut(&str, &Named) -> Result<Value, String>,
) -> Result<Value, String> {
    match (of, value) {
        (Type::NonNullType(inner), _) => literal(inner, value, variable),
        (_, Literal::Variable(name)) => variable(name, of),
        (_, Literal::Null) => Ok(Value::Null),
        (Type::ListType(inner), Literal::List(items)) => {
            let items = items.iter().map(|item| literal(inner, item, variable));
            items.collect()
        }
        // One stands for a list of one.
        (Type::ListType(inner), _) => Ok(Value::Array(vec![literal(inner, value, variable)?])),
        (Type::NamedType(name), Literal::Object(fields)) if schema::input(name).is_some() => {
            let fields = fields.iter().map(|(field, value)| {
                let value = literal(field_type(name, field)?, value, variable)?;
                Ok((field.clone(), value))
            });
            fields
                .collect::<Result<Map<_, _>, String>>()
                .map(Value::Object)
        }
        (Type::NamedType(name), _) => scalar(name, value),
    }
}

fn scalar(name: &str, value: &Literal<'static, String>) -> Result<Value, String> {
    let shown = || value.to_string().trim().to_owned();
    match (name, value) {
        ("String", Literal::String(text)) => Ok(text.as_str().into()),
        ("String", _) => Err(format!(
            "String cannot represent a non string value: {}",
            shown()
        )),
        ("Int" | "LongString", Literal::Int(number)) => {
            whole(name, number.as_i64().unwrap_or_default())
        }
        // As MLflow's own type has it.
        ("LongString", _) => Ok(Value::Null),
        ("Int", _) => Err(format!(
            "Int cannot represent non-integer value: {}",
            shown()
        )),
        (_, Literal::Enum(word)) if schema::words(name).is_some() => one_of(name, word),
        _ if schema::words(name).is_some() => {
            let hint = match value {
                Literal::String(word) if one_of(name, word).is_ok() => {
                    format!(" Did you mean the enum value '{word}'?")
                }
                _ => String::new(),
            };
            Err(format!(
                "Enum '{name}' cannot represent non-enum value: {}.{hint}",
                shown()
            ))
        }
        _ => Err(format!(
            "Expected value of type '{name}', found {}.",
            shown()
        )),
    }
}

/// What is wrong with the value of a variable, and where in it.
pub(super) struct Wrong {
    path: String,
    value: String,
    why: String,
}

impl Wrong {
    fn new(value: &Value, why: String) -> Self {
        Wrong {
            path: String::new(),
            value: value.to_string().chars().take(SHOWN).collect(),
            why,
        }
    }

    fn within(mut self, part: &str) -> Self {
        self.path.insert_str(0, part);
        self
    }

    /// The words, of the variable with this name.
    pub(super) fn of(self, name: &str) -> String {
        let Wrong { path, value, why } = self;
        let place = match path.is_empty() {
            true => String::new(),
            false => format!(" at '{name}{path}'"),
        };
        format!("Variable '${name}' got invalid value {value}{place}; {why}")
    }
}

/// A value that came as a variable.
pub(super) fn given(of: &Named, value: &Value) -> Result<Value, Wrong> {
    match (of, value) {
        (Type::NonNullType(_), Value::Null) => {
            let why = format!("Expected non-nullable type '{of}' not to be None.");
            Err(Wrong::new(value, why))
        }
        (Type::NonNullType(inner), _) => given(inner, value),
        (_, Value::Null) => Ok(Value::Null),
        (Type::ListType(inner), Value::Array(items)) => {
            let items = items.iter().enumerate().map(|(n, item)| {
                given(inner, item).map_err(|wrong| wrong.within(&format!("[{n}]")))
            });
            items.collect()
        }
        (Type::ListType(inner), _) => Ok(Value::Array(vec![given(inner, value)?])),
        (Type::NamedType(name), Value::Object(fields)) if schema::input(name).is_some() => {
            let fields = fields.iter().map(|(field, inner)| {
                let of = field_type(name, field).map_err(|why| Wrong::new(value, why))?;
                let read = given(of, inner).map_err(|wrong| wrong.within(&format!(".{field}")))?;
                Ok((field.clone(), read))
            });
            fields
                .collect::<Result<Map<_, _>, Wrong>>()
                .map(Value::Object)
        }
        (Type::NamedType(name), _) => {
            given_scalar(name, value).map_err(|why| Wrong::new(value, why))
        }
    }
}

fn given_scalar(name: &str, value: &Value) -> Result<Value, String> {
    match (name, value) {
        ("String", Value::String(_)) => Ok(value.clone()),
        ("String", _) => Err(format!(
            "String cannot represent a non string value: {value}"
        )),
        ("LongString", Value::String(digits)) => digits
            .parse::<i64>()
            .map(Value::from)
            .map_err(|_| format!("LongString cannot represent value: {value}")),
        ("Int" | "LongString", _) => match integer(value) {
            Some(number) => whole(name, number),
            None if name == "Int" => {
                Err(format!("Int cannot represent non-integer value: {value}"))
            }
            None => Err(format!("Expected type '{name}', found {value}.")),
        },
        (_, Value::String(word)) if schema::words(name).is_some() => one_of(name, word),
        _ => Err(format!("Expected type '{name}', found {value}.")),
    }
}

/// A whole number, also one that is written as a fraction.
fn integer(value: &Value) -> Option<i64> {
    let written = || {
        let float = value.as_f64().filter(|float| float.fract() == 0.0)?;
        format!("{float:.0}").parse().ok()
    };
    value.as_i64().or_else(written)
}

fn whole(name: &str, number: i64) -> Result<Value, String> {
    if name == "Int" && i32::try_from(number).is_err() {
        return Err(format!(
            "Int cannot represent non 32-bit signed integer value: {number}"
        ));
    }
    Ok(number.into())
}

fn one_of(name: &str, word: &str) -> Result<Value, String> {
    let words = schema::words(name)
        .into_iter()
        .flat_map(|words| &words.values);
    match words.into_iter().any(|known| known.name == word) {
        true => Ok(word.into()),
        false => Err(format!("Value '{word}' does not exist in '{name}' enum.")),
    }
}

fn field_type(input: &str, field: &str) -> Result<&'static Named, String> {
    let fields = schema::input(input)
        .into_iter()
        .flat_map(|input| &input.fields);
    let found = fields.into_iter().find(|known| known.name == field);
    found
        .map(|known| &known.value_type)
        .ok_or_else(|| format!("Field '{field}' is not defined by type '{input}'."))
}
