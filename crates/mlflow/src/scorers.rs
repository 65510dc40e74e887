//! Registered scorers: requests, answers, and what a serialised scorer must not hold.

use crate::{Error, tag::integer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A version as answers to reads show it; the experiment's id is a number there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names of the protocol say it")]
pub struct Scorer {
    pub experiment_id: i64,
    pub scorer_name: String,
    pub scorer_version: u32,
    pub serialized_scorer: String,
    pub creation_time: i64,
    pub scorer_id: String,
}

/// Requests that name a scorer, or one version of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Named {
    /// The experiment.
    pub experiment_id: String,
    /// The scorer.
    pub name: String,
    /// One version; the newest or all of them otherwise.
    #[serde(deserialize_with = "integer::deserialize")]
    pub version: Option<i64>,
    /// What a client registers.
    pub serialized_scorer: String,
}

/// `scorers/list`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct List {
    /// Of this experiment.
    pub experiment_id: Option<String>,
    /// Of these.
    pub experiment_ids: Option<Vec<String>>,
}

/// `scorers/online-configs`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Online {
    /// Of these scorers.
    pub scorer_ids: Option<Vec<String>>,
}

/// `PUT scorers/online-config`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SetOnline {
    /// The experiment.
    pub experiment_id: String,
    /// The scorer.
    pub name: String,
    /// From 0 to 1, as a number or a text of one.
    pub sample_rate: Option<Value>,
    /// Which traces.
    pub filter_string: Option<String>,
}

impl SetOnline {
    /// The share of traces.
    ///
    /// # Errors
    /// INVALID_PARAMETER_VALUE when it is none.
    pub fn rate(&self) -> Result<f64, Error> {
        let rate = match self
            .sample_rate
            .as_ref()
            .ok_or_else(|| Error::missing_value("sample_rate"))?
        {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.parse().ok(),
            Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
            _ => None,
        };
        match rate {
            Some(rate) if (0.0..=1.0).contains(&rate) => Ok(rate),
            _ => Err(Error::invalid(
                "sample_rate must be a number between 0.0 and 1.0",
            )),
        }
    }
}

/// Whether two serialised scorers are one: a server may write the same JSON in other letters.
pub fn same(one: &str, other: &str) -> bool {
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    one == other || read(one).is_some_and(|value| Some(value) == read(other))
}

/// Options that would say where a scorer's model is called, which callers must not choose.
const DESTINATIONS: [&str; 5] = [
    "api_base",
    "base_url",
    "model_list",
    "fallbacks",
    "custom_llm_provider",
];

/// Checks what a client registers.
///
/// # Errors
/// INVALID_PARAMETER_VALUE when it is no scorer, or one that holds code or names servers.
pub fn check(serialized: &str) -> Result<(), Error> {
    let parsed: Value = serde_json::from_str(serialized)
        .map_err(|_| Error::invalid("serialized_scorer must be valid JSON"))?;
    let Value::Object(scorer) = &parsed else {
        return Err(Error::invalid("serialized_scorer must be a JSON object"));
    };
    if holds_code(&parsed) {
        return Err(Error::invalid(
            "Scorers made with the @scorer decorator cannot be registered: their code would run wherever somebody loads them. Keep the code in your repository and hand the scorer to mlflow.genai.evaluate",
        ));
    }
    third_parties(&parsed)?;
    match model(scorer) {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(model)) if model.starts_with("gateway:/") => {
            Err(Error::missing(format!(
                "There is no gateway endpoint for '{model}': MLflow's AI gateway is not part of Mainspan"
            )))
        }
        Some(Value::String(model)) if !model.trim().is_empty() => Ok(()),
        Some(_) => Err(Error::invalid(
            "A scorer's model must be a text that is not empty",
        )),
    }
}

/// Whether a scorer brings code, anywhere in it.
fn holds_code(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields
            .iter()
            .any(|(key, value)| (key == "call_source" && !value.is_null()) || holds_code(value)),
        Value::Array(items) => items.iter().any(holds_code),
        _ => false,
    }
}

/// The model that a scorer asks.
fn model(scorer: &Map<String, Value>) -> Option<&Value> {
    let part = |name: &str| {
        scorer
            .get(name)
            .and_then(Value::as_object)
            .filter(|part| !part.is_empty())
    };
    for name in [
        "instructions_judge_pydantic_data",
        "builtin_scorer_pydantic_data",
    ] {
        if let Some(part) = part(name) {
            return part.get("model");
        }
    }
    match part("memory_augmented_judge_data") {
        Some(memory) => model(memory.get("base_judge")?.as_object()?),
        None => part("third_party_scorer_data")?.get("model"),
    }
}

