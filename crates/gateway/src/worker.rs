//! One thread of the gateway: its listener, its clients, its connections to replicas.
//!
//! Started by [`crate::start`], one for each core, and told of new tables and of the end by
//! commands. Threads share nothing that is locked on the way of a request. Must never block.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderValue;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::edge::{self, Admission, Date, Room};
use crate::evidence::Ledger;
use crate::hold::Holding;
use crate::join::{JoinLog, Lane};
use crate::listen::BACKLOG;
use crate::live::{Live, LiveArm, LiveRoute, Sticky};
use crate::load::{Load, VersionLoad};
use crate::mirror::Mirrors;
use crate::options::Options;
use crate::outlier;
use crate::queue::{self, Bounds, Crowd, Crowds, Line};
use crate::replica::Replica;
use crate::split;
use crate::table::{Arm, Index, Route};
use crate::traffic::Tap;

/// Pause after a connection could not be accepted (no file descriptors left, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// How a thread is told to end.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    /// Another gateway takes the connections that come; those that are open may go on for long.
    pub(crate) leave: CancellationToken,
    /// Nobody does, or it took too long.
    pub(crate) stop: CancellationToken,
}

impl Ending {
    /// One for a single thread: all threads would meet at the one that they share.
    fn own(&self) -> Self {
        Self {
            leave: self.leave.child_token(),
            stop: self.stop.child_token(),
        }
    }

    /// Waits for either.
    pub(crate) async fn begun(&self) {
        tokio::select! {
            () = self.leave.cancelled() => {}
            () = self.stop.cancelled() => {}
        }
    }
}

/// What a thread is told.
#[derive(Debug)]
pub(crate) enum Command {
    /// Serve this table from now on, and say when you do.
    Swap(Arc<Index>, oneshot::Sender<()>),
    /// Say how your replicas are, and what you have to do.
    Report(oneshot::Sender<Report>),
}

/// What a thread says of itself.
#[derive(Debug)]
pub(crate) struct Report {
    /// Replicas of the table, and those of former ones that still have requests.
    pub(crate) replicas: Vec<ReplicaReport>,
    /// Versions of the table.
    pub(crate) loads: Vec<VersionLoad>,
}

/// How a replica is, seen by a thread or (added up) by the gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaReport {
    /// Its socket.
    pub path: PathBuf,
    /// On how many threads it is connected and answers.
    pub connections: usize,
    /// Requests without an answer so far.
    pub in_flight: usize,
    /// Requests that wait for a place at it or a sibling.
    #[serde(default)]
    pub waiting: usize,
    /// On how many threads it gets no requests because it is not like its siblings.
    #[serde(default)]
    pub ejected: usize,
    /// Why, if it does not get any on some thread.
    #[serde(default)]
    pub reason: Option<String>,
    /// It was left out again though it had its chance, and should be replaced.
    #[serde(default)]
    pub for_good: bool,
}

/// What a thread is given.
pub(crate) struct Setup {
    /// Which thread this is.
    pub(crate) thread: usize,
    /// The gateway's options.
    pub(crate) options: Arc<Options>,
    /// All counters.
    pub(crate) ledger: Arc<Ledger>,
    /// Who waits for replicas in all threads.
    pub(crate) crowds: Arc<Crowds>,
    /// Requests without a replica.
    pub(crate) holding: Arc<Holding>,
    /// The first table.
    pub(crate) index: Arc<Index>,
    /// Where predictions go.
    pub(crate) lane: Arc<Lane>,
    /// Where labels go.
    pub(crate) join: JoinLog,
    /// Where traffic goes.
    pub(crate) tap: Option<Arc<Tap>>,
    /// Who gets copies.
    pub(crate) mirrors: Mirrors,
    /// Makes assignments of requests without a sticky value, and ids, differ between threads.
    pub(crate) random: u64,
}

/// The thread's state.
pub(crate) struct Worker {
    /// Which thread this is.
    pub(crate) thread: usize,
    /// The gateway's options.
    pub(crate) options: Arc<Options>,
    /// Who is let in.
    pub(crate) admission: Admission,
    /// All counters.
    pub(crate) ledger: Arc<Ledger>,
    /// Who waits for replicas in all threads.
    pub(crate) crowds: Arc<Crowds>,
    /// Where predictions go.
    pub(crate) lane: Arc<Lane>,
    /// Where labels go.
    pub(crate) join: JoinLog,
    /// Where traffic goes.
    pub(crate) tap: Option<Arc<Tap>>,
    holding: Arc<Holding>,
    mirrors: Mirrors,
    live: RefCell<Rc<Live>>,
    replicas: RefCell<HashMap<PathBuf, Rc<Replica>>>,
    /// No longer in the table, but not idle yet.
    retired: RefCell<Vec<Rc<Replica>>>,
    loads: RefCell<Vec<Rc<Load>>>,
    keepers: RefCell<JoinSet<()>>,
    /// Told when a replica came or went, or the table changed.
    pub(crate) changed: Rc<Notify>,
    /// For the answers.
    pub(crate) date: Date,
    /// For what clients send.
    pub(crate) room: Room,
    random: Cell<u64>,
}

