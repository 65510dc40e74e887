//! The reconciler of everything that is watched: joins the gateway's log, takes new losses into each deployment's
//! memory, raises and clears alarms.
//!
//! It takes no input: it runs on a period, reads everything it needs, and can be killed
//! anywhere; losses and the place in their order move in one transaction. What an alarm starts is decided elsewhere,
//! from the alarm's record.

mod deployment;
mod look;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use store::{
    Alarm, AlarmFilter, Alarms as _, Deployment, Deployments as _, Events as _, JoinLog as _,
    NewEvent, Priority, Rollout, RolloutFilter, Rollouts as _, Store, Tx,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::join::{Tail, Windows, pump};
use crate::leap::Leap;
use crate::memory::Memory;
use crate::settings::Settings;

/// The join log is looked at this often.
const PERIOD: Duration = Duration::from_millis(250);
/// Waiting halves and old losses are thrown out this often.
const EXPIRE: SignedDuration = SignedDuration::from_hours(1);
/// Small writes in one turn for each route, so that many of them do not hold up alarms. The rest goes the next time.
const EXPIRE_STEPS: usize = 100;
/// Losses stay this long beyond the window in which labels count.
const KEEP_LOSSES: SignedDuration = SignedDuration::from_hours(24 * 90);
/// Stretches of the log in one turn, so that a long backlog does not hold up alarms.
const CHUNKS: usize = 64;

/// What the watcher needs.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Where everything is remembered.
    pub store: Store,
    /// The gateway's `traffic` directory.
    pub traffic: PathBuf,
    /// Which log that is, where the store remembers those of several machines.
    pub log: Option<String>,
    /// The time.
    pub now: fn() -> Timestamp,
}

/// What the last turn did, for the API.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Status {
    /// When it ended.
    pub at: Option<Timestamp>,
    /// Losses joined since the start.
    pub joined: u64,
    /// Lines of the log that could not be read, since the start.
    pub damaged: u64,
    /// What went wrong in the last turn.
    pub error: Option<String>,
}

/// The reconciler.
#[derive(Debug)]
pub struct Watcher {
    parts: Parts,
    tail: Tail,
    expired: Timestamp,
    leap: Leap,
    drifted: BTreeMap<String, Timestamp>,
    /// By route, what was stored last; the store is asked again when it has moved on without us.
    memories: BTreeMap<String, Memory>,
    status: watch::Sender<Status>,
}

