//! Webhooks: requests, answers, the events there are, and what is sent about each.
//!
//! Events and their payloads are those of MLflow's webhooks; `budget_policy.exceeded` can be asked for, as there, but
//! nothing here has a budget.

mod news;

use crate::{Error, limits, required, tag::integer};
use serde::{Deserialize, Serialize};

pub use news::{News, PROMPT_TAG, PROMPT_TEXT_TAG, PROMPT_TYPE_TAG, body, is_prompt};

/// What a webhook can hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "their names say it, and `EVENTS` the words")]
pub enum Event {
    ModelCreated,
    VersionCreated,
    VersionTagSet,
    VersionTagDeleted,
    VersionAliasCreated,
    VersionAliasDeleted,
    PromptCreated,
    PromptVersionCreated,
    PromptTagSet,
    PromptTagDeleted,
    PromptVersionTagSet,
    PromptVersionTagDeleted,
    PromptAliasCreated,
    PromptAliasDeleted,
    BudgetExceeded,
}

/// Every event with its words for thing and action.
const EVENTS: [(Event, &str, &str); 15] = [
    (Event::ModelCreated, "registered_model", "created"),
    (Event::VersionCreated, "model_version", "created"),
    (Event::VersionTagSet, "model_version_tag", "set"),
    (Event::VersionTagDeleted, "model_version_tag", "deleted"),
    (Event::VersionAliasCreated, "model_version_alias", "created"),
    (Event::VersionAliasDeleted, "model_version_alias", "deleted"),
    (Event::PromptCreated, "prompt", "created"),
    (Event::PromptVersionCreated, "prompt_version", "created"),
    (Event::PromptTagSet, "prompt_tag", "set"),
    (Event::PromptTagDeleted, "prompt_tag", "deleted"),
    (Event::PromptVersionTagSet, "prompt_version_tag", "set"),
    (
        Event::PromptVersionTagDeleted,
        "prompt_version_tag",
        "deleted",
    ),
    (Event::PromptAliasCreated, "prompt_alias", "created"),
    (Event::PromptAliasDeleted, "prompt_alias", "deleted"),
    (Event::BudgetExceeded, "budget_policy", "exceeded"),
];

/// Things by their numbers in MLflow's protocol, from 1 on.
const ENTITIES: [&str; 10] = [
    "registered_model",
    "model_version",
    "model_version_tag",
    "model_version_alias",
    "prompt",
    "prompt_version",
    "prompt_tag",
    "prompt_version_tag",
    "prompt_alias",
    "budget_policy",
];
/// Actions by their numbers in MLflow's protocol, from 1 on.
const ACTIONS: [&str; 5] = ["created", "updated", "deleted", "set", "exceeded"];

impl Event {
    fn words(self) -> (&'static str, &'static str) {
        let found = EVENTS.iter().find(|(event, ..)| *event == self);
        found.map_or(("", ""), |(_, entity, action)| (entity, action))
    }

    /// `model_version.created`
    pub fn name(self) -> String {
        let (entity, action) = self.words();
        format!("{entity}.{action}")
    }

    /// The event of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        let (entity, action) = name.split_once('.')?;
        Self::of_words(entity, action)
    }

    fn of_words(entity: &str, action: &str) -> Option<Self> {
        let found = EVENTS.iter().find(|(_, e, a)| (*e, *a) == (entity, action));
        found.map(|(event, ..)| *event)
    }
}

/// An event as requests and answers name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct WireEvent {
    /// In capitals; a number in requests is taken, too.
    pub entity: Word,
    /// The same.
    pub action: Word,
}

/// A word of the protocol, or its number.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "their names say it")]
pub enum Word {
    Number(usize),
    Name(String),
}

impl Default for Word {
    fn default() -> Self {
        Word::Name(String::new())
    }
}

impl Word {
    fn among(&self, words: &[&'static str]) -> Option<&'static str> {
        match self {
            Word::Number(number) => words.get(number.checked_sub(1)?).copied(),
            Word::Name(name) => words
                .iter()
                .find(|word| word.to_ascii_uppercase() == *name)
                .copied(),
        }
    }
}

impl WireEvent {
    /// The event that is meant.
    ///
    /// # Errors
    /// INVALID_PARAMETER_VALUE when there is none.
    pub fn event(&self) -> Result<Event, Error> {
        let entity = self.entity.among(&ENTITIES);
        let action = self.action.among(&ACTIONS);
        let (Some(entity), Some(action)) = (entity, action) else {
            return Err(Error::invalid(
                "An event has an 'entity' such as REGISTERED_MODEL and an 'action' such as CREATED.",
            ));
        };
        Event::of_words(entity, action).ok_or_else(|| {
            let valid: Vec<_> = EVENTS
                .iter()
                .filter(|one| one.1 == entity)
                .map(|one| one.2)
                .collect();
            Error::invalid(format!(
                "Invalid action '{action}' for entity '{entity}'. Valid actions are: {valid:?}"
            ))
        })
    }
}

impl From<Event> for WireEvent {
    fn from(event: Event) -> Self {
        let (entity, action) = event.words();
        let capitals = |word: &str| Word::Name(word.to_ascii_uppercase());
        WireEvent {
            entity: capitals(entity),
            action: capitals(action),
        }
    }
}

/// A webhook as every answer shows it; never with its secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Webhook {
    /// Its id.
    pub webhook_id: String,
    /// Its name.
    pub name: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Where it is told.
    pub url: String,
    /// Of what.
    pub events: Vec<WireEvent>,
    /// `ACTIVE` or `DISABLED`.
    pub status: String,
    /// Milliseconds since 1970.
    pub creation_timestamp: i64,
    /// Milliseconds since 1970.
    pub last_updated_timestamp: i64,
}

/// Requests that create or change a webhook. What is none was not said.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Change {
    /// Its name.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Where it is told.
    pub url: Option<String>,
    /// Of what.
    pub events: Option<Vec<WireEvent>>,
    /// What deliveries are signed with.
    pub secret: Option<String>,
    /// Whether it is told at all.
    pub status: Option<Word>,
}

