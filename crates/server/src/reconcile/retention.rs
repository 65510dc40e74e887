//! Retention: what nobody needs any more goes after a while, so that a state directory does not grow for ever.
//!
//! Once an hour, a little at a time and behind everybody else: logs of old runs, results of steps kept for later runs,
//! idempotency keys, and bytes that no record refers to. Records of runs and versions, and events, stay. What a
//! version's lineage names, what an open run uses, and what a roll-out was judged on is never touched. (Predictions and
//! losses are thinned out by `watch`, checkouts and toolchains by `pipeline`, the traffic log by the gateway.)
//!
//! Bytes go only when two rounds in a row found nobody who needs them, and were not put again in between. Servers that
//! share a Postgres cannot pardon what another has condemned, so there no bytes go.

mod files;

use crate::app::App;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::json;
use std::{
    collections::BTreeSet,
    path::PathBuf,
    time::{Duration, Instant},
};
use store::{
    Blobs, Deployments as _, Digest, Events as _, Idempotency as _, Models as _, NewEvent,
    Priority, Retention as _, RolloutFilter, Rollouts as _, Store, StoreUrl, Uploads as _,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Pause between rounds, and before the first.
const PERIOD: Duration = Duration::from_secs(3600);

/// For how long things are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep {
    /// Logs and bytes of runs that registered nothing, after their end, and datasets after they were read.
    runs: SignedDuration,
    /// Results of steps, after they were made.
    cached_steps: SignedDuration,
    /// Answers to requests with an idempotency key.
    keys: SignedDuration,
    /// Copies of models that do not serve.
    copies: SignedDuration,
    /// Uploads in parts, after they were begun.
    uploads: SignedDuration,
}

impl Keep {
    /// As docs/operations.md says.
    const USUAL: Keep = Keep {
        runs: SignedDuration::from_hours(24 * 90),
        cached_steps: SignedDuration::from_hours(24 * 30),
        keys: SignedDuration::from_hours(24 * 90),
        copies: SignedDuration::from_hours(24),
        uploads: SignedDuration::from_hours(24 * 7),
    };
}

/// Runs that an alert has started are remembered for as long as their alarms may last.
const ALERT_KEYS: &str = "alert/";

/// What went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Gone {
    /// Runs whose logs went.
    logs: u64,
    /// Files of bytes.
    blobs: u64,
    /// Results of steps.
    cached_steps: u64,
    /// Idempotency keys.
    keys: u64,
    /// Copies of models from an object store.
    copies: u64,
    /// Uploads in parts that nobody completed, and records of those that were.
    uploads: u64,
}

/// What the last round did, for the API.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Status {
    /// When it ended.
    at: Option<Timestamp>,
    /// What went then.
    gone: Gone,
    /// Bytes that go in the next round if still nobody needs them.
    condemned: usize,
    /// What went wrong.
    error: Option<String>,
}

/// What it works on.
#[derive(Clone)]
struct Parts {
    store: Store,
    blobs: Blobs,
    logs: PathBuf,
    copies: PathBuf,
    keep: Keep,
}

/// The reconciler of retention.
pub(super) struct Retention {
    app: App,
    parts: Parts,
    status: watch::Sender<Status>,
}

/// A round that could not be finished; the next begins anew.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("logs cannot be removed")]
    Logs(#[from] std::io::Error),
}

impl Retention {
    pub(super) fn new(app: &App) -> Self {
        Retention {
            app: app.clone(),
            parts: Parts {
                store: app.store().clone(),
                blobs: app.blobs().clone(),
                logs: app.state_dir().join("logs"),
                copies: app.state_dir().join("cache"),
                keep: Keep::USUAL,
            },
            status: watch::Sender::default(),
        }
    }

    /// What the last round did.
    pub(super) fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Keeps at it until the shutdown.
    pub(super) async fn run(self, shutdown: CancellationToken) {
        let mut leap = ::watch::Leap::new();
        leap.may_remove(self.app.now(), Instant::now());
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
            let now = self.app.now();
            if !leap.may_remove(now, Instant::now()) {
                continue;
            }
            let Some(done) = shutdown.run_until_cancelled(self.parts.round(now)).await else {
                return;
            };
            if let Err(fault) = &done {
                tracing::warn!(
                    error = fault as &dyn std::error::Error,
                    "retention is held up"
                );
            }
            let condemned = self.parts.blobs.condemned().await.len();
            self.status.send_modify(|status| {
                (status.at, status.condemned) = (Some(self.app.now()), condemned);
                status.error = done.as_ref().err().map(ToString::to_string);
                status.gone = done.unwrap_or_default();
            });
        }
    }
}

