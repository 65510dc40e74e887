//! Replicas that do not answer any more, although their process lives: how long already, by a clock
//! that nobody sets.
//!
//! The gateway notices within a second and sends requests elsewhere; here it is decided that one is
//! not worth waiting for any longer. Each pass tells what it saw. Held in memory: what was not seen,
//! because the server or the gateway was away, is not held against a replica.

use super::{
    Fault, Reconciler,
    replicas::{Place, is_replica, numbered},
};
use crate::{
    record::{RECONCILER, subject},
    traffic::Traffic,
};
use gateway::Health;
use jiff::Timestamp;
use platform::{State, UnitStatus};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use store::{Events as _, NewEvent, Priority};

/// How long a replica that answered before may be silent.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one may be that never answered: loading a large model takes a while, and one that is
/// started again each time it is nearly done never serves.
const FIRST_PATIENCE: Duration = Duration::from_secs(600);

/// The replicas that run.
#[derive(Debug, Default)]
pub(super) struct Silence(Mutex<BTreeMap<String, Seen>>);

#[derive(Debug, Clone, Copy)]
struct Seen {
    /// Whether it ever answered.
    answered: bool,
    /// Since when it does not.
    silent_since: Option<Instant>,
}

impl Silence {
    /// Notes what the gateway says of the replicas; answers which of them are silent for too long, and
    /// for how long. What it does not say, or did not while it was away, is no silence.
    fn note<'a>(
        &self,
        units: &'a [UnitStatus],
        health: Option<&Health>,
        now: Instant,
    ) -> Vec<(&'a UnitStatus, Duration)> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut *known);
        let mut overdue = Vec::new();
        let running = units
            .iter()
            .filter(|unit| matches!(unit.state, State::Running { .. }));
        for unit in running {
            let mut seen = look(unit, health, before.get(&unit.id), now);
            if let Some(silent) = seen.overdue(now) {
                overdue.push((unit, silent));
                seen.silent_since = Some(now);
            }
            known.insert(unit.id.clone(), seen);
        }
        overdue
    }
}

impl Seen {
    /// How long it has been silent, if that is too long.
    fn overdue(&self, now: Instant) -> Option<Duration> {
        let patience = if self.answered {
            PATIENCE
        } else {
            FIRST_PATIENCE
        };
        let silent = now.duration_since(self.silent_since?);
        (silent >= patience).then_some(silent)
    }
}

fn look(unit: &UnitStatus, health: Option<&Health>, before: Option<&Seen>, now: Instant) -> Seen {
    let report = health.and_then(|health| {
        let mut reports = health.replicas.iter();
        reports.find(|report| Some(&report.path) == unit.endpoint.as_ref())
    });
    let answers = report.is_some_and(|report| report.connections > 0);
    let is_silent = report.is_some() && !answers;
    let since = before.and_then(|before| before.silent_since).unwrap_or(now);
    Seen {
        answered: answers || before.is_some_and(|before| before.answered),
        silent_since: is_silent.then_some(since),
    }
}

impl<T: Traffic> Reconciler<T> {
    /// What the gateway says of the replicas; it is not asked where there are none, unless somebody `asks`.
    pub(super) async fn health(&self, asks: bool) -> Result<Option<Health>, Fault> {
        if !asks
            && self
                .parts
                .platform
                .list()
                .await?
                .iter()
                .all(|unit| !is_replica(unit))
        {
            return Ok(None);
        }
        Ok(self.parts.traffic.health().await.ok())
    }

    /// Ends replicas that are silent for too long; that others take their place is the next pass's.
    pub(super) async fn end_silent(
        &self,
        health: Option<&Health>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let mut units = self.parts.platform.list().await?;
        units.retain(is_replica);
        for (unit, silent) in self.silence.note(&units, health, Instant::now()) {
            let what = format!("has not answered for {} s", silent.as_secs());
            self.end_replica(unit, &what, Some(Duration::ZERO), now)
                .await?;
        }
        Ok(())
    }

