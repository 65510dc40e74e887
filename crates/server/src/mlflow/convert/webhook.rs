//! Webhooks.

use mlflow::{
    Error,
    webhooks::{self as wire, Change, Event},
};
use store::Webhook;

/// A webhook as answers show it.
pub(in crate::mlflow) fn wire(webhook: Webhook) -> wire::Webhook {
    let events = webhook
        .events
        .iter()
        .filter_map(|name| Event::of_name(name));
    wire::Webhook {
        events: events.map(Into::into).collect(),
        webhook_id: webhook.id,
        name: webhook.name,
        description: webhook.description,
        url: webhook.url,
        status: if webhook.active { "ACTIVE" } else { "DISABLED" }.to_owned(),
        creation_timestamp: webhook.created_at.as_millisecond(),
        last_updated_timestamp: webhook.updated_at.as_millisecond(),
    }
}

/// Puts over a webhook what a request says; what is empty there is left as it is, a description or secret apart.
/// `seal` keeps a secret.
pub(in crate::mlflow) fn put(
    webhook: &mut Webhook,
    asked: &Change,
    seal: impl Fn(&str) -> String,
) -> Result<(), Error> {
    let said = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    if let Some(name) = said(&asked.name) {
        wire::check_name(&name)?;
        webhook.name = name;
    }
    if let Some(url) = said(&asked.url) {
        webhook.url = url;
    }
    let events = asked.events()?;
    if !events.is_empty() {
        webhook.events = events.into_iter().map(Event::name).collect();
    }
    if let Some(description) = &asked.description {
        webhook.description.clone_from(description);
    }
    if let Some(secret) = &asked.secret {
        webhook.secret = Some(secret)
            .filter(|text| !text.is_empty())
            .map(|text| seal(text));
    }
    webhook.active = asked.active().unwrap_or(webhook.active);
    Ok(())
}
