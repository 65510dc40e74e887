//! The roll-out reconciler: replicas, routing table and roll-outs follow what the store says should serve.
//!
//! It takes no input. Each pass reads one consistent situation, begins what is due, takes active roll-outs on, starts
//! and stops replicas, and pushes the routing table when it differs. It wakes on commits, on changed units and, while
//! a roll-out is judged, several times a second; the units of steps concern it only while a replica waits for their
//! room. The gateway may be away: then nothing moves and nothing is lost.

mod called;
mod drain;
mod drive;
mod evict;
pub(crate) mod fit;
mod launch;
mod look;
mod next;
mod outliers;
mod past;
mod policy;
mod replicas;
mod scaling;
mod shadow;
mod silent;
mod situation;
mod steady;
mod table;
mod write;

pub use past::Mark;
pub use policy::{Fixed, History, fix};
pub use replicas::Place;

use crate::{
    engines::Engines,
    record::{self, RECONCILER},
    traffic::Traffic,
};
use drain::Draining;
use gateway::RoutingTable;
use jiff::Timestamp;
use outliers::Told;
use past::Past;
use platform::{Platform, State, UnitStatus};
use scaling::{Scaling, follows};
use serde_json::json;
use silent::Silence;
use situation::{Situation, arms};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use steady::Steady;
use store::{Blobs, Priority, Rollout, RolloutKind, RolloutState, Store};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What the reconciler is made of.
#[derive(Clone)]
pub struct Parts<T> {
    /// Records.
    pub store: Store,
    /// Models.
    pub blobs: Blobs,
    /// Where replicas run.
    pub platform: Arc<dyn Platform>,
    /// The gateway.
    pub traffic: T,
    /// The engine's command, to which socket and model are added.
    pub engine: Vec<String>,
    /// How replicas are started.
    pub engines: Arc<dyn Engines>,
    /// The environment whose services answer under their bare name.
    pub default_environment: String,
    /// The time.
    pub now: fn() -> Timestamp,
}

/// What the last pass did, for the API.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Status {
    /// When it ended.
    pub at: Option<Timestamp>,
    /// Roll-outs under way.
    pub active: usize,
    /// What held it up; the gateway may simply be away.
    pub error: Option<String>,
}

