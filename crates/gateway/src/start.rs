//! Starting a gateway and stopping it: files, sockets, threads, in the order that loses nothing.
//!
//! Called by whoever runs the role. After this, only the admin socket changes what is served.

use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, LocalSet, spawn_blocking};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::admin::Admin;
use crate::error::GatewayError;
use crate::evidence::Ledger;
use crate::hold::Holding;
use crate::join::{JoinLog, Lane};
use crate::mirror::{self, Mirrors};
use crate::options::Options;
use crate::orders::{self, Orders, table_file};
use crate::queue::Crowds;
use crate::seat::Seat;
use crate::table::Index;
use crate::traffic::{self, Tap};
use crate::worker::{Command, Ending, Setup, Worker};
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
    let seat = Seat::take(&options)?;
    start_in(options, seat, shutdown).await
}

/// The same in a seat that was taken before, whose address and number of threads go before those of the options.
/// Another gateway may have the seat too; its admin socket comes here when that one leaves.
pub async fn start_in(
    mut options: Options,
    seat: Seat,
    shutdown: CancellationToken,
) -> Result<Handle, GatewayError> {
    let address = seat.address();
    options.listen = address;
    options.threads = seat.threads();
    listen::check(&options)?;
    let (lock, listeners) = seat.split();
    let options = Arc::new(options);
    let opening = Arc::clone(&options);
    let mut files = spawn_blocking(move || Files::open(&opening, lock))
        .await
        .map_err(|error| GatewayError::Thread(io::Error::other(error)))??;
    let orders = Orders::open(&options, address)?;

    let ending = Ending {
        leave: CancellationToken::new(),
        stop: shutdown.child_token(),
    };
    let mut commands = Vec::new();
    let mut threads = Threads::default();
    for (thread, listener) in listeners.into_iter().enumerate() {
        let (sender, receiver) = mpsc::channel(COMMANDS);
        commands.push(sender);
        threads.spawn(
            files.setup(thread, &options),
            listener,
            receiver,
            ending.clone(),
        )?;
    }
    files.hands = None;
    let admin = Arc::new(Admin::new(
        table_file(&options.state_dir),
        address,
        commands,
        Arc::clone(&files.index),
        (Arc::clone(&files.ledger), Arc::clone(&files.mirrored)),
        files.holding.calls(),
    ));
    let mut tasks = JoinSet::new();
    let quiet = CancellationToken::new();
    let (told, ends) = (ending.clone(), quiet.clone());
    tasks.spawn(async move {
        if let Err(error) = orders.serve(admin, &told.leave, &ends).await {
            tracing::error!(%error, "nobody can say what to serve");
            told.stop.cancel();
        }
    });
    tasks.spawn(keep_evidence(Arc::clone(&files.ledger), quiet.clone()));
    tracing::info!(%address, threads = options.threads, "gateway serving");
    let (admin, leave) = (options.admin.clone(), ending.leave.clone());
    let ended = tokio::spawn(async move {
        let result = threads.ended(&ending).await;
        quiet.cancel();
        while tasks.join_next().await.is_some() {}
        let closed = spawn_blocking(move || files.close()).await;
        result?;
        closed.map_err(|error| GatewayError::Thread(io::Error::other(error)))?
    });
    Ok(Handle {
        address,
        admin,
        leave,
        ended,
    })
}

/// What the gateway keeps on disk, open.
struct Files {
    /// Held as long as this gateway lives.
    _lock: File,
    index: Arc<Index>,
    ledger: Arc<Ledger>,
    holding: Arc<Holding>,
    /// What is handed to threads; their writers end when the last one is gone.
    hands: Option<Hands>,
    traffic: Option<SyncSender<()>>,
    mirrored: mirror::Known,
    writers: Vec<JoinHandle<()>>,
    evidence: std::path::PathBuf,
}

struct Hands {
    crowds: Arc<Crowds>,
    lanes: Vec<Arc<Lane>>,
    taps: Vec<Arc<Tap>>,
    join: JoinLog,
    mirrors: Mirrors,
}

impl Files {
    fn open(options: &Options, lock: File) -> Result<Self, GatewayError> {
        let state = &options.state_dir;
        let index = Arc::new(orders::load(&table_file(state))?);
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
        let (mirrors, comparing) = Mirrors::start().map_err(GatewayError::Thread)?;
        let mut writers = vec![writer, comparing];
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
            holding: Holding::new(options.max_held_bytes),
            mirrored: mirrors.known(),
            hands: Some(Hands {
                crowds: Arc::new(Crowds::new(threads)),
                lanes,
                taps,
                join,
                mirrors,
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
            holding: Arc::clone(&self.holding),
            index: Arc::clone(&self.index),
            lane: Arc::clone(&hands.lanes[thread]),
            join: hands.join.clone(),
            tap: hands.taps.get(thread).cloned(),
            mirrors: hands.mirrors.clone(),
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
        ending: Ending,
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
                    Ok(listener) => Worker::new(setup).serve(listener, commands, ending).await,
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

    /// Waits until all have ended. If one ends before it should, the others are stopped.
    async fn ended(mut self, ending: &Ending) -> Result<(), GatewayError> {
        let mut early = false;
        while self.ends.join_next().await.is_some() {
            if !ending.leave.is_cancelled() {
                early |= !ending.stop.is_cancelled();
                ending.stop.cancel();
            }
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
