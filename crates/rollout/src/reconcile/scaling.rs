//! How many replicas the versions of those services have whose `scale` follows the requests: what is remembered between
//! passes. The decision is [`crate::scale`]'s; this gathers what it is made of, and tells of it.
//!
//! Held in memory: after a restart of the server what runs counts as a peak, and is kept for as long. Time is by a clock
//! that nobody sets.

use super::{
    Fault, Reconciler,
    replicas::{Place, running},
    shadow,
    situation::{Situation, arms},
    table,
};
use crate::{
    scale::{Arm, Need, Reading, Replicas, Role, Scaler, Tuning, Wanted, replicas},
    scaled,
    traffic::Traffic,
};
use gateway::{Health, VersionLoad};
use jiff::Timestamp;
use platform::UnitStatus;
use spec::Scale;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use store::{Deployment, Priority, Rollout};

/// How long a replica takes to start, as long as none has shown it.
const USUAL_START: Duration = Duration::from_secs(2);

/// All services that follow their requests, by `project/environment/service`.
#[derive(Debug)]
pub(super) struct Scaling {
    began: Instant,
    services: Mutex<BTreeMap<String, Followed>>,
}

/// One service.
#[derive(Debug)]
struct Followed {
    window: Duration,
    /// All its requests together.
    whole: Watched,
    versions: BTreeMap<u32, Version>,
    /// How long its last replica took from its start until it answered.
    start: Duration,
    /// Replicas that do not answer yet, with the time when that was seen first.
    starting: BTreeMap<String, Duration>,
}

#[derive(Debug)]
struct Version {
    watched: Watched,
    /// What the gateway had counted at the last look.
    counted: Option<Counted>,
    /// The last decision.
    wanted: u32,
}

/// Requests, counted on when the gateway begins anew.
#[derive(Debug)]
struct Watched {
    scaler: Scaler,
    arrived: u64,
    time: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    gateway: u32,
    arrived: u64,
    time: Duration,
}

/// What came since the last look, and what is here.
#[derive(Debug, Clone, Copy, Default)]
struct Fresh {
    arrived: u64,
    time: Duration,
    present: u64,
}

/// A version with its replicas, as a pass sees it.
#[derive(Debug)]
struct Seen {
    version: u32,
    role: Role,
    replicas: Vec<SeenReplica>,
}

#[derive(Debug)]
struct SeenReplica {
    unit: String,
    number: u32,
    ready: bool,
    /// Ready, and not left out by the gateway.
    good: bool,
}

/// A version that should have another number of replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    version: u32,
    before: u32,
    wanted: Wanted,
}

impl Default for Scaling {
    fn default() -> Self {
        Scaling {
            began: Instant::now(),
            services: Mutex::default(),
        }
    }
}

impl Scaling {
    /// What was decided for a place.
    pub(super) fn count(&self, place: &Place) -> Option<u32> {
        let Place {
            project,
            environment,
            service,
            version,
        } = place;
        let services = self.services();
        let followed = services.get(&format!("{project}/{environment}/{service}"))?;
        Some(followed.versions.get(version)?.wanted)
    }

    fn services(&self) -> MutexGuard<'_, BTreeMap<String, Followed>> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Traffic> Reconciler<T> {
    /// Decides anew for every service that follows its requests, and tells of what changed.
    pub(super) async fn scale(
        &self,
        situation: &Situation,
        health: Option<&Health>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let Some(health) = health else {
            return Ok(());
        };
        let units = self.parts.platform.list().await?;
        let mut followed = Vec::new();
        for deployment in situation.deployments() {
            let Some(scale) = follows(deployment) else {
                continue;
            };
            let rollout = situation.rollout_of(deployment);
            let seen = sight(deployment, rollout, &units, health, now);
            let key = super::drive::route_key(deployment);
            for change in self.scaling.look(&key, &scale, &seen, health) {
                self.tell(deployment, &key, change, now).await?;
            }
            followed.push(key);
        }
        let mut services = self.scaling.services();
        services.retain(|key, _| followed.contains(key));
        Ok(())
    }