    /// Ends a replica that is no good, and records what was wrong with it.
    pub(super) async fn end_replica(
        &self,
        unit: &UnitStatus,
        what: &str,
        grace: Option<Duration>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let Some((place, number)) = numbered(unit) else {
            return Ok(());
        };
        tracing::warn!(unit = unit.id, what, "a replica is no good");
        self.parts.platform.stop(&unit.id, grace).await?;
        let what = format!("{what}: it was ended and is started again");
        self.record_end(&place, number, &what, now).await
    }

    /// Records what became of a replica.
    pub(super) async fn record_end(
        &self,
        place: &Place,
        number: u32,
        what: &str,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let version = place.version;
        let event = NewEvent {
            project: Some(place.project.clone()),
            at: now,
            actor: RECONCILER.to_owned(),
            kind: "replica.ended".to_owned(),
            subject: subject(&place.service, &place.environment),
            reason: format!("replica {number} of version {version} {what}"),
            before: None,
            after: Some(json!({ "version": version, "replica": number.to_string() })),
        };
        self.parts
            .store
            .write(Priority::Normal, move |tx| tx.append_event(&event))
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use gateway::ReplicaReport;

    /// What a pass sees of the one replica.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Sight {
        Answers,
        Silent,
        /// The gateway does not know it.
        Unknown,
        /// The gateway is away.
        Away,
        /// Its process does not run.
        Over,
    }
    use Sight::{Answers, Away, Over, Silent, Unknown};

    fn unit(over: bool) -> UnitStatus {
        let at = Timestamp::UNIX_EPOCH;
        UnitStatus {
            id: "replica".into(),
            project: "p".into(),
            labels: BTreeMap::new(),
            endpoint: Some("/replica.sock".into()),
            state: if over {
                State::Lost { at }
            } else {
                State::Running { pid: 1, since: at }
            },
        }
    }

    fn health(sight: Sight) -> Option<Health> {
        let report = |connections| ReplicaReport {
            path: "/replica.sock".into(),
            connections,
            ..ReplicaReport::default()
        };
        let replicas = match sight {
            Away => return None,
            Unknown => vec![],
            Answers => vec![report(2)],
            Silent | Over => vec![report(0)],
        };
        Some(fixtures::health(replicas))
    }

    /// At which seconds the replica is given up.
    fn check(passes: &[(u64, Sight)], expect: &[u64]) {
        let (silence, begin) = (Silence::default(), Instant::now());
        let given_up: Vec<u64> = passes
            .iter()
            .filter(|(second, sight)| {
                let (units, health) = ([unit(*sight == Over)], health(*sight));
                let now = begin + Duration::from_secs(*second);
                !silence.note(&units, health.as_ref(), now).is_empty()
            })
            .map(|(second, _)| *second)
            .collect();
        assert_eq!(given_up, expect);
    }

    #[test]
    fn one_that_answered_is_given_up_soon_and_one_that_loads_late() {
        check(
            &[
                (0, Answers),
                (5, Silent),
                (34, Silent),
                (35, Silent),
                (36, Silent),
            ],
            &[35],
        );
        check(&[(0, Silent), (599, Silent), (600, Silent)], &[600]);
    }

    #[test]
    fn a_sign_of_life_begins_anew() {
        let passes = [
            (0, Answers),
            (5, Silent),
            (30, Answers),
            (40, Silent),
            (69, Silent),
            (70, Silent),
        ];
        check(&passes, &[70]);
    }

    #[test]
    fn what_was_not_seen_does_not_count() {
        for gap in [Away, Unknown] {
            let passes = [
                (0, Answers),
                (5, Silent),
                (20, gap),
                (36, Silent),
                (65, Silent),
                (66, Silent),
            ];
            check(&passes, &[66]);
        }
        check(&[(0, Answers), (5, Silent), (40, Over)], &[]);
    }
}
