//! What can go wrong in the store, told apart by what the caller can do about it.
//!
//! Every other crate sees these; they say what to do next and never carry a path of the driver's
//! own error types, so that SQLite and Postgres look alike from outside.

use std::path::PathBuf;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The row that a change refers to does not exist.
    #[error("{what} `{name}` does not exist")]
    NotFound {
        /// The kind of thing, as a user calls it ("model", "run").
        what: &'static str,
        /// Its name or id.
        name: String,
    },
    /// The row to create exists already.
    #[error("{what} `{name}` exists already")]
    Exists {
        /// The kind of thing, as a user calls it.
        what: &'static str,
        /// Its name or id.
        name: String,
    },
    /// Somebody else changed the thing first, or the change contradicts what is stored.
    #[error("{0}")]
    Conflict(String),
    /// A guarded write of a server that does not hold the lease any more.
    #[error(
        "another server has taken the lease `{lease}` over: this one writes nothing under it any more"
    )]
    Fenced {
        /// The lease's name.
        lease: String,
    },
    /// The value given cannot be stored (too large a number, a broken digest).
    #[error("{0}")]
    Invalid(String),
    /// The disk (or the database's quota) is full.
    #[error(
        "the disk that holds the store is full: free some space or move the state directory, then try again; nothing was written ({0})"
    )]
    Full(String),
    /// The store cannot be reached or is busy for too long; the same call may succeed later.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The state directory belongs to another running server.
    #[error("the state directory {} is in use by another server{}: stop that one first, or choose another with --state", path.display(), holder.as_ref().map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    InUse {
        /// The state directory.
        path: PathBuf,
        /// The process that holds it, when it left its id.
        holder: Option<String>,
    },
    /// The stored data was written by a newer version of this program.
    #[error(
        "the store was written by a newer version of mainspan (schema {found}, this one knows up to {known}): use that version, or restore a backup made by this one"
    )]
    Newer {
        /// The schema version found.
        found: u32,
        /// The newest schema version that this program knows.
        known: u32,
    },
    /// Stored bytes do not match their digest, or a stored row cannot be read.
    #[error("stored data is damaged: {0}; restore it from a backup")]
    Corrupt(String),
    /// The operating system refused an operation on a file.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried ("write", "create directory").
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The database driver failed in a way that is our fault.
    #[error("database error: {0}")]
    Database(String),
    /// The store was closed while the work waited, or the work panicked.
    #[error("the store stopped before the work was done: {0}")]
    Stopped(&'static str),
    /// The caller of a store [within](crate::Store::within) a gate may not do that.
    #[error(transparent)]
    Denied(#[from] crate::gate::Denied),
    /// The caller's own reason to abandon the transaction; see [`Error::caller`].
    #[error("{0}")]
    Caller(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Wraps the caller's own error, so that a closure can abandon its transaction with it.
    pub fn caller(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Caller(error.into())
    }

    /// Takes the caller's own error back out, or returns `self` when it is none of type `E`.
    pub fn into_caller<E: std::error::Error + 'static>(self) -> Result<E, Self> {
        match self {
            Self::Caller(error) => error.downcast::<E>().map(|e| *e).map_err(Self::Caller),
            other => Err(other),
        }
    }

    /// Whether the thing did not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether the change collided with what is stored.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_) | Self::Exists { .. })
    }

    /// A row is missing.
    #[must_use]
    pub fn missing(what: &'static str, name: impl Into<String>) -> Self {
        Self::NotFound {
            what,
            name: name.into(),
        }
    }

    /// The same failure once more, for each of the writers whose group commit failed.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Full(detail) => Self::Full(detail.clone()),
            Self::Unavailable(detail) => Self::Unavailable(detail.clone()),
            Self::Corrupt(detail) => Self::Corrupt(detail.clone()),
            other => Self::Database(other.to_string()),
        }
    }

    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Self::Full(format!("{action} {}", path.display()))
            }
            _ => Self::Io {
                action,
                path,
                source,
            },
        }
    }
}
