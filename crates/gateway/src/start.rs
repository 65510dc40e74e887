//! Starting a gateway and stopping it: files, sockets, threads, in the order that loses nothing.
//!
//! Called by whoever runs the role. After this, only the admin socket changes what is served.

use std::collections::hash_map::RandomState;
use std::fs::{File, TryLockError};
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, LocalSet, spawn_blocking};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Admin};
use crate::error::GatewayError;
use crate::evidence::Ledger;
use crate::join::{JoinLog, Lane};
use crate::options::Options;
use crate::queue::Crowds;
use crate::table::{Index, RoutingTable};
use crate::traffic::{self, Tap};
use crate::worker::{Command, Setup, Worker};
use crate::{Handle, clock, durable, listen};

/// How often changed evidence is written.
const EVIDENCE: Duration = Duration::from_millis(100);
/// A join log file is closed at this length.
const JOIN_FILE_BYTES: u64 = 64 << 20;
/// Commands that wait for a thread.
const COMMANDS: usize = 16;

/// Starts a gateway; it serves when this returns. It stops when `shutdown` is cancelled, or with
/// an error when one of its threads ends.
pub async fn start(options: Options, shutdown: CancellationToken) -> Result<Handle, GatewayError> {
    listen::check(&options)?;
    let options = Arc::new(options);
    let opening = Arc::clone(&options);
    let mut files = spawn_blocking(move || Files::open(&opening))
        .await
        .map_err(|error| GatewayError::Thread(io::Error::other(error)))??;
    let (address, listeners) = listen::bind(options.listen, options.threads.get())?;
    let admin_socket = listen::bind_admin(&options.admin)?;

    let stop = shutdown.child_token();
    let mut commands = Vec::new();
    let mut threads = Threads::default();
    for (thread, listener) in listeners.into_iter().enumerate() {
        let (sender, receiver) = mpsc::channel(COMMANDS);
        commands.push(sender);
        threads.spawn(
            files.setup(thread, &options),
            listener,
            receiver,
            stop.clone(),
        )?;
    }
    files.hands = None;
    let admin = Arc::new(Admin::new(
        options.state_dir.join("routes.json"),
        address,
        commands,
        Arc::clone(&files.index),
        Arc::clone(&files.ledger),
    ));
    let admin_socket = tokio::net::UnixListener::from_std(admin_socket)
        .map_err(GatewayError::file(&options.admin))?;
    let running = serde_json::json!({ "pid": std::process::id(), "address": address.to_string() });
    let card = options.state_dir.join("gateway.json");
    durable::replace(&card, running.to_string().as_bytes()).map_err(GatewayError::file(&card))?;

    let mut tasks = JoinSet::new();
    let quiet = CancellationToken::new();
    tasks.spawn(admin::serve(admin_socket, admin, quiet.clone()));
    tasks.spawn(keep_evidence(Arc::clone(&files.ledger), quiet.clone()));
    tracing::info!(%address, threads = options.threads, "gateway serving");
    let admin = options.admin.clone();
    let ended = tokio::spawn(async move {
        let result = threads.ended(&stop).await;
        quiet.cancel();
        while tasks.join_next().await.is_some() {}
        // What is left of sockets says that nobody is here; failing to remove them does not matter.
        let _ = std::fs::remove_file(&options.admin);
        let _ = std::fs::remove_file(&card);
        let closed = spawn_blocking(move || files.close()).await;
        result?;
        closed.map_err(|error| GatewayError::Thread(io::Error::other(error)))?
    });
    Ok(Handle {
        address,
        admin,
        ended,
    })
}

/// What the gateway keeps on disk, open.
struct Files {
    /// Held as long as this gateway lives.
    _lock: File,
    index: Arc<Index>,
    ledger: Arc<Ledger>,
    /// What is handed to threads; their writers end when the last one is gone.
    hands: Option<Hands>,
    traffic: Option<SyncSender<()>>,
    writers: Vec<JoinHandle<()>>,
    evidence: std::path::PathBuf,
}

struct Hands {
    crowds: Arc<Crowds>,
    lanes: Vec<Arc<Lane>>,
    taps: Vec<Arc<Tap>>,
    join: JoinLog,
}

impl Files {
    fn open(options: &Options) -> Result<Self, GatewayError> {
        let state = &options.state_dir;
        durable::directory(state).map_err(GatewayError::file(state))?;
        let lock = lock(&state.join("gateway.lock"), state)?;
        let index = Arc::new(load_table(&state.join("routes.json"))?);
        let folder = state.join("traffic");
        durable::directory(&folder).map_err(GatewayError::file(&folder))?;
        let threads = options.threads.get();
        let evidence = folder.join("evidence.json");
        let ledger = Ledger::open(evidence.clone(), threads, clock::now_micros())
            .map_err(GatewayError::file(&evidence))?;
        let lanes: Vec<_> = (0..threads).map(|_| Arc::new(Lane::default())).collect();
        let join_folder = folder.join("join");
        let (join, writer) = JoinLog::start(&join_folder, JOIN_FILE_BYTES, lanes.clone())
            .map_err(GatewayError::file(&join_folder))?;
        let mut writers = vec![writer];
        let mut taps = Vec::new();
        let mut running = None;
        if let Some(wanted) = &options.traffic {
            taps = (0..threads)
                .map(|_| Arc::new(Tap::new(wanted.max_body, wanted.budget(threads))))
                .collect();
            let (sender, writer) = traffic::start(&folder, wanted.clone(), taps.clone())
                .map_err(GatewayError::file(&folder))?;
            running = Some(sender);
            writers.push(writer);
        }
        Ok(Self {
            _lock: lock,
            index,
            ledger: Arc::new(ledger),
            hands: Some(Hands {
                crowds: Arc::new(Crowds::new(threads)),
                lanes,
                taps,
                join,
            }),
            traffic: running,
            writers,
            evidence,
        })
    }

