//! Who computes: worker threads behind a bounded queue, or the connection's own thread.
//!
//! A model that takes microseconds is run right where its request was read, for handing it to
//! another thread costs more than running it. A slow one goes to the workers, so that pings and
//! refusals do not wait behind it. Where requests are gathered into batches, all of them go to the
//! workers. The replica owns the pool; connections submit to it.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Instant;

use bytes::BytesMut;
use inference::frame::{self, Answer, FrameError, Reply, Request};
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use crate::compute::Compute;
use crate::model::refusal;
use crate::options::Batching;
use crate::queue::Queue;

/// A request slower than this, on a smoothed average, goes to a worker.
const INLINE_MICROS: u32 = 200;
/// A model that nobody knows is slow: the first requests find out. No request counts as slower.
const UNKNOWN_MICROS: u32 = INLINE_MICROS * 2;
/// A body above this goes to a worker: what is usual says little about it.
const INLINE_BYTES: usize = 16 << 10;
/// The newest request counts 1/8 in the average.
const SMOOTHING: u32 = 8;

const BAD_REQUEST: u16 = 400;
const OVERLOADED: u16 = 503;

/// A request on its way to a worker.
pub(crate) struct Job {
    /// The frame's id.
    pub(crate) id: u64,
    /// What to infer.
    pub(crate) request: Request,
    /// Set when nobody waits for it any more.
    pub(crate) cancelled: Arc<AtomicBool>,
    /// Where the encoded reply goes, or nothing for one that was cancelled. Its connection gives room
    /// for each job it submits.
    pub(crate) reply: Sender<BytesMut>,
}

impl Job {
    fn is_wanted(&self) -> bool {
        !self.cancelled.load(Ordering::Relaxed) && !self.reply.is_closed()
    }

    fn send(self, reply: BytesMut) {
        // Without a receiver there is nobody left to tell.
        let _ = self.reply.blocking_send(reply);
    }
}

/// Runners and the threads that wait to use them.
pub(crate) struct Pool {
    runners: Vec<Mutex<Compute>>,
    queue: Queue<Job>,
    pace_micros: AtomicU32,
    /// How many connections there are.
    connections: AtomicUsize,
    /// How requests are gathered, if they are.
    batching: Option<Batching>,
    /// Cancelled when nothing can be computed any more.
    broken: CancellationToken,
}

impl Pool {
    /// A pool that uses these runners, at least one; up to `waiting` jobs may queue. `broken` is
    /// cancelled when nothing can be computed any more.
    pub(crate) fn new(
        runners: Vec<Compute>,
        waiting: NonZeroUsize,
        batching: Option<Batching>,
        broken: CancellationToken,
    ) -> Arc<Self> {
        let runners = runners.into_iter().map(Mutex::new).collect();
        let pace_micros = AtomicU32::new(UNKNOWN_MICROS);
        Arc::new(Self {
            runners,
            queue: Queue::new(waiting),
            pace_micros,
            connections: AtomicUsize::new(0),
            batching,
            broken,
        })
    }

    /// Starts a thread per runner. They end after [`Pool::close`], and each holds on to a copy of
    /// `alive` until then.
    pub(crate) fn start(self: &Arc<Self>, alive: &Sender<()>) -> std::io::Result<()> {
        for index in 0..self.runners.len() {
            let (pool, alive) = (Arc::clone(self), alive.clone());
            let work = move || {
                pool.work(index);
                drop(alive);
            };
            std::thread::Builder::new()
                .name(format!("model-{index}"))
                .spawn(work)?;
        }
        Ok(())
    }

    /// Cancelled when nothing can be computed any more: the replica must end then, for whoever is
    /// under way in it is asked elsewhere when its connections break.
    pub(crate) fn broken(&self) -> &CancellationToken {
        &self.broken
    }

    /// Takes no more jobs and lets the threads end once the rest is done.
    pub(crate) fn close(&self) {
        self.queue.close();
    }

    /// How many requests are computed at a time.
    pub(crate) fn runners(&self) -> usize {
        self.runners.len()
    }

    /// Counts one more connection until what it gives is dropped.
    pub(crate) fn connected(self: &Arc<Self>) -> Connected {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Connected(Arc::clone(self))
    }

