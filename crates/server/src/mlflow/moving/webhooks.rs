//! Webhooks. No server shows their secrets, and the server that they come from may still tell them of the same things: they
//! come disabled, and whether they are enabled here, and with which secret, is nothing that a copy changes.

use super::{
    Into,
    merge::{self, Step},
    registry::event,
};
use crate::mlflow::{convert::time, failure::Refuse as _};
use mlflow::{
    Error,
    moving::Outcome,
    webhooks::{self as wire, Event, WireEvent},
};
use serde_json::json;
use store::{Tx, Webhook, Webhooks as _};

pub(super) fn webhook(
    tx: &mut Tx<'_>,
    into: &Into,
    comes: &wire::Webhook,
) -> store::Result<Outcome> {
    let here = tx.webhook(&into.project, &comes.webhook_id)?;
    let wanted = wanted(into, comes, here.as_ref()).refuse()?;
    let plain = |webhook: &Webhook| Webhook {
        secret: None,
        active: false,
        updated_at: webhook.created_at,
        ..webhook.clone()
    };
    let key = ("webhook", comes.webhook_id.as_str());
    let (old, new) = (here.as_ref().map(plain), plain(&wanted));
    let step = merge::step(tx, into, key, old.as_ref(), &new)?;
    match &step {
        Step::Create => {
            match tx.create_webhook(&wanted) {
                Err(store::Error::Exists { .. }) => {
                    return Ok(merge::failed(
                        "another project of this server has a webhook with this id",
                    ));
                }
                made => made?,
            }
            let after =
                json!({ "name": wanted.name, "events": wanted.events, "active": wanted.active });
            let subject = format!("webhook/{}", wanted.id);
            event(tx, into, "webhook.created", subject, after)?;
        }
        Step::Update => tx.update_webhook(&wanted)?,
        Step::Keep | Step::Differs(_) => {}
    }
    merge::remember(tx, into, key, &step, &new)?;
    Ok(merge::outcome(step))
}

fn wanted(into: &Into, comes: &wire::Webhook, here: Option<&Webhook>) -> Result<Webhook, Error> {
    wire::check_name(&comes.name)?;
    let events = comes.events.iter().map(WireEvent::event);
    let events: Result<Vec<_>, Error> = events.collect();
    Ok(Webhook {
        id: comes.webhook_id.clone(),
        project: into.project.clone(),
        name: comes.name.clone(),
        url: comes.url.clone(),
        description: comes.description.clone(),
        events: events?.into_iter().map(Event::name).collect(),
        secret: here.and_then(|here| here.secret.clone()),
        active: here.is_some_and(|here| here.active),
        created_at: time("creation_timestamp", comes.creation_timestamp)?,
        updated_at: time("last_updated_timestamp", comes.last_updated_timestamp)?,
    })
}
