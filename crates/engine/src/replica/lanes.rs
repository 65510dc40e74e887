//! The threads that connections are read on: one for each that computes, so that what is quick to compute is
//! done right where it was read, on all of them at a time.
//!
//! Each has a runtime of its own. One that shared its work would wake a second thread for nearly every request.

use std::io;
use std::sync::Arc;

use tokio::net::UnixStream;
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The threads, which end with this.
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    _end: DropGuard,
}

struct Lane {
    runtime: Handle,
    /// Held by each of its connections, too.
    connections: Arc<()>,
}

impl Lane {
    fn new(runtime: Handle) -> Self {
        Self {
            runtime,
            connections: Arc::default(),
        }
    }
}

impl Lanes {
    /// The caller's thread, and those that it takes to be `count`. Call it inside a runtime.
    pub(super) fn start(count: usize) -> io::Result<Self> {
        let end = CancellationToken::new();
        let mut lanes = vec![Lane::new(Handle::current())];
        // Those that were started end if another one cannot be.
        let guard = end.clone().drop_guard();
        for number in 1..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            lanes.push(Lane::new(runtime.handle().clone()));
            let ended = end.clone();
            std::thread::Builder::new()
                .name(format!("connections-{number}"))
                .spawn(move || runtime.block_on(ended.cancelled()))?;
        }
        Ok(Self { lanes, _end: guard })
    }

    /// Serves a connection on the thread that has the fewest.
    pub(super) fn spawn<F: Future<Output = ()> + Send + 'static>(
        &self,
        connections: &mut JoinSet<()>,
        stream: UnixStream,
        serve: impl FnOnce(UnixStream) -> F + Send + 'static,
    ) {
        let lane = self.lanes.iter();
        let Some(lane) = lane.min_by_key(|lane| Arc::strong_count(&lane.connections)) else {
            return;
        };
        let held = Arc::clone(&lane.connections);
        let serve = async move {
            let _held = held;
            // It is to be woken on this thread, not on the one that accepted it.
            match stream.into_std().and_then(UnixStream::from_std) {
                Ok(stream) => serve(stream).await,
                Err(error) => tracing::warn!(%error, "a connection cannot be served"),
            }
        };
        connections.spawn_on(serve, &lane.runtime);
    }
}
