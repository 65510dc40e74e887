//! Webhooks: who wants to hear of what, and what is still to be told.
//!
//! A [`Delivery`] is written in the transaction of the change that it tells of, and goes once it has been delivered or
//! given up: whoever delivers may be killed at any line, and something may then arrive twice, but nothing gets lost.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value as Json;

use crate::error::Result;
use crate::search::{Page, Search};

/// An address that wants to hear of events.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Webhook {
    /// Its id.
    pub id: String,
    /// The project whose events it hears of.
    pub project: String,
    /// Its name; several may have the same.
    pub name: String,
    /// Where it is told.
    pub url: String,
    /// For people.
    pub description: String,
    /// Of what, thing first: `model_version.created`.
    pub events: BTreeSet<String>,
    /// What its deliveries are signed with, sealed by the caller.
    pub secret: Option<String>,
    /// Whether it is told at all.
    pub active: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Something that happened, for whoever wants to hear of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Happening {
    /// The project in which it happened.
    pub project: String,
    /// What, thing first: `model_version.created`.
    pub event: String,
    /// What is said about it.
    pub data: Json,
    /// When.
    pub at: Timestamp,
}

/// Something that a webhook is to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Its place: a webhook is told in this order. Given by [`Outbox::enqueue`].
    pub seq: u64,
    /// Its id, the same at every attempt.
    pub id: String,
    /// The webhook's id.
    pub webhook: String,
    /// What happened.
    pub event: String,
    /// What is said about it.
    pub data: Json,
    /// When it happened.
    pub created_at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was tried last.
    pub tried_at: Option<Timestamp>,
    /// It is not tried again before.
    pub not_before: Option<Timestamp>,
}

impl Delivery {
    /// One that was not tried yet.
    #[must_use]
    pub fn new(id: String, webhook: String, what: &Happening) -> Self {
        Self {
            seq: 0,
            id,
            webhook,
            event: what.event.clone(),
            data: what.data.clone(),
            created_at: what.at,
            attempts: 0,
            tried_at: None,
            not_before: None,
        }
    }
}

/// Webhooks of a project.
pub trait Webhooks {
    /// Creates the webhook; an error when the id is taken.
    fn create_webhook(&mut self, webhook: &Webhook) -> Result<()>;
    /// Replaces all of a known webhook. What waits for one that is not active any more goes.
    fn update_webhook(&mut self, webhook: &Webhook) -> Result<()>;
    /// Removes the webhook and what waits for it; false when there was none.
    fn delete_webhook(&mut self, project: &str, id: &str) -> Result<bool>;
    /// One webhook.
    fn webhook(&mut self, project: &str, id: &str) -> Result<Option<Webhook>>;
    /// A page of webhooks, the newest first; no attribute can be searched for.
    fn search_webhooks(&mut self, project: &str, search: &Search) -> Result<Page<Webhook>>;
    /// Those active ones that want to hear of the event.
    fn listeners(&mut self, project: &str, event: &str) -> Result<Vec<Webhook>>;
}

/// What is still to be told, of all projects.
pub trait Outbox {
    /// Adds a delivery for each webhook of the project that wants to hear of it. So much may wait for one webhook that a
    /// receiver that is gone fills no disk; what comes after is left out.
    fn tell(&mut self, what: &Happening) -> Result<()>;
    /// Adds one at the end; false when `most` wait for its webhook already, and it was left out.
    fn enqueue(&mut self, delivery: &Delivery, most: u64) -> Result<bool>;
    /// Of each webhook the first one that waits, with its webhook; those that wait longest first.
    fn first_deliveries(&mut self) -> Result<Vec<(Delivery, Webhook)>>;
    /// Takes it out: it was told, or never will be. False when it had gone already.
    fn settle(&mut self, seq: u64) -> Result<bool>;
    /// Notes an attempt that failed, and until when the next one waits.
    fn put_off(&mut self, seq: u64, tried_at: Timestamp, not_before: Timestamp) -> Result<()>;
    /// How many wait.
    fn waiting_deliveries(&mut self) -> Result<u64>;
}
