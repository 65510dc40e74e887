//! Clients that never get to the end of what they say.

use super::wait;
use std::{
    io::Write as _,
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// How often each sends another byte.
const PAUSE: Duration = Duration::from_millis(500);

/// Connections that go on with this, each in the middle of a request's head.
pub(super) struct Slow {
    stop: Arc<AtomicBool>,
    writing: Option<JoinHandle<()>>,
}

impl Slow {
    pub(super) fn open(address: SocketAddr, count: usize) -> anyhow::Result<Self> {
        let mut streams = Vec::new();
        for _ in 0..count {
            let mut stream = TcpStream::connect(address)?;
            stream.write_all(b"POST /v2 HTTP/1.1\r\nhost: localhost\r\nx-slow: ")?;
            streams.push(stream);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let write = move || {
            while !stopped.load(Ordering::Relaxed) {
                // Whoever was sent away is not there any more.
                streams.retain_mut(|stream| stream.write_all(b"x").is_ok());
                wait(PAUSE);
            }
        };
        Ok(Slow {
            stop,
            writing: Some(std::thread::spawn(write)),
        })
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(writing) = self.writing.take() {
            let _ = writing.join();
        }
    }
}
