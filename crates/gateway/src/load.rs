//! How many requests each version has, added up over time: what its replicas are counted by.
//!
//! A request counts from when its version is chosen until its answer is whole, whether it is at a
//! replica or waits here for one. Each thread counts for itself and tells the admin socket when it
//! is asked, so nothing is shared. The sum over time loses nothing between two questions, however
//! far apart they are.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::hold::Hold;

/// What a version has had to do, in all threads together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionLoad {
    /// The route's `project/environment/service`.
    pub route: String,
    /// Which version.
    pub version: u32,
    /// Requests now.
    pub present: u64,
    /// Of those, held until a replica answers.
    pub held: u64,
    /// Requests that came since the gateway started, or since the version was first in its table.
    pub arrived: u64,
    /// Their times here added up, microseconds: a second with three requests adds three seconds.
    pub micros: u64,
}

impl VersionLoad {
    /// Adds what another thread saw of the same version.
    pub(crate) fn add(&mut self, other: &Self) {
        self.present += other.present;
        self.held += other.held;
        self.arrived += other.arrived;
        self.micros += other.micros;
    }
}

/// One version, seen by one thread.
#[derive(Debug)]
pub(crate) struct Load {
    route: Rc<str>,
    version: u32,
    present: Cell<u64>,
    held: Cell<u64>,
    arrived: Cell<u64>,
    /// Up to `since`.
    sum: Cell<Duration>,
    since: Cell<Instant>,
}

impl Load {
    /// Of a version without requests.
    pub(crate) fn new(route: Rc<str>, version: u32) -> Self {
        Self {
            route,
            version,
            present: Cell::new(0),
            held: Cell::new(0),
            arrived: Cell::new(0),
            sum: Cell::new(Duration::ZERO),
            since: Cell::new(Instant::now()),
        }
    }

    /// Whether it is this version of this route.
    pub(crate) fn is_of(&self, route: &str, version: u32) -> bool {
        *self.route == *route && self.version == version
    }

    /// Now.
    pub(crate) fn report(&self) -> VersionLoad {
        self.settle(Instant::now());
        VersionLoad {
            route: self.route.to_string(),
            version: self.version,
            present: self.present.get(),
            held: self.held.get(),
            arrived: self.arrived.get(),
            micros: u64::try_from(self.sum.get().as_micros()).unwrap_or(u64::MAX),
        }
    }

    /// Adds the time since the last change.
    fn settle(&self, now: Instant) {
        let passed = now.saturating_duration_since(self.since.replace(now));
        let present = u32::try_from(self.present.get()).unwrap_or(u32::MAX);
        let sum = self
            .sum
            .get()
            .saturating_add(passed.saturating_mul(present));
        self.sum.set(sum);
    }

    fn change(&self, by: i64) {
        self.settle(Instant::now());
        self.present
            .set(self.present.get().saturating_add_signed(by));
    }
}

/// A request's stay at a version. Dropped, it has left.
#[derive(Debug)]
pub(crate) struct Stay {
    at: Rc<Load>,
    hold: Option<Hold>,
}

impl Stay {
    /// It has come.
    pub(crate) fn begin(load: &Rc<Load>) -> Self {
        load.change(1);
        load.arrived.set(load.arrived.get() + 1);
        Self {
            at: Rc::clone(load),
            hold: None,
        }
    }

    /// It is at this version from now on, which is the same but when the table changed.
    pub(crate) fn go_on(&mut self, load: &Rc<Load>) {
        if !Rc::ptr_eq(&self.at, load) {
            *self = Self::begin(load);
        }
    }

    /// Whether it is held.
    pub(crate) fn is_held(&self) -> bool {
        self.hold.is_some()
    }

    /// It is held until a replica answers.
    pub(crate) fn hold(&mut self, hold: Hold) {
        if self.hold.replace(hold).is_none() {
            self.at.held.set(self.at.held.get() + 1);
        }
    }

    /// It is not held any more.
    pub(crate) fn release(&mut self) {
        if self.hold.take().is_some() {
            self.at.held.set(self.at.held.get() - 1);
        }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.release();
        self.at.change(-1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hold::Holding;

    fn load(version: u32) -> Rc<Load> {
        Rc::new(Load::new("p/e/s".into(), version))
    }

    /// Requests now, held ones, and all that came.
    fn counts(load: &Load) -> (u64, u64, u64) {
        let report = load.report();
        (report.present, report.held, report.arrived)
    }

    #[test]
    fn a_request_is_counted_where_it_is_and_once() {
        let (one, two) = (load(1), load(2));
        let holding = Holding::new(100);
        let hold = || holding.of("p/e/s", 1).take(1, 9, false).unwrap();
        let mut stay = Stay::begin(&one);
        let other = Stay::begin(&one);
        stay.hold(hold());
        stay.go_on(&one);
        assert_eq!(counts(&one), (2, 1, 2));
        stay.release();
        assert_eq!(counts(&one), (2, 0, 2));
        stay.hold(hold());
        stay.go_on(&two);
        assert_eq!((counts(&one), counts(&two)), ((1, 0, 2), (1, 0, 1)));
        stay.hold(hold());
        drop((stay, other));
        assert_eq!((counts(&one), counts(&two)), ((0, 0, 2), (0, 0, 1)));
    }

    #[test]
    fn time_counts_once_for_each_request() {
        let load = load(1);
        let began = Instant::now();
        load.since.set(began);
        load.settle(began + Duration::from_secs(9));
        assert_eq!(load.sum.get(), Duration::ZERO);
        load.present.set(3);
        load.settle(began + Duration::from_secs(11));
        assert_eq!(load.sum.get(), Duration::from_secs(6));
        // A clock that stands still, or was read out of turn, adds nothing.
        load.settle(began);
        assert_eq!(load.sum.get(), Duration::from_secs(6));
    }
}