impl Change {
    /// Whether it shall be told; a word that is none of the two is not heard, as MLflow does not.
    pub fn active(&self) -> Option<bool> {
        match self.status.as_ref()?.among(&["active", "disabled"])? {
            "active" => Some(true),
            _ => Some(false),
        }
    }

    /// The events that are named.
    ///
    /// # Errors
    /// INVALID_PARAMETER_VALUE when one of them is none.
    pub fn events(&self) -> Result<Vec<Event>, Error> {
        let named = self.events.iter().flatten();
        named.map(WireEvent::event).collect()
    }

    /// Checks what a new webhook must have.
    ///
    /// # Errors
    /// INVALID_PARAMETER_VALUE naming what is missing.
    pub fn whole(&self) -> Result<(), Error> {
        required("name", self.name.as_deref().unwrap_or_default())?;
        required("url", self.url.as_deref().unwrap_or_default())?;
        match &self.events {
            None => Err(Error::missing_value("events")),
            Some(none) if none.is_empty() => Err(Error::invalid(
                "A webhook needs at least one event to be told of.",
            )),
            Some(_) => Ok(()),
        }
    }
}

/// `GET webhooks`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct List {
    /// Page size.
    #[serde(deserialize_with = "integer::deserialize")]
    pub max_results: Option<i64>,
    /// Where the last page ended.
    pub page_token: Option<String>,
}

/// `POST webhooks/{id}/test`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Test {
    /// Which event to show an example of; the webhook's first one otherwise.
    pub event: Option<WireEvent>,
}

/// What came of a test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TestResult {
    /// Whether the receiver took it.
    pub success: bool,
    /// The status it answered with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_status: Option<u16>,
    /// What it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_body: Option<String>,
    /// Why there was no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
}

/// Checks a webhook's name: up to 63 letters, digits, dots, underscores and dashes, none of the last three at its ends.
///
/// # Errors
/// INVALID_PARAMETER_VALUE.
pub fn check_name(name: &str) -> Result<(), Error> {
    let letter = |c: char| c.is_ascii_alphanumeric();
    let good = |c: char| letter(c) || matches!(c, '.' | '_' | '-');
    if name.len() <= limits::WEBHOOK_NAME
        && name.starts_with(letter)
        && name.ends_with(letter)
        && name.chars().all(good)
    {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Webhook name '{}' is invalid. It must start and end with a letter or digit, be at most {} characters long, and contain only letters, digits, dots (.), underscores (_), and hyphens (-).",
        limits::cut(name, 100),
        limits::WEBHOOK_NAME
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn wire(json: Value) -> WireEvent {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn events_by_their_words() {
        for (event, ..) in EVENTS {
            assert_eq!(Event::of_name(&event.name()), Some(event));
            assert_eq!(WireEvent::from(event).event(), Ok(event));
            assert_eq!(News::example(event).event, event);
        }
        let check = |json: Value, expect: Option<Event>| {
            assert_eq!(wire(json.clone()).event().ok(), expect, "{json}");
        };
        check(
            json!({ "entity": 1, "action": 1 }),
            Some(Event::ModelCreated),
        );
        check(
            json!({ "entity": "PROMPT_TAG", "action": 4 }),
            Some(Event::PromptTagSet),
        );
        check(json!({ "entity": "PROMPT_TAG", "action": "CREATED" }), None);
        check(json!({ "entity": "prompt_tag", "action": "SET" }), None);
        check(json!({ "entity": 0, "action": 11 }), None);
        check(json!({}), None);
    }

    #[test]
    fn names() {
        for (name, good) in [
            ("a", true),
            ("A._-9", true),
            (&"x".repeat(63), true),
            (&"x".repeat(64), false),
            ("-a", false),
            ("a.", false),
            ("a b", false),
            ("", false),
            ("é", false),
        ] {
            assert_eq!(check_name(name).is_ok(), good, "{name}");
        }
    }
}
