//! Which operators and values go with what, in a search of traces.

use super::target::{SpanField, Target};
use crate::{
    Error,
    filter::{Operator, Value},
};

/// Metadata that is kept in one form and compared as a whole only.
pub(super) const RESERVED: [&str; 2] = ["mlflow.trace.tokenUsage", "mlflow.trace.cost"];

/// An operator, as this grammar knows them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Word {
    Operator(Operator),
    RLike,
}

const COMPARES_NUMBERS: [Operator; 4] = [
    Operator::Greater,
    Operator::GreaterOrEqual,
    Operator::Less,
    Operator::LessOrEqual,
];

/// Whether the entity, as it was written, takes such a value.
pub(super) fn typed(entity: &str, key: &str, word: &Word, value: &Value) -> Result<(), Error> {
    let numeric = matches!(word, Word::Operator(operator) if COMPARES_NUMBERS.contains(operator));
    let fine = match (entity, value) {
        (_, Value::Nothing) => true,
        ("attribute", Value::Number(_)) => key.starts_with("timestamp") || key.contains("_time"),
        ("attribute", Value::List(_)) => [
            "name",
            "status",
            "request_id",
            "run_id",
            "client_request_id",
        ]
        .contains(&key),
        ("feedback" | "expectation", Value::Number(_)) => numeric,
        ("feedback" | "expectation", Value::Text(_)) => !numeric,
        ("tag" | "span", Value::List(_)) => true,
        (_, value) => matches!(value, Value::Text(_)),
    };
    if fine {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Expected a quoted string value for {entity} (e.g. 'my-value'), or a number for times and for judgements that are compared with < or >. Got {value:?} for '{key}'"
    )))
}

/// Whether the target can be compared so.
pub(super) fn allowed(target: &Target, word: &Word, value: &Value) -> Result<(), Error> {
    use Operator::{Equal, ILike, In, IsNotNull, IsNull, Like, NotEqual, NotIn};
    let Word::Operator(operator) = *word else {
        return match target {
            Target::Attribute(attribute) if attribute.is_number() => Err(refused(target, word)),
            Target::Prompt | Target::Issue => Err(refused(target, word)),
            Target::Span(SpanField::Content) => Err(refused(target, word)),
            Target::Metadata(key) if RESERVED.contains(&key.as_str()) => Err(refused(target, word)),
            _ => Ok(()),
        };
    };
    let takes = match target {
        Target::Attribute(attribute) if attribute.is_number() => {
            operator == Equal || operator == NotEqual || COMPARES_NUMBERS.contains(&operator)
        }
        Target::Span(SpanField::Content) => [Like, ILike].contains(&operator),
        Target::Attribute(_) | Target::Span(_) => {
            [Equal, NotEqual, Like, ILike, In, NotIn].contains(&operator)
        }
        Target::Metadata(key) if RESERVED.contains(&key.as_str()) => {
            [Equal, NotEqual, IsNull, IsNotNull].contains(&operator)
        }
        Target::Tag(_) | Target::Metadata(_) | Target::Run => {
            [Equal, NotEqual, Like, ILike, IsNull, IsNotNull].contains(&operator)
        }
        Target::Feedback(_) | Target::Expectation(_) => ![In, NotIn].contains(&operator),
        Target::Issue => operator == Equal,
        Target::Prompt => {
            operator == Equal
                && matches!(value, Value::Text(text) if text.matches('/').count() == 1)
        }
    };
    if takes {
        Ok(())
    } else {
        Err(refused(target, word))
    }
}

/// Times and durations may be quoted.
pub(super) fn number(target: &Target, value: Value) -> Result<Value, Error> {
    match (target, value) {
        (Target::Attribute(attribute), Value::Text(text)) if attribute.is_number() => {
            let number = text.trim().parse().map_err(|_| {
                Error::invalid(format!("Expected a number for {attribute:?}. Got '{text}'"))
            })?;
            Ok(Value::Number(number))
        }
        (_, value) => Ok(value),
    }
}

fn refused(target: &Target, word: &Word) -> Error {
    let word = match word {
        Word::RLike => "RLIKE".to_owned(),
        Word::Operator(operator) => format!("{operator:?}"),
    };
    Error::invalid(format!("Invalid comparator '{word}' for {target:?}"))
}
