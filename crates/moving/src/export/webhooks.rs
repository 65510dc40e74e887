//! Webhooks, which are found again by name and URL. No server shows a secret: they come without, and disabled.

use super::Export;
use crate::{
    error::Result,
    report::Kind,
    source::{Source, pages, rest::API},
};
use mlflow::{
    moving::State,
    webhooks::{Event, Webhook, WireEvent},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What is said of a webhook that was copied.
const DISABLED: &str = "copied without its secret, and disabled: set its secret and enable it there, and disable it here";

impl Export<'_> {
    pub(super) fn webhooks(&mut self) -> Result<()> {
        let both = all(self.source).and_then(|here| Ok((here, all(&mut self.there)?)));
        let (here, mut there) = match both {
            // Who may copy all else need not be allowed to read or write these.
            Err(error) if error.is_forbidden() => {
                let why = error.to_string();
                self.report
                    .note(Kind::Webhooks, "of this project", State::LeftOut, &why);
                return Ok(());
            }
            other => other?,
        };
        for one in &here {
            self.report.count(Kind::Webhooks).found += 1;
            let known = there
                .iter()
                .position(|other| other.name == one.name && other.url == one.url)
                .map(|at| there.swap_remove(at));
            let (state, why) = match known {
                Some(known) if shape(&known) == shape(one) => (State::Same, None),
                Some(_) => (
                    State::Different,
                    Some("its events or its description differ".to_owned()),
                ),
                None => match self.make_webhook(one) {
                    Err(error) if error.is_refusal() => (State::Failed, Some(error.to_string())),
                    made => made.map(|()| (State::Copied, None))?,
                },
            };
            self.report
                .tell(Kind::Webhooks, &one.name, state, why.as_deref());
            if state == State::Copied {
                self.report.note(Kind::Webhooks, &one.name, state, DISABLED);
            }
        }
        Ok(())
    }

    fn make_webhook(&self, one: &Webhook) -> Result<()> {
        let mut asked =
            json!({ "name": one.name, "url": one.url, "events": one.events, "status": "DISABLED" });
        if !one.description.is_empty() {
            asked["description"] = json!(one.description);
        }
        self.http
            .post::<Value>(&format!("{API}/webhooks"), &asked)
            .map(drop)
    }
}

fn all(source: &mut dyn Source) -> Result<Vec<Webhook>> {
    let mut found = Vec::new();
    pages(
        |after| source.webhooks(after),
        |some| {
            found.extend(some);
            Ok(())
        },
    )?;
    Ok(found)
}

/// What of a webhook is compared.
fn shape(webhook: &Webhook) -> (&str, BTreeSet<String>) {
    let events = webhook.events.iter().map(WireEvent::event);
    let events = events.flatten().map(Event::name).collect();
    (&webhook.description, events)
}
