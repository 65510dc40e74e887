//! What can go wrong while watching.

/// An error of a watcher. Each is retried at the next turn.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store did not take or give what was asked.
    #[error("the store cannot be used")]
    Store(#[from] store::Error),
    /// The gateway's logs cannot be read.
    #[error(
        "the gateway's log cannot be read: check that the server may read the state directory's `traffic`"
    )]
    Log(#[source] std::io::Error),
    /// A blocking task did not end well; the server is stopping.
    #[error("the work was broken off")]
    Stopped,
}
