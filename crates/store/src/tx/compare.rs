//! Comparisons as SQL, the same in every search.

use super::Dialect;
use super::column::Value;
use crate::search::Op;

/// What kind of value an expression has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Integer,
    /// Microseconds in the column, milliseconds in the search.
    Time,
    Real,
}

/// The sign of a comparison of two values.
pub(crate) fn sign(op: Op) -> Option<&'static str> {
    Some(match op {
        Op::Eq => "=",
        Op::Ne => "<>",
        Op::Lt => "<",
        Op::Le => "<=",
        Op::Gt => ">",
        Op::Ge => ">=",
        _ => return None,
    })
}

/// `LIKE`, or `ILIKE` where that is asked for, with the pattern of a mark.
pub(crate) fn like(op: Op, value: &str, mark: &str, dialect: Dialect) -> String {
    // Postgres would take a backslash for an escape; SQLite and MLflow do not.
    let escape = match dialect {
        Dialect::Postgres => " ESCAPE ''",
        Dialect::Sqlite => "",
    };
    match op {
        Op::ILike => format!("lower({value}) LIKE lower({mark}){escape}"),
        _ => format!("{value} LIKE {mark}{escape}"),
    }
}

/// A number as a column of that kind has it. NaN is like and unlike nothing, as NULL is.
pub(crate) fn number_value(kind: Kind, number: f64) -> Option<Value<'static>> {
    match kind {
        Kind::Text => None,
        _ if number.is_nan() => Some(Value::Null),
        Kind::Real => Some(Value::Real(number)),
        // A float cast saturates, which orders just as well as the number itself.
        Kind::Integer => Some(Value::Int(number as i64)),
        Kind::Time => Some(Value::Int((number * 1000.0) as i64)),
    }
}
