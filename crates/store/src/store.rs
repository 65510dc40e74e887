//! The handle that everything else holds: opens the database, runs closures on its threads, and
//! says when something changed.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::watch;

use crate::backend::lock::{self, Lock};
use crate::backend::postgres::Postgres;
use crate::backend::queue::Queue;
use crate::backend::sqlite::Sqlite;
use crate::backend::writer::Writer;
use crate::backend::{Once, Repeat, answer};
use crate::error::{Error, Result};
use crate::gate::{Gate, Need};
use crate::leases::{Lease, Leases as _};
use crate::place::{StateDir, StoreUrl};
use crate::tx::Tx;

/// How many threads read (and, on Postgres, write).
const THREADS: usize = 4;

/// Who goes first when several writes wait. Within one priority the order is that of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Changes to what serves. Overtakes everything and is committed at once.
    Urgent,
    /// What a person or a reconciler waits for.
    Normal,
    /// What its own caller alone waits for, such as a step's progress. Does not wake the
    /// reconcilers.
    Quiet,
    /// Floods: metric batches, joined labels. Does not wake the reconcilers.
    Bulk,
}

impl Priority {
    /// Whether a change of this priority is told to those who subscribed.
    pub(crate) fn wakes(self) -> bool {
        matches!(self, Priority::Urgent | Priority::Normal)
    }
}

/// The records of one server. Cheap to clone; the last clone to go closes the database.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    fence: Option<Arc<Lease>>,
    gate: Option<(Arc<dyn Gate>, Need)>,
}

struct Inner {
    url: StoreUrl,
    state: StateDir,
    writes: Arc<Queue>,
    /// Who writes to SQLite.
    writer: Option<Arc<Writer>>,
    reads: Arc<Queue>,
    changes: Arc<watch::Sender<u64>>,
    closing: Arc<AtomicBool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    _lock: Lock,
}

impl Store {
    /// Opens the store of this state directory and brings its schema up to date.
    ///
    /// Takes the directory for this process until the last clone is dropped. Blocks; call it
    /// once, at the start. Refused when another server has the directory
    /// ([`Error::InUse`](crate::Error::InUse)) or a newer version wrote it
    /// ([`Error::Newer`](crate::Error::Newer)).
    pub fn open(url: &StoreUrl, state: &StateDir) -> Result<Self> {
        let mut inner = Inner {
            url: url.clone(),
            state: state.clone(),
            writes: Arc::new(Queue::new()),
            writer: None,
            reads: Arc::new(Queue::new()),
            changes: Arc::new(watch::Sender::new(0)),
            closing: Arc::default(),
            threads: Mutex::default(),
            _lock: lock::take(state)?,
        };
        crate::blobs::clear_unfinished(state)?;
        match url {
            StoreUrl::Sqlite => inner.start_sqlite()?,
            StoreUrl::Postgres(url) => inner.start_postgres(url)?,
        }
        Ok(Self {
            inner: Arc::new(inner),
            fence: None,
            gate: None,
        })
    }

