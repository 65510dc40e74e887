//! Evaluation datasets: requests, answers, and what becomes of a record that comes again.
//!
//! Many fields are texts that hold JSON; what is in them is checked here.

use crate::{Error, required, tag::integer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The tag that says who a client works for.
const USER_TAG: &str = "mlflow.user";

/// A dataset as every answer shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dataset {
    /// Its id.
    pub dataset_id: String,
    /// Its name.
    pub name: String,
    /// JSON of its tags.
    pub tags: String,
    /// JSON of the fields that its records have had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// JSON of its counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// A short mark that changes with its records.
    pub digest: String,
    /// Milliseconds since 1970.
    pub created_time: i64,
    /// Milliseconds since 1970.
    pub last_update_time: i64,
    /// Who created it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Who changed it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated_by: Option<String>,
    /// Its experiments, in the answer to its creation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub experiment_ids: Vec<String>,
}

/// A record as answers show it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names of the protocol say it")]
pub struct Record {
    pub dataset_record_id: String,
    pub dataset_id: String,
    pub inputs: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expectations: Option<Value>,
    pub tags: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_type: Option<String>,
    pub created_time: i64,
    pub last_update_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Value>,
}

/// `datasets/create`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Create {
    /// Its name.
    pub name: String,
    /// The experiments that it belongs to.
    pub experiment_ids: Vec<String>,
    /// JSON of its tags.
    pub tags: Option<String>,
}

/// `datasets/search`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Search {
    /// Of any of these; of all when there are none.
    pub experiment_ids: Vec<String>,
    /// Search grammar.
    pub filter_string: Option<String>,
    /// Page size.
    #[serde(deserialize_with = "integer::deserialize")]
    pub max_results: Option<i64>,
    /// `name [ASC|DESC]` and its kin.
    pub order_by: Vec<String>,
    /// Where the last page ended.
    pub page_token: Option<String>,
}

/// `datasets/{id}/tags`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SetTags {
    /// JSON of the tags to set.
    pub tags: String,
}

/// `POST datasets/{id}/records`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Upsert {
    /// JSON of a list of records.
    pub records: String,
}

/// `GET datasets/{id}/records`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Records {
    /// Page size.
    #[serde(deserialize_with = "integer::deserialize")]
    pub max_results: Option<i64>,
    /// Where the last page ended.
    pub page_token: Option<String>,
}

/// `DELETE datasets/{id}/records`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct DeleteRecords {
    /// Which.
    pub dataset_record_ids: Vec<String>,
}

/// `datasets/{id}/add-experiments` and `remove-experiments`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Experiments {
    /// Which.
    pub experiment_ids: Vec<String>,
}

/// A record that a client sent, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// What goes in, the record's key.
    pub inputs: Map<String, Value>,
    /// What came out, when that was said; null says that nothing did.
    pub outputs: Option<Value>,
    /// What should have come out.
    pub expectations: Option<Map<String, Value>>,
    /// Free labels.
    pub tags: Option<Map<String, Value>>,
    /// Where it is from.
    pub source: Option<Value>,
}

/// Where records may be from.
const SOURCES: [&str; 5] = ["UNSPECIFIED", "TRACE", "HUMAN", "DOCUMENT", "CODE"];

/// The tags in a text of JSON: those without a value are to be left as they are.
///
/// # Errors
/// INVALID_PARAMETER_VALUE when it is no object of texts, numbers and truth values.
pub fn tags(text: &str) -> Result<BTreeMap<String, String>, Error> {
    let mut tags = BTreeMap::new();
    for (key, value) in object("tags", parsed("tags", text)?)? {
        let value = match value {
            Value::Null => continue,
            Value::String(text) => text,
            // As Python writes them, which is what MLflow keeps.
            Value::Bool(true) => "True".to_owned(),
            Value::Bool(false) => "False".to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Array(_) | Value::Object(_) => {
                return Err(Error::invalid(format!(
                    "Invalid value for tag '{key}': a text, a number or a truth value is expected"
                )));
            }
        };
        tags.insert(key, value);
    }
    Ok(tags)
}

