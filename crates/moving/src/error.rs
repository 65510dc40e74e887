//! What can go wrong on the way, told apart by what the user can do about it.

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error that ends a copy. What was copied stays, and the same command goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the user named is not what it should be.
    #[error("{0}")]
    Usage(String),
    /// Nobody answers, or not for long enough.
    #[error("{address} does not answer ({why}): is it running, and is the address right?")]
    Unreachable {
        /// Who was asked.
        address: String,
        /// What the network said.
        why: String,
    },
    /// A server said no.
    #[error("{address} answers {status} to {call}: {message}{}", hint(*.status))]
    Refused {
        /// Who was asked.
        address: String,
        /// HTTP status.
        status: u16,
        /// Which call.
        call: String,
        /// What it said.
        message: String,
    },
    /// An answer, or a row, that is not of the shape it should have.
    #[error("{what} cannot be read: {why}")]
    Shape {
        /// Which answer or row.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// A database that fails.
    #[error("the database fails: {0}")]
    Database(String),
    /// A file that cannot be read.
    #[error("cannot read {what}: {source}")]
    Io {
        /// Which.
        what: String,
        /// Why not.
        source: std::io::Error,
    },
}

fn hint(status: u16) -> &'static str {
    match status {
        401 | 403 => {
            "; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, for an MLflow server"
        }
        _ => "",
    }
}

impl Error {
    /// Whether a server answered that there is no such thing, or no such endpoint.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Error::Refused { status: 404, .. })
    }

    /// Whether a server failed at a call.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(self, Error::Refused { status: 500, .. })
    }

    /// Whether a server knows who asks, and does not let them.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Error::Refused { status: 403, .. })
    }

    /// Whether a server understood and refused.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Error::Refused { status, .. } if (400..500).contains(status) && ![401, 403].contains(status))
    }

    pub(crate) fn shape(what: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Error::Shape {
            what: what.into(),
            why: why.to_string(),
        }
    }

    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Error::Io { what, source }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Error::Database(error.to_string())
    }
}

impl From<postgres::Error> for Error {
    fn from(error: postgres::Error) -> Self {
        // The driver's own text says only "db error"; what the database said is its source.
        let said = std::error::Error::source(&error).map(ToString::to_string);
        Error::Database(said.unwrap_or_else(|| error.to_string()))
    }
}