    /// The same store, whose writes are refused ([`Error::Fenced`](crate::Error::Fenced)) once
    /// somebody else has taken this lease.
    #[must_use]
    pub fn fenced(&self, lease: Lease) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            fence: Some(Arc::new(lease)),
            gate: self.gate.clone(),
        }
    }

    /// The same store within a gate: what is read and written by it is refused
    /// ([`Error::Denied`](crate::Error::Denied)) unless the gate allows `need` for every record that is touched.
    #[must_use]
    pub fn within(&self, gate: Arc<dyn Gate>, need: Need) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            fence: self.fence.clone(),
            gate: Some((gate, need)),
        }
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
        priority: Priority,
        work: F,
    ) -> impl Future<Output = Result<T>> + Send + use<T, F>
    where
        F: Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.submit(priority, None, work)
    }

    /// The same for work that is over in a moment, whatever it is given: a thread that was [lent](crate::lend_thread) may
    /// do it by itself.
    pub fn write_quickly<T, F>(
        &self,
        priority: Priority,
        work: F,
    ) -> impl Future<Output = Result<T>> + Send + use<T, F>
    where
        F: Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.submit(priority, self.inner.writer.clone(), work)
    }

    fn submit<T, F>(
        &self,
        priority: Priority,
        writer: Option<Arc<Writer>>,
        work: F,
    ) -> impl Future<Output = Result<T>> + Send + use<T, F>
    where
        F: Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let queue = Arc::clone(&self.inner.writes);
        let (fence, gate) = (self.fence.clone(), self.gate.clone());
        async move {
            let (job, reply) = Repeat::new(move |tx: &mut Tx<'_>| {
                if let Some(lease) = &fence {
                    tx.check_lease(lease)?;
                }
                match &gate {
                    Some((gate, need)) => tx.within(gate, *need, |tx| work(tx)),
                    None => work(tx),
                }
            });
            let work = queue.admit(priority, job).await?;
            let left = match writer {
                Some(writer) => writer.write_here(work),
                None => Some(work),
            };
            if let Some(work) = left {
                queue.push(work)?;
            }
            answer(reply).await
        }
    }

    /// Runs `work` on a consistent view of everything that was acknowledged before.
    pub fn read<T, F>(&self, work: F) -> impl Future<Output = Result<T>> + Send + use<T, F>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let queue = Arc::clone(&self.inner.reads);
        let gate = self.gate.clone();
        async move {
            let (job, reply) = Once::new(move |tx: &mut Tx<'_>| match gate {
                Some((gate, need)) => tx.within(&gate, need, work),
                None => work(tx),
            });
            queue.push(queue.admit(Priority::Normal, job).await?)?;
            answer(reply).await
        }
    }

    /// A number that grows after each commit of an urgent or normal write: wait on it in place
    /// of polling. Commits of other servers on the same Postgres show within a second.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    /// How many writes wait for the writer, for metrics and for tests.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.inner.writes.len()
    }

    /// Where its records are.
    #[must_use]
    pub fn url(&self) -> &StoreUrl {
        &self.inner.url
    }

    /// The directory that it holds.
    #[must_use]
    pub fn state_dir(&self) -> &StateDir {
        &self.inner.state
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("url", &self.inner.url.to_string())
            .field("state", &self.inner.state)
            .finish()
    }
}

impl Inner {
    fn start_sqlite(&mut self) -> Result<()> {
        let path = self.state.database();
        let changes = Arc::clone(&self.changes);
        let writer = Writer::new(
            Sqlite::writer(&path)?,
            Arc::clone(&self.writes),
            move || bump(&changes),
        );
        let writer = Arc::clone(self.writer.insert(Arc::new(writer)));
        self.spawn("store-write", move || writer.write_all())?;
        for _ in 0..THREADS {
            let reader = Sqlite::reader(&path)?;
            let queue = Arc::clone(&self.reads);
            self.spawn("store-read", move || reader.read_all(&queue))?;
        }
        Ok(())
    }

    fn start_postgres(&self, url: &str) -> Result<()> {
        // The driver has a runtime of its own, which must not start on a thread of ours.
        let connect = || {
            let mut first = Postgres::connect(url)?;
            first.migrate()?;
            let more = (0..2 * THREADS).map(|_| Postgres::connect(url));
            std::iter::once(Ok(first))
                .chain(more)
                .collect::<Result<Vec<_>>>()
        };
        let connected = std::thread::scope(|scope| scope.spawn(connect).join());
        let mut connections = connected
            .unwrap_or(Err(Error::Stopped("connecting panicked")))?
            .into_iter();
        for mut writer in connections.by_ref().take(THREADS) {
            let (queue, changes) = (Arc::clone(&self.writes), Arc::clone(&self.changes));
            self.spawn("store-write", move || {
                writer.write_all(&queue, &|| bump(&changes));
            })?;
        }
        for mut reader in connections.by_ref().take(THREADS) {
            let queue = Arc::clone(&self.reads);
            self.spawn("store-read", move || reader.read_all(&queue))?;
        }
        for mut listener in connections {
            let (closing, changes) = (Arc::clone(&self.closing), Arc::clone(&self.changes));
            self.spawn("store-listen", move || {
                listener.listen(&|| closing.load(Ordering::Relaxed), &|| bump(&changes));
            })?;
        }
        Ok(())
    }

    fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work);
        let thread = thread.map_err(Error::io("start a thread for", self.state.path()))?;
        self.threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(thread);
        Ok(())
    }
}

fn bump(changes: &watch::Sender<u64>) {
    changes.send_modify(|commits| *commits += 1);
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        self.writes.close();
        self.reads.close();
        let threads = self
            .threads
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // What waits is finished first; a thread that panicked has said so already. The last
            // clone may go inside a closure, on one of these very threads.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}