    /// Answers at once, if the model is quick, the request short, and a runner is free. Of those that came together,
    /// only the last one is where runners would be left over: the others are better off in parallel.
    pub(crate) fn answer_here(&self, request: &Request, last: bool) -> Option<Answer> {
        let pace = self.pace_micros.load(Ordering::Relaxed);
        let are_left_over = self.runners.len() > self.connections.load(Ordering::Relaxed);
        if self.batching.is_some()
            || !is_short(pace, request)
            || (are_left_over && !last)
            || !self.queue.is_empty()
        {
            return None;
        }
        let mut runner = self
            .runners
            .iter()
            .find_map(|runner| match runner.try_lock() {
                Ok(free) => Some(free),
                Err(TryLockError::Poisoned(free)) => Some(free.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            })?;
        self.timed(&mut runner, request)
    }

    /// Hands a job to the threads; gives the reply that says so when too many wait.
    pub(crate) fn submit(&self, job: Job) -> Result<(), Answer> {
        self.queue.push(job).map_err(|_| {
            refusal(
                OVERLOADED,
                "the replica has too many requests waiting; send it again later or add replicas",
            )
        })
    }

    fn work(&self, index: usize) {
        while let Some(first) = self.queue.pop() {
            let jobs = self.gather(first);
            let requests: Vec<_> = jobs.iter().map(|job| &job.request).collect();
            let answers = {
                let mut runner = self.runners[index]
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                self.timed_all(&mut runner, &requests)
            };
            let Some(answers) = answers else {
                return;
            };
            for (job, answer) in jobs.into_iter().zip(answers) {
                let mut out = BytesMut::new();
                encode(job.id, answer, &mut out);
                job.send(out);
            }
        }
    }

    /// The first job and those that come soon enough, without those that nobody waits for.
    fn gather(&self, first: Job) -> Vec<Job> {
        let mut jobs = vec![first];
        if let Some(batching) = &self.batching {
            let until = Instant::now() + batching.wait;
            while jobs.len() < batching.most.get() {
                match self.queue.pop_until(until) {
                    Some(job) => jobs.push(job),
                    None => break,
                }
                // One that was given up meanwhile makes room for another.
                jobs = wanted(jobs);
            }
        }
        wanted(jobs)
    }

    /// An answer, unless nothing can be computed any more.
    fn timed(&self, runner: &mut Compute, request: &Request) -> Option<Answer> {
        let started = Instant::now();
        let answer = runner.answer(request);
        self.took(started, 1);
        answer.map_err(|_| self.broken.cancel()).ok()
    }

    /// The answers of several, unless nothing can be computed any more.
    fn timed_all(&self, runner: &mut Compute, requests: &[&Request]) -> Option<Vec<Answer>> {
        let started = Instant::now();
        let answers = match requests {
            [one] => runner.answer(one).map(|answer| vec![answer]),
            all => runner.answer_all(all),
        };
        self.took(started, requests.len());
        answers.map_err(|_| self.broken.cancel()).ok()
    }

    /// Keeps the average time of a request.
    fn took(&self, started: Instant, requests: usize) {
        let each = started.elapsed() / u32::try_from(requests.max(1)).unwrap_or(u32::MAX);
        // One that waited for a processor says little about the others.
        let took = u32::try_from(each.as_micros()).unwrap_or(u32::MAX);
        let took = took.min(UNKNOWN_MICROS);
        let pace = self.pace_micros.load(Ordering::Relaxed);
        // Threads may overwrite each other's step; the average only steers.
        self.pace_micros.store(
            pace - pace / SMOOTHING + took / SMOOTHING,
            Ordering::Relaxed,
        );
    }
}

/// A connection that is counted.
pub(crate) struct Connected(Arc<Pool>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Those that somebody waits for; the others are answered with nothing.
fn wanted(jobs: Vec<Job>) -> Vec<Job> {
    let (wanted, others): (Vec<_>, Vec<_>) = jobs.into_iter().partition(Job::is_wanted);
    others.into_iter().for_each(|job| job.send(BytesMut::new()));
    wanted
}

/// Whether a request will not keep its connection, and the pings on it, waiting.
fn is_short(pace_micros: u32, request: &Request) -> bool {
    match request {
        Request::Infer(_, body) => pace_micros < INLINE_MICROS && body.len() <= INLINE_BYTES,
        Request::Describe | Request::Ping | Request::Cancel => true,
    }
}

/// Appends an answer. One that no frame can hold becomes an error that a frame can.
pub(crate) fn encode(id: u64, answer: Answer, out: &mut BytesMut) {
    if let Err(FrameError::TooLong(bytes)) = frame::encode_reply(id, &Reply::Answer(answer), out) {
        let message = format!(
            "the answer would be {bytes} bytes, above the limit of {}; ask for fewer rows",
            frame::MAX_LEN
        );
        // An error of a few bytes fits every frame.
        let _ = frame::encode_reply(id, &Reply::Answer(refusal(BAD_REQUEST, &message)), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use inference::frame::Wire;

    #[test]
    fn only_short_requests_at_quick_models_are_run_where_they_are_read() {
        let body = |bytes| Request::Infer(Wire::Rows, vec![b' '; bytes].into());
        for (pace, request, expect) in [
            (INLINE_MICROS - 1, body(40), true),
            (INLINE_MICROS, body(40), false),
            (0, body(INLINE_BYTES), true),
            (0, body(INLINE_BYTES + 1), false),
            (u32::MAX, Request::Ping, true),
        ] {
            assert_eq!(is_short(pace, &request), expect, "{pace}");
        }
    }
}
