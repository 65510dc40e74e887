//! The trait that everything above this crate runs its units through.
//!
//! `pipeline` and `rollout` hold an `Arc<dyn Platform>`. An implementation must keep units alive
//! when the server ends, must know them again afterwards, and must never run one id twice.

use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::watch;

use crate::capacity::Capacity;
use crate::spec::UnitSpec;
use crate::status::UnitStatus;

/// An answer that is still to come.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// A place where units run.
pub trait Platform: Send + Sync {
    /// Starts a unit and returns once the driver has taken it over: from then on it runs whatever
    /// happens to the caller. An id that is known already, in whatever state, is left as it is.
    ///
    /// # Errors
    /// [`Error::NoRoom`] if it would fit after others have ended (queue it and ask again when
    /// [`Platform::changed`] moves), [`Error::TooLarge`] if it never will, [`Error::Invalid`].
    /// A program that cannot be started is not an error here but a unit that ended with a reason.
    fn start(&self, spec: UnitSpec) -> Pending<'_, UnitStatus>;

    /// Asks a unit to end: its stop signal now, a kill of everything it started after `grace` (its
    /// own if `None`). Returns when that is under way, not when it is over. Repeating it with a
    /// shorter grace shortens the wait; a unit that is over stays as it is.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    fn stop<'a>(&'a self, id: &'a str, grace: Option<Duration>) -> Pending<'a, ()>;

    /// Every unit that was started and not removed, in order of id.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn list(&self) -> Pending<'_, Vec<UnitStatus>>;

    /// One unit.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    fn status<'a>(&'a self, id: &'a str) -> Pending<'a, UnitStatus>;

    /// Output from byte `offset` of everything the unit ever wrote, at most about a megabyte. To
    /// follow, ask again from `next` until the chunk is empty and `ended`.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    fn logs<'a>(&'a self, id: &'a str, offset: u64) -> Pending<'a, LogChunk>;

    /// Forgets a unit with its files; outputs must have been taken away before. One that is not
    /// known is already removed.
    ///
    /// # Errors
    /// [`Error::StillRunning`].
    fn remove<'a>(&'a self, id: &'a str) -> Pending<'a, ()>;

    /// Moves what is kept of a unit's output to the file `log`, whose directory exists, and then
    /// removes the unit. Without output there is no file afterwards, unless there was one before.
    /// Repeating it after a crash in the middle ends it; one that is not known is already put away.
    ///
    /// # Errors
    /// [`Error::StillRunning`].
    fn put_away<'a>(&'a self, id: &'a str, log: &'a Path) -> Pending<'a, ()>;

    /// What there is and how much of it is reserved.
    fn capacity(&self) -> Capacity;

    /// A counter that moves whenever any unit's state has changed (not when it writes output, and not
    /// when it is accepted, or removed after its end: whoever does that knows).
    fn changed(&self) -> watch::Receiver<u64>;
}

/// A piece of a unit's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogChunk {
    /// The offset at which `bytes` begin: later than asked for if rotation has dropped some.
    pub offset: u64,
    /// The output, stdout and stderr as they came.
    pub bytes: Vec<u8>,
    /// The offset to ask from next.
    pub next: u64,
    /// Whether the unit was over before these bytes were read, so that an empty chunk is the end.
    pub ended: bool,
}

/// Why a platform did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no room now; there will be when other units have ended.
    #[error("no room for the unit yet: {0}")]
    NoRoom(String),
    /// The unit asks for more than there is at all.
    #[error("the unit can never run here: {0}")]
    TooLarge(String),
    /// The spec is wrong.
    #[error("the unit is not valid: {0}")]
    Invalid(String),
    /// No unit has this id.
    #[error("no unit `{0}` is known; it was never started or has been removed")]
    Unknown(String),
    /// The unit has to be stopped first.
    #[error("unit `{0}` still runs; stop it and wait for its end before removing it")]
    StillRunning(String),
    /// A file operation failed.
    #[error("{action}")]
    Io {
        /// What was being done, to which file.
        action: String,
        /// What the system said.
        source: std::io::Error,
    },
}
