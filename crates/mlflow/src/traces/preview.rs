//! The beginning of a request or response, for lists: the last message of a chat, or else the JSON text.

use crate::{limits::cut, otlp::Any};

/// Characters of a preview.
const LENGTH: usize = 1000;

/// A preview of a JSON text; `role` is whose message is looked for in a chat. None where MLflow makes none.
pub fn preview(json: &str, role: &str) -> Option<String> {
    let parsed = Any::parse(json);
    let content = match parsed.as_ref().and_then(messages) {
        // MLflow fails on a chat without messages, and then shows nothing.
        Some(messages) if messages.is_empty() => return None,
        Some(messages) => said(&messages, role),
        None => String::new(),
    };
    let content = if content.is_empty() { json } else { &content };
    if cut(content, LENGTH).len() == content.len() {
        return Some(content.to_owned());
    }
    Some(format!("{}...", cut(content, LENGTH - 3)))
}

/// The messages of a chat in the shapes of OpenAI's chat completions and responses.
fn messages(object: &Any) -> Option<Vec<&Any>> {
    object.as_map()?;
    let all = |name: &str| {
        let list = object.get(name)?.as_list()?;
        let messages = list.iter().filter(|item| is_message(item));
        (!list.is_empty()).then(|| messages.collect())
    };
    let choice = || {
        let first = object.get("choices")?.as_list()?.first()?;
        let message = first.get("message")?;
        is_message(message).then(|| vec![message])
    };
    all("messages")
        .or_else(choice)
        .or_else(|| all("input"))
        .or_else(|| all("output"))
        .or_else(|| messages(object.get("request")?))
}

fn is_message(item: &Any) -> bool {
    item.get("role").is_some() && item.get("content").is_some()
}

/// The text of the last message of that role, or else of the last one.
fn said(messages: &[&Any], role: &str) -> String {
    let of_role = |message: &&&Any| message.get("role").and_then(Any::as_text) == Some(role);
    let Some(message) = messages.iter().rev().find(of_role).or(messages.last()) else {
        return String::new();
    };
    match message.get("content") {
        Some(Any::Text(text)) => text.clone(),
        Some(Any::List(parts)) => parts.iter().find_map(part).unwrap_or_default(),
        _ => String::new(),
    }
}

fn part(part: &Any) -> Option<String> {
    match part {
        Any::Text(text) => Some(text.clone()),
        Any::Map(_) => match part.get("type").and_then(Any::as_text) {
            Some("text" | "output_text") => {
                part.get("text").and_then(Any::as_text).map(str::to_owned)
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown() {
        for (json, expect) in [
            ("{\"x\": 1}", Some("{\"x\": 1}")),
            ("not json", Some("not json")),
            (
                "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}, {\"role\": \"assistant\", \"content\": \"yo\"}]}",
                Some("hi"),
            ),
            (
                "{\"choices\": [{\"message\": {\"role\": \"assistant\", \"content\": \"yo\"}}]}",
                Some("yo"),
            ),
            (
                "{\"input\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"part\"}]}]}",
                Some("part"),
            ),
            (
                "{\"request\": {\"input\": [{\"role\": \"x\", \"content\": \"q\"}]}}",
                Some("q"),
            ),
            ("{\"messages\": [1]}", None),
        ] {
            assert_eq!(preview(json, "user").as_deref(), expect, "{json}");
        }
        let long = preview(&"é".repeat(1001), "user").unwrap();
        assert_eq!((long.chars().count(), long.ends_with("é...")), (1000, true));
    }
}