impl Watcher {
    /// One that has not looked yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let tail = Tail::new(parts.traffic.join("join"));
        let tail = match &parts.log {
            Some(log) => tail.named(log),
            None => tail,
        };
        let expired = Timestamp::MIN;
        Self {
            parts,
            tail,
            expired,
            leap: Leap::new(),
            drifted: BTreeMap::new(),
            memories: BTreeMap::new(),
            status: watch::Sender::new(Status::default()),
        }
    }

    /// What its last turn did.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Watches until the shutdown.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut said = None;
        loop {
            let error = self.turn().await.err();
            let text = error.as_ref().map(ToString::to_string);
            if let Some(error) = error.filter(|_| said != text) {
                // Said once, not four times a second; the status keeps it.
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::error!(error, "watching is held up");
            }
            said = text;
            let period = tokio::time::sleep(PERIOD);
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = period => {}
            }
        }
    }

    /// Looks once at everything. Public so that a replay can drive it without a clock.
    pub async fn turn(&mut self) -> Result<(), Error> {
        let result = self.look_at_everything().await;
        let (at, error) = (
            (self.parts.now)(),
            result.as_ref().err().map(ToString::to_string),
        );
        self.status.send_modify(|status| {
            status.at = Some(at);
            status.error = error;
        });
        result
    }

    async fn look_at_everything(&mut self) -> Result<(), Error> {
        let deployments = self.parts.store.read(|tx| tx.deployments(None)).await?;
        let watched: Vec<(Deployment, Settings)> = deployments
            .into_iter()
            .filter_map(|d| Settings::of(&d.shape).map(|settings| (d, settings)))
            .collect();
        let windows = Windows {
            by_route: watched
                .iter()
                .map(|(d, settings)| (route(d), settings.within))
                .collect(),
            ..Windows::default()
        };
        self.join(&windows).await?;
        for (deployment, settings) in &watched {
            self.look(deployment, settings).await?;
        }
        self.clear_unwatched(&watched).await?;
        self.expire(&windows).await
    }

    async fn join(&mut self, windows: &Windows) -> Result<(), Error> {
        for _ in 0..CHUNKS {
            let pumped = pump(&self.parts.store, &self.tail, windows).await?;
            let joined: u64 = pumped.routes.values().map(|joined| joined.joined).sum();
            self.status.send_modify(|status| {
                status.joined += joined;
                status.damaged += pumped.damaged;
            });
            if pumped.at_end {
                break;
            }
        }
        Ok(())
    }

    /// Alarms of what is not watched any more are over.
    async fn clear_unwatched(&self, watched: &[(Deployment, Settings)]) -> Result<(), Error> {
        let with_alarm: BTreeSet<String> = watched
            .iter()
            .filter(|(_, settings)| settings.alarm.is_some())
            .map(|(d, _)| route(d))
            .collect();
        let raised = AlarmFilter {
            monitor: Some(crate::alarm::MONITOR.to_owned()),
            raised: true,
            limit: 10_000,
            ..AlarmFilter::default()
        };
        let open = self.parts.store.read(move |tx| tx.alarms(&raised)).await?;
        let over: Vec<Alarm> = open
            .into_iter()
            .filter(|a| {
                !with_alarm.contains(&format!("{}/{}/{}", a.project, a.environment, a.service))
            })
            .collect();
        if over.is_empty() {
            return Ok(());
        }
        let now = (self.parts.now)();
        let write = self.parts.store.write(Priority::Normal, move |tx| {
            over.iter()
                .try_for_each(|alarm| clear(tx, alarm, "it is not watched any more", now))
        });
        Ok(write.await?)
    }

    async fn expire(&mut self, windows: &Windows) -> Result<(), Error> {
        let now = (self.parts.now)();
        let settled = self.leap.may_remove(now, Instant::now());
        if !settled || now.duration_since(self.expired).abs() < EXPIRE {
            return Ok(());
        }
        let read = self.parts.store.read(|tx| {
            let active = RolloutFilter {
                active: true,
                ..RolloutFilter::default()
            };
            Ok((tx.join_routes()?, tx.rollouts(&active)?))
        });
        let (routes, rollouts) = read.await?;
        for route in routes {
            let within = windows.by_route.get(&route).copied();
            let before = now
                .saturating_sub(within.unwrap_or(windows.other))
                .unwrap_or(Timestamp::MIN);
            let losses = before.saturating_sub(KEEP_LOSSES).unwrap_or(Timestamp::MIN);
            // What a roll-out is judged on stays until it is over, however long it is paused.
            let judged = rollouts.iter().filter(|rollout| is_at(rollout, &route));
            let losses = judged
                .map(|rollout| rollout.created_at)
                .fold(losses, Timestamp::min);
            for _ in 0..EXPIRE_STEPS {
                let route = route.clone();
                let write = self.parts.store.write(Priority::Bulk, move |tx| {
                    tx.expire_joins(&route, before, Some(losses))
                });
                if write.await? == 0 {
                    break;
                }
            }
        }
        self.expired = now;
        Ok(())
    }
}

/// The name of a deployment in the join log.
fn route(deployment: &Deployment) -> String {
    format!(
        "{}/{}/{}",
        deployment.project, deployment.environment, deployment.service
    )
}

fn is_at(rollout: &Rollout, route: &str) -> bool {
    let mut parts = route.splitn(3, '/');
    let place = [&rollout.project, &rollout.environment, &rollout.service];
    place.iter().all(|name| parts.next() == Some(name.as_str()))
}

/// Ends an alarm and says so.
fn clear(tx: &mut Tx<'_>, alarm: &Alarm, why: &str, now: Timestamp) -> store::Result<()> {
    let over = Alarm {
        cleared_at: Some(now),
        ..alarm.clone()
    };
    tx.put_alarm(&over)?;
    tx.append_event(&NewEvent {
        project: Some(alarm.project.clone()),
        at: now,
        actor: "watch".to_owned(),
        kind: "alarm.cleared".to_owned(),
        subject: format!("service/{}/{}", alarm.service, alarm.environment),
        reason: why.to_owned(),
        before: Some(serde_json::json!({ "alarm": alarm.id, "raised_at": alarm.raised_at })),
        after: Some(serde_json::json!({ "alarm": alarm.id, "cleared_at": now })),
    })?;
    Ok(())
}
