//! [`Webhooks`] and [`Outbox`] in SQL.

use super::column::{Param as _, owned};
use super::compare::Kind;
use super::record::record;
use super::search::{Expr, Searchable};
use super::{Tx, must, must_be_new, params};
use crate::error::Result;
use crate::search::{Field, Page, Search};
use crate::webhooks::{Delivery, Happening, Outbox, Webhook, Webhooks};
use jiff::Timestamp;

record!(Webhook in "webhooks", key(id), project, name, url, description, events, secret, active, created_at, updated_at);
record!(Delivery in "deliveries", key(seq), id, webhook, event, data, created_at, attempts, tried_at, not_before);

impl Searchable for Webhook {
    const TIES: &'static [(&'static str, Kind, bool)] = &[
        ("created_at", Kind::Integer, true),
        ("id", Kind::Text, true),
    ];

    fn expr(_: &Field) -> Option<Expr> {
        None
    }
}

impl Webhooks for Tx<'_> {
    fn create_webhook(&mut self, webhook: &Webhook) -> Result<()> {
        must_be_new(self.insert(webhook)?, "webhook", &webhook.id)
    }

    fn update_webhook(&mut self, webhook: &Webhook) -> Result<()> {
        must(self.replace(webhook)?, "webhook", &webhook.id)?;
        if !webhook.active {
            let sql = "DELETE FROM deliveries WHERE \"webhook\" = ?1";
            self.execute(sql, params![webhook.id])?;
        }
        Ok(())
    }

    fn delete_webhook(&mut self, project: &str, id: &str) -> Result<bool> {
        let sql = "DELETE FROM webhooks WHERE \"project\" = ?1 AND \"id\" = ?2";
        Ok(self.execute(sql, params![project, id])? == 1)
    }

    fn webhook(&mut self, project: &str, id: &str) -> Result<Option<Webhook>> {
        let rest = "WHERE \"project\" = ?1 AND \"id\" = ?2";
        self.select_one(rest, params![project, id])
    }

    fn search_webhooks(&mut self, project: &str, search: &Search) -> Result<Page<Webhook>> {
        self.search("r.\"project\" = ?1", vec![owned(project.value())], search)
    }

    fn listeners(&mut self, project: &str, event: &str) -> Result<Vec<Webhook>> {
        let rest = "WHERE \"project\" = ?1 AND \"active\" = 1 ORDER BY \"created_at\", \"id\"";
        let mut all: Vec<Webhook> = self.select(rest, params![project])?;
        all.retain(|webhook| webhook.events.contains(event));
        Ok(all)
    }
}

/// So many may wait for one webhook.
const MOST: u64 = 10_000;

impl Outbox for Tx<'_> {
    fn tell(&mut self, what: &Happening) -> Result<()> {
        for webhook in self.listeners(&what.project, &what.event)? {
            let id = uuid::Uuid::now_v7().to_string();
            if !self.enqueue(&Delivery::new(id, webhook.id.clone(), what), MOST)? {
                let webhook = webhook.id;
                tracing::warn!(
                    webhook,
                    "a webhook has too much waiting already: it is not told of this"
                );
            }
        }
        Ok(())
    }

    fn enqueue(&mut self, delivery: &Delivery, most: u64) -> Result<bool> {
        let Delivery {
            id,
            webhook,
            event,
            data,
            created_at,
            ..
        } = delivery;
        let sql = "SELECT COUNT(*) FROM deliveries WHERE \"webhook\" = ?1";
        let waiting: Option<u64> = self.single(sql, params![webhook])?;
        if waiting.unwrap_or_default() >= most {
            return Ok(false);
        }
        let sql = "INSERT INTO deliveries (\"id\", \"webhook\", \"event\", \"data\", \"created_at\", \"attempts\") VALUES (?1, ?2, ?3, ?4, ?5, 0)";
        self.execute(sql, params![id, webhook, event, data, created_at])?;
        Ok(true)
    }

    fn first_deliveries(&mut self) -> Result<Vec<(Delivery, Webhook)>> {
        let rest = "WHERE \"seq\" IN (SELECT MIN(\"seq\") FROM deliveries GROUP BY \"webhook\") ORDER BY \"seq\"";
        let first: Vec<Delivery> = self.select(rest, &[])?;
        let mut both = Vec::with_capacity(first.len());
        for delivery in first {
            // Its rows go with the webhook, so there is one.
            if let Some(webhook) = self.get(params![delivery.webhook])? {
                both.push((delivery, webhook));
            }
        }
        Ok(both)
    }

    fn settle(&mut self, seq: u64) -> Result<bool> {
        self.remove::<Delivery>(params![seq])
    }

    fn put_off(&mut self, seq: u64, tried_at: Timestamp, not_before: Timestamp) -> Result<()> {
        let sql = "UPDATE deliveries SET \"attempts\" = \"attempts\" + 1, \"tried_at\" = ?2, \"not_before\" = ?3 WHERE \"seq\" = ?1";
        self.execute(sql, params![seq, tried_at, not_before])
            .map(drop)
    }

    fn waiting_deliveries(&mut self) -> Result<u64> {
        let waiting = self.single("SELECT COUNT(*) FROM deliveries", &[])?;
        Ok(waiting.unwrap_or_default())
    }
}