    /// Writes a change down; from then on it is what is wanted.
    async fn tell(
        &self,
        deployment: &Deployment,
        key: &str,
        change: Change,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let Change {
            version,
            before,
            wanted,
        } = change;
        let (place, count) = (deployment.clone(), wanted.replicas);
        self.parts
            .store
            .write(Priority::Normal, move |tx| {
                scaled::write(tx, &place, version, before, &wanted, now)
            })
            .await?;
        if let Some(followed) = self.scaling.services().get_mut(key)
            && let Some(version) = followed.versions.get_mut(&version)
        {
            version.wanted = count;
        }
        Ok(())
    }
}

/// The scale of a service whose replicas follow its requests.
pub(super) fn follows(deployment: &Deployment) -> Option<Scale> {
    let scale = table::service_of(deployment)?.scale;
    scale.follows().then_some(scale)
}

/// The share of requests of which a roll-out's candidate gets copies now.
fn copies(rollout: &Rollout) -> f64 {
    shadow::mirror(rollout).map_or(0.0, |mirror| mirror.share)
}

fn sight(
    deployment: &Deployment,
    rollout: Option<&Rollout>,
    units: &[UnitStatus],
    health: &Health,
    now: Timestamp,
) -> Vec<Seen> {
    let begun = rollout.filter(|rollout| rollout.state != store::RolloutState::Pending);
    let seen = |version| {
        let role = match begun {
            _ if deployment.version == Some(version) => Role::Serves,
            Some(rollout) if rollout.to == version => Role::Candidate(match deployment.version {
                Some(_) => table::next_share(rollout).max(copies(rollout)),
                None => 1.0,
            }),
            _ => Role::Kept,
        };
        let place = table::place(deployment, version);
        let replicas = running(units, &place).map(|(unit, number)| {
            let mut reports = health.replicas.iter();
            let report = reports.find(|report| Some(&report.path) == unit.endpoint.as_ref());
            let ready = report.is_some_and(|report| report.connections >= health.threads);
            SeenReplica {
                unit: unit.id.clone(),
                number,
                ready,
                good: ready && report.is_some_and(|report| report.ejected == 0),
            }
        });
        Seen {
            version,
            role,
            replicas: replicas.collect(),
        }
    };
    let arms = arms(deployment, begun, 0.0, now);
    arms.into_iter().map(|(version, _)| seen(version)).collect()
}

impl Scaling {
    fn look(&self, key: &str, scale: &Scale, seen: &[Seen], health: &Health) -> Vec<Change> {
        let now = self.began.elapsed();
        let window = scale.averaged_over().get();
        let mut services = self.services();
        let known = services.remove(key);
        let mut followed = known
            .filter(|followed| followed.window == window)
            .unwrap_or_else(|| {
                let running = seen.iter().map(Seen::highest).max().unwrap_or(0);
                Followed::new(window, running, now)
            });
        let loads: Vec<&VersionLoad> = health
            .loads
            .iter()
            .filter(|load| load.route == key)
            .collect();
        let changes = followed.look(now, scale, seen, &loads, health.pid);
        services.insert(key.to_owned(), followed);
        changes
    }
}

impl Followed {
    fn new(window: Duration, running: u32, now: Duration) -> Self {
        Followed {
            window,
            whole: Watched::new(window, running, now),
            versions: BTreeMap::new(),
            start: USUAL_START,
            starting: BTreeMap::new(),
        }
    }

