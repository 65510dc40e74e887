//! Webhooks: what waits in the outbox is told, in order per webhook, until it was heard or given up.
//!
//! Of each webhook the first delivery is under way and the others wait behind it; several webhooks are told side by
//! side. An attempt's result is written before the next one begins: killed in between, the server tells it again with
//! the same id.

use crate::{
    app::App,
    webhooks::{Letter, Next, Outcome, body, next},
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::json;
use std::{collections::HashMap, time::Duration};
use store::{Delivery, Events as _, NewEvent, Outbox as _, Priority, Webhook};
use tokio::{
    sync::watch,
    task::{Id, JoinSet},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

/// So many webhooks are told at a time.
const SIDE_BY_SIDE: usize = 10;
/// Without news it looks again this often.
const PERIOD: Duration = Duration::from_secs(60);
/// When the store does not answer, it looks again after this.
const HELD_UP: Duration = Duration::from_secs(1);

/// How it goes, for the API.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Status {
    /// When it looked last.
    at: Option<Timestamp>,
    /// Deliveries that were heard since the start.
    told: u64,
    /// Attempts that failed and are made again.
    put_off: u64,
    /// Deliveries that were given up.
    given_up: u64,
    /// What went wrong last, and when.
    error: Option<(Timestamp, String)>,
}

/// The reconciler of webhooks.
pub(super) struct Teller {
    app: App,
    status: watch::Sender<Status>,
}

impl Teller {
    pub(super) fn new(app: &App) -> Self {
        Teller {
            app: app.clone(),
            status: watch::Sender::default(),
        }
    }

    /// How it goes.
    pub(super) fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Keeps at it until the shutdown, which cuts off attempts under way.
    pub(super) async fn run(self, shutdown: CancellationToken) {
        let mut changes = self.app.store().subscribe();
        let mut attempts = JoinSet::new();
        let mut busy: HashMap<Id, String> = HashMap::new();
        loop {
            changes.borrow_and_update();
            let pause = match self.begin(&mut attempts, &mut busy).await {
                Ok(pause) => pause,
                Err(error) => {
                    self.held_up(&error.to_string());
                    HELD_UP
                }
            };
            self.status
                .send_modify(|status| status.at = Some(self.app.now()));
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = sleep(pause) => {}
                _ = changes.changed() => {}
                Some(ended) = attempts.join_next_with_id() => {
                    let id = match ended {
                        Ok((id, Ok(tally))) => {
                            self.status.send_modify(tally);
                            id
                        }
                        Ok((id, Err(error))) => {
                            self.held_up(&error.to_string());
                            // What was sent is not noted: without a pause it would be sent over and over.
                            sleep(HELD_UP).await;
                            id
                        }
                        Err(error) => {
                            self.held_up(&error.to_string());
                            error.id()
                        }
                    };
                    busy.remove(&id);
                }
            }
        }
    }

    fn held_up(&self, error: &str) {
        tracing::warn!(error, "telling webhooks is held up");
        let said = (self.app.now(), error.to_owned());
        self.status.send_modify(|status| status.error = Some(said));
    }

    /// Begins what is due; returns how long nothing else will be.
    async fn begin(
        &self,
        attempts: &mut JoinSet<store::Result<fn(&mut Status)>>,
        busy: &mut HashMap<Id, String>,
    ) -> store::Result<Duration> {
        let now = self.app.now();
        let mut pause = PERIOD;
        let first = self.app.store().read(|tx| tx.first_deliveries()).await?;
        for (delivery, webhook) in first {
            if busy.values().any(|id| *id == webhook.id) || busy.len() >= SIDE_BY_SIDE {
                continue;
            }
            match wait(&delivery, now) {
                Some(rest) => pause = pause.min(rest),
                None => {
                    let task = attempts.spawn(attempt(self.app.clone(), delivery, webhook.clone()));
                    busy.insert(task.id(), webhook.id);
                }
            }
        }
        Ok(pause)
    }
}

/// How long a delivery has to wait still. A pause that a later clock wrote is over.
fn wait(delivery: &Delivery, now: Timestamp) -> Option<Duration> {
    let (not_before, tried_at) = (delivery.not_before?, delivery.tried_at?);
    if now < tried_at {
        return None;
    }
    let rest = Duration::try_from(not_before.duration_since(now)).ok()?;
    (!rest.is_zero()).then_some(rest)
}

/// One attempt, with what becomes of it written down.
async fn attempt(app: App, delivery: Delivery, webhook: Webhook) -> store::Result<fn(&mut Status)> {
    let letter = Letter {
        id: &delivery.id,
        body: &body(&delivery.event, &delivery.data, delivery.created_at),
        secret: None,
        at: app.now(),
    };
    let told = app.sender().tell(&webhook, app.master_key(), letter);
    let outcome = told.await;
    let (seq, now) = (delivery.seq, app.now());
    match next(&outcome, delivery.attempts) {
        Next::Done => {
            let settle = app
                .store()
                .write(Priority::Quiet, move |tx| tx.settle(seq).map(drop));
            settle.await?;
            Ok(|status| status.told += 1)
        }
        Next::Again(pause) => {
            let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX);
            let not_before = now.saturating_add(pause).unwrap_or(Timestamp::MAX);
            let put_off = app
                .store()
                .write(Priority::Quiet, move |tx| tx.put_off(seq, now, not_before));
            put_off.await?;
            Ok(|status| status.put_off += 1)
        }
        Next::GiveUp => {
            let event = given_up(&delivery, &webhook, &outcome, now);
            let (webhook, delivery) = (webhook.id, delivery.id);
            let why = event.reason.as_str();
            tracing::warn!(webhook, delivery, why, "a webhook was not told");
            let give_up = app.store().write(Priority::Quiet, move |tx| {
                if tx.settle(seq)? {
                    tx.append_event(&event)?;
                }
                Ok(())
            });
            give_up.await?;
            Ok(|status| status.given_up += 1)
        }
    }
}

fn given_up(delivery: &Delivery, webhook: &Webhook, outcome: &Outcome, at: Timestamp) -> NewEvent {
    let reason = match outcome {
        Outcome::Answered { status, .. } => format!("the receiver answered {status}"),
        Outcome::Refused(why) | Outcome::Failed(why) => why.clone(),
    };
    NewEvent {
        project: Some(webhook.project.clone()),
        at,
        actor: "webhooks".to_owned(),
        kind: "webhook.given-up".to_owned(),
        subject: format!("webhook/{}", webhook.id),
        reason,
        before: None,
        after: Some(json!({ "delivery": delivery.id, "attempts": delivery.attempts + 1 })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Happening;

    #[test]
    fn pauses() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let check = |tried: Option<i64>, not_before: Option<i64>, now: i64, expect: Option<u64>| {
            let what = Happening {
                project: "p".into(),
                event: "prompt.created".into(),
                data: json!({}),
                at: at(0),
            };
            let mut delivery = Delivery::new("d".into(), "w".into(), &what);
            (delivery.tried_at, delivery.not_before) = (tried.map(at), not_before.map(at));
            let expect = expect.map(Duration::from_secs);
            assert_eq!(
                wait(&delivery, at(now)),
                expect,
                "{tried:?} {not_before:?} {now}"
            );
        };
        check(None, None, 5, None);
        check(Some(10), Some(14), 11, Some(3));
        check(Some(10), Some(14), 14, None);
        check(Some(10), Some(14), 20, None);
        check(Some(10), Some(14), 9, None);
    }
}
