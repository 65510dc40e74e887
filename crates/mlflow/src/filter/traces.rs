//! The search grammar of traces: attributes, tags, metadata, spans, feedback, expectations and issues.
//!
//! Clauses as everywhere; RLIKE besides. A bare key is an attribute. Some keys are other things by another name,
//! whatever stands before them: `name` and `prompt` are tags, `run_id` is metadata, `text` is the content of spans. All
//! clauses about spans are about the same span.

use super::{
    Operator, Subject, Value,
    clauses::{self, Clause as Written, Right, texts},
    rules::quoted,
};
use crate::{Error, traces::keys};

/// What a clause is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A field of the trace.
    Attribute(Attribute),
    /// A tag.
    Tag(String),
    /// A metadata entry.
    Metadata(String),
    /// The run in which it was made, or to which it was linked.
    Run,
    /// A version of a prompt that it was linked with: `name/version`.
    Prompt,
    /// A field of a span.
    Span(SpanField),
    /// The value of a judgement, by its name.
    Feedback(String),
    /// The value that would have been right, by its name.
    Expectation(String),
    /// The id of an issue that shows in it.
    Issue,
}

/// Fields of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// Its id.
    RequestId,
    /// When it began: milliseconds since 1970.
    Timestamp,
    /// How long it took, in milliseconds.
    ExecutionTime,
    /// When it ended; when it began, while it has not.
    EndTime,
    /// Its state.
    Status,
    /// The client's name for it.
    ClientRequestId,
    /// Its experiment; for sorting only.
    ExperimentId,
}

/// Fields of a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpanField {
    /// Its name.
    Name,
    /// Its type.
    Type,
    /// Its status.
    Status,
    /// All of it, as a text.
    Content,
    /// An attribute, compared as it stands in the text.
    Attribute(String),
}

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
const ENTITIES: [&str; 11] = [
    "tag",
    "tags",
    "request_metadata",
    "metadata",
    "attribute",
    "attributes",
    "trace",
    "span",
    "feedback",
    "expectation",
    "issue",
];
/// Metadata that is kept in one form and compared as a whole only.
const RESERVED: [&str; 2] = ["mlflow.trace.tokenUsage", "mlflow.trace.cost"];

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

/// Entities by their one name.
fn entity(word: &str) -> Option<&'static str> {
    let known = ENTITIES.into_iter().find(|entity| *entity == word)?;
    Some(match known {
        "tags" => "tag",
        "metadata" => "request_metadata",
        "attributes" | "trace" => "attribute",
        other => other,
    })
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

/// What an entity's key is.
fn target(entity: &str, key: &str) -> Result<Target, Error> {
    if entity == "span" {
        return span_field(key).map(Target::Span);
    }
    // Some keys have another name, whatever entity they were said to be of.
    let (entity, key) = match key.to_ascii_lowercase().as_str() {
        "name" => ("tag", keys::NAME.to_owned()),
        "prompt" => return Ok(Target::Prompt),
        "run_id" => return Ok(Target::Run),
        "text" => return Ok(Target::Span(SpanField::Content)),
        "timestamp" => (entity, "timestamp_ms".to_owned()),
        "execution_time" => (entity, "execution_time_ms".to_owned()),
        "end_time" => (entity, "end_time_ms".to_owned()),
        _ => (entity, key.to_owned()),
    };
    Ok(match entity {
        "tag" if key == keys::LINKED_PROMPTS => Target::Prompt,
        "tag" => Target::Tag(key),
        "request_metadata" if key == keys::SOURCE_RUN => Target::Run,
        "request_metadata" => Target::Metadata(key),
        "feedback" | "expectation" if key.is_empty() => {
            return Err(Error::invalid("Assessment field name cannot be empty"));
        }
        "feedback" => Target::Feedback(key),
        "expectation" => Target::Expectation(key),
        "issue" if key == "id" => Target::Issue,
        "issue" => {
            return Err(Error::invalid(format!(
                "Invalid issue attribute '{key}'. Supported attributes: id"
            )));
        }
        _ => Target::Attribute(match key.as_str() {
            "timestamp_ms" => Attribute::Timestamp,
            "execution_time_ms" => Attribute::ExecutionTime,
            "end_time_ms" => Attribute::EndTime,
            "status" => Attribute::Status,
            "client_request_id" => Attribute::ClientRequestId,
            "experiment_id" => Attribute::ExperimentId,
            _ => Attribute::RequestId,
        }),
    })
}

fn span_field(key: &str) -> Result<SpanField, Error> {
    match key {
        "name" => Ok(SpanField::Name),
        "type" => Ok(SpanField::Type),
        "status" => Ok(SpanField::Status),
        "content" => Ok(SpanField::Content),
        "attributes." => Err(Error::invalid(
            "Span attribute name cannot be empty after 'attributes.'",
        )),
        _ => match key.strip_prefix("attributes.") {
            Some(name) => Ok(SpanField::Attribute(name.to_owned())),
            None => Err(Error::invalid(format!(
                "Invalid span attribute '{key}'. Supported attributes: name, status, type, attributes.<attribute_name>."
            ))),
        },
    }
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

/// An operator, as this grammar knows them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Word {
    Operator(Operator),
    RLike,
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

const COMPARES_NUMBERS: [Operator; 4] = [
    Operator::Greater,
    Operator::GreaterOrEqual,
    Operator::Less,
    Operator::LessOrEqual,
];

/// Whether the entity, as it was written, takes such a value.
fn typed(entity: &str, key: &str, word: &Word, value: &Value) -> Result<(), Error> {
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
fn allowed(target: &Target, word: &Word, value: &Value) -> Result<(), Error> {
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
fn number(target: &Target, value: Value) -> Result<Value, Error> {
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

impl Attribute {
    /// Whether it is a time or a duration.
    pub fn is_number(self) -> bool {
        matches!(
            self,
            Attribute::Timestamp | Attribute::ExecutionTime | Attribute::EndTime
        )
    }
}

fn refused(target: &Target, word: &Word) -> Error {
    let word = match word {
        Word::RLike => "RLIKE".to_owned(),
        Word::Operator(operator) => format!("{operator:?}"),
    };
    Error::invalid(format!("Invalid comparator '{word}' for {target:?}"))
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
