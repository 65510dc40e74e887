//! The search grammar of traces: attributes, tags, metadata, spans, feedback, expectations and issues.
//!
//! Clauses as everywhere; RLIKE besides. A bare key is an attribute. Some keys are other things by another name,
//! whatever stands before them: `name` and `prompt` are tags, `run_id` is metadata, `text` is the content of spans. All
//! clauses about spans are about the same span.

mod rules;
mod target;

pub use target::{Attribute, SpanField, Target};

use super::{
    Operator, Subject, Value,
    clauses::{self, Clause as Written, Right, texts},
    rules::quoted,
};
use crate::{Error, traces::keys};
use rules::{RESERVED, Word, allowed, number, typed};
use target::{ENTITIES, entity, target};

/// How a clause compares.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// As in other searches.
    Compare(Operator, Value),
    /// With a regular expression.
    Matches(String),
}

/// One clause.
#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    /// What it is about.
    pub target: Target,
    /// What has to hold.
    pub test: Test,
}

/// One key of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// An attribute, a tag or metadata.
    pub by: Target,
    /// Smallest first.
    pub ascending: bool,
}

/// Attributes that may be compared, and what else sorts.
const COMPARED: [&str; 13] = [
    "request_id",
    "timestamp",
    "timestamp_ms",
    "execution_time",
    "execution_time_ms",
    "end_time",
    "end_time_ms",
    "status",
    "client_request_id",
    "name",
    "run_id",
    "prompt",
    "text",
];
const SORTED: [&str; 11] = [
    "experiment_id",
    "timestamp",
    "timestamp_ms",
    "execution_time",
    "execution_time_ms",
    "end_time",
    "end_time_ms",
    "status",
    "request_id",
    "name",
    "run_id",
];

/// Parses a filter; an empty one has no clauses.
///
/// # Errors
/// INVALID_PARAMETER_VALUE that shows the clause.
pub fn parse(filter: &str) -> Result<Vec<Clause>, Error> {
    let clauses = clauses::clauses(filter, false)?;
    clauses.iter().map(|one| clause(one, filter)).collect()
}

/// Parses an order.
///
/// # Errors
/// INVALID_PARAMETER_VALUE that shows the clause.
pub fn order(clause: &str) -> Result<Order, Error> {
    let (name, ascending) = super::order::split(clause).ok_or_else(|| {
        Error::invalid(format!(
            "Invalid order_by clause '{clause}'. Could not be parsed."
        ))
    })?;
    let (entity, key) = identifier(name, &SORTED)?;
    let by = match target(entity, &key)? {
        Target::Metadata(key) if RESERVED.contains(&key.as_str()) => {
            return Err(Error::invalid(format!(
                "Ordering by reserved metadata '{key}' is not supported."
            )));
        }
        by @ (Target::Attribute(_) | Target::Tag(_) | Target::Metadata(_)) => by,
        Target::Run => Target::Metadata(keys::SOURCE_RUN.to_owned()),
        Target::Prompt => Target::Tag(keys::LINKED_PROMPTS.to_owned()),
        _ => {
            return Err(Error::invalid(format!(
                "Invalid identifier type '{entity}'"
            )));
        }
    };
    Ok(Order { by, ascending })
}

/// The entity and key of a name: `entity.key`, `entity.`key``, or a bare key that is an attribute.
fn identifier(name: &str, attributes: &[&str]) -> Result<(&'static str, String), Error> {
    let (kind, key) = match name.split_once('.') {
        Some((word, key)) if !word.starts_with(['`', '"']) => {
            let kind = entity(word).ok_or_else(|| {
                Error::invalid(format!(
                    "Invalid entity type '{word}'. Valid values are {ENTITIES:?}"
                ))
            })?;
            (kind, plain(key))
        }
        _ => ("attribute", plain(name)),
    };
    if kind == "attribute" && !attributes.contains(&key.as_str()) {
        return Err(Error::invalid(format!(
            "Invalid attribute key '{key}' specified. Valid keys are '{attributes:?}'"
        )));
    }
    Ok((kind, key))
}

/// A key without the quotes around it or around its end: `a b`, attributes.`x`.
fn plain(key: &str) -> String {
    for quote in ['`', '"', '\''] {
        if let Some((before, end)) = key.split_once(quote)
            && let Some(inside) = end.strip_suffix(quote)
        {
            return format!("{before}{inside}");
        }
    }
    key.to_owned()
}