/// Checks the options of scorers of other libraries, anywhere in a scorer.
fn third_parties(value: &Value) -> Result<(), Error> {
    match value {
        Value::Object(fields) => {
            if let Some(Value::Object(data)) = fields.get("third_party_scorer_data") {
                options(data.get("kwargs").unwrap_or(&Value::Null))?;
            }
            fields.values().try_for_each(third_parties)
        }
        Value::Array(items) => items.iter().try_for_each(third_parties),
        _ => Ok(()),
    }
}

fn options(kwargs: &Value) -> Result<(), Error> {
    if !kwargs.is_object() && !kwargs.is_null() {
        return Err(Error::invalid(
            "third_party_scorer_data.kwargs must be a JSON object",
        ));
    }
    match destination(kwargs) {
        None => Ok(()),
        Some(found) => Err(Error::invalid(format!(
            "third_party_scorer_data.kwargs must not contain '{found}': it would say where the scorer's model is called"
        ))),
    }
}

fn destination(value: &Value) -> Option<&'static str> {
    let named = |key: &str| DESTINATIONS.into_iter().find(|one| *one == key);
    match value {
        Value::Object(fields) => fields
            .iter()
            .find_map(|(key, value)| named(key).or_else(|| destination(value))),
        // A list of pairs is an object to who reads it.
        Value::Array(items) => {
            let first = (items.len() == 2).then(|| items[0].as_str()).flatten();
            first
                .and_then(named)
                .or_else(|| items.iter().find_map(destination))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_registered() {
        let valid = |text: &str, ok: bool| assert_eq!(check(text).is_ok(), ok, "{text}");
        valid("{}", true);
        valid(r#"{"call_source": null}"#, true);
        valid(
            r#"{"instructions_judge_pydantic_data": {"model": "openai:/gpt"}}"#,
            true,
        );
        valid(
            r#"{"third_party_scorer_data": {"kwargs": {"threshold": 1}}}"#,
            true,
        );
        valid("nope", false);
        valid("[]", false);
        valid("null", false);
        valid(r#"{"call_source": "return 1"}"#, false);
        valid(r#"{"ensemble": [{"call_source": "x"}]}"#, false);
        valid(
            r#"{"instructions_judge_pydantic_data": {"model": "gateway:/e"}}"#,
            false,
        );
        valid(
            r#"{"instructions_judge_pydantic_data": {"model": " "}}"#,
            false,
        );
        valid(r#"{"builtin_scorer_pydantic_data": {"model": 5}}"#, false);
        valid(
            r#"{"memory_augmented_judge_data": {"base_judge": {"builtin_scorer_pydantic_data": {"model": ""}}}}"#,
            false,
        );
        valid(r#"{"third_party_scorer_data": {"kwargs": [1]}}"#, false);
        valid(
            r#"{"third_party_scorer_data": {"kwargs": {"a": [["api_base", "http://x"]]}}}"#,
            false,
        );
        valid(
            r#"{"x": [{"third_party_scorer_data": {"kwargs": {"a": {"base_url": "http://x"}}}}]}"#,
            false,
        );
    }

    #[test]
    fn the_same_in_other_letters() {
        let check = |one: &str, other: &str, expect: bool| {
            assert_eq!(same(one, other), expect, "{one} {other}");
        };
        check("{\"a\": \"ü\"}", "{\"a\":\"\\u00fc\"}", true);
        check("{\"a\": 1}", "{\"a\": 2}", false);
        check("no JSON", "no JSON", true);
        check("no JSON", "other", false);
    }

    #[test]
    fn rates() {
        let valid = |rate: Option<Value>, expect: Option<f64>| {
            let asked = SetOnline {
                sample_rate: rate.clone(),
                ..SetOnline::default()
            };
            assert_eq!(asked.rate().ok(), expect, "{rate:?}");
        };
        valid(Some(0.25.into()), Some(0.25));
        valid(Some("1".into()), Some(1.0));
        valid(Some(true.into()), Some(1.0));
        for wrong in [
            None,
            Some(2.into()),
            Some((-1).into()),
            Some("x".into()),
            Some(Value::Array(vec![])),
        ] {
            valid(wrong, None);
        }
    }
}
