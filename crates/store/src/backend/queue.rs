//! The bounded queue between callers and database threads: a lane for each priority, the urgent one first.
//!
//! Each lane has its own room, so that a flood in one never keeps another's callers waiting for
//! a place.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Job;
use crate::error::{Error, Result};
use crate::store::Priority;

/// How many jobs may wait in a lane.
const ROOM: [usize; 4] = [256, 1024, 1024, 256];

/// Work with its place in the queue.
pub(crate) struct Waiting {
    pub(crate) job: Box<dyn Job>,
    pub(crate) priority: Priority,
    _place: OwnedSemaphorePermit,
}

/// Work that waits for a thread.
pub(crate) struct Queue {
    state: Mutex<State>,
    ready: Condvar,
    room: [Arc<Semaphore>; ROOM.len()],
}

#[derive(Default)]
struct State {
    lanes: [VecDeque<Waiting>; ROOM.len()],
    closed: bool,
}

impl State {
    fn pop(&mut self, up_to: Priority) -> Option<Waiting> {
        self.lanes[..=up_to as usize]
            .iter_mut()
            .find_map(VecDeque::pop_front)
    }

    fn is_empty(&self) -> bool {
        self.lanes.iter().all(VecDeque::is_empty)
    }
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::default(),
            ready: Condvar::new(),
            room: ROOM.map(|places| Arc::new(Semaphore::new(places))),
        }
    }

    /// Waits for a place in the lane and takes it.
    pub(crate) async fn admit(&self, priority: Priority, job: Box<dyn Job>) -> Result<Waiting> {
        let room = Arc::clone(&self.room[priority as usize]);
        let place = room
            .acquire_owned()
            .await
            .map_err(|_| Error::Stopped("it was closed"))?;
        Ok(Waiting {
            job,
            priority,
            _place: place,
        })
    }

    /// Leaves work that has its place to the threads.
    pub(crate) fn push(&self, work: Waiting) -> Result<()> {
        {
            let mut state = self.state();
            if state.closed {
                return Err(Error::Stopped("it was closed"));
            }
            state.lanes[work.priority as usize].push_back(work);
        }
        self.ready.notify_one();
        Ok(())
    }

    /// Waits for the next job; none once the queue is closed and empty.
    pub(crate) fn wait(&self) -> Option<Waiting> {
        self.until_filled()?.pop(Priority::Bulk)
    }

    /// Waits until there is a job; false once the queue is closed and empty.
    pub(crate) fn filled(&self) -> bool {
        self.until_filled().is_some()
    }

    fn until_filled(&self) -> Option<MutexGuard<'_, State>> {
        let mut state = self.state();
        while state.is_empty() {
            if state.closed {
                return None;
            }
            state = self
                .ready
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        Some(state)
    }

    /// The next job of this priority or a higher one, if one waits.
    pub(crate) fn next(&self, up_to: Priority) -> Option<Waiting> {
        self.state().pop(up_to)
    }

    /// How many jobs wait.
    pub(crate) fn len(&self) -> usize {
        self.state().lanes.iter().map(VecDeque::len).sum()
    }

    /// Lets the threads finish what waits and end.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.room.iter().for_each(|room| room.close());
        self.ready.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing can panic while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
