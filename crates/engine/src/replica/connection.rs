//! One connection: frames in, frames out, as many of them a system call as there are.
//!
//! One task reads, writes and takes finished jobs, so it never waits for one of them alone. It
//! stops reading while much waits to be written, which is how a slow peer slows itself.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use inference::frame::{self, FrameError, Reply, Request};
use tokio::net::UnixStream;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_util::sync::CancellationToken;

use super::Shared;
use crate::pool::{Job, encode};

/// Bytes waiting to be written above which nothing more is read.
const FULL: usize = 1 << 20;
/// Room made for reading.
const READ: usize = 1 << 16;
/// How long the requests of one connection are computed before those of the others are.
const SLICE: Duration = Duration::from_micros(500);
/// A draining connection on which nothing came for this long is done.
const QUIET: Duration = Duration::from_millis(20);

struct Connection {
    shared: Arc<Shared>,
    input: BytesMut,
    output: BytesMut,
    finished: Receiver<BytesMut>,
    finish: Sender<BytesMut>,
    /// Jobs whose replies have not come back.
    in_flight: usize,
    /// Where to say, of those that somebody waits for, that nobody does.
    wanted: HashMap<u64, Arc<AtomicBool>>,
}

/// Serves until the peer hangs up, breaks the protocol, or the shutdown has drained it.
pub(super) async fn serve(stream: UnixStream, shared: Arc<Shared>, shutdown: CancellationToken) {
    let _counted = shared.pool.connected();
    let (finish, finished) = mpsc::channel(shared.backlog);
    let (input, output) = (BytesMut::with_capacity(READ), BytesMut::new());
    let mut connection = Connection {
        shared,
        input,
        output,
        finished,
        finish,
        in_flight: 0,
        wanted: HashMap::new(),
    };
    if let Err(e) = connection.converse(stream, &shutdown).await {
        tracing::warn!(error = %e, "connection broken");
    }
}

/// Why a connection ended before its time.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Connection {
    async fn converse(
        &mut self,
        stream: UnixStream,
        shutdown: &CancellationToken,
    ) -> Result<(), Broken> {
        let (mut reader, mut writer) = pipe::halves(stream)?;
        let mut stop = pin!(shutdown.cancelled());
        let mut stopping = false;
        let mut busy = Duration::ZERO;
        loop {
            let started = Instant::now();
            self.take_requests()?;
            busy += started.elapsed();
            if busy > SLICE && self.output.is_empty() {
                // Requests that come as fast as they are computed would keep the thread for themselves.
                tokio::task::yield_now().await;
                busy = Duration::ZERO;
            }
            let idle = self.in_flight == 0 && self.output.is_empty();
            let read = !self.is_full();
            if read {
                self.input.reserve(READ / 4);
            }
            tokio::select! {
                biased;
                wrote = writer.write(&mut self.output), if !self.output.is_empty() => {
                    wrote?;
                }
                Some(reply) = self.finished.recv(), if self.in_flight > 0 => self.put(&reply),
                got = reader.read(&mut self.input), if read => {
                    if got? == 0 {
                        return Ok(());
                    }
                }
                // In a block, so that the timer is only made when it is needed.
                () = async { tokio::time::sleep(QUIET).await }, if stopping && idle => {
                    return Ok(writer.shutdown()?);
                }
                () = &mut stop, if !stopping => stopping = true,
            }
        }
    }

    fn is_full(&self) -> bool {
        self.output.len() >= FULL
    }

    /// Takes the whole frames that have come and answers them or hands them on.
    fn take_requests(&mut self) -> Result<(), FrameError> {
        let mut next = self.next()?;
        while let Some((id, request)) = next {
            next = self.next()?;
            self.take(id, request, next.is_none());
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<(u64, Request)>, FrameError> {
        if self.is_full() {
            Ok(None)
        } else {
            frame::decode_request(&mut self.input)
        }
    }

    fn take(&mut self, id: u64, request: Request, last: bool) {
        let reply = match request {
            Request::Ping => Reply::Pong,
            Request::Cancel => {
                if let Some(cancelled) = self.wanted.remove(&id) {
                    cancelled.store(true, Ordering::Relaxed);
                }
                return;
            }
            Request::Describe => Reply::Description(self.shared.description.clone()),
            Request::Infer(..) => return self.infer(id, request, last),
        };
        // A description is as long as the model's names, which are bounded far below a frame.
        if let Err(e) = frame::encode_reply(id, &reply, &mut self.output) {
            tracing::warn!(error = %e, "reply left out");
        }
    }

    fn infer(&mut self, id: u64, request: Request, last: bool) {
        if let Some(answer) = self.shared.pool.answer_here(&request, last) {
            return encode(id, answer, &mut self.output);
        }
        let cancelled = Arc::new(AtomicBool::new(false));
        match self.shared.pool.submit(Job {
            id,
            request,
            cancelled: Arc::clone(&cancelled),
            reply: self.finish.clone(),
        }) {
            Ok(()) => {
                self.in_flight += 1;
                self.wanted.insert(id, cancelled);
            }
            Err(answer) => encode(id, answer, &mut self.output),
        }
    }

    /// Puts a finished job's reply in line, and all others that have come with it. One that was
    /// cancelled in time has none.
    fn put(&mut self, reply: &BytesMut) {
        self.put_one(reply);
        while let Ok(reply) = self.finished.try_recv() {
            self.put_one(&reply);
        }
    }

    fn put_one(&mut self, reply: &BytesMut) {
        self.in_flight -= 1;
        if let Some(id) = frame::id_of(reply) {
            self.wanted.remove(&id);
        }
        self.output.extend_from_slice(reply);
    }
}