/// Keeps what serves in line with the store.
#[derive(Clone)]
pub struct Reconciler<T> {
    parts: Parts<T>,
    steady: Arc<Steady>,
    past: Arc<Past>,
    silence: Arc<Silence>,
    /// Replicas that were told to end because they are not like their siblings.
    told: Arc<Told>,
    scaling: Arc<Scaling>,
    draining: Arc<Draining>,
    /// Replicas that found no room in the last pass, with what is short.
    waiting: Arc<Mutex<BTreeMap<Place, String>>>,
    /// Replicas that could not be started in the last pass, with the reason.
    unready: Arc<Mutex<BTreeMap<Place, String>>>,
    /// When steps were last asked whether they wait for room.
    asked: Arc<Mutex<Option<Instant>>>,
    status: watch::Sender<Status>,
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the store failed")]
    Store(#[from] store::Error),
    #[error("the platform failed")]
    Platform(#[from] platform::Error),
    #[error("the gateway failed")]
    Gateway(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("a record was written by another version")]
    Json(#[from] serde_json::Error),
}

const IDLE: Duration = Duration::from_secs(2);
/// How often the number of replicas is decided on.
const SCALING: Duration = Duration::from_secs(1);
const JUDGING: Duration = Duration::from_millis(200);
const STARTING: Duration = Duration::from_millis(20);
/// Changes come in handfuls (a step's end is a commit, a unit's end and another's start); one pass answers them all.
const GATHER: Duration = Duration::from_millis(15);

impl<T: Traffic> Reconciler<T> {
    /// A reconciler of these parts; it does nothing before [`Reconciler::run`].
    pub fn new(parts: Parts<T>) -> Self {
        Reconciler {
            parts,
            steady: Arc::default(),
            past: Arc::default(),
            silence: Arc::default(),
            told: Arc::default(),
            scaling: Arc::default(),
            draining: Arc::default(),
            waiting: Arc::default(),
            unready: Arc::default(),
            asked: Arc::default(),
            status: watch::Sender::default(),
        }
    }

    /// What the last pass did.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Works until told to stop; replicas and gateway go on without it.
    pub async fn run(self, shutdown: CancellationToken) {
        let (sender, called) = watch::channel(0);
        tokio::select! {
            () = called::listen(&self.parts.traffic, &sender) => {}
            () = self.work(called, shutdown) => {}
        }
    }

    async fn work(&self, mut called: watch::Receiver<u64>, shutdown: CancellationToken) {
        let mut commits = self.parts.store.subscribe();
        let mut units = self.parts.platform.changed();
        let mut away = false;
        while !shutdown.is_cancelled() {
            commits.borrow_and_update();
            units.borrow_and_update();
            called.borrow_and_update();
            let seen = self.replica_states().await;
            let wait = match self.pass().await {
                Ok((wait, active)) => {
                    away = false;
                    self.report(active, None);
                    wait
                }
                Err(fault) => {
                    if !away {
                        tracing::warn!(
                            error = &fault as &dyn std::error::Error,
                            "roll-outs are held up"
                        );
                    }
                    away = true;
                    self.report(0, Some(chain(&fault)));
                    JUDGING
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                // Somebody waits.
                Ok(()) = called.changed() => {}
                _ = commits.changed() => tokio::time::sleep(GATHER.min(wait)).await,
                () = self.unit_of_concern(&mut units, &seen) => {
                    tokio::time::sleep(GATHER.min(wait)).await;
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Returns once a replica is in another state than the one that was seen; or any unit, while replicas wait for room.
    async fn unit_of_concern(&self, units: &mut watch::Receiver<u64>, seen: &[(String, State)]) {
        while units.changed().await.is_ok() {
            if self.is_short() || self.replica_states().await != seen {
                return;
            }
        }
        std::future::pending::<()>().await;
    }

    async fn replica_states(&self) -> Vec<(String, State)> {
        let units = self.parts.platform.list().await.unwrap_or_default();
        let replicas = units.into_iter().filter(replicas::is_replica);
        replicas.map(|unit| (unit.id, unit.state)).collect()
    }

    /// One pass; answers how long it may take until the next.
    async fn pass(&self) -> Result<(Duration, usize), Fault> {
        let now = (self.parts.now)();
        let mut situation = self.situation().await?;
        if self.begin_due(&situation, now).await? {
            situation = self.situation().await?;
        }
        // Going back must not wait for anything else: what serves is routed first.
        self.route(&situation, now).await?;
        let busy = situation.active().next().is_some();
        self.steady
            .keep(situation.active().map(|rollout| &rollout.id));
        let follows = situation.deployments().any(|it| follows(it).is_some());
        let health = self.health(busy || follows).await?;
        let counted = if busy || self.past.is_due(Instant::now()) {
            self.parts.traffic.evidence().await.ok()
        } else {
            None
        };
        if let Some(counted) = &counted {
            self.past
                .take(counted, situation.deployments(), Instant::now());
        }
        if busy {
            self.drive(&situation, health.as_ref(), counted.as_ref(), now)
                .await?;
            situation = self.situation().await?;
        }
        self.end_silent(health.as_ref(), now).await?;
        self.end_outliers(health.as_ref(), now).await?;
        self.scale(&situation, health.as_ref(), now).await?;
        self.replicas(&situation, now).await?;
        self.route(&situation, now).await?;
        self.stop_unneeded(&situation, now).await?;
        self.make_room(&situation, now).await?;
        let starting = situation.active().any(|rollout| {
            matches!(
                rollout.state,
                RolloutState::Pending | RolloutState::Starting
            )
        });
        let wait = match (starting, busy) {
            (true, _) => STARTING,
            (_, true) => JUDGING,
            _ if self.draining.is_awaited() => JUDGING,
            _ if follows => SCALING,
            _ => IDLE,
        };
        Ok((wait, situation.active().count()))
    }

    /// What a place's replicas lack, if they found no room.
    fn lacks(&self, place: &Place) -> Option<String> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.get(place).cloned()
    }

    /// Whether some replica found no room.
    fn is_short(&self) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        !waiting.is_empty()
    }

    fn report(&self, active: usize, error: Option<String>) {
        self.status.send_replace(Status {
            at: Some((self.parts.now)()),
            active,
            error,
        });
    }

    async fn situation(&self) -> Result<Situation, Fault> {
        Ok(self.parts.store.read(Situation::read).await?)
    }

    /// Records roll-outs that are due; answers whether there were any.
    async fn begin_due(&self, situation: &Situation, now: Timestamp) -> Result<bool, Fault> {
        let due = next::due(situation, now);
        for due in &due {
            let rollout = Rollout {
                id: uuid::Uuid::now_v7().to_string(),
                project: due.project.clone(),
                environment: due.environment.clone(),
                service: due.service.clone(),
                model: due.model.clone(),
                from: due.from,
                to: due.to,
                kind: RolloutKind::Automatic,
                state: RolloutState::Pending,
                stage: -1,
                stage_started_at: None,
                created_at: now.max(due.not_before),
                ended_at: None,
                by: RECONCILER.to_owned(),
                reason: due.reason.clone(),
                policy: json!({}),
                baseline: json!({}),
                evidence: json!({}),
            };
            self.parts
                .store
                .write(Priority::Normal, move |tx| record::begin(tx, &rollout))
                .await?;
        }
        Ok(!due.is_empty())
    }

    /// Pushes the routing table when it differs from the one served.
    async fn route(&self, situation: &Situation, now: Timestamp) -> Result<(), Fault> {
        let fault = |error: T::Error| Fault::Gateway(Box::new(error));
        let served = self.parts.traffic.table().await.map_err(fault)?;
        let units = self.parts.platform.list().await?;
        let wanted = table::table(
            situation,
            &units,
            &self.wanted(situation, &units, now),
            &self.parts.default_environment,
            served.generation,
            now,
        );
        if wanted == served {
            return Ok(());
        }
        let wanted = RoutingTable {
            generation: served.generation + 1,
            ..wanted
        };
        self.parts.traffic.push(&wanted).await.map_err(fault)
    }

    /// How many replicas each version needs.
    fn wanted(
        &self,
        situation: &Situation,
        units: &[UnitStatus],
        now: Timestamp,
    ) -> BTreeMap<Place, u32> {
        let mut wanted = BTreeMap::new();
        for deployment in situation.deployments() {
            let rollout = situation
                .rollout_of(deployment)
                .filter(|rollout| rollout.state != RolloutState::Pending);
            let follows = follows(deployment);
            let fixed = table::service_of(deployment).map_or(1, |service| service.scale.min.max(1));
            for (version, _) in arms(deployment, rollout, 0.0, now) {
                let place = table::place(deployment, version);
                let count = match follows {
                    // Until it is decided, what runs stays.
                    Some(_) => self.scaling.count(&place).unwrap_or_else(|| {
                        let running = replicas::running(units, &place);
                        running.map(|(_, number)| number + 1).max().unwrap_or(0)
                    }),
                    None => fixed,
                };
                wanted.insert(place, count);
            }
        }
        wanted
    }
}

/// An error with what lies behind it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
