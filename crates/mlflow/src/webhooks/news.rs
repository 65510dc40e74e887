//! What is sent about each event: MLflow's payloads, and the values of its examples.

use super::Event;
use crate::tag::Pair;
use serde_json::{Value, json};

/// The tag of a prompt.
pub const PROMPT_TAG: &str = "mlflow.prompt.is_prompt";
/// The tag that holds a prompt's text.
pub const PROMPT_TEXT_TAG: &str = "mlflow.prompt.text";
/// The tag that says what kind of text it is.
pub const PROMPT_TYPE_TAG: &str = "_mlflow_prompt_type";

/// Something that happened, with what is said about it.
#[derive(Clone, Debug, PartialEq)]
pub struct News {
    /// What happened.
    pub event: Event,
    /// To what.
    pub data: Value,
}

impl News {
    /// A model or prompt was created with these tags.
    pub fn created(name: &str, tags: &[Pair], description: &str) -> Self {
        let (prompt, tags) = told_tags(tags);
        let data = json!({ "name": name, "tags": tags, "description": description });
        let event = either(prompt, Event::ModelCreated, Event::PromptCreated);
        News { event, data }
    }

    /// A version was created.
    pub fn version(
        name: &str,
        version: u32,
        source: &str,
        run_id: Option<&str>,
        tags: &[Pair],
        description: &str,
    ) -> Self {
        let (prompt, mut tags) = told_tags(tags);
        let version = version.to_string();
        let description = Some(description).filter(|text| !text.is_empty());
        if prompt {
            let template = tags.remove(PROMPT_TEXT_TAG);
            let data = json!({ "name": name, "version": version, "template": template, "tags": tags, "description": description });
            return News {
                event: Event::PromptVersionCreated,
                data,
            };
        }
        let data = json!({ "name": name, "version": version, "source": source, "run_id": run_id, "tags": tags, "description": description });
        News {
            event: Event::VersionCreated,
            data,
        }
    }

    /// A version's tag was set, or (with no value) removed.
    pub fn version_tag(
        prompt: bool,
        name: &str,
        version: u32,
        key: &str,
        value: Option<&str>,
    ) -> Self {
        let mut data = json!({ "name": name, "version": version.to_string(), "key": key });
        let event = match value {
            Some(value) => {
                data["value"] = json!(value);
                either(prompt, Event::VersionTagSet, Event::PromptVersionTagSet)
            }
            None => either(
                prompt,
                Event::VersionTagDeleted,
                Event::PromptVersionTagDeleted,
            ),
        };
        News { event, data }
    }

    /// A prompt's tag was set, or (with no value) removed. Nobody is told of a model's.
    pub fn prompt_tag(name: &str, key: &str, value: Option<&str>) -> Self {
        let mut data = json!({ "name": name, "key": key });
        let event = match value {
            Some(value) => {
                data["value"] = json!(value);
                Event::PromptTagSet
            }
            None => Event::PromptTagDeleted,
        };
        News { event, data }
    }

    /// An alias was set to a version, or (with none) removed.
    pub fn alias(prompt: bool, name: &str, alias: &str, version: Option<u32>) -> Self {
        let mut data = json!({ "name": name, "alias": alias });
        let event = match version {
            Some(version) => {
                data["version"] = json!(version.to_string());
                either(
                    prompt,
                    Event::VersionAliasCreated,
                    Event::PromptAliasCreated,
                )
            }
            None => either(
                prompt,
                Event::VersionAliasDeleted,
                Event::PromptAliasDeleted,
            ),
        };
        News { event, data }
    }

