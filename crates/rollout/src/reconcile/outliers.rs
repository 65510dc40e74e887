//! Replicas that answer and are no good: they fail, are slow or hang beside siblings that do not.
//!
//! The gateway notices and leaves them out; one that was no better after that is replaced here. One of
//! a version at a time, and only while a sibling answers: that they are all bad is the version's fault,
//! which is for the judge.

use super::{
    Fault, Reconciler,
    replicas::{Place, is_replica, place_of},
};
use crate::traffic::Traffic;
use gateway::{Health, ReplicaReport};
use jiff::Timestamp;
use platform::{State, UnitStatus};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

/// Units that were told to end and have not so far.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<BTreeSet<String>>);

impl Told {
    /// Forgets those that ended; answers the others.
    fn keep(&self, units: &[UnitStatus]) -> BTreeSet<String> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|id| units.iter().any(|unit| unit.id == *id && runs(unit)));
        told.clone()
    }

    fn add(&self, unit: &UnitStatus) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert(unit.id.clone());
    }
}

fn runs(unit: &UnitStatus) -> bool {
    matches!(unit.state, State::Running { .. })
}

/// The replicas to replace now, with what is wrong with them.
fn choose<'a>(
    units: &'a [UnitStatus],
    told: &BTreeSet<String>,
    health: &Health,
) -> Vec<(&'a UnitStatus, String)> {
    let mut siblings: BTreeMap<Place, Vec<(&UnitStatus, &ReplicaReport)>> = BTreeMap::new();
    for unit in units.iter().filter(|unit| runs(unit)) {
        let mut reports = health.replicas.iter();
        let report = reports.find(|report| Some(&report.path) == unit.endpoint.as_ref());
        if let (Some(place), Some(report)) = (place_of(unit), report) {
            siblings.entry(place).or_default().push((unit, report));
        }
    }
    let of_place = |all: &Vec<(&'a UnitStatus, &ReplicaReport)>| {
        let is_good =
            |(_, report): &(_, &ReplicaReport)| report.connections > 0 && report.ejected == 0;
        let ends = all.iter().any(|(unit, _)| told.contains(&unit.id));
        let mut bad = all.iter().filter(|(_, report)| report.for_good);
        let (unit, report) = bad.next().filter(|_| !ends && all.iter().any(is_good))?;
        let reason = report
            .reason
            .as_deref()
            .unwrap_or("it is unlike the others");
        Some((*unit, format!("gets no requests, again: {reason}")))
    };
    siblings.values().filter_map(of_place).collect()
}

impl<T: Traffic> Reconciler<T> {
    /// Ends replicas that are no good; that others take their place is a later pass's.
    pub(super) async fn end_outliers(
        &self,
        health: Option<&Health>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let Some(health) = health else {
            return Ok(());
        };
        let mut units = self.parts.platform.list().await?;
        units.retain(is_replica);
        let told = self.told.keep(&units);
        for (unit, what) in choose(&units, &told, health) {
            // What it has may still be answered.
            self.end_replica(unit, &what, None, now).await?;
            self.told.add(unit);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::health;

    fn unit(replica: &str, version: &str, over: bool) -> UnitStatus {
        let at = Timestamp::UNIX_EPOCH;
        let labels = [
            ("kind", "replica"),
            ("project", "p"),
            ("environment", "e"),
            ("service", "s"),
            ("version", version),
            ("replica", replica),
            ("restart", "0"),
        ];
        let id = format!("v{version}-{replica}");
        UnitStatus {
            endpoint: Some(format!("/{id}.sock").into()),
            id,
            project: "p".into(),
            labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            state: match over {
                true => State::Lost { at },
                false => State::Running { pid: 1, since: at },
            },
        }
    }

    /// Units of version 1, a letter each: `g`ood, `b`ad, out `f`or a while, `a`way, `o`ver. Those that
    /// are replaced.
    fn check(letters: &str, told: &[&str], expect: &[&str]) {
        let units: Vec<_> = letters
            .chars()
            .enumerate()
            .map(|(number, letter)| unit(&number.to_string(), "1", letter == 'o'))
            .collect();
        let report = |(unit, letter): (&UnitStatus, char)| ReplicaReport {
            path: unit.endpoint.clone().unwrap(),
            connections: usize::from(letter != 'a') * 2,
            ejected: usize::from(matches!(letter, 'b' | 'f' | 'o')),
            reason: (letter == 'b').then(|| "it fails".to_owned()),
            for_good: matches!(letter, 'b' | 'o'),
            ..ReplicaReport::default()
        };
        let health = health(units.iter().zip(letters.chars()).map(report).collect());
        let told = told.iter().map(|id| (*id).to_owned()).collect();
        let chosen = choose(&units, &told, &health);
        let ids: Vec<_> = chosen.iter().map(|(unit, _)| unit.id.as_str()).collect();
        assert_eq!(ids, expect, "{letters}");
        for (_, what) in chosen {
            assert_eq!(what, "gets no requests, again: it fails");
        }
    }

    #[test]
    fn one_at_a_time_and_only_beside_a_good_one() {
        check("gg", &[], &[]);
        check("gb", &[], &["v1-1"]);
        check("fg", &[], &[]);
        check("bbg", &[], &["v1-0"]);
        check("bbg", &["v1-1"], &[]);
        check("bf", &[], &[]);
        check("ba", &[], &[]);
        check("b", &[], &[]);
        check("og", &[], &[]);
        // Another version's are no siblings.
        let units = [unit("0", "1", false), unit("0", "2", false)];
        let bad = ReplicaReport {
            path: "/v1-0.sock".into(),
            connections: 2,
            ejected: 2,
            for_good: true,
            ..ReplicaReport::default()
        };
        let good = ReplicaReport {
            path: "/v2-0.sock".into(),
            connections: 2,
            ..ReplicaReport::default()
        };
        let health = health(vec![bad, good]);
        assert!(choose(&units, &BTreeSet::new(), &health).is_empty());
    }

    #[test]
    fn who_was_told_is_known_until_it_ended() {
        let (told, units) = (Told::default(), [unit("0", "1", false)]);
        told.add(&units[0]);
        assert!(told.keep(&units).contains("v1-0"));
        assert!(told.keep(&[unit("0", "1", true)]).is_empty());
    }
}
