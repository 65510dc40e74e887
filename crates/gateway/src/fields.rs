//! The few fields that the gateway reads from a request's body: the request's id, what keeps its
//! version, the event's time.
//!
//! Called once a request by [`crate::predict`]. Everything else in the body is skipped, not
//! built, and goes to the engine as it came. Pure; must never change or keep a body.

mod visit;

use std::borrow::Cow;

use inference::oip::scan;
use serde::Deserialize;
use serde::de::DeserializeSeed;
use serde_json::value::RawValue;

/// Names of the fields to look for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'w> {
    /// The field that names the request.
    pub(crate) id: &'w str,
    /// The field whose value matters: what keeps the version, or the label.
    pub(crate) value: Option<&'w str>,
    /// The field with the event's time.
    pub(crate) time: Option<&'w str>,
}

/// The field that names a request where the service names no other.
pub(crate) const REQUEST_ID: &str = "request_id";

/// A JSON scalar as it stands in the body.
pub(crate) type Raw<'a> = &'a str;

/// What was found in one row. Objects, arrays and null count as absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fields<'a> {
    /// The request's id.
    pub(crate) id: Option<Raw<'a>>,
    /// What keeps the version, or the label.
    pub(crate) value: Option<Raw<'a>>,
    /// The event's time.
    pub(crate) time: Option<Raw<'a>>,
}

/// The rows of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rows<'a> {
    /// A JSON object.
    One(Fields<'a>),
    /// A JSON array of objects.
    Many(Vec<Fields<'a>>),
}

impl<'a> Rows<'a> {
    /// The row that decides where the request goes; without rows, nothing does.
    pub(crate) fn first(&self) -> Fields<'a> {
        match self {
            Self::One(fields) => *fields,
            Self::Many(rows) => rows.first().copied().unwrap_or_default(),
        }
    }

    /// All rows in order.
    pub(crate) fn as_slice(&self) -> &[Fields<'a>] {
        match self {
            Self::One(fields) => std::slice::from_ref(fields),
            Self::Many(rows) => rows,
        }
    }
}

/// A body that is no JSON, or no rows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the body is not {expected}: {reason}")]
pub(crate) struct FieldsError {
    /// What it should be.
    expected: &'static str,
    /// The parser's words.
    reason: String,
}

/// Reads plain rows: an object, or an array of objects.
pub(crate) fn rows<'a>(body: &'a [u8], wanted: Wanted<'_>) -> Result<Rows<'a>, FieldsError> {
    read(body, visit::RowsSeed { wanted }).map_err(|reason| FieldsError {
        expected: "a JSON object (one row) or an array of objects",
        reason,
    })
}

/// Reads an Open Inference Protocol request: the id is `id`, or `parameters.request_id`; the other
/// fields are looked for in `parameters`. A value wanted under the id's own name, or as
/// `request_id`, is the id.
pub(crate) fn protocol<'a>(body: &'a [u8], wanted: Wanted<'_>) -> Result<Fields<'a>, FieldsError> {
    let found = match scan::scan(body).and_then(|parts| visit::found(&parts, wanted)) {
        Some(found) => found,
        None => read(body, visit::ProtocolSeed { wanted }).map_err(|reason| FieldsError {
            expected: "an inference request in JSON",
            reason,
        })?,
    };
    let id = found.id.or(found.parameters.id);
    let by_id = wanted.value == Some(wanted.id) || wanted.value == Some(REQUEST_ID);
    Ok(Fields {
        id,
        value: if by_id { id } else { found.parameters.value },
        time: found.parameters.time,
    })
}

/// Reads a request that has its rows in a field: instances, or the records of a data frame. Rows
/// that are no objects have no fields.
pub(crate) fn instances<'a>(body: &'a [u8], wanted: Wanted<'_>) -> Result<Rows<'a>, FieldsError> {
    let malformed = |error: serde_json::Error| FieldsError {
        expected: "a JSON object with inputs",
        reason: error.to_string(),
    };
    let found: Instances<'a> = serde_json::from_slice(body).map_err(malformed)?;
    let rows = found.instances.or(found.dataframe_records);
    let first = rows.map(|rows| rows.get().trim_start_matches(['[', ' ', '\n', '\r', '\t']));
    match rows {
        Some(json) if first.is_some_and(|first| first.starts_with('{')) => {
            self::rows(json.get().as_bytes(), wanted)
        }
        _ => Ok(Rows::One(Fields::default())),
    }
}

/// Where rows may be in a body.
#[derive(Deserialize)]
struct Instances<'a> {
    #[serde(borrow, default)]
    instances: Option<&'a RawValue>,
    #[serde(borrow, default)]
    dataframe_records: Option<&'a RawValue>,
}

fn read<'a, S: DeserializeSeed<'a>>(body: &'a [u8], seed: S) -> Result<S::Value, String> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = seed.deserialize(&mut json).map_err(|e| e.to_string())?;
    json.end().map_err(|e| e.to_string())?;
    Ok(value)
}

/// The text of a scalar: a string's characters, a number's or boolean's digits as sent. So an id
/// sent as `17` and one sent as `"17"` are the same.
pub(crate) fn text(raw: Raw<'_>) -> Cow<'_, str> {
    match raw.strip_prefix('"').and_then(|r| r.strip_suffix('"')) {
        None => Cow::Borrowed(raw),
        Some(inside) if !inside.contains('\\') => Cow::Borrowed(inside),
        Some(inside) => serde_json::from_str(raw).map_or(Cow::Borrowed(inside), Cow::Owned),
    }
}

#[cfg(test)]
mod tests;
