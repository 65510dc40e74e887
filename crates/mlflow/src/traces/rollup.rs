//! What a trace learns from spans that came for it.

use super::{
    COST, Node, Stored, TOKENS, keys,
    preview::preview,
    translate::{INPUTS, OUTPUTS, find},
};
use crate::{Error, limits, names, otlp::Any};
use std::collections::BTreeMap;

/// The prefix of attributes of a root that are tags of its trace.
const TAG_PREFIX: &str = "mlflow.traceTag.";
/// Attributes that name the session.
const SESSIONS: [&str; 2] = ["session.id", "gen_ai.conversation.id"];

/// Of some spans of one trace, what its record should say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rollup {
    /// When the first began: milliseconds since 1970.
    pub started: i64,
    /// When the last ended: milliseconds since 1970.
    pub ended: Option<i64>,
    /// How the root ended, when it is among them.
    pub state: Option<&'static str>,
    /// The root's inputs.
    pub request_preview: Option<String>,
    /// The root's outputs.
    pub response_preview: Option<String>,
    /// The session.
    pub session: Option<String>,
    /// Who used the application.
    pub user: Option<String>,
    /// Tags that the root carries.
    pub tags: BTreeMap<String, String>,
    /// Tokens of each span.
    pub tokens: Vec<Node>,
    /// Money of each span.
    pub costs: Vec<Node>,
}

/// Rolls up spans of one trace.
///
/// # Errors
/// INVALID_PARAMETER_VALUE for a session's id or a trace's name that is too long.
pub fn roll_up(spans: &[&Stored]) -> Result<Rollup, Error> {
    let started = spans.iter().map(|span| span.started / 1_000_000).min();
    let mut all = Rollup {
        started: started.unwrap_or_default(),
        ended: spans
            .iter()
            .filter_map(|span| span.ended)
            .max()
            .map(|end| end / 1_000_000),
        ..Rollup::default()
    };
    for span in spans {
        let attributes = &span.attributes;
        let parent = span.parent_id.as_deref();
        all.tokens
            .push(TOKENS.node(&span.span_id, parent, attributes));
        all.costs.push(COST.node(&span.span_id, parent, attributes));
        if all.session.is_none() {
            all.session = SESSIONS.iter().find_map(|name| text(span, name));
        }
        if all.user.is_none() {
            all.user = text(span, "user.id");
        }
        if span.parent_id.is_none() {
            root(&mut all, span)?;
        }
    }
    if let Some(session) = &all.session {
        limits::at_most("Session ID", session, super::SHOWN_METADATA.1)?;
    }
    Ok(all)
}

fn root(all: &mut Rollup, span: &Stored) -> Result<(), Error> {
    if all.state.is_none() {
        all.state = Some(if span.status == "ERROR" {
            "ERROR"
        } else {
            "OK"
        });
    }
    let attribute = |name: &str| find(&span.attributes, name).filter(|text| !text.is_empty());
    all.request_preview = attribute(INPUTS).and_then(|text| preview(text, "user"));
    all.response_preview = attribute(OUTPUTS).and_then(|text| preview(text, "assistant"));
    for (name, value) in &span.attributes {
        let Some(key) = name.strip_prefix(TAG_PREFIX) else {
            continue;
        };
        let value = unquoted(value);
        if key == keys::NAME {
            limits::at_most("Trace name", &value, super::SHOWN_TAG.1)?;
        }
        // A tag that could not be set by hand is left out, and the span is kept.
        if let Some(value) = tag(key, &value) {
            all.tags.insert(key.to_owned(), value);
        }
    }
    Ok(())
}

/// The value of a tag as it is kept; none when it cannot be.
fn tag(key: &str, value: &str) -> Option<String> {
    names::entry("key", key)
        .and_then(|()| limits::at_most("key", key, limits::KEY))
        .ok()?;
    Some(limits::cut(value, limits::RUN_TAG_VALUE).to_owned())
}

/// Tags that describe the emitter. MLflow's own names and those of the SDK are left out.
pub(crate) fn resource_tags(attributes: &[(String, Any)]) -> BTreeMap<String, String> {
    let own = |key: &str| key.starts_with("telemetry.sdk.") || key.starts_with("mlflow.");
    let one = |(key, value): &(String, Any)| {
        let text = value
            .as_text()
            .map_or_else(|| value.dump_ascii(), str::to_owned);
        Some((key.clone(), tag(key, &text)?))
    };
    let wanted = attributes.iter().filter(|(key, _)| !own(key));
    wanted.filter_map(one).collect()
}

impl Rollup {
    /// Adds what describes the emitter, below what the root says itself.
    pub fn describe(&mut self, resource: &[(String, Any)]) {
        let own = std::mem::take(&mut self.tags);
        self.tags = resource_tags(resource);
        self.tags.extend(own);
    }
}

fn text(span: &Stored, name: &str) -> Option<String> {
    let text = find(&span.attributes, name)?;
    Some(unquoted(text)).filter(|text| !text.is_empty())
}

/// The text that a JSON text stands for; other JSON as it is.
fn unquoted(json: &str) -> String {
    match Any::parse(json) {
        Some(Any::Text(text)) => text,
        _ => json.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::{Span, Status, StatusCode};

    fn span(id: u8, parent: Option<u8>, attributes: &[(&str, &str)]) -> Stored {
        let attributes = attributes
            .iter()
            .map(|(k, v)| ((*k).to_owned(), Any::text(*v)));
        let span = Span {
            trace_id: vec![1],
            span_id: vec![id],
            parent_id: parent.into_iter().collect(),
            started: u64::from(id) * 1_000_000,
            ended: u64::from(id) * 3_000_000,
            attributes: attributes.collect(),
            status: Status {
                code: StatusCode::Error,
                ..Status::default()
            },
            ..Span::default()
        };
        super::super::stored(&span).unwrap().1
    }

    #[test]
    fn a_root_and_its_child() {
        let root = span(
            2,
            None,
            &[
                ("mlflow.spanInputs", "{\"q\": 1}"),
                ("mlflow.traceTag.team", "a"),
                ("mlflow.traceTag.b;d", "x"),
                ("session.id", "s"),
            ],
        );
        let child = span(3, Some(2), &[("user.id", "ann")]);
        let mut got = roll_up(&[&root, &child]).unwrap();
        assert_eq!(
            (got.started, got.ended, got.state),
            (2, Some(9), Some("ERROR"))
        );
        assert_eq!(got.request_preview.as_deref(), Some("{\"q\": 1}"));
        assert_eq!(
            (got.session.as_deref(), got.user.as_deref()),
            (Some("s"), Some("ann"))
        );
        let resource = [
            ("team", "b"),
            ("telemetry.sdk.name", "x"),
            ("service.name", "svc"),
        ];
        let resource: Vec<_> = resource
            .iter()
            .map(|(k, v)| ((*k).to_owned(), Any::text(*v)))
            .collect();
        got.describe(&resource);
        let tags: Vec<_> = got
            .tags
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(tags, [("service.name", "svc"), ("team", "a")]);
        assert_eq!(roll_up(&[&child]).unwrap().state, None);
        let long = span(1, None, &[("session.id", &"x".repeat(251))]);
        assert!(roll_up(&[&long]).is_err());
    }
}
