//! Webhooks of a project: create, get, list, change, delete, test.
//!
//! Their URLs may hold secrets, so that reading them takes the right to write, and steps see none.
//! What they are told is written down by the handlers of what happens ([`crate::webhooks::tell`]), and sent later.

use super::{
    access,
    call::{Call, Nothing},
    convert::{self, webhook::wire as shown},
    failure::{Answer, Failure, Refuse as _},
    page,
    registered::Change,
    routes::Table,
};
use crate::webhooks::{Letter, Outcome};
use axum::{
    Json,
    routing::{delete, get, patch, post},
};
use guard::seal;
use http::Method;
use mlflow::{
    Error, limits,
    webhooks::{self as wire, Event, List, News, Test, TestResult, WireEvent},
};
use serde_json::{Value, json};
use store::{Search, Tx, Webhook, Webhooks as _};

pub(super) fn routes(table: Table) -> Table {
    let all = "/mlflow/webhooks";
    let one = "/mlflow/webhooks/{webhook_id}";
    table
        .write(Method::POST, all, "MLflow: create a webhook", post(create))
        .write(Method::GET, all, "MLflow: list webhooks", get(list))
        .write(Method::GET, one, "MLflow: one webhook", get(read))
        .write(
            Method::PATCH,
            one,
            "MLflow: change a webhook",
            patch(update),
        )
        .write(
            Method::DELETE,
            one,
            "MLflow: delete a webhook",
            delete(remove),
        )
        .write(
            Method::POST,
            &format!("{one}/test"),
            "MLflow: tell a webhook an example",
            post(test),
        )
}

/// A webhook of the project.
fn find(tx: &mut Tx<'_>, project: &str, id: &str) -> store::Result<Webhook> {
    tx.webhook(project, id)?
        .ok_or_else(|| Error::missing(format!("Webhook with ID {id} not found.")))
        .refuse()
}

/// Refuses a URL that may not be told.
async fn check_url(call: &Call<wire::Change>) -> Result<(), Failure> {
    match call.message.url.as_deref().filter(|url| !url.is_empty()) {
        None => Ok(()),
        Some(url) => {
            let checked = call.app.sender().check(url).await;
            Ok(checked.map_err(|why| Error::invalid(format!("Invalid webhook URL: {why}")))?)
        }
    }
}

/// Puts over a webhook what the request says.
fn put(webhook: &mut Webhook, call: &Call<wire::Change>) -> Result<(), Error> {
    let (id, key) = (webhook.id.clone(), call.app.master_key());
    convert::webhook::put(webhook, &call.message, |secret| {
        seal::seal(secret, &id, key)
    })
}

async fn create(call: Call<wire::Change>) -> Answer<Value> {
    let change = Change::of(&call)?;
    call.message.whole()?;
    let mut webhook = Webhook {
        id: uuid::Uuid::now_v7().to_string(),
        project: change.project.clone(),
        active: true,
        created_at: change.now,
        updated_at: change.now,
        name: String::new(),
        url: String::new(),
        description: String::new(),
        events: [].into(),
        secret: None,
    };
    put(&mut webhook, &call)?;
    check_url(&call).await?;
    let made = webhook.clone();
    call.write(move |tx| {
        tx.create_webhook(&made)?;
        happened(tx, &change, "webhook.created", &made)
    })
    .await?;
    Ok(Json(json!({ "webhook": shown(webhook) })))
}

/// Notes a change to a webhook; its URL may hold a secret, and stays out.
fn happened(tx: &mut Tx<'_>, change: &Change, kind: &str, webhook: &Webhook) -> store::Result<()> {
    let after = json!({ "name": webhook.name, "events": webhook.events, "active": webhook.active });
    change.event(tx, kind, format!("webhook/{}", webhook.id), after)
}

async fn list(call: Call<List>) -> Answer<Value> {
    access::registry(&call.caller.identity)?;
    let List {
        max_results,
        page_token,
    } = &call.message;
    let rows = limits::page(max_results.filter(|rows| *rows != 0), limits::WEBHOOKS_PAGE)?;
    let search = Search {
        after: page::cursor(page_token.as_deref())?,
        limit: u32::try_from(rows).unwrap_or(u32::MAX),
        ..Search::default()
    };
    let project = call.project().to_owned();
    let found = call
        .read(move |tx| tx.search_webhooks(&project, &search))
        .await?;
    let all: Vec<_> = found.items.into_iter().map(shown).collect();
    Ok(Json(page::answer("webhooks", &all, found.next)))
}

/// The webhook that the path names.
async fn named<M>(call: &Call<M>) -> Result<Webhook, Failure> {
    let (project, id) = (
        call.project().to_owned(),
        call.param("webhook_id").to_owned(),
    );
    call.read(move |tx| find(tx, &project, &id)).await
}

async fn read(call: Call<Nothing>) -> Answer<Value> {
    access::registry(&call.caller.identity)?;
    let webhook = named(&call).await?;
    Ok(Json(json!({ "webhook": shown(webhook) })))
}

async fn update(call: Call<wire::Change>) -> Answer<Value> {
    let change = Change::of(&call)?;
    let mut webhook = named(&call).await?;
    put(&mut webhook, &call)?;
    check_url(&call).await?;
    webhook.updated_at = change.now;
    let changed = webhook.clone();
    call.write(move |tx| {
        find(tx, &change.project, &changed.id)?;
        tx.update_webhook(&changed)?;
        happened(tx, &change, "webhook.changed", &changed)
    })
    .await?;
    Ok(Json(json!({ "webhook": shown(webhook) })))
}

async fn remove(call: Call<Nothing>) -> Answer<Value> {
    let change = Change::of(&call)?;
    let id = call.param("webhook_id").to_owned();
    call.write(move |tx| {
        let webhook = find(tx, &change.project, &id)?;
        tx.delete_webhook(&change.project, &id)?;
        happened(tx, &change, "webhook.deleted", &webhook)
    })
    .await?;
    Ok(Json(json!({})))
}

async fn test(call: Call<Test>) -> Answer<Value> {
    access::registry(&call.caller.identity)?;
    let asked = call.message.event.as_ref().map(WireEvent::event);
    let asked = asked.transpose()?;
    let webhook = named(&call).await?;
    let first = || webhook.events.first().and_then(|name| Event::of_name(name));
    let event = asked
        .or_else(first)
        .ok_or_else(|| Error::missing_value("event"))?;
    let now = call.app.now();
    let News { event, data } = News::example(event);
    let letter = Letter {
        id: &uuid::Uuid::now_v7().to_string(),
        body: &crate::webhooks::body(&event.name(), &data, now),
        secret: None,
        at: now,
    };
    let told = call
        .app
        .sender()
        .tell(&webhook, call.app.master_key(), letter);
    Ok(Json(json!({ "result": result(told.await) })))
}

/// What a test says of an attempt.
fn result(outcome: Outcome) -> TestResult {
    match outcome {
        Outcome::Answered { status, body, .. } => TestResult {
            success: (200..300).contains(&status),
            response_status: Some(status),
            response_body: Some(body),
            error_message: None,
        },
        Outcome::Refused(why) | Outcome::Failed(why) => TestResult {
            error_message: Some(format!("Failed to test webhook: {why}")),
            ..TestResult::default()
        },
    }
}
