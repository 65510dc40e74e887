//! Why a gateway does not start, or ends.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::table::TableError;

/// A gateway that cannot run.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Something else has the address.
    #[error(
        "cannot listen on {address}; stop what is using it (`ss -ltnp` shows it) or choose another \
         address for the data plane"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// Others could reach it without a token.
    #[error(
        "refusing to listen on {0} without tokens: other machines could call every model; \
         configure at least one token, or listen on 127.0.0.1"
    )]
    Open(SocketAddr),
    /// Another gateway has the state directory.
    #[error("another gateway is using {0}; stop it, or give this one a state directory of its own")]
    InUse(PathBuf),
    /// A file of the state directory cannot be used.
    #[error("cannot use {path}; check its permissions and the free space of its disk")]
    File {
        /// Which.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// The admin socket cannot be made.
    #[error(
        "cannot make the admin socket {path} (a socket's path has at most 107 bytes; this one has \
         {}); choose a shorter state directory",
        path.as_os_str().len()
    )]
    Admin {
        /// Which.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// `routes.json` is not JSON of a table.
    #[error("{path} is not a routing table; move it away and the server will send the table again")]
    Json {
        /// Which.
        path: PathBuf,
        /// The parser's word.
        #[source]
        source: serde_json::Error,
    },
    /// `routes.json` is a table that cannot be served.
    #[error("{path} cannot be served; move it away and the server will send the table again")]
    Table {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: TableError,
    },
    /// A thread or runtime could not be started, or ended by itself.
    #[error("a gateway thread cannot run; check the limits on threads and open files")]
    Thread(#[source] io::Error),
}

impl GatewayError {
    /// For `map_err` on what was done with a file.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