/// The records in a text of JSON.
///
/// # Errors
/// INVALID_PARAMETER_VALUE that says which one is wrong.
pub fn records(text: &str) -> Result<Vec<Asked>, Error> {
    let Value::Array(all) = parsed("records", required("records", text)?)? else {
        return Err(Error::invalid(
            "Invalid value for parameter 'records' supplied: a list of records is expected",
        ));
    };
    let each = all.into_iter().enumerate();
    each.map(|(n, record)| asked(n, record)).collect()
}

fn asked(n: usize, record: Value) -> Result<Asked, Error> {
    let at = |field: &str| format!("records[{n}].{field}");
    let mut record = object(&format!("records[{n}]"), record)?;
    let mut part = |field: &str| match record.remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => object(&at(field), value).map(Some),
    };
    let (expectations, tags, source) = (part("expectations")?, part("tags")?, part("source")?);
    let inputs = match record.remove("inputs") {
        None => Map::new(),
        Some(inputs) => object(&at("inputs"), inputs)?,
    };
    let source = source.filter(|source| !source.is_empty());
    Ok(Asked {
        inputs,
        outputs: record.remove("outputs"),
        expectations,
        tags,
        source: source
            .map(|source| checked_source(&at("source"), source))
            .transpose()?,
    })
}

/// A source in its one form.
fn checked_source(at: &str, mut source: Map<String, Value>) -> Result<Value, Error> {
    let kind = match source.remove("source_type") {
        Some(Value::String(kind)) => kind.to_ascii_uppercase(),
        _ => return Err(Error::missing_value(format_args!("{at}.source_type"))),
    };
    if !SOURCES.contains(&kind.as_str()) {
        let valid = format!("Valid source types: {SOURCES:?}");
        return Err(Error::invalid_value(
            format_args!("{at}.source_type"),
            &kind,
            &valid,
        ));
    }
    let data = match source.remove("source_data") {
        None | Some(Value::Null) => Map::new(),
        Some(data) => object(&format!("{at}.source_data"), data)?,
    };
    if let Some(strange) = source.keys().next() {
        return Err(Error::invalid(format!(
            "Invalid value for parameter '{at}' supplied: it has no field '{strange}'"
        )));
    }
    Ok(json!({ "source_type": kind, "source_data": data }))
}

/// What a source names: the trace, or its own id.
pub fn source_id(source: &Value) -> Option<String> {
    let field = match source["source_type"].as_str() {
        Some("TRACE") => "trace_id",
        _ => "source_id",
    };
    source["source_data"][field].as_str().map(str::to_owned)
}

impl Asked {
    /// Who sent it, if its tags say so.
    pub fn user(&self) -> Option<&str> {
        self.tags.as_ref()?.get(USER_TAG)?.as_str()
    }

    /// Its inputs in their one form: two records with the same inputs are one.
    pub fn key(&self) -> String {
        key(&Value::Object(self.inputs.clone()))
    }
}

/// Inputs in their one form.
pub fn key(inputs: &Value) -> String {
    sorted(inputs).to_string()
}

/// Who a dataset's tags say it is made by.
pub fn user(tags: &BTreeMap<String, String>) -> Option<String> {
    tags.get(USER_TAG).cloned()
}