    /// What one thread gets.
    fn setup(&self, thread: usize, options: &Arc<Options>) -> Option<Setup> {
        let hands = self.hands.as_ref()?;
        Some(Setup {
            thread,
            options: Arc::clone(options),
            ledger: Arc::clone(&self.ledger),
            crowds: Arc::clone(&hands.crowds),
            index: Arc::clone(&self.index),
            lane: Arc::clone(&hands.lanes[thread]),
            join: hands.join.clone(),
            tap: hands.taps.get(thread).cloned(),
            // Each RandomState has keys of its own.
            random: RandomState::new().build_hasher().finish(),
        })
    }

    /// Lets the writers finish and writes the last counts. Threads must have ended.
    fn close(mut self) -> Result<(), GatewayError> {
        self.hands = None;
        self.traffic = None;
        for writer in self.writers {
            let panicked = |_| GatewayError::Thread(io::Error::other("a log's writer panicked"));
            writer.join().map_err(panicked)?;
        }
        let last = self.ledger.persist(clock::now_micros());
        last.map(drop).map_err(GatewayError::file(self.evidence))
    }
}

fn lock(path: &Path, state: &Path) -> Result<File, GatewayError> {
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(GatewayError::file(path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(GatewayError::InUse(state.to_owned())),
        Err(TryLockError::Error(error)) => Err(GatewayError::file(path)(error)),
    }
}

fn load_table(path: &Path) -> Result<Index, GatewayError> {
    let table = match durable::read(path).map_err(GatewayError::file(path))? {
        None => RoutingTable::default(),
        Some(bytes) => serde_json::from_slice(&bytes).map_err(|source| GatewayError::Json {
            path: path.to_owned(),
            source,
        })?,
    };
    Index::new(table).map_err(|source| GatewayError::Table {
        path: path.to_owned(),
        source,
    })
}

/// The serving threads.
#[derive(Default)]
struct Threads {
    handles: Vec<JoinHandle<()>>,
    /// Each yields when its thread ends.
    ends: JoinSet<Result<(), oneshot::error::RecvError>>,
}

impl Threads {
    fn spawn(
        &mut self,
        setup: Option<Setup>,
        listener: TcpListener,
        commands: mpsc::Receiver<Command>,
        stop: CancellationToken,
    ) -> Result<(), GatewayError> {
        let Some(setup) = setup else {
            return Err(GatewayError::Thread(io::Error::other(
                "the logs are closed",
            )));
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(GatewayError::Thread)?;
        let (end, ended) = oneshot::channel();
        let serve = move || {
            let local = LocalSet::new();
            local.block_on(&runtime, async move {
                match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => Worker::new(setup).serve(listener, commands, stop).await,
                    Err(error) => tracing::error!(%error, "a listener cannot be used"),
                }
            });
            // Connections that outlived the drain end with their runtime.
            drop(local);
            drop(runtime);
            let _ = end.send(());
        };
        let name = format!("gateway-{}", self.handles.len());
        let handle = std::thread::Builder::new()
            .name(name)
            .spawn(serve)
            .map_err(GatewayError::Thread)?;
        self.handles.push(handle);
        self.ends.spawn(ended);
        Ok(())
    }

    /// Waits until all have ended. If one ends before `stop`, the others are stopped.
    async fn ended(mut self, stop: &CancellationToken) -> Result<(), GatewayError> {
        let mut early = false;
        while self.ends.join_next().await.is_some() {
            early |= !stop.is_cancelled();
            stop.cancel();
        }
        let joined = spawn_blocking(move || self.handles.into_iter().all(|h| h.join().is_ok()));
        let whole = joined.await.unwrap_or(false);
        if early || !whole {
            let reason = "a serving thread ended by itself; its last log lines say why";
            return Err(GatewayError::Thread(io::Error::other(reason)));
        }
        Ok(())
    }
}

/// Writes changed counters until told to stop; [`Files::close`] writes the last ones.
async fn keep_evidence(ledger: Arc<Ledger>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(EVIDENCE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        if !ledger.changed() {
            continue;
        }
        let ledger = Arc::clone(&ledger);
        let written = spawn_blocking(move || ledger.persist(clock::now_micros())).await;
        match written {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(%error, "evidence not written"),
            Err(error) => tracing::error!(%error, "evidence not written"),
        }
    }
}