    fn look(
        &mut self,
        now: Duration,
        scale: &Scale,
        seen: &[Seen],
        loads: &[&VersionLoad],
        gateway: u32,
    ) -> Vec<Change> {
        self.note_starts(now, seen);
        let there = |ready| Replicas {
            ready,
            concurrency: scale.counted_on(),
            start: self.start,
        };
        self.versions
            .retain(|version, _| seen.iter().any(|seen| seen.version == *version));
        let (mut all, mut all_ready, mut needs) = (Fresh::default(), 0, Vec::new());
        for seen in seen {
            let version = self.versions.entry(seen.version).or_insert_with(|| {
                let running = seen.highest();
                Version {
                    watched: Watched::new(self.window, running, now),
                    counted: None,
                    wanted: running,
                }
            });
            let load = loads.iter().find(|load| load.version == seen.version);
            let fresh = load.map_or_else(Fresh::default, |load| version.count(load, gateway));
            all.arrived += fresh.arrived;
            all.time += fresh.time;
            all.present += fresh.present;
            all_ready += seen.ready();
            needs.push(version.watched.see(now, fresh, there(seen.ready())));
        }
        let whole = self.whole.see(now, all, there(all_ready));
        let arms = seen.iter().zip(needs).filter_map(|(seen, need)| {
            let before = self.versions.get(&seen.version)?.wanted;
            let arm = Arm {
                version: seen.version,
                role: seen.role,
                need,
            };
            let wanted = replicas(scale, &whole, &arm, before);
            // None goes before those that stay answer.
            let goes = wanted.replicas < before && !seen.answers(wanted.replicas);
            (wanted.replicas != before && !goes).then_some(Change {
                version: seen.version,
                before,
                wanted,
            })
        });
        arms.collect()
    }

    /// Sees how long starts take.
    fn note_starts(&mut self, now: Duration, seen: &[Seen]) {
        let before = std::mem::take(&mut self.starting);
        for replica in seen.iter().flat_map(|seen| &seen.replicas) {
            let since = before.get(&replica.unit).copied();
            match (replica.ready, since) {
                (true, Some(since)) => self.start = now.saturating_sub(since),
                (true, None) => {}
                (false, since) => {
                    let since = since.unwrap_or(now);
                    self.starting.insert(replica.unit.clone(), since);
                }
            }
        }
    }
}

impl Version {
    /// What came since the last look: all of it, if another gateway counts or the version was out of its table meanwhile.
    fn count(&mut self, load: &VersionLoad, gateway: u32) -> Fresh {
        let now = Counted {
            gateway,
            arrived: load.arrived,
            time: Duration::from_micros(load.micros),
        };
        let (arrived, time) = match self.counted.replace(now) {
            // Those that are here have come.
            None => (load.present, Duration::ZERO),
            Some(then) if then.gateway == gateway && then.arrived <= now.arrived => (
                now.arrived - then.arrived,
                now.time.saturating_sub(then.time),
            ),
            Some(_) => (now.arrived, now.time),
        };
        Fresh {
            arrived,
            time,
            present: load.present,
        }
    }
}

impl Watched {
    fn new(window: Duration, running: u32, now: Duration) -> Self {
        Watched {
            scaler: Scaler::new(Tuning::with_window(window), running, now),
            arrived: 0,
            time: Duration::ZERO,
        }
    }

    fn see(&mut self, now: Duration, fresh: Fresh, there: Replicas) -> Need {
        self.arrived += fresh.arrived;
        self.time += fresh.time;
        let reading = Reading {
            at: now,
            arrived: self.arrived,
            present: fresh.present,
            time: self.time,
        };
        self.scaler.see(reading, there)
    }
}

impl Seen {
    /// As many as there are if none is missing.
    fn highest(&self) -> u32 {
        let numbers = self.replicas.iter().map(|replica| replica.number + 1);
        numbers.max().unwrap_or(0)
    }

    fn ready(&self) -> u32 {
        u32::try_from(self.replicas.iter().filter(|it| it.ready).count()).unwrap_or(u32::MAX)
    }

    /// Whether the first `count` replicas answer, and as they should.
    fn answers(&self, count: u32) -> bool {
        (0..count).all(|number| {
            let mut all = self.replicas.iter();
            all.any(|replica| replica.number == number && replica.good)
        })
    }
}

#[cfg(test)]
mod tests;
