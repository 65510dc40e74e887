//! Copies of requests for a version that serves nobody yet, whose answers are compared with those that clients got.
//!
//! [`crate::predict`] offers each request once it has its answer. A share of them is asked of the mirror's version by a task
//! of its own, and the pair handed to the thread of [`comparing`]. What finds no room on the way is dropped and counted: no
//! request ever waits for its copy, and no answer of a copy is sent to anybody. Copies are no evidence of their version.

mod comparing;
#[cfg(test)]
mod tests;

use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use compare::{Answered, Comparison, Options, Report, Side};
use inference::frame::{Reply, Request, Wire};
use serde::{Deserialize, Serialize};

use crate::live::LiveRoute;
use crate::replica::{CallError, Replica};
use crate::split;
use crate::table::Route;
use crate::traffic::{Payload, Protocol};

/// Copies under way for one version, over all threads.
const IN_FLIGHT: usize = 64;
/// Longest request and longest answer of a copy.
const LONGEST: usize = 1 << 20;
/// Pairs that wait to be compared, and bytes of them.
const PAIRS: usize = 256;
const BYTES: usize = 16 << 20;

/// A version that gets copies of a route's requests.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mirror {
    /// Which: one of the route's arms.
    pub version: u32,
    /// The share of requests that are copied, above 0 and up to 1.
    pub share: f64,
}

/// What a mirror has seen since it began or the gateway was started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MirrorEvidence {
    /// `project/environment/service`.
    pub route: String,
    /// The route's salt: the roll-out's id.
    pub salt: String,
    /// The version that gets copies.
    pub version: u32,
    /// Copies that were sent to it.
    pub copies: u64,
    /// Requests that were chosen, and not copied or not compared, because there was no room.
    pub dropped: u64,
    /// What was found of the others.
    pub report: Report,
}

/// One mirror, as all threads share it.
#[derive(Debug)]
pub(crate) struct Seen {
    route: String,
    salt: String,
    version: u32,
    copies: AtomicU64,
    dropped: AtomicU64,
    in_flight: AtomicUsize,
    /// Held by the thread that compares, and by whoever looks.
    comparison: Mutex<Comparison>,
}

/// A request and what both versions said to it.
#[derive(Debug)]
struct Pair {
    seen: Arc<Seen>,
    /// Says what of it is never written.
    route: Arc<Route>,
    id: String,
    wire: Wire,
    body: Bytes,
    before: Side,
    after: Side,
}

/// All mirrors, and the way to the thread that compares. It ends when the last of these is gone.
#[derive(Debug, Clone)]
pub(crate) struct Mirrors {
    queue: SyncSender<Pair>,
    waiting: Arc<AtomicUsize>,
    /// Not looked at on a request's way.
    known: Known,
}

/// Every mirror there is.
pub(crate) type Known = Arc<Mutex<Vec<Arc<Seen>>>>;

/// One route's mirror, as one thread serves it.
#[derive(Debug)]
pub(crate) struct LiveMirror {
    mirrors: Mirrors,
    seen: Arc<Seen>,
    share: f64,
}

/// An answered request.
pub(crate) struct Answer<'a> {
    pub(crate) id: String,
    pub(crate) wire: Wire,
    pub(crate) body: &'a Bytes,
    pub(crate) status: u16,
    pub(crate) json: u32,
    pub(crate) said: &'a Bytes,
}

impl Mirrors {
    /// Starts the thread that compares.
    pub(crate) fn start() -> io::Result<(Self, JoinHandle<()>)> {
        let (queue, pairs) = sync_channel(PAIRS);
        let waiting = Arc::new(AtomicUsize::new(0));
        let thread = comparing::start(pairs, Arc::clone(&waiting))?;
        let mirrors = Self {
            queue,
            waiting,
            known: Known::default(),
        };
        Ok((mirrors, thread))
    }

    /// Every mirror there is, for whoever looks.
    pub(crate) fn known(&self) -> Known {
        Arc::clone(&self.known)
    }

    /// The mirror of a route, if it has one. One of another roll-out of the route is forgotten.
    pub(crate) fn of(&self, route: &Route) -> Option<LiveMirror> {
        let Mirror { version, share } = route.mirror?;
        let key = route.key();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_this = |seen: &Arc<Seen>| seen.salt == route.salt && seen.version == version;
        known.retain(|seen| seen.route != key || is_this(seen));
        let seen = match known.iter().find(|seen| seen.route == key) {
            Some(seen) => Arc::clone(seen),
            None => {
                let seen = Arc::new(Seen {
                    route: key,
                    salt: route.salt.clone(),
                    version,
                    copies: AtomicU64::new(0),
                    dropped: AtomicU64::new(0),
                    in_flight: AtomicUsize::new(0),
                    comparison: Mutex::new(Comparison::new(Options::default())),
                });
                known.push(Arc::clone(&seen));
                seen
            }
        };
        drop(known);
        Some(LiveMirror {
            mirrors: self.clone(),
            seen,
            share,
        })
    }
}

/// What all mirrors have seen. It takes a while: run it on a blocking thread.
pub(crate) fn evidence(known: &Known) -> Vec<MirrorEvidence> {
    let all = known.lock().unwrap_or_else(PoisonError::into_inner).clone();
    all.iter().map(|seen| seen.evidence()).collect()
}