/// The value with the fields of all objects in order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> =
                fields.iter().map(|(key, one)| (key, sorted(one))).collect();
            json!(fields)
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// An object with the fields of another put over its own.
pub fn merged(old: Option<Value>, new: &Map<String, Value>) -> Value {
    let mut fields = match old {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    fields.extend(new.clone());
    Value::Object(fields)
}

/// The schema of a dataset once these records are in it: a field keeps the type that it had first.
pub fn widened(schema: Option<Value>, records: &[Asked]) -> Option<Value> {
    if schema.is_none() && records.is_empty() {
        return None;
    }
    let mut schema = schema.unwrap_or_else(
        || json!({ "inputs": {}, "outputs": {}, "expectations": {}, "version": "1.0" }),
    );
    for record in records {
        widen(&mut schema["inputs"], &record.inputs);
        match &record.outputs {
            None | Some(Value::Null) => {}
            Some(Value::Object(fields)) => widen(&mut schema["outputs"], fields),
            Some(other) if schema["outputs"] == json!({}) => {
                schema["outputs"] = json!(type_of(other));
            }
            Some(_) => {}
        }
        if let Some(fields) = &record.expectations {
            widen(&mut schema["expectations"], fields);
        }
    }
    Some(schema)
}

fn widen(known: &mut Value, fields: &Map<String, Value>) {
    if let Value::Object(known) = known {
        for (key, value) in fields {
            known.entry(key).or_insert_with(|| json!(type_of(value)));
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn parsed(field: &str, text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(|error| {
        Error::invalid(format!(
            "Invalid value for parameter '{field}' supplied: it is not JSON: {error}"
        ))
    })
}

fn object(field: &str, value: Value) -> Result<Map<String, Value>, Error> {
    match value {
        Value::Object(fields) => Ok(fields),
        _ => Err(Error::invalid(format!(
            "Invalid value for parameter '{field}' supplied: a JSON object is expected"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_json() {
        let got = tags(r#"{"a": "x", "b": 5, "c": true, "d": null, "e": 2.5}"#).unwrap();
        let got: Vec<_> = got.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(got, [("a", "x"), ("b", "5"), ("c", "True"), ("e", "2.5")]);
        for text in ["", "no", "[]", "\"s\"", r#"{"a": []}"#, r#"{"a": {}}"#] {
            assert!(tags(text).is_err(), "{text}");
        }
    }

    #[test]
    fn records_of_json() {
        let check = |text: &str, ok: bool| {
            let got = records(&format!("[{text}]"));
            assert_eq!(got.is_ok(), ok, "{text}: {got:?}");
        };
        check(
            r#"{"inputs": {"q": 1}, "outputs": "text", "expectations": null, "more": 1}"#,
            true,
        );
        check(r#"{"outputs": 1}"#, true);
        check(
            r#"{"inputs": {}, "source": {"source_type": "trace", "source_data": null}}"#,
            true,
        );
        check(r#"{"inputs": {}, "source": {}}"#, true);
        check(r#"{"inputs": null}"#, false);
        check(r#"{"inputs": "text"}"#, false);
        check(r#"{"expectations": [1]}"#, false);
        check(r#"{"tags": ["a"]}"#, false);
        check(r#"{"source": "text"}"#, false);
        check(r#"{"source": {"source_type": "what"}}"#, false);
        check(r#"{"source": {"x": 1}}"#, false);
        check(r#"{"source": {"source_type": "CODE", "x": 1}}"#, false);
        check("5", false);
        for text in ["", "no", "{}", "5"] {
            assert!(records(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_same_inputs_are_one_record() {
        let key = |text: &str| records(&format!(r#"[{{"inputs": {text}}}]"#)).unwrap()[0].key();
        assert_eq!(
            key(r#"{"b": [{"y": 1, "x": 2}], "a": 1}"#),
            key(r#"{"a":1,"b":[{"x":2,"y":1}]}"#)
        );
        assert_ne!(key(r#"{"a": 1}"#), key(r#"{"a": 1.0}"#));
        assert_ne!(key(r#"{"a": [1, 2]}"#), key(r#"{"a": [2, 1]}"#));
    }

    #[test]
    fn schemas_widen() {
        let check = |old: Option<Value>, text: &str, expect: Option<Value>| {
            assert_eq!(widened(old, &records(text).unwrap()), expect, "{text}");
        };
        check(None, "[]", None);
        let first = json!({ "inputs": { "q": "string" }, "outputs": "float", "expectations": {}, "version": "1.0" });
        check(
            None,
            r#"[{"inputs": {"q": "a"}, "outputs": 1.5}]"#,
            Some(first.clone()),
        );
        let mut second = first.clone();
        second["inputs"]["n"] = json!("integer");
        second["expectations"] = json!({ "e": "null" });
        check(
            Some(first),
            r#"[{"inputs": {"q": 1, "n": 1}, "outputs": {"o": 1}, "expectations": {"e": null}}]"#,
            Some(second),
        );
    }

    #[test]
    fn sources_name_things() {
        let check = |source: Value, expect: Option<&str>| {
            assert_eq!(source_id(&source).as_deref(), expect, "{source}");
        };
        check(
            json!({ "source_type": "TRACE", "source_data": { "trace_id": "t" } }),
            Some("t"),
        );
        check(
            json!({ "source_type": "HUMAN", "source_data": { "source_id": "s" } }),
            Some("s"),
        );
        check(
            json!({ "source_type": "TRACE", "source_data": { "source_id": "s" } }),
            None,
        );
    }
}
