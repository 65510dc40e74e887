//! The data plane: takes requests, shares them among versions, counts what became of them.
//!
//! Run by the role `mainspan gateway`. It serves the routing table that was last pushed to its
//! admin socket, which it keeps on disk, so it needs no server to be alive; engines are reached
//! over Unix sockets. It must never know the store, and never wait for one.
//!
//! Inside: threads (`worker`) that share nothing which is locked on a request's way; each has its
//! own listener (`edge`), routing table (`live`) and connections (`replica`). What they know of each
//! other are counts (`evidence`, `queue`). The join log (`join`) and the traffic log (`traffic`) are
//! written by threads of their own, and one more compares the answers to copies of requests
//! (`mirror`).

mod address;
mod admin;
mod client;
mod clock;
mod durable;
mod edge;
mod error;
mod evidence;
mod fields;
mod grpc;
mod hold;
mod join;
mod labels;
mod listen;
mod live;
mod load;
mod mirror;
mod options;
mod orders;
mod outlier;
mod predict;
mod protocol;
mod queue;
mod relay;
mod replica;
mod request_id;
mod respond;
mod seat;
pub mod split;
mod start;
mod table;
mod traffic;
mod wishes;
mod worker;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use admin::Health;
pub use client::{AdminClient, ClientError};
pub use error::GatewayError;
pub use evidence::{Evidence, RouteEvidence, VersionEvidence};
pub use load::VersionLoad;
pub use mirror::{Mirror, MirrorEvidence};
pub use options::{Options, TokenHash, TokenHashError};
pub use queue::Priority;
pub use seat::Seat;
pub use start::{start, start_in};
pub use table::{Arm, Limits, LogRules, Route, RoutingTable, Speaks, TableError};
pub use traffic::{TrafficOptions, names as traffic_names};
pub use worker::ReplicaReport;

/// A gateway that runs.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    admin: PathBuf,
    leave: CancellationToken,
    ended: JoinHandle<Result<(), GatewayError>>,
}

impl Handle {
    /// The data plane's address, with the port that was taken.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The admin socket.
    #[must_use]
    pub fn admin(&self) -> &Path {
        &self.admin
    }

    /// Tells it that another gateway has its seat: it takes no new connections and no orders, answers what its
    /// clients ask on those they have, asks them to open new ones, and stops with the last of them.
    pub fn leave(&self) {
        self.leave.cancel();
    }

    /// The same for whoever does not keep the handle: cancel it.
    #[must_use]
    pub fn leaving(&self) -> CancellationToken {
        self.leave.clone()
    }

    /// Waits until the gateway has stopped: all requests answered, everything on disk.
    pub async fn stopped(self) -> Result<(), GatewayError> {
        match self.ended.await {
            Ok(result) => result,
            Err(error) => Err(GatewayError::Thread(std::io::Error::other(error))),
        }
    }
}

/// Runs a gateway until `shutdown`, then drains and flushes it. Call it on a runtime with I/O and
/// time.
pub async fn run(options: Options, shutdown: CancellationToken) -> Result<(), GatewayError> {
    start(options, shutdown).await?.stopped().await
}
