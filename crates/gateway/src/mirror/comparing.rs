//! The thread that compares the pairs of all mirrors, a few at a time, so that it never takes much of a processor.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use compare::Asked;

use super::Pair;

/// Pairs that are compared at once, and the pause after them: 500 a second at the most.
const HANDFUL: usize = 25;
const PAUSE: Duration = Duration::from_millis(50);

/// Starts it. It ends when nobody can send any more.
pub(super) fn start(
    pairs: Receiver<Pair>,
    waiting: Arc<AtomicUsize>,
) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("mirror".into())
        .spawn(move || run(&pairs, &waiting))
}

fn run(pairs: &Receiver<Pair>, waiting: &AtomicUsize) {
    // Without mirrors it waits for the first pair, and costs nothing.
    while let Ok(first) = pairs.recv() {
        compare(first, waiting);
        for _ in 1..HANDFUL {
            match pairs.try_recv() {
                Ok(pair) => compare(pair, waiting),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        std::thread::park_timeout(PAUSE);
    }
}

fn compare(mut pair: Pair, waiting: &AtomicUsize) {
    waiting.fetch_sub(pair.len(), Relaxed);
    pair.redact();
    let asked = Asked {
        id: &pair.id,
        wire: pair.wire,
        body: &pair.body,
    };
    let comparison = pair.seen.comparison.lock();
    let mut comparison = comparison.unwrap_or_else(PoisonError::into_inner);
    comparison.add(asked, &pair.before, &pair.after);
}
