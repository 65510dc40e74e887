//! A bounded queue between connections and worker threads.
//!
//! Pushing never waits: a full queue is an answer of its own (503). Popping blocks, so it is for
//! plain threads only, never for a task.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A first-in, first-out queue that refuses what is above its bound.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    bound: usize,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    closed: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new(bound: NonZeroUsize) -> Self {
        let state = State {
            items: VecDeque::new(),
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            filled: Condvar::new(),
            bound: bound.get(),
        }
    }

    /// Appends an item, or gives it back when the queue is full or closed.
    pub(crate) fn push(&self, item: T) -> Result<(), T> {
        let mut state = self.lock();
        if state.closed || state.items.len() >= self.bound {
            return Err(item);
        }
        state.items.push_back(item);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Takes the oldest item, waiting for one; `None` once the queue is closed and empty.
    pub(crate) fn pop(&self) -> Option<T> {
        let waiting = |state: &mut State<T>| state.items.is_empty() && !state.closed;
        let mut state = self
            .filled
            .wait_while(self.lock(), waiting)
            .unwrap_or_else(PoisonError::into_inner);
        state.items.pop_front()
    }

    /// Takes the oldest item, waiting for one until `until`; `None` then, or once the queue is closed
    /// and empty.
    pub(crate) fn pop_until(&self, until: Instant) -> Option<T> {
        let waiting = |state: &mut State<T>| state.items.is_empty() && !state.closed;
        let left = until.saturating_duration_since(Instant::now());
        let (mut state, _) = self
            .filled
            .wait_timeout_while(self.lock(), left, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        state.items.pop_front()
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().items.is_empty()
    }

    /// Refuses further items and lets [`Queue::pop`] end when the rest is taken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn in_order_bounded_and_closed() {
        let queue = Queue::new(NonZeroUsize::new(2).unwrap());
        assert!(queue.is_empty());
        assert_eq!(
            (queue.push(1), queue.push(2), queue.push(3)),
            (Ok(()), Ok(()), Err(3))
        );
        assert_eq!(queue.pop(), Some(1));
        assert_eq!(queue.pop_until(Instant::now()), Some(2));
        assert_eq!(queue.pop_until(Instant::now()), None);
        assert_eq!(queue.push(2), Ok(()));
        assert_eq!(queue.push(4), Ok(()));
        queue.close();
        assert_eq!(queue.push(5), Err(5));
        assert_eq!(
            (queue.pop(), queue.pop(), queue.pop()),
            (Some(2), Some(4), None)
        );
    }

    #[test]
    fn a_waiting_thread_gets_what_comes_and_ends_on_close() {
        let queue = Arc::new(Queue::new(NonZeroUsize::MIN));
        let popper = std::thread::spawn({
            let queue = Arc::clone(&queue);
            move || std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>()
        });
        for item in 0..100 {
            let mut item = item;
            while let Err(back) = queue.push(item) {
                item = back;
                std::thread::yield_now();
            }
        }
        queue.close();
        assert_eq!(popper.join().unwrap(), (0..100).collect::<Vec<_>>());
    }
}
