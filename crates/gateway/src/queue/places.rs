//! Places at the replicas of a version: taken at once while nobody waits, and in turn otherwise.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::Priority;
use crate::live::LiveArm;
use crate::replica::Replica;
use crate::worker::Worker;

/// How often a thread with a line looks whose turn it is not at all: another thread may be rung for a
/// place at a replica to which it has no connection.
const LOOK: Duration = Duration::from_millis(5);

/// How many requests a version takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Most at one replica.
    pub(crate) replica: usize,
    /// Most at all its replicas.
    pub(crate) version: usize,
    /// Longest wait for a place.
    pub(crate) wait: Duration,
    /// The class of requests that name none.
    pub(crate) class: Priority,
}

/// A place at a replica, for as long as a request is there.
#[derive(Debug)]
pub(crate) struct Place {
    replica: Rc<Replica>,
    since: Instant,
    /// The replica has not begun to answer.
    waits: Cell<bool>,
}

/// What became of the wish for a place.
#[derive(Debug)]
pub(crate) enum Admitted {
    Place(Place),
    /// No replica answers.
    Down,
    /// Replicas or table changed while it waited: look again.
    Changed,
    /// Too many wait already, or it waited too long.
    Full,
    /// Its client does not wait any more.
    Late,
}

/// A place without waiting.
#[derive(Debug)]
enum Taken {
    Place(Place),
    /// All are taken, or others wait for them.
    Full,
    Down,
}

/// What counts when a request wants a place. Kept while it is tried again and again.
#[derive(Debug)]
pub(crate) struct Ticket {
    /// The service's class if none.
    class: Option<Priority>,
    /// When it came: who came first is first.
    since: Instant,
    /// Nobody waits for its answer after that.
    deadline: Option<Instant>,
    /// When it first found no place.
    queued: Option<Instant>,
    /// Until when it may wait for a replica, since it first found none.
    held: Option<Instant>,
}

impl Ticket {
    /// Of a request that came at some time, is in a class, and is waited for until some time.
    pub(crate) fn new(since: Instant, class: Option<Priority>, deadline: Option<Instant>) -> Self {
        Self {
            class,
            since,
            deadline,
            queued: None,
            held: None,
        }
    }

    /// Whether nobody waits for the answer any more.
    pub(crate) fn is_over(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// The earlier one of a time and the deadline.
    pub(crate) fn until(&self, time: Instant) -> Instant {
        self.deadline.map_or(time, |deadline| deadline.min(time))
    }

    /// How long an answer may take from now on, `most` at the most.
    pub(crate) fn left(&self, most: Duration) -> Duration {
        let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
        self.deadline
            .map_or(most, |deadline| left(deadline).min(most))
    }

    /// Until when it waits for a replica, `most` at the most from when it first found none.
    pub(crate) fn hold(&mut self, most: Duration) -> Instant {
        let end = *self.held.get_or_insert_with(|| Instant::now() + most);
        self.until(end)
    }

    /// Until when it waits for a place, `most` at the most. One that was held has what is left of that time, too:
    /// those who were held together come to the first replica together.
    fn queue(&mut self, most: Duration) -> Instant {
        let end = *self.queued.get_or_insert_with(Instant::now) + most;
        self.until(self.held.map_or(end, |held| held.max(end)))
    }

    /// It had a place and needs another: it may wait anew.
    pub(crate) fn renew(&mut self) {
        (self.queued, self.held) = (None, None);
    }
}

impl Place {
    /// One that was just taken.
    fn new(replica: Rc<Replica>) -> Self {
        let since = Instant::now();
        replica.standing().gets(since);
        Self {
            replica,
            since,
            waits: Cell::new(true),
        }
    }

    /// Where it is.
    pub(crate) fn replica(&self) -> &Rc<Replica> {
        &self.replica
    }

