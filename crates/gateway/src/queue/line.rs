//! The line of one thread for places at one version: by class, and within a class by the time since
//! when each request waits.
//!
//! Filled by requests, emptied by [`super::serve_lines`]; a request that leaves by itself (its client
//! went away, its time is over) takes itself out. Lives on one thread.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::class::{self, ALL, CLASSES, Priority};
use super::crowd::Crowd;
use super::places::Place;

/// Those who wait.
#[derive(Debug)]
pub(crate) struct Line {
    thread: usize,
    /// Most that wait for this version in all threads.
    most: usize,
    crowd: Arc<Crowd>,
    ids: Cell<u64>,
    served: Cell<u64>,
    classes: RefCell<[VecDeque<Entry>; CLASSES]>,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    since: Instant,
    /// A replica that it would rather not have.
    avoid: Option<PathBuf>,
    place: oneshot::Sender<Place>,
}

/// One who waits. Dropped, it waits no more.
pub(super) struct Waiter<'l> {
    line: &'l Line,
    class: Priority,
    id: u64,
    /// Its place; an error when it had to make room.
    pub(super) place: oneshot::Receiver<Place>,
}

impl Line {
    /// An empty one of a thread.
    pub(crate) fn new(thread: usize, most: usize, crowd: Arc<Crowd>) -> Self {
        Self {
            thread,
            most,
            crowd,
            ids: Cell::new(0),
            served: Cell::new(0),
            classes: RefCell::default(),
        }
    }

    /// Those who wait, in all threads.
    pub(crate) fn crowd(&self) -> &Arc<Crowd> {
        &self.crowd
    }

    /// Whether nobody waits here.
    pub(super) fn is_empty(&self) -> bool {
        self.classes.borrow().iter().all(VecDeque::is_empty)
    }

    /// How many wait here.
    pub(crate) fn len(&self) -> usize {
        self.classes.borrow().iter().map(VecDeque::len).sum()
    }

    /// How many got a place here.
    pub(super) fn served(&self) -> u64 {
        self.served.get()
    }

    /// Lines up, if there is room or somebody less urgent to make it.
    pub(super) fn enter(
        &self,
        class: Priority,
        since: Instant,
        avoid: Option<PathBuf>,
    ) -> Option<Waiter<'_>> {
        if !self.has_room() && !self.make_room(class) {
            return None;
        }
        let id = self.ids.get();
        self.ids.set(id + 1);
        let (sender, place) = oneshot::channel();
        let entry = Entry {
            id,
            since,
            avoid,
            place: sender,
        };
        let mut classes = self.classes.borrow_mut();
        let class_line = &mut classes[class.index()];
        let at = class_line.partition_point(|before| before.since <= since);
        class_line.insert(at, entry);
        self.crowd.enter(self.thread, class);
        Some(Waiter {
            line: self,
            class,
            id,
            place,
        })
    }

    /// A thread may use its share even when others use more than theirs.
    fn has_room(&self) -> bool {
        let share = self.most.div_ceil(self.crowd.threads());
        self.crowd.waiting() < self.most || self.len() < share
    }

    /// Turns away the one that came last among the least urgent, if it is less urgent than `class`.
    fn make_room(&self, class: Priority) -> bool {
        let mut classes = self.classes.borrow_mut();
        let mut lower = ALL.into_iter().rev().take_while(|other| *other > class);
        let Some(found) = lower.find(|other| !classes[other.index()].is_empty()) else {
            return false;
        };
        // Dropping where its place would come from tells it.
        drop(classes[found.index()].pop_back());
        self.crowd.leave(self.thread, found);
        true
    }

    /// The class whose turn it is here. Rings for another thread if it is that one's; `forced`, the
    /// place goes to this one all the same.
    pub(super) fn turn(&self, forced: bool) -> Option<Priority> {
        let (class, thread) = self.crowd.next()?;
        if thread == self.thread {
            return Some(class);
        }
        if forced {
            return class::next(self.crowd.waiting_in(self.thread), [0; CLASSES]);
        }
        self.crowd.ring(thread);
        None
    }

    /// The replica that the first of a class would rather not have, if there is a first one.
    pub(super) fn first(&self, class: Priority) -> Option<Option<PathBuf>> {
        let classes = self.classes.borrow();
        Some(classes[class.index()].front()?.avoid.clone())
    }

    /// Gives a place to the first of a class.
    pub(super) fn give(&self, class: Priority, place: Place) {
        let first = self.classes.borrow_mut()[class.index()].pop_front();
        if let Some(first) = first {
            self.served.set(self.served.get() + 1);
            self.crowd.served(self.thread, class);
            self.crowd.leave(self.thread, class);
            // Whoever went away meanwhile gives it back.
            let _ = first.place.send(place);
        }
    }

    /// Has this thread look after its lines.
    pub(super) fn ring(&self) {
        self.crowd.ring(self.thread);
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut classes = self.line.classes.borrow_mut();
        let class_line = &mut classes[self.class.index()];
        let at = class_line.iter().position(|entry| entry.id == self.id);
        if let Some(at) = at {
            class_line.remove(at);
            self.line.crowd.leave(self.line.thread, self.class);
        }
    }
}
