//! Requests as nearly all of them are: HTTP/1.1, a short head that came whole, a body of a known and
//! moderate length, on a connection that stays open. They are read, answered and written here, with
//! next to nothing in between.
//!
//! Whatever else a client may send (other methods, chunks, `Expect`, `Connection`, a head that is wrong)
//! is not looked at any further: the connection goes to `hyper` with every byte that was not taken, and
//! stays there. So nothing here has to know more of HTTP than it needs.

mod head;
mod writing;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::ready;

use bytes::BytesMut;
use http::header::CONNECTION;
use http::{HeaderValue, Request};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, timeout};

use super::{Received, answer};
use crate::worker::{Ending, Worker};
use head::{Head, NotPlain};
use writing::{Client, Writer};

pub(crate) use writing::Date;

/// Most that is read at a time by way of the thread's [`Room`].
const ROOM: usize = 64 << 10;
/// Room made for what a client sends before the answer to what it sent before.
const AHEAD: usize = 4 << 10;
/// A client may send as much before the answer to what it sent before.
const MOST_AHEAD: usize = 64 << 10;

/// What becomes of the connection.
pub(super) enum Next {
    /// It is over.
    Closed,
    /// `hyper` goes on with it, beginning with the bytes that are left.
    Hyper,
}

/// Serves a connection for as long as its requests are plain. `buffer` is what has been read of it and not
/// taken; `used` becomes true with the first request.
pub(super) async fn serve(
    worker: &Rc<Worker>,
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
    used: &mut bool,
    ending: &Ending,
) -> Next {
    let mut writer = Writer::default();
    let mut stopped = pin!(ending.stop.cancelled());
    let timer = pin!(tokio::time::sleep(worker.options.idle_timeout));
    let mut idle = Idle::new(worker, timer);
    loop {
        let head = match head::parse(buffer) {
            Ok(Some(head)) => head,
            Err(NotPlain) => return Next::Hyper,
            Ok(None) => {
                tokio::select! {
                    biased;
                    read = worker.room.read(stream, buffer) => match read {
                        Ok(0) | Err(_) => return Next::Closed,
                        Ok(_) => continue,
                    },
                    // What has begun is still answered, and a new connection given the time to begin.
                    () = &mut stopped => return match *used && buffer.is_empty() {
                        true => Next::Closed,
                        false => Next::Hyper,
                    },
                    () = idle.is_over() => return Next::Closed,
                }
            }
        };
        *used = true;
        let Some(request) = whole(worker, stream, buffer, head).await else {
            return Next::Closed;
        };
        let late = matches!(request.body(), Received::Late);
        let mut answer = tokio::select! {
            biased;
            answer = answer(worker, request) => answer,
            () = hung_up(stream, buffer) => return Next::Closed,
        };
        // The rest of a late body is still on its way: nothing after it can be understood.
        if late || ending.stop.is_cancelled() || ending.leave.is_cancelled() {
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(CONNECTION, close);
        }
        let client = Client {
            stream,
            ahead: buffer,
            patience: worker.options.idle_timeout,
        };
        let written = writer.write(&worker.date, client, answer).await;
        if !matches!(written, Ok(true)) {
            return Next::Closed;
        }
        idle.begins();
    }
}

/// The request with its body; `None` if the client goes before that is whole.
async fn whole(
    worker: &Worker,
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
    head: Head,
) -> Option<Request<Received>> {
    let missing = head.length.saturating_sub(buffer.len());
    if missing > 0 {
        buffer.reserve(missing);
        let all = async {
            while buffer.len() < head.length {
                let read = match head.length - buffer.len() {
                    little if little < ROOM => worker.room.read(stream, buffer).await,
                    _ => stream.read_buf(buffer).await,
                };
                if read.ok()? == 0 {
                    return None;
                }
            }
            Some(())
        };
        match timeout(worker.options.body_timeout, all).await {
            Ok(came) => came?,
            Err(_) => return Some(head.request.map(|()| Received::Late)),
        }
    }
    let body = (head.length > 0).then(|| buffer.split_to(head.length).freeze());
    Some(head.request.map(|()| Received::Whole(body)))
}

/// Where a thread reads what is short, so that no connection keeps room for what may come, and one call
/// nearly always finds all of it.
#[derive(Debug)]
pub(crate) struct Room(RefCell<Box<[u8]>>);

impl Default for Room {
    fn default() -> Self {
        Self(RefCell::new(vec![0; ROOM].into()))
    }
}

impl Room {
    /// Appends what has come, as soon as something has.
    async fn read(&self, stream: &mut TcpStream, buffer: &mut BytesMut) -> io::Result<usize> {
        poll_fn(|context| {
            let mut room = self.0.borrow_mut();
            let mut room = ReadBuf::new(&mut room);
            ready!(Pin::new(&mut *stream).poll_read(context, &mut room))?;
            buffer.extend_from_slice(room.filled());
            Ok(room.filled().len()).into()
        })
        .await
    }
}

/// Returns when the client is gone. What it sends meanwhile is kept for later.
async fn hung_up(stream: &TcpStream, buffer: &mut BytesMut) {
    while buffer.len() < MOST_AHEAD {
        if stream.readable().await.is_err() {
            return;
        }
        buffer.reserve(AHEAD);
        match stream.try_read_buf(buffer) {
            Ok(0) => return,
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
            Ok(_) | Err(_) => {}
        }
    }
    // It gets no further before its answer.
    std::future::pending::<()>().await;
}

/// How long the connection has been without a whole request. The timer is only set when it runs out: each
/// request merely notes when it was over.
struct Idle<'a> {
    since: Instant,
    limit: std::time::Duration,
    timer: Pin<&'a mut Sleep>,
}

impl<'a> Idle<'a> {
    fn new(worker: &Worker, timer: Pin<&'a mut Sleep>) -> Self {
        Self {
            since: Instant::now(),
            limit: worker.options.idle_timeout,
            timer,
        }
    }

    fn begins(&mut self) {
        self.since = Instant::now();
    }

    async fn is_over(&mut self) {
        loop {
            self.timer.as_mut().await;
            let end = self.since + self.limit;
            if Instant::now() >= end {
                return;
            }
            self.timer.as_mut().reset(end);
        }
    }
}
