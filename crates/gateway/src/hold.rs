//! Requests that are held while their version has no replica that answers: how many may be, in all
//! threads together, and who is told of the first one.
//!
//! Asked by [`crate::predict`] and [`crate::relay`] once a request finds no replica, never on the
//! way of one that does. Whoever starts replicas waits at the admin socket for the call that the
//! first request makes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Notify, watch};

use crate::live::{LiveArm, LiveRoute};
use crate::load::Stay;
use crate::queue::Ticket;

/// What a request hears that has waited long enough.
pub(crate) const NO_REPLICA: &str = "this version has no replica at the moment; try again soon";
/// What a request hears that may not wait.
pub(crate) const NO_ROOM: &str = "this version has no replica yet, and all the requests that may \
                                  wait for one; try again in a moment";

/// Project/environment/service, version.
type Key = (String, u32);

/// All held requests.
#[derive(Debug)]
pub(crate) struct Holding {
    /// Bytes of all their bodies.
    bytes: AtomicUsize,
    most_bytes: usize,
    /// Looked up when a table comes into force.
    versions: Mutex<HashMap<Key, Weak<AtomicUsize>>>,
    /// How often a version without any replica was asked for.
    calls: watch::Sender<u64>,
}

/// The held requests of one version.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    holding: Arc<Holding>,
    count: Arc<AtomicUsize>,
}

/// A held request. Dropped, it is not held any more.
#[derive(Debug)]
pub(crate) struct Hold {
    held: Held,
    bytes: usize,
}

/// Why a request is not held any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unheld {
    /// As many as may be are.
    NoRoom,
    /// Its client does not wait any more.
    Unwanted,
    /// No replica came in time.
    NoReplica,
}

impl LiveArm {
    /// Holds a request of so many bytes until replicas or table change, which `changed` is told.
    pub(crate) async fn hold(
        &self,
        route: &LiveRoute,
        bytes: usize,
        (stay, ticket): (&mut Option<Stay>, &mut Ticket),
        changed: &Notify,
    ) -> Result<(), Unheld> {
        let changed = changed.notified();
        let Some(stay) = stay else {
            return Err(Unheld::NoRoom);
        };
        if !stay.is_held() {
            let call = self.replicas.is_empty();
            let hold = self.held.take(bytes, route.max_held, call);
            stay.hold(hold.ok_or(Unheld::NoRoom)?);
        }
        let patience = ticket.hold(route.hold);
        match tokio::time::timeout_at(patience.into(), changed).await {
            Ok(()) => Ok(()),
            Err(_) if ticket.is_over() => Err(Unheld::Unwanted),
            Err(_) => Err(Unheld::NoReplica),
        }
    }
}

impl Holding {
    /// Nobody is held; all bodies together may have so many bytes.
    pub(crate) fn new(most_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes: AtomicUsize::new(0),
            most_bytes,
            versions: Mutex::default(),
            calls: watch::Sender::new(0),
        })
    }

    /// Those of a version, the same ones for every thread.
    pub(crate) fn of(self: &Arc<Self>, route: &str, version: u32) -> Held {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        versions.retain(|_, count| count.strong_count() > 0);
        let key = (route.to_owned(), version);
        let known = versions.get(&key).and_then(Weak::upgrade);
        let count = known.unwrap_or_else(|| {
            let count = Arc::default();
            versions.insert(key, Arc::downgrade(&count));
            count
        });
        Held {
            holding: Arc::clone(self),
            count,
        }
    }

    /// How often a version without any replica was asked for; what it waits on changes with it.
    pub(crate) fn calls(&self) -> watch::Receiver<u64> {
        self.calls.subscribe()
    }
}

impl Held {
    /// Holds a request, unless there are `most` already or their bodies are too long together. With
    /// `call`, the first one is told to whoever starts replicas.
    pub(crate) fn take(&self, bytes: usize, most: usize, call: bool) -> Option<Hold> {
        let before = self.count.fetch_add(1, Relaxed);
        let hold = Hold {
            held: self.clone(),
            bytes,
        };
        let bytes = self.holding.bytes.fetch_add(bytes, Relaxed) + bytes;
        if before >= most || bytes > self.holding.most_bytes {
            return None;
        }
        if call && before == 0 {
            self.holding.calls.send_modify(|calls| *calls += 1);
        }
        Some(hold)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.held.count.fetch_sub(1, Relaxed);
        self.held.holding.bytes.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_and_so_long_and_no_more() {
        let holding = Holding::new(100);
        let (one, same, other) = (
            holding.of("p/e/s", 1),
            holding.of("p/e/s", 1),
            holding.of("p/e/s", 2),
        );
        let first = one.take(10, 2, false);
        let second = same.take(10, 2, false);
        assert!(first.is_some() && second.is_some());
        assert!(one.take(10, 2, false).is_none());
        // Who was refused takes no place, and neither does who has gone.
        drop(first);
        let third = one.take(10, 2, false);
        assert!(third.is_some());
        assert!(other.take(81, 9, false).is_none());
        assert!(other.take(80, 9, false).is_some());
    }

    #[test]
    fn the_first_one_calls() {
        let holding = Holding::new(100);
        let held = holding.of("p/e/s", 1);
        let calls = || *holding.calls().borrow();
        let elsewhere = held.take(0, 9, false);
        assert_eq!(calls(), 0);
        drop(elsewhere);
        let first = held.take(0, 9, true);
        let second = held.take(0, 9, true);
        assert_eq!(calls(), 1);
        drop((first, second));
        let again = held.take(0, 9, true);
        assert_eq!(calls(), 2);
        drop(again);
    }

    #[test]
    fn a_version_that_nobody_has_is_forgotten() {
        let holding = Holding::new(100);
        let held = holding.of("p/e/s", 1);
        let hold = held.take(0, 9, false);
        drop(held);
        let again = holding.of("p/e/s", 1);
        assert!(again.take(0, 1, false).is_none());
        drop((hold, again));
        holding.of("p/e/t", 1);
        let known = holding.versions.lock().unwrap().len();
        assert_eq!(known, 1);
    }
}
