//! The handle that everything else holds: opens the database, runs closures on its threads, and
//! says when something changed.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;

use crate::error::Result;
use crate::place::{StateDir, StoreUrl};
use crate::tx::Tx;

/// Who goes first when several writes wait. Within one priority the order is that of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Changes to what serves. Overtakes everything and is committed at once.
    Urgent,
    /// What a person or a reconciler waits for.
    Normal,
    /// Floods: metric batches, joined labels. Does not wake the reconcilers.
    Bulk,
}

/// The records of one server. Cheap to clone; the last clone to go closes the database.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    changes: watch::Sender<u64>,
}

impl Store {
    /// Opens the store of this state directory and brings its schema up to date.
    ///
    /// Takes the directory for this process until the last clone is dropped. Blocks; call it
    /// once, at the start. Refused when another server has the directory
    /// ([`Error::InUse`](crate::Error::InUse)) or a newer version wrote it
    /// ([`Error::Newer`](crate::Error::Newer)).
    pub fn open(_url: &StoreUrl, _state: &StateDir) -> Result<Self> {
        Ok(Self {
            inner: Arc::new(Inner {
                changes: watch::Sender::new(0),
            }),
        })
    }

    /// Runs `work` in a transaction of its own and answers when it is on disk.
    ///
    /// When `work` returns an error, nothing that it wrote stays. It may run more than once
    /// (Postgres repeats it when two transactions collided), so it must not have effects outside
    /// the transaction. It runs on the writer's thread: no waiting, no I/O of its own. When the
    /// returned future is dropped before it was polled, nothing happens; dropped later, the work
    /// may still be done.
    pub fn write<T, F>(
        &self,
        _priority: Priority,
        _work: F,
    ) -> impl Future<Output = Result<T>> + Send + use<T, F>
    where
        F: Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        async { Err(crate::Error::Stopped("the store is not there yet")) }
    }

    /// Runs `work` on a consistent view of everything that was acknowledged before.
    pub fn read<T, F>(&self, _work: F) -> impl Future<Output = Result<T>> + Send + use<T, F>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        async { Err(crate::Error::Stopped("the store is not there yet")) }
    }

    /// A number that grows after each commit of an urgent or normal write: wait on it in place
    /// of polling. Commits of other servers on the same Postgres show within a second.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }
}
