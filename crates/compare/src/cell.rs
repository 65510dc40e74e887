//! One value of an input or an answer.

use inference::tensor::Data;
use serde_json::Value;

/// Characters of a text that are kept.
const TEXT: usize = 200;

/// A value. What is no finite number is a word, so that every two cells can be compared.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// A finite number that an `f64` holds exactly.
    Number(f64),
    /// Anything else.
    Word(String),
    /// `null`, or nothing.
    Missing,
}

impl Cell {
    /// A finite number, or its name.
    pub(crate) fn number(x: f64) -> Self {
        if x.is_finite() {
            Self::Number(x)
        } else {
            Self::Word(x.to_string())
        }
    }

    /// A whole number; one that is too long for an `f64` is a word.
    fn whole(digits: &str) -> Self {
        match digits.parse::<f64>() {
            Ok(x) if x.is_finite() && x.abs() < 9_007_199_254_740_992.0 => Self::Number(x),
            _ => Self::Word(digits.to_owned()),
        }
    }

    /// Text, cut.
    pub(crate) fn word(text: &str) -> Self {
        Self::Word(text.chars().take(TEXT).collect())
    }

    /// As JSON.
    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Number(x) => Value::from(*x),
            Self::Word(text) => Value::from(text.as_str()),
            Self::Missing => Value::Null,
        }
    }

    /// As a word, for slices by value.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Number(x) => x.to_string(),
            Self::Word(text) => text.clone(),
            Self::Missing => "(missing)".to_owned(),
        }
    }
}

/// All values of a JSON value, outermost first; objects in the order of their names, each name before its value.
pub(crate) fn flat(value: &Value, out: &mut Vec<Cell>) {
    match value {
        Value::Null => out.push(Cell::Missing),
        Value::Bool(is) => out.push(Cell::word(if *is { "true" } else { "false" })),
        Value::String(text) => out.push(Cell::word(text)),
        Value::Number(number) => out.push(match number.as_f64() {
            Some(x) if number.is_f64() => Cell::number(x),
            _ => Cell::whole(&number.to_string()),
        }),
        Value::Array(all) => all.iter().for_each(|value| flat(value, out)),
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by(|a, b| a.0.cmp(b.0));
            for (name, value) in fields {
                out.push(Cell::word(name));
                flat(value, out);
            }
        }
    }
}

/// Elements of a tensor.
pub(crate) fn elements(data: &Data) -> Vec<Cell> {
    let of = |index: usize| match data {
        Data::Bytes(words) => words.get(index).map_or(Cell::Missing, |w| Cell::word(w)),
        Data::Bool(all) => all
            .get(index)
            .map_or(Cell::Missing, |is| Cell::word(&is.to_string())),
        Data::Int64(all) => all
            .get(index)
            .map_or(Cell::Missing, |n| Cell::whole(&n.to_string())),
        Data::Uint64(all) => all
            .get(index)
            .map_or(Cell::Missing, |n| Cell::whole(&n.to_string())),
        _ => Cell::number(data.number(index)),
    };
    (0..data.len()).map(of).collect()
}

/// Several cells as JSON: one alone as itself; of many, the first `most` and how many more there are.
pub(crate) fn json(cells: &[Cell], most: usize) -> Value {
    match cells {
        [] => Value::Null,
        [one] => one.json(),
        many => {
            let mut all: Vec<Value> = many.iter().take(most).map(Cell::json).collect();
            if many.len() > most {
                all.push(Value::from(format!("and {} more", many.len() - most)));
            }
            Value::Array(all)
        }
    }
}