fn clause(written: &Written<'_>, all: &str) -> Result<Clause, Error> {
    let (entity, key) = identifier(written.name, &COMPARED)?;
    let word =
        comparator(&written.operator).ok_or_else(|| bad(all, "expected a comparison operator"))?;
    let value =
        value(&written.right)?.ok_or_else(|| bad(all, "expected a number or a quoted text"))?;
    let listed = matches!(value, Value::List(_));
    if listed != matches!(word, Word::Operator(Operator::In | Operator::NotIn)) {
        return Err(bad(all, "lists go with IN and NOT IN"));
    }
    typed(entity, &key, &word, &value)?;
    let target = target(entity, &key)?;
    allowed(&target, &word, &value)?;
    let test = match (word, value) {
        (Word::RLike, Value::Text(pattern)) => Test::Matches(pattern),
        (Word::RLike, _) => return Err(bad(all, "RLIKE takes a quoted text")),
        (Word::Operator(operator), value) => Test::Compare(operator, number(&target, value)?),
    };
    Ok(Clause { target, test })
}

fn comparator(written: &str) -> Option<Word> {
    if written.eq_ignore_ascii_case("RLIKE") {
        return Some(Word::RLike);
    }
    Subject::Runs.operator(written).map(Word::Operator)
}

/// The value, if it is one that a clause can have: a name is none.
fn value(right: &Right<'_>) -> Result<Option<Value>, Error> {
    Ok(match right {
        Right::Nothing => Some(Value::Nothing),
        Right::Integer(text) | Right::Float(text) => text.parse().ok().map(Value::Number),
        Right::Text(text) => quoted(text).map(|text| Value::Text(text.to_owned())),
        Right::List(list) => Some(Value::List(texts(list)?)),
    })
}

fn bad(all: &str, what: &str) -> Error {
    Error::invalid(format!(
        "Invalid clause(s) in filter string '{all}': {what}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_clause_is_about() {
        let check = |filter: &str, expect: Target| {
            let got = parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
            assert_eq!(got[0].target, expect, "{filter}");
        };
        check("timestamp > 5", Target::Attribute(Attribute::Timestamp));
        check("end_time_ms <= '5'", Target::Attribute(Attribute::EndTime));
        check(
            "trace.status IN ('OK', 'ERROR')",
            Target::Attribute(Attribute::Status),
        );
        check("name = 'x'", Target::Tag(keys::NAME.into()));
        check("tags.name LIKE 'x%'", Target::Tag(keys::NAME.into()));
        check("tags.`a b` IS NOT NULL", Target::Tag("a b".into()));
        check("metadata.`mlflow.sourceRun` = 'x'", Target::Run);
        check("run_id != 'x'", Target::Run);
        check("prompt = 'p/1'", Target::Prompt);
        check("trace.text LIKE '%x%'", Target::Span(SpanField::Content));
        check(
            "span.attributes.`a.b` ILIKE '%x'",
            Target::Span(SpanField::Attribute("a.b".into())),
        );
        check("span.type NOT IN ('LLM')", Target::Span(SpanField::Type));
        check("feedback.q >= 0.5", Target::Feedback("q".into()));
        check("expectation.`a b` = 'x'", Target::Expectation("a b".into()));
        check("issue.id = 'iss-1'", Target::Issue);
    }

    #[test]
    fn several_clauses() {
        let got = parse("status = 'OK' AND name RLIKE '^a' and tag.x = 'y' AND").unwrap();
        assert_eq!(got.len(), 3);
        assert_eq!(got[1].test, Test::Matches("^a".into()));
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn refusals() {
        for filter in [
            " ",
            "status = 'OK' OR status = 'OK'",
            "status",
            "status = OK",
            "status IS NULL",
            "status IN 'OK'",
            "status = ('OK')",
            "status = 5",
            "name IN ('a')",
            "tags.x IN ('a')",
            "timestamp LIKE '5'",
            "timestamp RLIKE '5'",
            "timestamp > 'abc'",
            "metric.x > 1",
            "nothing = 'x'",
            "span.foo = 'x'",
            "span.attributes. = 'x'",
            "span.content = 'x'",
            "span.name = 5",
            "span.name IS NULL",
            "feedback.q > '4'",
            "feedback.q = 5",
            "feedback.q IN ('a')",
            "issue.nope = 'x'",
            "issue.id != 'x'",
            "prompt = 'a'",
            "prompt != 'a/1'",
            "metadata.`mlflow.trace.cost` LIKE 'x'",
            "metadata.x = 5",
        ] {
            assert!(parse(filter).is_err(), "{filter}");
        }
    }

    #[test]
    fn orders() {
        let check = |clause: &str, expect: Option<(Target, bool)>| {
            let got = order(clause).ok().map(|order| (order.by, order.ascending));
            assert_eq!(got, expect, "{clause}");
        };
        check(
            "timestamp DESC",
            Some((Target::Attribute(Attribute::Timestamp), false)),
        );
        check("tags.`a b` asc", Some((Target::Tag("a b".into()), true)));
        check(
            "run_id",
            Some((Target::Metadata(keys::SOURCE_RUN.into()), true)),
        );
        check("name", Some((Target::Tag(keys::NAME.into()), true)));
        check("feedback.q", None);
        check("zork", None);
        check("timestamp sideways", None);
        check("metadata.`mlflow.trace.cost`", None);
    }
}
