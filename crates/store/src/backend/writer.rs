//! Who writes to SQLite: one at a time, and for all that wait at once.
//!
//! The writer's thread drains its queue into one transaction, each job in a savepoint of its own, and
//! commits once for all of them (group commit) with `synchronous=FULL`; only then do the callers
//! hear. After an urgent job it commits at once.
//!
//! A thread that was lent ([`lend_thread`]) does a quick write by itself while nobody else wants to: two hand-overs between
//! threads cost more than a small transaction.

use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use super::Job;
use super::queue::{Queue, Waiting};
use super::sqlite::Sqlite;
use crate::error::{Error, Result};
use crate::store::Priority;
use crate::tx::Tx;

/// After so long a batch is committed although more work waits.
const BATCH_TIME: Duration = Duration::from_millis(10);
/// After so many jobs a batch is committed although more work waits.
const BATCH_JOBS: usize = 512;

thread_local! {
    static LENT: Cell<bool> = const { Cell::new(false) };
}

/// Says whether this thread has nothing to do beside what it waits for next.
/// [`Store::write_quickly`](crate::Store::write_quickly) may then do the work on it and wait for the disk.
pub fn lend_thread(lent: bool) {
    LENT.set(lent);
}

/// The one connection that writes.
pub(crate) struct Writer {
    /// None once it is closed.
    connection: Mutex<Option<Sqlite>>,
    queue: Arc<Queue>,
    /// Hears of each commit that changed something that reconcilers care for.
    committed: Box<dyn Fn() + Send + Sync>,
}

/// Jobs whose transaction has ended, and how.
struct Ended {
    jobs: Vec<Box<dyn Job>>,
    outcome: Result<bool>,
}

impl Writer {
    pub(crate) fn new(
        connection: Sqlite,
        queue: Arc<Queue>,
        committed: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self {
            connection: Mutex::new(Some(connection)),
            queue,
            committed: Box::new(committed),
        }
    }

    /// The writer's thread: works until the queue is closed.
    pub(crate) fn write_all(&self) {
        // What waits is taken out only when it can be written: as long as it is there, nobody goes before it.
        while self.queue.filled() {
            let ended = self.connection().as_ref().and_then(|connection| {
                let first = self.queue.next(Priority::Bulk)?;
                Some(connection.write(first, Some(&self.queue)))
            });
            if let Some(ended) = ended {
                self.tell(ended);
            }
        }
        // Not before: the last hand on the store may have gone in one of the jobs, with others behind it.
        self.connection().take();
    }

    /// Does the work, and no other, on this thread when that was lent, and nobody writes or waits to; gives it back otherwise.
    pub(crate) fn write_here(&self, work: Waiting) -> Option<Waiting> {
        if !LENT.get() {
            return Some(work);
        }
        let connection = match self.connection.try_lock() {
            Ok(connection) => connection,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Some(work),
        };
        let ended = match connection.as_ref() {
            Some(connection) if self.queue.len() == 0 => connection.write(work, None),
            _ => return Some(work),
        };
        drop(connection);
        self.tell(ended);
        None
    }

    /// Answers the callers, with the connection free again: theirs may be the last hand on the store.
    fn tell(&self, ended: Ended) {
        let Ended { jobs, outcome } = ended;
        match &outcome {
            Ok(true) => (self.committed)(),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, jobs = jobs.len(), "group commit failed"),
        }
        for job in jobs {
            job.finish(outcome.as_ref().err());
        }
    }

    fn connection(&self) -> MutexGuard<'_, Option<Sqlite>> {
        // A transaction that broke off is undone by the next one's failure to begin.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sqlite {
    /// Writes this and what waits behind it in one transaction.
    fn write(&self, first: Waiting, queue: Option<&Queue>) -> Ended {
        let mut jobs = Vec::new();
        let outcome = self.write_batch(first, queue, &mut jobs);
        if outcome.is_err() {
            // Not in a transaction any more when SQLite undid it by itself.
            let _ = self.batch("ROLLBACK");
        }
        Ended { jobs, outcome }
    }

    fn write_batch(
        &self,
        first: Waiting,
        queue: Option<&Queue>,
        done: &mut Vec<Box<dyn Job>>,
    ) -> Result<bool> {
        let started = Instant::now();
        let mut noted = false;
        let mut urgent = false;
        let mut next = Some(first);
        let begun = self.cached("BEGIN IMMEDIATE");
        while let Some(Waiting {
            mut job, priority, ..
        }) = next.take()
        {
            let ran = begun.as_ref().map_err(Error::again).and_then(|()| {
                if done.is_empty() {
                    self.first(job.as_mut())
                } else {
                    self.in_savepoint(job.as_mut())
                }
            });
            done.push(job);
            noted |= ran? && priority.wakes();
            urgent |= priority == Priority::Urgent;
            let full = urgent || done.len() >= BATCH_JOBS || started.elapsed() >= BATCH_TIME;
            let least = if full {
                Priority::Urgent
            } else {
                Priority::Bulk
            };
            next = queue.and_then(|queue| queue.next(least));
        }
        self.cached("COMMIT")?;
        Ok(noted)
    }

    /// Runs the first job of a transaction, which needs no savepoint: there is nothing to keep
    /// beside it. Says whether it changed anything that stays.
    fn first(&self, job: &mut dyn Job) -> Result<bool> {
        let (keep, changed) = self.run(job)?;
        if !keep {
            self.cached("ROLLBACK")?;
            self.cached("BEGIN IMMEDIATE")?;
        }
        Ok(keep && changed)
    }

    /// Runs another job; says whether it changed anything that stays.
    fn in_savepoint(&self, job: &mut dyn Job) -> Result<bool> {
        self.cached("SAVEPOINT job")?;
        let (keep, changed) = self.run(job)?;
        if !keep {
            self.cached("ROLLBACK TO job")?;
        }
        self.cached("RELEASE job")?;
        Ok(keep && changed)
    }

    /// Runs a job; says whether what it wrote may stay, and whether it wrote anything.
    fn run(&self, job: &mut dyn Job) -> Result<(bool, bool)> {
        let mut sql = self.sql();
        let keep = job.run(&mut Tx::new(&mut sql));
        let changed = sql.changed() > 0;
        if !self.in_transaction() {
            return Err(Error::Full("SQLite gave the transaction up".to_owned()));
        }
        Ok((keep, changed))
    }
}
