//! Requests of HTTP to a replica that is a server of its own.
//!
//! They go over the same socket as frames do, each on a connection of its own while it is answered:
//! a slow client holds up nobody else, and a connection that is given up tells the server that nobody
//! waits any more.

use std::io;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use crate::queue::Place;
use crate::worker::Worker;

/// Most connections that wait for a next request.
const SPARE: usize = 64;

/// A connection of HTTP.
pub(crate) type Sender = SendRequest<Full<Bytes>>;

/// A request that a replica answers; it counts among those under way there until this is dropped.
#[derive(Debug)]
pub(crate) struct Relaying {
    place: Place,
    /// Its connection, while it may be used again.
    sender: Option<Sender>,
}

impl Relaying {
    /// Begins one, without a connection so far.
    pub(crate) fn new(place: Place) -> Self {
        let replica = place.replica();
        replica.relaying.set(replica.relaying.get() + 1);
        Self {
            place,
            sender: None,
        }
    }

    /// Its place at the replica.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Takes a connection that is free, or a new one.
    pub(crate) async fn connect(&mut self, worker: &Worker) -> io::Result<()> {
        let replica = Rc::clone(self.place.replica());
        let spare = || replica.spare.borrow_mut().pop();
        while let Some(mut sender) = spare() {
            // One that the server closed meanwhile is not.
            if sender.ready().await.is_ok() {
                self.sender = Some(sender);
                return Ok(());
            }
        }
        let stream = UnixStream::connect(replica.path()).await?;
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        worker.keep(async move {
            // Whoever sent on it hears what went wrong.
            let _ = connection.await;
        });
        self.sender = Some(sender);
        Ok(())
    }

    /// Where to send the request.
    pub(crate) fn sender(&mut self) -> Option<&mut Sender> {
        self.sender.as_mut()
    }

    /// The answer is whole: the connection may be used again.
    pub(crate) fn is_over(&mut self) {
        let replica = self.place.replica();
        let mut spare = replica.spare.borrow_mut();
        if let Some(sender) = self.sender.take()
            && spare.len() < SPARE
            && !replica.retired.get()
        {
            spare.push(sender);
        }
    }
}

impl Drop for Relaying {
    fn drop(&mut self) {
        let replica = self.place.replica();
        replica.relaying.set(replica.relaying.get() - 1);
        replica.wake_if_idle();
    }
}
