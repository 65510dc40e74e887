//! Pages that start after a key rather than at an offset: where one ended, as a text, and what comes behind it.

use super::column::{Cols, Value};
use super::compare::Kind;
use crate::error::{Error, Result};
use crate::search::Cursor;

/// What is said of a cursor that is none, or none of this search.
pub(super) const OTHER: &str =
    "this page token belongs to another search: start from the first page";

/// A sort key: the column's name in the inner select and whether the largest comes first.
pub(super) struct Key {
    pub(super) sql: String,
    pub(super) descending: bool,
}

/// The condition that a row comes after the one with these values, of which `mark` gives the marks.
pub(super) fn behind(
    keys: &[Key],
    values: Vec<Value<'static>>,
    mark: &mut dyn FnMut(Value<'static>) -> String,
) -> String {
    let mut equal: Vec<String> = Vec::new();
    let mut either: Vec<String> = Vec::new();
    let mut bound = String::new();
    for (n, (key, value)) in keys.iter().zip(values).enumerate() {
        if value == Value::Null {
            equal.push(format!("{} IS NULL", key.sql));
            continue;
        }
        let mark = mark(value);
        let sign = if key.descending { "<" } else { ">" };
        if n == 0 {
            // Implied by the rest, but only this tells an index where to begin.
            bound = format!("{} {sign}= {mark} AND ", key.sql);
        }
        let mut all = equal.clone();
        all.push(format!("{} {sign} {mark}", key.sql));
        either.push(format!("({})", all.join(" AND ")));
        equal.push(format!("{} = {mark}", key.sql));
    }
    if either.is_empty() {
        "1 = 0".to_owned()
    } else {
        format!("{bound}({})", either.join(" OR "))
    }
}

/// The values of a cursor, each with a letter for its type; doubles by their bits, so that
/// infinities survive.
pub(super) fn encode(values: &[Value<'_>]) -> Cursor {
    let texts: Vec<String> = values
        .iter()
        .map(|value| match value {
            Value::Null => "n".to_owned(),
            Value::Int(int) => format!("i{int}"),
            Value::Real(real) => format!("r{:x}", real.to_bits()),
            Value::Text(text) => format!("t{text}"),
        })
        .collect();
    // A list of texts always serialises.
    Cursor(serde_json::to_string(&texts).unwrap_or_default())
}

pub(super) fn decode(cursor: &Cursor, keys: &[Kind]) -> Result<Vec<Value<'static>>> {
    let broken = || Error::Invalid(OTHER.to_owned());
    let texts: Vec<String> = serde_json::from_str(&cursor.0).map_err(|_| broken())?;
    if texts.len() != keys.len() {
        return Err(broken());
    }
    let one = |text: &String, kind: &Kind| {
        let (letter, rest) = text.split_at_checked(1)?;
        match (letter, kind) {
            ("n", _) => Some(Value::Null),
            ("i", Kind::Integer | Kind::Time) => rest.parse().ok().map(Value::Int),
            ("r", Kind::Real) => u64::from_str_radix(rest, 16)
                .ok()
                .map(|bits| Value::Real(f64::from_bits(bits))),
            ("t", Kind::Text) => Some(Value::Text(rest.to_owned().into())),
            _ => None,
        }
    };
    texts
        .iter()
        .zip(keys)
        .map(|(text, kind)| one(text, kind).ok_or_else(broken))
        .collect()
}

pub(super) fn read_key(cols: &mut Cols<'_>, kind: Kind) -> Result<Value<'static>> {
    Ok(match kind {
        Kind::Text => cols
            .get::<Option<String>>()?
            .map_or(Value::Null, |text| Value::Text(text.into())),
        Kind::Integer | Kind::Time => cols.get::<Option<i64>>()?.map_or(Value::Null, Value::Int),
        Kind::Real => cols.get::<Option<f64>>()?.map_or(Value::Null, Value::Real),
    })
}
