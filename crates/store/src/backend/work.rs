//! One piece of work on its way through a database thread: it runs, its transaction ends, and
//! only then does the caller hear of it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::tx::Tx;

/// Work that a database thread can do without knowing its type.
pub(crate) trait Job: Send {
    /// Does the work and says whether what it wrote may stay. May be called again when the
    /// transaction was undone.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Answers the caller: with the error when the transaction could not be kept, otherwise
    /// with the work's own result.
    fn finish(self: Box<Self>, failed: Option<&Error>);
}

/// Work that may run more than once.
pub(crate) struct Repeat<T, F> {
    work: F,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

/// Work that runs once.
pub(crate) struct Once<T, F> {
    work: Option<F>,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Repeat<T, F> {
    pub(crate) fn new(work: F) -> (Box<Self>, oneshot::Receiver<Result<T>>) {
        let (reply, answer) = oneshot::channel();
        (
            Box::new(Self {
                work,
                result: None,
                reply,
            }),
            answer,
        )
    }
}

impl<T, F> Once<T, F> {
    pub(crate) fn new(work: F) -> (Box<Self>, oneshot::Receiver<Result<T>>) {
        let (reply, answer) = oneshot::channel();
        (
            Box::new(Self {
                work: Some(work),
                result: None,
                reply,
            }),
            answer,
        )
    }
}

impl<T: Send, F: Fn(&mut Tx<'_>) -> Result<T> + Send> Job for Repeat<T, F> {
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        self.result.insert(guarded(|| (self.work)(tx))).is_ok()
    }

    fn finish(self: Box<Self>, failed: Option<&Error>) {
        deliver(self.result, self.reply, failed);
    }
}

impl<T: Send, F: FnOnce(&mut Tx<'_>) -> Result<T> + Send> Job for Once<T, F> {
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let Some(work) = self.work.take() else {
            return false;
        };
        self.result.insert(guarded(|| work(tx))).is_ok()
    }

    fn finish(self: Box<Self>, failed: Option<&Error>) {
        deliver(self.result, self.reply, failed);
    }
}

/// A panic in a closure must not take the writer with it.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        tracing::error!("a store closure panicked");
        Err(Error::Stopped("the work panicked"))
    })
}

fn deliver<T>(
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
    failed: Option<&Error>,
) {
    let answer = match (result, failed) {
        (Some(Err(own)), _) => Err(own),
        (_, Some(error)) => Err(error.again()),
        (Some(Ok(value)), None) => Ok(value),
        (None, None) => Err(Error::Stopped("the work was never done")),
    };
    // A caller that went away does not want the answer.
    let _ = reply.send(answer);
}

/// Waits for the answer of a job that was queued.
pub(crate) async fn answer<T>(reply: oneshot::Receiver<Result<T>>) -> Result<T> {
    reply.await.unwrap_or(Err(Error::Stopped("it was closed")))
}