    /// What a test of that event tells: the values of MLflow's own examples.
    pub fn example(event: Event) -> Self {
        let (entity, _) = event.words();
        let prompt = entity.starts_with("prompt");
        let name = if prompt {
            "example_prompt"
        } else {
            "example_model"
        };
        let (key, value) = ("example_key", "example_value");
        let mut tags = vec![Pair::new(key, value)];
        if prompt {
            tags.push(Pair::new(PROMPT_TAG, "true"));
            tags.push(Pair::new(PROMPT_TEXT_TAG, "Hello {{name}}!"));
        }
        match event {
            Event::ModelCreated => Self::created(name, &tags, "An example registered model"),
            Event::PromptCreated => Self::created(name, &tags[..2], "An example prompt"),
            Event::VersionCreated => {
                let run = Some("abcd1234abcd5678");
                Self::version(
                    name,
                    1,
                    "models:/123",
                    run,
                    &tags,
                    "An example model version",
                )
            }
            Event::PromptVersionCreated => {
                Self::version(name, 1, "", None, &tags, "An example prompt version")
            }
            Event::VersionTagSet | Event::PromptVersionTagSet => {
                Self::version_tag(prompt, name, 1, key, Some(value))
            }
            Event::VersionTagDeleted | Event::PromptVersionTagDeleted => {
                Self::version_tag(prompt, name, 1, key, None)
            }
            Event::PromptTagSet => Self::prompt_tag(name, key, Some(value)),
            Event::PromptTagDeleted => Self::prompt_tag(name, key, None),
            Event::VersionAliasCreated | Event::PromptAliasCreated => {
                Self::alias(prompt, name, "example_alias", Some(1))
            }
            Event::VersionAliasDeleted | Event::PromptAliasDeleted => {
                Self::alias(prompt, name, "example_alias", None)
            }
            Event::BudgetExceeded => News {
                event,
                data: budget(),
            },
        }
    }
}

/// The body of a delivery of an event by its name; `at` is when it happened, as ISO 8601 with an offset.
pub fn body(event: &str, data: &Value, at: &str) -> String {
    let (entity, action) = event.split_once('.').unwrap_or((event, ""));
    json!({ "entity": entity, "action": action, "timestamp": at, "data": data }).to_string()
}

fn budget() -> Value {
    json!({
        "budget_policy_id": "bp-abc123",
        "budget_unit": "USD",
        "budget_amount": 100.0,
        "current_spend": 105.5,
        "duration_unit": "MONTHS",
        "duration_value": 1,
        "target_scope": "ENDPOINT",
        "workspace": "default",
        "target_value": "ep-abc123",
        "window_start": 1_704_067_200_000_i64,
    })
}

fn either(prompt: bool, model: Event, prompts: Event) -> Event {
    if prompt { prompts } else { model }
}

/// Whether tags are a prompt's: of a key that comes twice the last value counts.
pub fn is_prompt(tags: &[Pair]) -> bool {
    let said = tags.iter().rfind(|tag| tag.key == PROMPT_TAG);
    said.is_some_and(|tag| tag.value.eq_ignore_ascii_case("true"))
}

/// Whether they are a prompt's, and what is told of them.
fn told_tags(tags: &[Pair]) -> (bool, serde_json::Map<String, Value>) {
    let prompt = is_prompt(tags);
    let ours = |key: &str| prompt && (key == PROMPT_TAG || key == PROMPT_TYPE_TAG);
    let told = tags.iter().filter(|tag| !ours(&tag.key));
    (
        prompt,
        told.map(|tag| (tag.key.clone(), json!(tag.value)))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told() {
        let tags = [
            Pair::new("team", "ml"),
            Pair::new(PROMPT_TAG, "True"),
            Pair::new(PROMPT_TYPE_TAG, "text"),
            Pair::new(PROMPT_TEXT_TAG, "Hi {{name}}"),
        ];
        let news = News::version("greet", 2, "dummy", None, &tags, "");
        assert_eq!(news.event, Event::PromptVersionCreated);
        let told: Value = serde_json::from_str(&body(
            &news.event.name(),
            &news.data,
            "2026-01-01T00:00:00.000000+00:00",
        ))
        .unwrap();
        let expect = json!({
            "entity": "prompt_version", "action": "created", "timestamp": "2026-01-01T00:00:00.000000+00:00",
            "data": { "name": "greet", "version": "2", "template": "Hi {{name}}", "tags": { "team": "ml" }, "description": null },
        });
        assert_eq!(told, expect);
        let news = News::version("delay", 1, "s3://x", Some("r"), &tags[..1], "d");
        let expect = json!({ "name": "delay", "version": "1", "source": "s3://x", "run_id": "r", "tags": { "team": "ml" }, "description": "d" });
        assert_eq!((news.event, news.data), (Event::VersionCreated, expect));
        let news = News::created(
            "delay",
            &[
                Pair::new(PROMPT_TAG, "true"),
                Pair::new(PROMPT_TAG, "false"),
            ],
            "",
        );
        assert_eq!(news.event, Event::ModelCreated, "the last value counts");
        assert_eq!(
            News::alias(true, "p", "a", None).data,
            json!({ "name": "p", "alias": "a" })
        );
    }
}
