//! The last hour of the version that serves, in blocks of a minute: what a roll-out's noise is estimated from.
//!
//! The reconciler reads the gateway's counters once a minute and remembers them here; [`super::policy::fix`] asks when a
//! roll-out begins. Held in memory: after a restart, or once another gateway counts, it begins anew, and roll-outs
//! are judged as if nothing were known.

use super::drive::of_version;
use gateway::Evidence as Counted;
use inference::latency::Histogram;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use store::Deployment;

/// How long a block is, …
const BLOCK: Duration = Duration::from_secs(60);
/// … and how many are remembered.
const BLOCKS: usize = 60;

/// A version's monotonic counters at one time.
#[derive(Clone, Debug, Default)]
pub struct Mark {
    /// Since some moment of the past, by a clock that nobody sets.
    pub at: Duration,
    /// Its requests so far, …
    pub requests: u64,
    /// … those that failed by its fault, …
    pub errors: u64,
    /// … and the times of its answers.
    pub latency: Histogram,
}

/// Marks of what serves, by deployment.
#[derive(Debug, Default)]
pub(super) struct Past(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    began: Option<Instant>,
    taken: Option<Instant>,
    epoch: i64,
    marks: BTreeMap<Key, VecDeque<Mark>>,
}

/// Project, environment, service and version.
type Key = (String, String, String, u32);

fn key(deployment: &Deployment) -> Option<Key> {
    let version = deployment.version?;
    let Deployment {
        project,
        environment,
        service,
        ..
    } = deployment;
    Some((
        project.clone(),
        environment.clone(),
        service.clone(),
        version,
    ))
}

impl Past {
    /// Whether a block is over.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let taken = self.kept().taken;
        taken.is_none_or(|taken| now.duration_since(taken) >= BLOCK)
    }

    /// Remembers the counters of what serves, if a block is over.
    pub(super) fn take<'a>(
        &self,
        counted: &Counted,
        deployments: impl Iterator<Item = &'a Deployment>,
        now: Instant,
    ) {
        if !self.is_due(now) {
            return;
        }
        let mut kept = self.kept();
        if kept.epoch != counted.epoch {
            *kept = Kept {
                epoch: counted.epoch,
                ..Kept::default()
            };
        }
        kept.taken = Some(now);
        let at = now.duration_since(*kept.began.get_or_insert(now));
        let mut before = std::mem::take(&mut kept.marks);
        for deployment in deployments {
            let Some(key) = key(deployment) else { continue };
            let Some(counters) = of_version(counted, deployment, key.3) else {
                continue;
            };
            let mut marks = before.remove(&key).unwrap_or_default();
            marks.push_back(Mark {
                at,
                requests: counters.requests,
                errors: counters.errors,
                latency: counters.latency.clone(),
            });
            if marks.len() > BLOCKS + 1 {
                marks.pop_front();
            }
            kept.marks.insert(key, marks);
        }
    }

    /// What is known of the version that serves, oldest first.
    pub(super) fn of(&self, deployment: &Deployment) -> Vec<Mark> {
        let marks = key(deployment).and_then(|key| self.kept().marks.get(&key).cloned());
        marks.into_iter().flatten().collect()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::deployment;
    use gateway::{RouteEvidence, VersionEvidence};

    fn counted(epoch: i64, requests: u64) -> Counted {
        let version = VersionEvidence {
            version: 3,
            requests,
            ..VersionEvidence::default()
        };
        let route = RouteEvidence {
            project: "flights".to_owned(),
            environment: "prod".to_owned(),
            service: "delay".to_owned(),
            versions: vec![version],
        };
        Counted {
            epoch,
            at: 0,
            routes: vec![route],
        }
    }

    #[test]
    fn an_hour_is_kept_minute_by_minute_and_another_gateway_begins_anew() {
        let (past, began, place) = (Past::default(), Instant::now(), deployment(Some(3), None));
        let take = |epoch: i64, second: u64| {
            let now = began + Duration::from_secs(second);
            past.take(&counted(epoch, second), std::iter::once(&place), now);
        };
        (0..=4_000).step_by(2).for_each(|second| take(1, second));
        let marks = past.of(&place);
        assert_eq!(marks.len(), BLOCKS + 1);
        assert!(marks.windows(2).all(|two| two[1].at - two[0].at == BLOCK));
        assert_eq!(marks.last().map(|mark| mark.requests), Some(3_960));
        take(2, 4_100);
        assert_eq!(past.of(&place).len(), 1);
        assert!(past.of(&deployment(Some(4), None)).is_empty());
    }
}
