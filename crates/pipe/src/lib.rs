//! A Unix socket's stream between two processes, with threads at both ends that nothing is to wake in vain.
//!
//! A Unix socket tells those who wait for room whenever the other side has read something. Whoever waits for both
//! directions at a time, as runtimes do, is woken by each message twice, once for nothing, and waking takes the time of
//! the one that wakes, which has just got work. Here, [`Reader`] waits for what comes, and [`Writer`] for room only when
//! there was none. Called by `gateway` and `engine`. Must know nothing of what it carries.

use std::io::{self, ErrorKind, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use bytes::{Buf as _, BytesMut};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;

/// What comes. The runtime knows it as the end of a pipe, which is how it waits for one direction alone.
#[derive(Debug)]
pub struct Reader(pipe::Receiver);

/// What goes. The stream is closed when both halves are dropped.
#[derive(Debug)]
pub struct Writer(UnixStream);

/// The halves of a connected stream. Call it inside the runtime that will wait for it.
pub fn halves(stream: tokio::net::UnixStream) -> io::Result<(Reader, Writer)> {
    let writing = stream.into_std()?;
    let reading = pipe::Receiver::from_owned_fd_unchecked(writing.try_clone()?.into())?;
    Ok((Reader(reading), Writer(writing)))
}

impl Reader {
    /// Appends what has come, as soon as something has, and says how much that is; 0 is the end. Nothing is lost where
    /// the future is dropped.
    pub async fn read(&mut self, into: &mut BytesMut) -> io::Result<usize> {
        self.0.read_buf(into).await
    }
}

impl Writer {
    /// Sends some of `from`, which is no longer in it then, as soon as there is room; says how much that was. Nothing
    /// is lost or sent twice where the future is dropped.
    pub async fn write(&mut self, from: &mut BytesMut) -> io::Result<usize> {
        loop {
            match self.0.write(from) {
                Ok(count) => {
                    from.advance(count);
                    return Ok(count);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.room().await?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends all of `from`.
    pub async fn write_all(&mut self, from: &mut BytesMut) -> io::Result<()> {
        while !from.is_empty() {
            if self.write(from).await? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Says that nothing more will be sent.
    pub fn shutdown(&self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }

    async fn room(&self) -> io::Result<()> {
        let waiting = pipe::Sender::from_owned_fd_unchecked(self.0.try_clone()?.into())?;
        waiting.writable().await
    }
}

#[cfg(test)]
mod tests;
