//! What a gateway has to itself: the lock of its state directory and the listening sockets.
//!
//! A gateway alone takes its seat when it starts. A supervisor takes it in its place and hands it to one gateway
//! after another, over a Unix socket: connections that come while none runs, or while one takes the place of
//! another, wait in the sockets' queues and are neither refused nor reset. The kernel resets what is in the queue
//! of a socket when its last holder is gone; hence the sockets themselves are handed on, not their address.

use std::fs::{File, TryLockError};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::error::GatewayError;
use crate::options::Options;
use crate::{durable, listen};

/// Comes with the lock, with a socket, and after the last one.
const LOCK: u8 = b'k';
const LISTENER: u8 = b's';
const END: u8 = b'.';

/// The lock and the sockets. Whoever has it, or a copy of it, keeps others out.
#[derive(Debug)]
pub struct Seat {
    lock: File,
    listeners: Vec<TcpListener>,
    address: SocketAddr,
}

impl Seat {
    /// Takes the seat of a state directory: nobody else serves it or has the address. Call it on a runtime with I/O.
    pub fn take(options: &Options) -> Result<Self, GatewayError> {
        listen::check(options)?;
        let state = &options.state_dir;
        durable::directory(state).map_err(GatewayError::file(state))?;
        let lock = lock(&state.join("gateway.lock"), state)?;
        let (address, listeners) = listen::bind(options.listen, options.threads.get())?;
        Ok(Self {
            lock,
            listeners,
            address,
        })
    }

    /// Takes the seat that [`Seat::hand_to`] sends to the other end of a Unix socket. Blocks until it is whole.
    pub fn receive(giver: BorrowedFd<'_>) -> io::Result<Self> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "this is no gateway's seat");
        let (mut lock, mut listeners) = (None, Vec::new());
        loop {
            match take_in(giver)? {
                (LOCK, Some(file)) => lock = Some(File::from(file)),
                (LISTENER, Some(socket)) => listeners.push(TcpListener::from(socket)),
                (END, None) => break,
                _ => return Err(wrong()),
            }
        }
        let address = listeners.first().ok_or_else(wrong)?.local_addr()?;
        Ok(Self {
            lock: lock.ok_or_else(wrong)?,
            listeners,
            address,
        })
    }

    /// Hands a copy to the process at the other end of a Unix socket, however often.
    pub fn hand_to(&self, taker: BorrowedFd<'_>) -> io::Result<()> {
        send(taker, LOCK, Some(self.lock.as_fd()))?;
        for listener in &self.listeners {
            send(taker, LISTENER, Some(listener.as_fd()))?;
        }
        send(taker, END, None)
    }

    /// The data plane's address, with the port that was taken.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many threads it is for.
    pub(crate) fn threads(&self) -> NonZeroUsize {
        NonZeroUsize::new(self.listeners.len()).unwrap_or(NonZeroUsize::MIN)
    }

    /// The lock, to be held, and the sockets, a thread's each.
    pub(crate) fn split(self) -> (File, Vec<TcpListener>) {
        (self.lock, self.listeners)
    }
}

fn lock(path: &Path, state: &Path) -> Result<File, GatewayError> {
    let file = durable::lock_file(path).map_err(GatewayError::file(path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(GatewayError::InUse(state.to_owned())),
        Err(TryLockError::Error(error)) => Err(GatewayError::file(path)(error)),
    }
}

/// Sends a byte, and a file with it. Sent one by one they need no agreement on how many one message may carry.
fn send(to: BorrowedFd<'_>, what: u8, file: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut with = SendAncillaryBuffer::new(&mut space);
    let files: Vec<_> = file.into_iter().collect();
    if !files.is_empty() && !with.push(SendAncillaryMessage::ScmRights(&files)) {
        return Err(io::Error::other("no room for a file"));
    }
    let sent = sendmsg(to, &[IoSlice::new(&[what])], &mut with, SendFlags::NOSIGNAL)?;
    match sent {
        1 => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

fn take_in(from: BorrowedFd<'_>) -> io::Result<(u8, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut with = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let got = recvmsg(
        from,
        &mut [IoSliceMut::new(&mut byte)],
        &mut with,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    if got.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut files = with.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    });
    Ok((byte[0], files.next()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;
    use std::os::unix::net::UnixStream;

    fn options(state: &Path) -> Options {
        let mut options = Options::new(state.to_owned(), "127.0.0.1:0".parse().unwrap());
        options.threads = 3.try_into().unwrap();
        options
    }

    #[tokio::test]
    async fn a_connection_waits_from_one_holder_to_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let first = Seat::take(&options(folder.path())).unwrap();
        let mut waits: Vec<_> = (0..20)
            .map(|_| TcpStream::connect(first.address()).unwrap())
            .collect();
        let (giver, taker) = UnixStream::pair().unwrap();
        first.hand_to(giver.as_fd()).unwrap();
        drop((first, giver));
        let next = Seat::receive(taker.as_fd()).unwrap();
        assert_eq!(next.threads().get(), 3);
        // Nobody else gets in while it is on its way or held.
        let other = Seat::take(&options(folder.path())).unwrap_err();
        assert!(matches!(other, GatewayError::InUse(_)), "{other}");
        let (lock, listeners) = next.split();
        let mut accepted = 0;
        for listener in listeners {
            while let Ok((mut stream, _)) = listener.accept() {
                stream.write_all(b"!").unwrap();
                accepted += 1;
            }
        }
        assert_eq!(accepted, 20);
        for client in &mut waits {
            assert_eq!(client.read(&mut [0; 2]).unwrap(), 1);
        }
        drop(lock);
        Seat::take(&options(folder.path())).unwrap();
    }

    #[tokio::test]
    async fn half_a_seat_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let seat = Seat::take(&options(folder.path())).unwrap();
        let check = |send: &dyn Fn(BorrowedFd<'_>)| {
            let (giver, taker) = UnixStream::pair().unwrap();
            send(giver.as_fd());
            drop(giver);
            Seat::receive(taker.as_fd()).unwrap_err().kind()
        };
        assert_eq!(check(&|_| {}), io::ErrorKind::UnexpectedEof);
        let lock_only = |to: BorrowedFd<'_>| {
            send(to, LOCK, Some(seat.lock.as_fd())).unwrap();
            send(to, END, None).unwrap();
        };
        assert_eq!(check(&lock_only), io::ErrorKind::InvalidData);
        let no_file = |to: BorrowedFd<'_>| send(to, LISTENER, None).unwrap();
        assert_eq!(check(&no_file), io::ErrorKind::InvalidData);
    }
}