impl Seen {
    fn evidence(&self) -> MirrorEvidence {
        let comparison = self.comparison.lock();
        let report = comparison.unwrap_or_else(PoisonError::into_inner).report();
        MirrorEvidence {
            route: self.route.clone(),
            salt: self.salt.clone(),
            version: self.version,
            copies: self.copies.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            report,
        }
    }

    fn drop_one(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }
}

/// A place among the copies under way.
#[derive(Debug)]
struct Place(Arc<Seen>);

impl Place {
    fn take(seen: &Arc<Seen>) -> Option<Self> {
        let place = Self(Arc::clone(seen));
        let before = seen.in_flight.fetch_add(1, Relaxed);
        (before < IN_FLIGHT).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

impl LiveMirror {
    /// Whether this mirror's version should be asked what another one answered; `random` decides.
    pub(crate) fn wants(&self, answered_by: u32, random: u64) -> bool {
        answered_by != self.seen.version && split::fraction(random) < self.share
    }

    /// The task that asks a copy and hands the pair on; none when there is no room for it.
    pub(crate) fn copy(
        &self,
        route: &LiveRoute,
        answer: Answer<'_>,
    ) -> Option<impl Future<Output = ()> + use<>> {
        let version = self.seen.version;
        let arm = route.arms.iter().find(|arm| arm.version == version);
        // A copy takes no request's place.
        let spare = arm.and_then(|arm| arm.spare(self.seen.copies.load(Relaxed)));
        let fits = answer.body.len() <= LONGEST && answer.said.len() <= LONGEST;
        let (Some(spare), Some(place), true) = (spare, Place::take(&self.seen), fits) else {
            self.seen.drop_one();
            return None;
        };
        self.seen.copies.fetch_add(1, Relaxed);
        let pair = Pair {
            seen: Arc::clone(&self.seen),
            route: Arc::clone(&route.route),
            id: answer.id,
            wire: answer.wire,
            body: answer.body.clone(),
            before: Ok(Answered {
                status: answer.status,
                json: answer.json,
                body: answer.said.clone(),
            }),
            after: Err(String::new()),
        };
        let (mirrors, patience) = (self.mirrors.clone(), route.timeout);
        Some(async move {
            let after = ask(spare.replica(), pair.wire, &pair.body, patience).await;
            drop((spare, place));
            match after {
                Some(after) => mirrors.hand_on(Pair { after, ..pair }),
                None => pair.seen.drop_one(),
            }
        })
    }
}

/// What a replica says to a copy; nothing when it could not be asked.
async fn ask(replica: &Rc<Replica>, wire: Wire, body: &Bytes, patience: Duration) -> Option<Side> {
    let request = Request::Infer(wire, body.clone());
    match tokio::time::timeout(patience, replica.call(&request)).await {
        // It has no room, which says nothing of its answers.
        Ok(Ok(Reply::Answer(answer))) if answer.status == 503 => None,
        Ok(Ok(Reply::Answer(answer))) => Some(Ok(Answered {
            status: answer.status,
            json: answer.json,
            body: answer.body,
        })),
        Ok(Ok(Reply::Description(_) | Reply::Pong)) => {
            Some(Err("an answer of another kind".to_owned()))
        }
        Ok(Err(CallError::Lost)) => Some(Err("its replica went away".to_owned())),
        Ok(Err(CallError::Down | CallError::TooLong)) => None,
        Err(_) => Some(Err(format!("no answer within {patience:?}"))),
    }
}

impl Mirrors {
    fn hand_on(&self, mut pair: Pair) {
        let bytes = pair.len();
        if said(&pair.after) > LONGEST || self.waiting.load(Relaxed) + bytes > BYTES {
            pair.seen.drop_one();
            return;
        }
        pair.shrink();
        self.waiting.fetch_add(bytes, Relaxed);
        if let Err(TrySendError::Full(pair) | TrySendError::Disconnected(pair)) =
            self.queue.try_send(pair)
        {
            self.waiting.fetch_sub(bytes, Relaxed);
            pair.seen.drop_one();
        }
    }
}

impl Pair {
    /// Bytes that it keeps.
    fn len(&self) -> usize {
        self.body.len() + said(&self.before) + said(&self.after)
    }

    /// Takes out what its service does not want written: the rows that change most are kept.
    fn redact(&mut self) {
        let names = &self.route.log.redact;
        if names.is_empty() {
            return;
        }
        let protocol = Protocol::of(self.wire);
        let json = match self.wire {
            Wire::OipRaw(json) => json,
            _ => 0,
        };
        let body = Payload::body(&self.body, json).without(names, protocol);
        self.body = body.bytes;
        if let Wire::OipRaw(json) = &mut self.wire {
            *json = body.json;
        }
        for answer in [&mut self.before, &mut self.after].into_iter().flatten() {
            let left = Payload::answer(&answer.body, answer.json).without(names, protocol);
            (answer.body, answer.json) = (left.bytes, left.json);
        }
    }

    /// Slices would keep the buffers that they came in.
    fn shrink(&mut self) {
        self.body = Bytes::copy_from_slice(&self.body);
        for answer in [&mut self.before, &mut self.after].into_iter().flatten() {
            answer.body = Bytes::copy_from_slice(&answer.body);
        }
    }
}

fn said(side: &Side) -> usize {
    side.as_ref().map_or(0, |answer| answer.body.len())
}
