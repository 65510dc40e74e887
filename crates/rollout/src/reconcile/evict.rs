//! Versions that are only kept warm give up their room when something else needs it: a replica or a step.
//!
//! Going back to such a version then takes a start. One is let go at a time, and the next only when its replicas have
//! ended: there may be room enough by then.

use super::{
    Fault, Reconciler,
    replicas::{Place, place_of},
    situation::Situation,
    table,
};
use crate::{record, traffic::Traffic};
use jiff::Timestamp;
use platform::UnitStatus;
use std::{
    collections::BTreeMap,
    sync::PoisonError,
    time::{Duration, Instant},
};
use store::{Deployment, Priority, Runs as _, StepState, Steps as _, Tx};

/// Steps are asked what they wait for this often at the most: commits come far more often.
const ASK: Duration = Duration::from_secs(1);
/// How a step's reason begins that waits for room.
const WAITS: &str = "waits for room";

impl<T: Traffic> Reconciler<T> {
    /// Lets one warm version go if something waits for room.
    pub(super) async fn make_room(
        &self,
        situation: &Situation,
        now: Timestamp,
    ) -> Result<(), Fault> {
        if !situation.deployments().any(|known| is_warm(known, now)) {
            return Ok(());
        }
        let Some(who) = self.who_waits().await? else {
            return Ok(());
        };
        let units = self.parts.platform.list().await?;
        let wanted = self.wanted(situation, &units, now);
        let Some(chosen) = choose(situation.deployments(), &units, &wanted, now).cloned() else {
            return Ok(());
        };
        self.parts
            .store
            .write(Priority::Normal, move |tx| {
                record::let_go(tx, &chosen, &who, now)
            })
            .await?;
        Ok(())
    }

    /// Who waits for room, in words.
    async fn who_waits(&self) -> Result<Option<String>, Fault> {
        let replica = self
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .first_key_value()
            .map(|(place, lacks)| {
                let Place {
                    environment,
                    service,
                    version,
                    ..
                } = place;
                format!("version {version} of {service} in {environment} needs its room: {lacks}")
            });
        if replica.is_some() {
            return Ok(replica);
        }
        {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            if asked.is_some_and(|at| at.elapsed() < ASK) {
                return Ok(None);
            }
            *asked = Some(Instant::now());
        }
        Ok(self.parts.store.read(waiting_step).await?)
    }
}

fn waiting_step(tx: &mut Tx<'_>) -> store::Result<Option<String>> {
    for run in tx.active_runs()? {
        for step in tx.steps(&run.id)? {
            if step.state == StepState::Queued
                && let Some(lacks) = step.reason.strip_prefix(WAITS)
            {
                let (key, pipeline) = (step.key, run.pipeline);
                return Ok(Some(format!(
                    "step {key} of {pipeline} needs its room{lacks}"
                )));
            }
        }
    }
    Ok(None)
}

fn is_warm(deployment: &Deployment, now: Timestamp) -> bool {
    deployment.previous.is_some()
        && deployment
            .keep_previous_until
            .is_some_and(|until| until > now)
}

/// The warm version whose time ends first, unless one that was let go has not ended yet.
fn choose<'a>(
    deployments: impl Iterator<Item = &'a Deployment>,
    units: &[UnitStatus],
    wanted: &BTreeMap<Place, u32>,
    now: Timestamp,
) -> Option<&'a Deployment> {
    let running: Vec<Place> = units
        .iter()
        .filter(|unit| !unit.state.is_over())
        .filter_map(place_of)
        .collect();
    if running.iter().any(|place| !wanted.contains_key(place)) {
        return None;
    }
    deployments
        .filter(|known| is_warm(known, now))
        .filter(|known| {
            known
                .previous
                .is_some_and(|version| running.contains(&table::place(known, version)))
        })
        .min_by_key(|known| known.keep_previous_until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::deployment;
    use platform::State;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn warm(service: &str, until: i64) -> Deployment {
        Deployment {
            service: service.into(),
            previous: Some(1),
            keep_previous_until: Some(at(until)),
            ..deployment(Some(2), Some(1))
        }
    }

    fn replica(of: &Deployment, version: u32) -> UnitStatus {
        let labels = [
            ("kind", "replica".to_owned()),
            ("project", of.project.clone()),
            ("environment", of.environment.clone()),
            ("service", of.service.clone()),
            ("version", version.to_string()),
            ("replica", "0".to_owned()),
            ("restart", "0".to_owned()),
        ];
        UnitStatus {
            id: format!("{}-{version}", of.service),
            project: of.project.clone(),
            labels: labels
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            endpoint: None,
            state: State::Running {
                pid: 1,
                since: at(0),
            },
        }
    }

    #[test]
    fn the_one_that_would_end_first_goes_and_the_next_waits_for_its_end() {
        let (a, b) = (warm("a", 200), warm("b", 100));
        let check = |running: &[(&Deployment, u32)], wanted: &[(&Deployment, u32)], expect| {
            let units: Vec<UnitStatus> = running.iter().map(|(d, v)| replica(d, *v)).collect();
            let wanted = wanted
                .iter()
                .map(|(d, v)| (table::place(d, *v), 1))
                .collect();
            let chosen = choose([&a, &b].into_iter(), &units, &wanted, at(50));
            assert_eq!(chosen.map(|known| known.service.as_str()), expect);
        };
        let all = [(&a, 1), (&a, 2), (&b, 1), (&b, 2)];
        check(&all, &all, Some("b"));
        // Let go, but not ended: nobody else goes.
        check(&all, &all[..2], None);
        // What does not run gives no room.
        check(&all[..2], &all, Some("a"));
        check(&[], &all, None);
    }
}
