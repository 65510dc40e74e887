//! What clauses and orders of a search of traces are about.

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

impl Attribute {
    /// Whether it is a time or a duration.
    pub fn is_number(self) -> bool {
        matches!(
            self,
            Attribute::Timestamp | Attribute::ExecutionTime | Attribute::EndTime
        )
    }
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

/// What may stand before the point.
pub(super) const ENTITIES: [&str; 11] = [
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
/// Entities by their one name.
pub(super) fn entity(word: &str) -> Option<&'static str> {
    let known = ENTITIES.into_iter().find(|entity| *entity == word)?;
    Some(match known {
        "tags" => "tag",
        "metadata" => "request_metadata",
        "attributes" | "trace" => "attribute",
        other => other,
    })
}

/// What an entity's key is.
pub(super) fn target(entity: &str, key: &str) -> Result<Target, Error> {
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
