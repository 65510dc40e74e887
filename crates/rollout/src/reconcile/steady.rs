//! Time that passes for roll-outs by a clock that nobody sets.
//!
//! The reconciler asks how long a candidate's replicas have been waited for and how long a stage has been looked at;
//! the wall clock, which may jump, only dates records. Held in memory: after a restart, waiting begins anew.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// When each active roll-out was asked about first and last.
#[derive(Debug, Default)]
pub(super) struct Steady(Mutex<BTreeMap<String, (Instant, Option<Instant>)>>);

impl Steady {
    /// Time since this roll-out was asked about first.
    pub(super) fn since_first(&self, rollout: &str) -> Duration {
        let now = Instant::now();
        let mut known = self.known();
        let (first, _) = known.entry(rollout.to_owned()).or_insert((now, None));
        now.duration_since(*first)
    }

    /// Time since this was asked of this roll-out last; zero the first time.
    pub(super) fn since_last(&self, rollout: &str) -> Duration {
        let now = Instant::now();
        let mut known = self.known();
        let (_, last) = known.entry(rollout.to_owned()).or_insert((now, None));
        last.replace(now)
            .map_or(Duration::ZERO, |last| now.duration_since(last))
    }

    /// Counts from now on.
    pub(super) fn begin_anew(&self, rollout: &str) {
        self.known().remove(rollout);
    }

    /// Forgets all others.
    pub(super) fn keep<'a>(&self, active: impl Iterator<Item = &'a String>) {
        let active: Vec<&String> = active.collect();
        self.known().retain(|id, _| active.contains(&id));
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, (Instant, Option<Instant>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_is_forgotten() {
        let steady = Steady::default();
        assert_eq!(steady.since_last("a"), Duration::ZERO);
        steady.since_first("b");
        let (a, b) = ("a".to_owned(), "b".to_owned());
        steady.keep([&a].into_iter());
        let known = |id: &str| steady.known().contains_key(id);
        assert_eq!((known(&a), known(&b)), (true, false));
        assert!(steady.since_last("a") <= steady.since_first("a"));
    }
}