impl Worker {
    /// A thread that serves nothing yet. Call it inside a `LocalSet`.
    pub(crate) fn new(setup: Setup) -> Rc<Self> {
        let nothing = Live {
            index: Arc::clone(&setup.index),
            routes: Vec::new(),
        };
        let worker = Rc::new(Self {
            thread: setup.thread,
            admission: Admission::new(
                setup.options.listen.ip().is_loopback(),
                setup.options.tokens.clone(),
            ),
            options: setup.options,
            ledger: setup.ledger,
            crowds: setup.crowds,
            lane: setup.lane,
            join: setup.join,
            tap: setup.tap,
            holding: setup.holding,
            mirrors: setup.mirrors,
            live: RefCell::new(Rc::new(nothing)),
            replicas: RefCell::default(),
            retired: RefCell::default(),
            loads: RefCell::default(),
            keepers: RefCell::default(),
            changed: Rc::new(Notify::new()),
            date: Date::default(),
            room: Room::default(),
            random: Cell::new(setup.random),
        });
        worker.swap(setup.index);
        worker
    }

    /// What is served now.
    pub(crate) fn live(&self) -> Rc<Live> {
        Rc::clone(&self.live.borrow())
    }

    /// The next random number (splitmix64).
    pub(crate) fn random(&self) -> u64 {
        let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Accepts clients until told to end, then lets those that are served finish.
    pub(crate) async fn serve(
        self: Rc<Self>,
        listener: TcpListener,
        mut commands: mpsc::Receiver<Command>,
        ending: Ending,
    ) {
        let ending = ending.own();
        // They end with the thread: requests are served to the last while it drains.
        let mut own = JoinSet::new();
        own.spawn_local(queue::serve_lines(Rc::clone(&self)));
        own.spawn_local(outlier::review(Rc::clone(&self)));
        let mut clients = JoinSet::new();
        let most = (self.options.max_connections / self.options.threads).max(1);
        loop {
            tokio::select! {
                biased;
                () = ending.begun() => break,
                Some(command) = commands.recv() => self.obey(command),
                Some(_) = clients.join_next() => {}
                accepted = listener.accept(), if clients.len() < most => match accepted {
                    Ok((stream, _)) => self.welcome(stream, &ending, &mut clients),
                    Err(error) => {
                        tracing::warn!(%error, "connection not accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
        self.welcome_the_last(listener, &ending, &mut clients);
        self.see_out(&mut clients, commands, &ending).await;
    }

    /// Waits for the connections that there are.
    async fn see_out(
        &self,
        clients: &mut JoinSet<()>,
        mut commands: mpsc::Receiver<Command>,
        ending: &Ending,
    ) {
        let mut limit = pin!(tokio::time::sleep(self.options.leave));
        let mut is_stopping = false;
        loop {
            tokio::select! {
                biased;
                Some(command) = commands.recv() => self.obey(command),
                ended = clients.join_next() => if ended.is_none() { return },
                () = ending.stop.cancelled(), if !is_stopping => {
                    is_stopping = true;
                    limit.as_mut().reset(Instant::now() + self.options.drain);
                }
                () = limit.as_mut() => {
                    tracing::warn!(connections = clients.len(), "cut off: they did not end in time");
                    return;
                }
            }
        }
    }

    /// Closing a listener that nobody else holds resets those who are in its queue, so they are taken out first.
    fn welcome_the_last(
        self: &Rc<Self>,
        listener: TcpListener,
        ending: &Ending,
        clients: &mut JoinSet<()>,
    ) {
        let Ok(listener) = listener.into_std() else {
            return;
        };
        for _ in 0..BACKLOG {
            let Ok((stream, _)) = listener.accept() else {
                return;
            };
            let stream = stream
                .set_nonblocking(true)
                .and_then(|()| TcpStream::from_std(stream));
            if let Ok(stream) = stream {
                self.welcome(stream, ending, clients);
            }
        }
    }

    fn welcome(self: &Rc<Self>, stream: TcpStream, ending: &Ending, clients: &mut JoinSet<()>) {
        match prepare(&stream) {
            Ok(()) => {
                clients.spawn_local(edge::client(Rc::clone(self), stream, ending.clone()));
            }
            Err(error) => tracing::debug!(%error, "client gone before it was served"),
        }
    }

    fn obey(&self, command: Command) {
        // Whoever asked may have gone.
        match command {
            Command::Swap(index, done) => {
                self.swap(index);
                let _ = done.send(());
            }
            Command::Report(answer) => {
                let _ = answer.send(self.report());
            }
        }
    }

    fn report(&self) -> Report {
        let mut retired = self.retired.borrow_mut();
        retired.retain(|replica| replica.in_flight() > 0);
        let replicas = self.replicas.borrow();
        let live = self.live();
        let report = |replica: &Rc<Replica>| {
            let has_it = |arm: &&LiveArm| arm.replicas.iter().any(|one| Rc::ptr_eq(one, replica));
            ReplicaReport {
                path: replica.path().to_owned(),
                connections: usize::from(replica.is_up()),
                in_flight: replica.in_flight(),
                waiting: live.arms().filter(has_it).map(|arm| arm.line.len()).sum(),
                ejected: usize::from(replica.standing().is_out()),
                reason: replica.standing().reason().map(|reason| reason.to_string()),
                for_good: replica.standing().is_out() && replica.standing().is_out_for_good(),
            }
        };
        Report {
            replicas: replicas.values().chain(&*retired).map(report).collect(),
            loads: self
                .loads
                .borrow()
                .iter()
                .map(|load| load.report())
                .collect(),
        }
    }

    /// Serves another table: keeps the connections that both have, makes new ones, and lets those
    /// that are no longer named go when their last request has ended.
    fn swap(&self, index: Arc<Index>) {
        let mut old = std::mem::take(&mut *self.replicas.borrow_mut());
        let loads = std::mem::take(&mut *self.loads.borrow_mut());
        let routes = index
            .table
            .routes
            .iter()
            .map(|route| self.route(route, &mut old, &loads))
            .collect();
        *self.live.borrow_mut() = Rc::new(Live { index, routes });
        let mut retired = self.retired.borrow_mut();
        for replica in old.into_values() {
            replica.retire();
            retired.push(replica);
        }
        retired.retain(|replica| replica.in_flight() > 0);
        self.changed.notify_waiters();
    }

    fn route(
        &self,
        route: &Route,
        old: &mut HashMap<PathBuf, Rc<Replica>>,
        loads: &[Rc<Load>],
    ) -> LiveRoute {
        let (options, limits) = (&self.options, &route.limits);
        let key: Rc<str> = route.key().into();
        let bounds = Bounds {
            replica: limits.max_per_replica.unwrap_or(usize::MAX),
            version: limits.max_in_flight.unwrap_or(options.max_in_flight),
            wait: limits
                .queue_ms
                .map_or(options.queue_wait, Duration::from_millis),
            class: limits.priority.unwrap_or_default(),
        };
        let waiting = limits.max_waiting.unwrap_or(options.max_waiting);
        let arm = |arm: &Arm| {
            let crowd = self.crowds.crowd(&key, arm.version);
            LiveArm {
                version: arm.version,
                model: arm.model.clone(),
                header: HeaderValue::from(arm.version),
                weight: arm.weight,
                counters: self.ledger.counters(self.thread, route, arm.version),
                load: self.load(&key, arm.version, loads),
                held: self.holding.of(&key, arm.version),
                replicas: arm
                    .replicas
                    .iter()
                    .map(|path| self.replica(path, &crowd, old))
                    .collect(),
                bounds,
                line: Line::new(self.thread, waiting, crowd),
            }
        };
        LiveRoute {
            seed: split::seed(&route.salt),
            sticky: Sticky::of(route),
            arms: route.arms.iter().map(arm).collect(),
            max_body: limits
                .max_body_bytes
                .map_or(options.max_body, |n| n.min(options.max_body)),
            timeout: limits
                .timeout_ms
                .map_or(options.request_timeout, Duration::from_millis),
            max_held: limits.max_held.unwrap_or(options.max_held),
            hold: limits
                .hold_ms
                .map_or(options.replica_wait, Duration::from_millis),
            mirror: self.mirrors.of(route),
            route: Arc::new(route.clone()),
            key,
        }
    }

    /// Runs a task on this thread for as long as it serves.
    pub(crate) fn keep(&self, task: impl Future<Output = ()> + 'static) {
        let mut keepers = self.keepers.borrow_mut();
        while keepers.try_join_next().is_some() {}
        keepers.spawn_local(task);
    }

    /// A version's requests, counted on if a former table had it.
    fn load(&self, route: &Rc<str>, version: u32, old: &[Rc<Load>]) -> Rc<Load> {
        let known = old.iter().find(|load| load.is_of(route, version));
        let load = known.map_or_else(|| Rc::new(Load::new(Rc::clone(route), version)), Rc::clone);
        self.loads.borrow_mut().push(Rc::clone(&load));
        load
    }

    fn replica(
        &self,
        path: &PathBuf,
        crowd: &Arc<Crowd>,
        old: &mut HashMap<PathBuf, Rc<Replica>>,
    ) -> Rc<Replica> {
        let mut replicas = self.replicas.borrow_mut();
        if let Some(replica) = replicas.get(path) {
            return Rc::clone(replica);
        }
        let replica = old.remove(path).unwrap_or_else(|| {
            let places = self.crowds.places(path, crowd);
            let replica = Rc::new(Replica::new(path, self.options.replica_silence, places));
            let (keep, changed) = (Rc::clone(&replica), Rc::clone(&self.changed));
            let task = async move { keep.keep(&changed).await };
            self.keep(task);
            replica
        });
        replicas.insert(path.clone(), Rc::clone(&replica));
        replica
    }
}

/// What every accepted connection needs: an answer is written whole, and waiting to send it until
/// the client has acknowledged the last one (Nagle) would cost 40 ms.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn accepted_connections_do_not_wait_to_send() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (_client, (server, _)) = (client.unwrap(), server.unwrap());
        assert!(!server.nodelay().unwrap());
        prepare(&server).unwrap();
        assert!(server.nodelay().unwrap());
    }
}
