//! One thread's connection to one replica: requests out, replies back, in any order.
//!
//! Owned by [`crate::worker`]. A single task keeps the connection: it connects, writes what has
//! gathered since its last write in one system call, gives each reply to whoever waits for it, and
//! when the connection is lost tells all who wait and connects again. A replica is up once it has
//! described its model, and for as long as it answers: one that is silent is pinged, and gets no
//! requests until it is heard again. Lives on one thread, so nothing here locks. Must never send a
//! request twice: that is the caller's decision.

mod pulse;
mod relaying;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, select};
use inference::frame::{self, Reply, Request};
use inference::model::Understands;
use tokio::net::UnixStream;
use tokio::sync::{Notify, oneshot};

use crate::outlier::Standing;
use crate::queue::Places;
use pulse::{Beat, Pulse};
pub(crate) use relaying::{Relaying, Sender};

/// First pause after a connection could not be made or was lost.
const PAUSE_MIN: Duration = Duration::from_millis(5);
/// Longest pause. Connecting to a Unix socket is cheap, and somebody may be waiting.
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// Room for replies.
const READ_BYTES: usize = 64 << 10;
/// A write buffer above this is given back after use.
const KEEP_BYTES: usize = 1 << 20;
/// The id of the gateway's own questions. Those of requests count up from 0 and never get there.
const OWN: u64 = u64::MAX;

/// A replica as one thread sees it.
#[derive(Debug)]
pub(crate) struct Replica {
    path: PathBuf,
    /// How often to look whether something was heard.
    period: Duration,
    up: Cell<bool>,
    /// A reply came since the last look.
    heard: Cell<bool>,
    next: Cell<u64>,
    out: RefCell<BytesMut>,
    waiting: RefCell<HashMap<u64, oneshot::Sender<Reply>>>,
    /// The requests that it has of all threads.
    places: Arc<Places>,
    /// How it does beside its siblings.
    standing: Standing,
    /// Something to write.
    filled: Notify,
    /// Requests of HTTP that it answers.
    relaying: Cell<usize>,
    /// Connections of HTTP that wait for the next one.
    spare: RefCell<Vec<Sender>>,
    /// It understands that a request is given up.
    cancels: Cell<bool>,
    retired: Cell<bool>,
    /// Retired and nobody waits.
    idle: Notify,
}

/// A request that will have no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// It is not up; nothing was sent.
    #[error("the replica is not connected, or does not answer")]
    Down,
    /// The request does not fit a frame; nothing was sent.
    #[error("the request does not fit a frame")]
    TooLong,
    /// The connection was lost with the request under way.
    #[error("the connection to the replica was lost before its answer")]
    Lost,
}

impl Replica {
    /// A replica that is not connected yet: run [`Self::keep`] for that. It may leave a ping
    /// without an answer for `silence`.
    pub(crate) fn new(path: &Path, silence: Duration, places: Arc<Places>) -> Self {
        Self {
            path: path.to_owned(),
            period: pulse::period(silence),
            up: Cell::new(false),
            heard: Cell::new(false),
            next: Cell::new(0),
            out: RefCell::new(BytesMut::new()),
            waiting: RefCell::new(HashMap::new()),
            places,
            standing: Standing::default(),
            relaying: Cell::new(0),
            spare: RefCell::new(Vec::new()),
            cancels: Cell::new(false),
            filled: Notify::new(),
            retired: Cell::new(false),
            idle: Notify::new(),
        }
    }

    /// Its socket.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is connected and answers.
    pub(crate) fn is_up(&self) -> bool {
        self.up.get()
    }

    /// The requests that it has of all threads.
    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    /// How it does beside its siblings.
    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Requests of this thread without a reply so far.
    pub(crate) fn in_flight(&self) -> usize {
        self.waiting.borrow().len() + self.relaying.get()
    }

    /// Lets the connection go once nobody waits for a reply. Nobody may call afterwards.
    pub(crate) fn retire(&self) {
        self.retired.set(true);
        self.wake_if_idle();
    }

    /// Sends a request and waits for its reply. Dropping the future forgets the request.
    pub(crate) async fn call(self: &Rc<Self>, request: &Request) -> Result<Reply, CallError> {
        if !self.up.get() {
            return Err(CallError::Down);
        }
        let id = self.next.get();
        self.next.set(id.wrapping_add(1));
        frame::encode_request(id, request, &mut self.out.borrow_mut())
            .map_err(|_| CallError::TooLong)?;
        let (sender, receiver) = oneshot::channel();
        self.waiting.borrow_mut().insert(id, sender);
        let _forget = Forget { replica: self, id };
        self.filled.notify_one();
        receiver.await.map_err(|_| CallError::Lost)
    }

