//! What people, judges and programs say of a trace: feedback, expectations and issues (assessments.proto).

use crate::{Error, names, otlp::Any};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;

/// `POST traces/{id}/assessments`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Create {
    /// What is said.
    pub assessment: Option<Assessment>,
}

/// `PATCH traces/{id}/assessments/{assessment}`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Update {
    /// The new values.
    pub assessment: Option<Assessment>,
    /// Which of them are meant.
    pub update_mask: Option<Mask>,
}

/// Names of fields: `a,b` or, as some clients write it, `{"paths": ["a", "b"]}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mask(pub Vec<String>);

impl<'de> Deserialize<'de> for Mask {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Paths {
                #[serde(default)]
                paths: Vec<String>,
            },
        }
        let paths = match Either::deserialize(d)? {
            Either::Text(text) => text.split(',').map(str::to_owned).collect(),
            Either::Paths { paths } => paths,
        };
        // Protobuf's JSON writes these names in lowerCamelCase.
        Ok(Mask(
            paths.iter().map(|path| names::snake(path.trim())).collect(),
        ))
    }
}

/// One assessment.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Assessment {
    /// `a-` and 32 hex digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assessment_id: Option<String>,
    /// What is judged; an issue's id.
    pub assessment_name: String,
    /// Its trace.
    pub trace_id: String,
    /// The span that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_id: Option<String>,
    /// Who says so.
    pub source: Source,
    /// RFC 3339.
    pub create_time: String,
    /// RFC 3339.
    pub last_update_time: String,
    /// A judgement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feedback: Option<Feedback>,
    /// What would have been right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expectation: Option<Expectation>,
    /// A known issue that shows here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issue: Option<Issue>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    /// More.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// The assessment that it takes the place of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overrides: Option<String>,
    /// Whether no other took its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid: Option<bool>,
}

/// Who says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Source {
    /// `HUMAN`, `LLM_JUDGE`, `CODE` or `SOURCE_TYPE_UNSPECIFIED`, or its number.
    pub source_type: Value,
    /// Who or what in particular.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_id: Option<String>,
}

impl Source {
    /// The type by its name; what is none is unspecified.
    pub fn kind(&self) -> &'static str {
        const TYPES: [&str; 4] = ["SOURCE_TYPE_UNSPECIFIED", "HUMAN", "LLM_JUDGE", "CODE"];
        let by_name = |name: &str| TYPES.into_iter().find(|one| *one == name);
        let by_number = |number: u64| TYPES.get(usize::try_from(number).ok()?).copied();
        let named = self.source_type.as_str().and_then(by_name);
        named
            .or_else(|| self.source_type.as_u64().and_then(by_number))
            .unwrap_or(TYPES[0])
    }
}

/// A judgement.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Feedback {
    /// Anything.
    #[serde(serialize_with = "plain")]
    pub value: Any,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<AssessmentError>,
}

/// Why a judgement could not be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct AssessmentError {
    /// For programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack_trace: Option<String>,
}

/// What would have been right: a plain value, or a structure as JSON.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Expectation {
    /// A plain value.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "perhaps")]
    pub value: Option<Any>,
    /// A structure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serialized_value: Option<Serialized>,
}

/// A structure as a text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Serialized {
    /// `JSON_FORMAT`.
    pub serialization_format: String,
    /// The text.
    pub value: String,
}

/// A known issue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Issue {
    /// Its title.
    pub issue_name: String,
}

const JSON: &str = "JSON_FORMAT";

/// The value of an expectation.
///
/// # Errors
/// INVALID_PARAMETER_VALUE when it is in another format, or there is none.
pub fn expected(expectation: &Expectation) -> Result<Any, Error> {
    let value = match &expectation.serialized_value {
        Some(text) if text.serialization_format == JSON => Any::parse(&text.value)
            .ok_or_else(|| Error::invalid("serialized_value holds no JSON"))?,
        Some(text) => {
            return Err(Error::invalid(format!(
                "Unknown serialization format: {}. Only JSON_FORMAT is supported.",
                text.serialization_format
            )));
        }
        None => floats(expectation.value.clone().unwrap_or_default()),
    };
    if value == Any::Null {
        return Err(Error::invalid("The `value` field must be specified."));
    }
    Ok(value)
}

/// An expectation as answers show it.
pub fn shown(value: Any) -> Expectation {
    match value {
        Any::List(_) | Any::Map(_) | Any::Null => Expectation {
            value: None,
            serialized_value: Some(Serialized {
                serialization_format: JSON.to_owned(),
                value: value.dump_ascii(),
            }),
        },
        plain => Expectation {
            value: Some(floats(plain)),
            serialized_value: None,
        },
    }
}

impl Feedback {
    /// Its value as protobuf hands it on: all numbers are doubles there.
    pub fn kept(&self) -> Any {
        floats(self.value.clone())
    }
}

fn floats(value: Any) -> Any {
    match value {
        Any::Int(number) => Any::Double(number as f64),
        Any::List(items) => Any::List(items.into_iter().map(floats).collect()),
        Any::Map(fields) => {
            let one = |(name, value)| (name, floats(value));
            Any::Map(fields.into_iter().map(one).collect())
        }
        other => other,
    }
}

fn plain<S: Serializer>(value: &Any, s: S) -> Result<S::Ok, S::Error> {
    let json: Value = serde_json::from_str(&value.dump()).unwrap_or_default();
    json.serialize(s)
}

fn perhaps<S: Serializer>(value: &Option<Any>, s: S) -> Result<S::Ok, S::Error> {
    plain(value.as_ref().unwrap_or(&Any::Null), s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks() {
        let mask = |json: &str| serde_json::from_str::<Mask>(json).unwrap().0;
        assert_eq!(
            mask("\"assessmentName,feedback\""),
            ["assessment_name", "feedback"]
        );
        assert_eq!(mask("{\"paths\": [\"rationale\"]}"), ["rationale"]);
    }

    #[test]
    fn expectations_both_ways() {
        let read = |json: &str| expected(&serde_json::from_str(json).unwrap());
        let serialized =
            r#"{"serialized_value":{"serialization_format":"JSON_FORMAT","value":"[1, 2]"}}"#;
        let value = read(serialized).unwrap();
        assert_eq!(serde_json::to_string(&shown(value)).unwrap(), serialized);
        assert_eq!(read(r#"{"value": 5}"#), Ok(Any::Double(5.0)));
        assert!(
            read("{}").is_err()
                && read(r#"{"serialized_value":{"serialization_format":"X"}}"#).is_err()
        );
    }
}