impl Parts {
    /// One round. Bytes come before the records that may have named them, so that whoever has just read such a record
    /// has an hour to write another.
    async fn round(&self, now: Timestamp) -> Result<Gone, Fault> {
        let ago = |age| now.saturating_sub(age).unwrap_or(Timestamp::MIN);
        let runs_before = ago(self.keep.runs);
        let mut gone = Gone {
            logs: self.logs(runs_before).await?,
            copies: self.copies(ago(self.keep.copies)).await?,
            uploads: self.uploads(ago(self.keep.uploads)).await?,
            ..Gone::default()
        };
        if *self.store.url() == StoreUrl::Sqlite {
            gone.blobs = self.blobs(runs_before).await?;
        }
        let before = ago(self.keep.cached_steps);
        gone.cached_steps = self
            .until_none(move |tx| tx.forget_cached_steps(before))
            .await?;
        let before = ago(self.keep.keys);
        gone.keys = self
            .until_none(move |tx| tx.forget_before(before, ALERT_KEYS))
            .await?;
        if gone != Gone::default() {
            self.say(gone, now).await?;
        }
        Ok(gone)
    }

    /// Small writes in the last lane, until nothing is left to do.
    async fn until_none(
        &self,
        step: impl Fn(&mut store::Tx<'_>) -> store::Result<u64> + Clone + Send + Sync + 'static,
    ) -> store::Result<u64> {
        let mut all = 0;
        loop {
            match self.store.write(Priority::Bulk, step.clone()).await? {
                0 => return Ok(all),
                some => all += some,
            }
        }
    }

    /// Removes the logs of runs that ended before that time and registered nothing.
    async fn logs(&self, before: Timestamp) -> Result<u64, Fault> {
        let folder = self.logs.clone();
        let names = blocking(move || {
            files::shorten_own_log(&folder)?;
            files::began_before(&folder, before)
        })
        .await?;
        let over = self
            .store
            .read(move |tx| {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                tx.runs_over(&names, before)
            })
            .await?;
        for run in &over {
            let folder = self.logs.join(run);
            blocking(move || std::fs::remove_dir_all(folder)).await?;
        }
        Ok(over.len() as u64)
    }

    /// Removes copies of models that no replica is started from any more.
    async fn copies(&self, before: Timestamp) -> Result<u64, Fault> {
        let needed = self.store.read(serving).await?;
        let folder = self.copies.clone();
        Ok(blocking(move || files::remove_old(&folder, before, &needed)).await?)
    }

    /// Gives up uploads that were begun before that time: their parts first, so that none is left without a record.
    async fn uploads(&self, before: Timestamp) -> Result<u64, Fault> {
        let mut gone = 0;
        loop {
            let old = self.store.read(move |tx| tx.uploads_before(before)).await?;
            if old.is_empty() {
                return Ok(gone);
            }
            gone += old.len() as u64;
            for id in old {
                self.blobs.drop_parts(&id).await?;
                let work = move |tx: &mut store::Tx<'_>| tx.delete_upload(&id).map(drop);
                self.store.write(Priority::Bulk, work).await?;
            }
        }
    }

    /// Removes what the last round condemned and nobody needs still; condemns what nobody needs now.
    async fn blobs(&self, runs_since: Timestamp) -> Result<u64, Fault> {
        let (blobs, condemned) = (&self.blobs, self.blobs.condemned().await);
        // Listed first: what is put from now on is not among them.
        let mut unneeded: BTreeSet<Digest> = blobs.list().await?.into_iter().collect();
        let referred = self.store.read(move |tx| tx.referred(runs_since)).await?;
        for list in &referred.perhaps_lists {
            for member in pipeline::tree::members(list, blobs).await? {
                unneeded.remove(&member);
            }
        }
        for needed in referred.files.iter().chain(&referred.perhaps_lists) {
            unneeded.remove(needed);
        }
        let mut gone = 0;
        for digest in condemned.intersection(&unneeded) {
            gone += u64::from(blobs.remove_condemned(digest).await?);
        }
        blobs.condemn(&unneeded - &condemned).await;
        Ok(gone)
    }

    async fn say(&self, gone: Gone, now: Timestamp) -> store::Result<()> {
        let event = NewEvent {
            project: None,
            at: now,
            actor: "retention".to_owned(),
            kind: "retention.removed".to_owned(),
            subject: "state".to_owned(),
            reason: "nothing needs it any more, and its time is over".to_owned(),
            before: None,
            after: Some(json!(gone)),
        };
        self.store
            .write(Priority::Bulk, move |tx| tx.append_event(&event).map(drop))
            .await
    }
}

/// The names of the models that serve, served just before, or are being rolled out.
fn serving(tx: &mut store::Tx<'_>) -> store::Result<BTreeSet<String>> {
    let active = RolloutFilter {
        active: true,
        ..RolloutFilter::default()
    };
    let mut versions = Vec::new();
    for d in tx.deployments(None)? {
        let numbers = [d.version, d.previous].into_iter().flatten();
        versions.extend(numbers.map(|number| (d.project.clone(), d.model.clone(), number)));
    }
    for r in tx.rollouts(&active)? {
        let numbers = r.from.into_iter().chain([r.to]);
        versions.extend(numbers.map(|number| (r.project.clone(), r.model.clone(), number)));
    }
    let mut names = BTreeSet::new();
    for (project, model, number) in versions {
        let version = tx.version(&project, &model, number)?;
        names.extend(
            version
                .and_then(|v| v.artifact)
                .map(|digest| digest.hex().to_owned()),
        );
    }
    Ok(names)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}

#[cfg(test)]
mod tests;
