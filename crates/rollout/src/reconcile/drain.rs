//! Stopping what nothing needs, once its last request has ended.
//!
//! The gateway has let go of it before, so nothing new comes; what is under way is waited for, for a while.

use super::{
    Fault, Reconciler,
    replicas::{self, Move},
    situation::Situation,
};
use crate::traffic::Traffic;
use gateway::Health;
use jiff::Timestamp;
use platform::UnitStatus;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// A request that takes longer than this is broken off.
const LONGEST: Duration = Duration::from_secs(600);

/// Replicas that are not needed but have requests, with the time since when.
#[derive(Debug, Default)]
pub(super) struct Draining(Mutex<BTreeMap<String, Instant>>);

impl Draining {
    /// Whether one is waited for.
    pub(super) fn is_awaited(&self) -> bool {
        !self.known().is_empty()
    }

    /// Which of these replicas may be stopped now.
    fn done<'a>(
        &self,
        unneeded: &[&'a UnitStatus],
        health: &Health,
        now: Instant,
    ) -> Vec<&'a UnitStatus> {
        let mut known = self.known();
        known.retain(|id, _| unneeded.iter().any(|unit| unit.id == *id));
        let mut done = Vec::new();
        for unit in unneeded {
            let mut reports = health.replicas.iter();
            let report = reports.find(|report| Some(&report.path) == unit.endpoint.as_ref());
            let since = *known.entry(unit.id.clone()).or_insert(now);
            // A gateway that leaves may have requests there, too.
            let is_busy = health.leaving || report.is_some_and(|report| report.in_flight > 0);
            if !is_busy || now.duration_since(since) >= LONGEST {
                known.remove(&unit.id);
                done.push(*unit);
            }
        }
        done
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Traffic> Reconciler<T> {
    /// Stops what nothing needs; called after the gateway has let go of it.
    pub(super) async fn stop_unneeded(
        &self,
        situation: &Situation,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let units = self.parts.platform.list().await?;
        let wanted = self.wanted(situation, &units, now);
        let mut unneeded = Vec::new();
        for due in replicas::moves(&wanted, &units, now.as_second()) {
            match due {
                Move::Stop(id) => unneeded.extend(units.iter().filter(|unit| unit.id == id)),
                Move::Remove(unit) => self.parts.platform.remove(&unit).await?,
                Move::Start { .. } => {}
            }
        }
        if unneeded.is_empty() && !self.draining.is_awaited() {
            return Ok(());
        }
        // As it is now, and not before it let go of them.
        let Ok(health) = self.parts.traffic.health().await else {
            return Ok(());
        };
        for unit in self.draining.done(&unneeded, &health, Instant::now()) {
            self.parts.platform.stop(&unit.id, None).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::health;
    use gateway::ReplicaReport;
    use platform::State;

    #[test]
    fn what_is_under_way_is_waited_for_and_not_for_ever() {
        let unit = UnitStatus {
            id: "replica".into(),
            project: "p".into(),
            labels: BTreeMap::new(),
            endpoint: Some("/replica.sock".into()),
            state: State::Running {
                pid: 1,
                since: Timestamp::UNIX_EPOCH,
            },
        };
        let health = |in_flight: Option<usize>| {
            let report = in_flight.map(|in_flight| ReplicaReport {
                path: "/replica.sock".into(),
                connections: 2,
                in_flight,
                ..ReplicaReport::default()
            });
            health(report.into_iter().collect())
        };
        let begin = Instant::now();
        for (looks, expect) in [
            (vec![(0, Some(0))], Some(0)),
            (vec![(0, None)], Some(0)),
            (vec![(0, Some(2)), (30, Some(1)), (31, None)], Some(31)),
            (
                vec![(5, Some(2)), (604, Some(2)), (605, Some(1))],
                Some(605),
            ),
            (vec![(0, Some(2)), (30, Some(1))], None),
        ] {
            let draining = Draining::default();
            let stopped = looks.into_iter().find(|(second, in_flight)| {
                let now = begin + Duration::from_secs(*second);
                !draining.done(&[&unit], &health(*in_flight), now).is_empty()
            });
            assert_eq!(stopped.map(|(second, _)| second), expect);
            assert_eq!(draining.is_awaited(), expect.is_none());
            // It is needed again: nobody waits for its end.
            draining.done(&[], &health(Some(1)), begin);
            assert!(!draining.is_awaited());
        }
        let leaving = Health {
            leaving: true,
            ..health(None)
        };
        let draining = Draining::default();
        assert!(draining.done(&[&unit], &leaving, begin).is_empty());
        assert_eq!(draining.done(&[&unit], &health(None), begin).len(), 1);
    }
}