    /// Since when.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// The replica answers, or is not asked any more.
    pub(crate) fn answered(&self) {
        if self.waits.replace(false) {
            self.replica.standing().is_rid_of_one(Instant::now());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.answered();
        self.replica.places().free();
    }
}

impl LiveArm {
    /// Gets a place at a replica: at once, or in turn. `avoid` and `turn` as for
    /// [`LiveArm::least_loaded`]; `changed` is told when replicas or table change.
    pub(crate) async fn admit(
        &self,
        ticket: &mut Ticket,
        avoid: Option<&Path>,
        turn: u64,
        changed: &Notify,
    ) -> Admitted {
        if ticket.is_over() {
            return Admitted::Late;
        }
        match self.take(avoid, turn) {
            Taken::Place(place) => Admitted::Place(place),
            Taken::Down => Admitted::Down,
            Taken::Full => self.wait(ticket, avoid, changed).await,
        }
    }

    /// Takes a place, unless somebody waits for one.
    fn take(&self, avoid: Option<&Path>, turn: u64) -> Taken {
        if self.line.crowd().waiting() > 0 && self.is_ready() {
            return Taken::Full;
        }
        self.free_place(avoid, turn)
    }

    /// Takes a place that nobody needs, or none.
    pub(crate) fn spare(&self, turn: u64) -> Option<Place> {
        match self.take(None, turn) {
            Taken::Place(place) => Some(place),
            Taken::Full | Taken::Down => None,
        }
    }

    fn free_place(&self, avoid: Option<&Path>, turn: u64) -> Taken {
        let Some(replica) = self.least_loaded(avoid, turn) else {
            return Taken::Down;
        };
        if self.in_flight() < self.bounds.version && replica.places().take(self.bounds.replica) {
            Taken::Place(Place::new(Rc::clone(replica)))
        } else {
            Taken::Full
        }
    }

    async fn wait(&self, ticket: &mut Ticket, avoid: Option<&Path>, changed: &Notify) -> Admitted {
        if self.bounds.wait.is_zero() {
            return Admitted::Full;
        }
        let until = ticket.queue(self.bounds.wait);
        let class = ticket.class.unwrap_or(self.bounds.class);
        let changed = changed.notified();
        let avoid = avoid.map(Path::to_owned);
        let Some(mut waiter) = self.line.enter(class, ticket.since, avoid) else {
            return Admitted::Full;
        };
        // A place may have been freed before this one was seen to wait.
        self.line.ring();
        tokio::select! {
            biased;
            place = &mut waiter.place => match place {
                Ok(place) if place.replica().is_up() => Admitted::Place(place),
                // It went away since the place was given.
                Ok(_) => Admitted::Changed,
                // It had to make room.
                Err(_) => Admitted::Full,
            },
            () = changed => Admitted::Changed,
            () = tokio::time::sleep_until(until.into()) => match ticket.is_over() {
                true => Admitted::Late,
                false => Admitted::Full,
            }
        }
    }

    /// Gives free places to those whose turn it is.
    fn serve_line(&self, forced: bool) {
        while let Some(class) = self.line.turn(forced) {
            // Those who waited under the last table are counted until they have seen this one.
            let Some(avoid) = self.line.first(class) else {
                return;
            };
            let turn = self.line.served();
            match self.free_place(avoid.as_deref(), turn) {
                Taken::Place(place) => self.line.give(class, place),
                Taken::Full | Taken::Down => return,
            }
        }
    }
}

/// Gives places to those who wait on a thread, for as long as it serves.
pub(crate) async fn serve_lines(worker: Rc<Worker>) {
    let mut looked = Instant::now();
    loop {
        let waits = worker.live().arms().any(|arm| !arm.line.is_empty());
        tokio::select! {
            () = worker.crowds.rung(worker.thread) => {}
            () = tokio::time::sleep_until((looked + LOOK).into()), if waits => {}
        }
        let forced = looked.elapsed() >= LOOK;
        if forced {
            looked = Instant::now();
        }
        let live = worker.live();
        for arm in live.arms().filter(|arm| !arm.line.is_empty()) {
            arm.serve_line(forced);
        }
    }
}