    /// Keeps the connection until the replica is retired and idle. `changed` is told whenever it
    /// comes up or goes down.
    pub(crate) async fn keep(self: Rc<Self>, changed: &Notify) {
        let mut pause = PAUSE_MIN;
        while !self.is_done() {
            match UnixStream::connect(&self.path).await {
                Ok(stream) => {
                    let lost = self.exchange(stream, &mut pause, changed).await;
                    self.fail_all();
                    changed.notify_waiters();
                    if let Err(error) = lost {
                        tracing::warn!(replica = %self.path.display(), %error, "replica lost");
                    }
                }
                Err(error) => {
                    tracing::debug!(replica = %self.path.display(), %error, "replica not there");
                }
            }
            let done = pin!(self.idle.notified());
            if !self.is_done() {
                select(pin!(tokio::time::sleep(pause)), done).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }

    /// Writes and reads until the connection is lost (an error) or no longer needed.
    async fn exchange(
        &self,
        stream: UnixStream,
        pause: &mut Duration,
        changed: &Notify,
    ) -> io::Result<()> {
        let (read, write) = pipe::halves(stream)?;
        self.ask(&Request::Describe);
        let traffic = pin!(async {
            // Reading comes first, so that silence is judged when all that came is read.
            tokio::select! {
                biased;
                lost = self.read(read, pause, changed) => lost,
                lost = self.write(write) => lost,
                lost = self.listen(changed) => lost,
            }
        });
        let done = pin!(async {
            while !self.is_done() {
                self.idle.notified().await;
            }
        });
        match select(traffic, done).await {
            Either::Left((lost, _)) => lost,
            Either::Right(((), _)) => Ok(()),
        }
    }

    async fn write(&self, mut write: pipe::Writer) -> io::Result<()> {
        let mut batch = BytesMut::new();
        loop {
            while self.out.borrow().is_empty() {
                self.filled.notified().await;
            }
            std::mem::swap(&mut batch, &mut *self.out.borrow_mut());
            // Of what is sent, the room is no longer counted.
            let room = batch.capacity();
            write.write_all(&mut batch).await?;
            if room > KEEP_BYTES {
                batch = BytesMut::new();
            }
        }
    }

    /// Asks something for the gateway's own sake.
    fn ask(&self, question: &Request) {
        // It has no body, so it fits.
        if frame::encode_request(OWN, question, &mut self.out.borrow_mut()).is_ok() {
            self.filled.notify_one();
        }
    }

    /// Looks every period whether something was heard, and asks if nothing was. Ends when there is
    /// no hope left for the connection.
    async fn listen(&self, changed: &Notify) -> io::Result<()> {
        self.heard.set(false);
        let mut pulse = Pulse::asked();
        loop {
            tokio::time::sleep(self.period).await;
            match pulse.beat(self.heard.replace(false)) {
                Beat::Rest => {}
                Beat::Ping => self.ask(&Request::Ping),
                Beat::Silent | Beat::Hopeless if self.up.replace(false) => {
                    tracing::warn!(replica = %self.path.display(), "replica does not answer");
                    changed.notify_waiters();
                }
                Beat::Hopeless if self.waiting.borrow().is_empty() => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Beat::Silent | Beat::Hopeless => {}
            }
        }
    }

    async fn read(
        &self,
        mut read: pipe::Reader,
        pause: &mut Duration,
        changed: &Notify,
    ) -> io::Result<()> {
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        loop {
            if read.read(&mut buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            while let Some((id, reply)) =
                frame::decode_reply(&mut buffer).map_err(io::Error::other)?
            {
                self.heard.set(true);
                // A replica that answers is no reason to wait.
                *pause = PAUSE_MIN;
                if !self.up.replace(true) {
                    changed.notify_waiters();
                }
                if id == OWN {
                    self.understand(&reply);
                    continue;
                }
                let waiter = self.waiting.borrow_mut().remove(&id);
                if let Some(waiter) = waiter {
                    // Whoever asked may have gone meanwhile.
                    let _ = waiter.send(reply);
                }
            }
            self.wake_if_idle();
            buffer.reserve(READ_BYTES / 2);
        }
    }

    /// Notes what a replica says of itself.
    fn understand(&self, reply: &Reply) {
        if let Reply::Description(json) = reply {
            let said: Option<Understands> = serde_json::from_slice(json).ok();
            self.cancels.set(said.is_some_and(|said| said.frames >= 2));
        }
    }

    /// Tells the replica that nobody waits for a request any more.
    fn cancel(&self, id: u64) {
        // It has no body, so it fits.
        if self.cancels.get()
            && frame::encode_request(id, &Request::Cancel, &mut self.out.borrow_mut()).is_ok()
        {
            self.filled.notify_one();
        }
    }

    fn fail_all(&self) {
        self.up.set(false);
        self.out.borrow_mut().clear();
        // Dropping the senders tells the receivers.
        self.waiting.borrow_mut().clear();
    }

    fn is_done(&self) -> bool {
        self.retired.get() && self.in_flight() == 0
    }

    fn wake_if_idle(&self) {
        if self.is_done() {
            self.idle.notify_one();
        }
    }
}

/// Forgets a request when whoever waits for it goes away, and says so.
struct Forget<'a> {
    replica: &'a Replica,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        let waited = self.replica.waiting.borrow_mut().remove(&self.id);
        if waited.is_some() {
            self.replica.cancel(self.id);
        }
        self.replica.wake_if_idle();
    }
}

/// The body of a reply that is a description.
pub(crate) fn description(reply: Reply) -> Option<Bytes> {
    match reply {
        Reply::Description(json) => Some(json),
        Reply::Answer(_) | Reply::Pong => None,
    }
}
