//! Carries out what is decided: notes what each request came to, and leaves replicas out and takes
//! them back.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::outlier;
use crate::live::LiveArm;
use crate::queue::Place;
use crate::replica::Replica;
use crate::worker::Worker;

/// How a replica did with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// It answered, and the answer is no fault of its own.
    Good,
    /// It answered with a fault of its own, broke off, or did not answer in time.
    Failed,
    /// It was given up before it had answered.
    Late,
}

impl LiveArm {
    /// Notes how the replica of a place did with the request there. One that fails again and again
    /// is left out, for `first` the first time.
    pub(crate) fn note(&self, place: &Place, conduct: Conduct, first: Duration) {
        let (replica, now) = (place.replica(), Instant::now());
        let standing = replica.standing();
        standing.took(now.saturating_duration_since(place.since()));
        if conduct != Conduct::Late {
            standing.answered(conduct == Conduct::Failed, now);
            if standing.fails() {
                self.judge(replica, now, first);
            }
        }
        place.answered();
    }

    /// Leaves a replica out if it is an outlier.
    fn judge(&self, replica: &Replica, now: Instant, first: Duration) {
        let seen = |one: &Rc<Replica>| one.standing().seen(one.is_up(), now);
        let all: Vec<_> = self.replicas.iter().map(seen).collect();
        let mut paths = self.replicas.iter().map(|one| one.path());
        let at = paths.position(|path| path == replica.path());
        if let Some(reason) = at.and_then(|at| outlier(&all, at)) {
            replica.standing().eject(reason, now, first);
            tracing::warn!(replica = %replica.path().display(), %reason, "replica left out");
        }
    }

    fn review(&self, now: Instant, first: Duration) {
        for replica in &self.replicas {
            if replica.standing().review(now) {
                tracing::info!(replica = %replica.path().display(), "replica taken back");
            }
            self.judge(replica, now, first);
        }
    }
}

/// Looks again and again who is slow, who hangs and who may come back, for as long as the thread serves.
pub(crate) async fn review(worker: Rc<Worker>) {
    let (period, first) = (worker.options.review, worker.options.ejection);
    loop {
        tokio::time::sleep(period).await;
        let (live, now) = (worker.live(), Instant::now());
        for arm in live.arms() {
            arm.review(now, first);
        }
    }
}
