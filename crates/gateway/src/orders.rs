//! Who is told what to serve: of several gateways in one seat, one at a time has the admin socket.
//!
//! [`crate::start`] opens the orders once. Whoever has their lock serves the socket and writes `routes.json`; the
//! others, one that starts while another still has it and one that is leaving, follow that file. The lock goes to
//! the next one when its holder leaves or dies, at whatever line. Must never let two write the table.

use std::fs::{File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Admin};
use crate::durable::{self, Identity};
use crate::error::GatewayError;
use crate::listen;
use crate::options::Options;
use crate::table::{Index, RoutingTable};

/// How often one without the orders looks for them, and for another table.
const LOOK: Duration = Duration::from_millis(10);

/// The files by which a gateway is told, and tells where it is.
pub(crate) struct Orders {
    admin: PathBuf,
    card: PathBuf,
    table: PathBuf,
    address: SocketAddr,
    lock: File,
    /// Locked, together with others, by each that leaves, until its last answer is sent.
    leaving: File,
    /// There when nobody else had the orders.
    socket: Option<UnixListener>,
}

impl Orders {
    /// Takes the orders if they are free. Then the socket is there, and errors are found, when this returns.
    pub(crate) fn open(options: &Options, address: SocketAddr) -> Result<Self, GatewayError> {
        let state = &options.state_dir;
        let path = state.join("orders.lock");
        let lock = durable::lock_file(&path).map_err(GatewayError::file(path))?;
        let path = leaving_file(state);
        let leaving = durable::lock_file(&path).map_err(GatewayError::file(path))?;
        let mut orders = Self {
            admin: options.admin.clone(),
            card: state.join("gateway.json"),
            table: table_file(state),
            address,
            lock,
            leaving,
            socket: None,
        };
        if orders.try_lock()? {
            orders.socket = Some(orders.announce()?);
        }
        Ok(orders)
    }

    /// Takes orders from when they are free until this gateway leaves or is `quiet`, and follows another's before
    /// and after.
    pub(crate) async fn serve(
        mut self,
        admin: Arc<Admin>,
        leave: &CancellationToken,
        quiet: &CancellationToken,
    ) -> Result<(), GatewayError> {
        let done = leave.child_token();
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => {
                let free = self.follow(&admin, true);
                tokio::select! {
                    free = free => free?,
                    () = quiet.cancelled() => return Ok(()),
                }
                // What was put in force before the orders were free.
                admin.follow().await?;
                self.announce()?
            }
        };
        tokio::select! {
            () = admin::serve(socket, Arc::clone(&admin), &done) => {}
            () = async { quiet.cancelled().await; done.cancel(); std::future::pending().await } => {}
        }
        if !leave.is_cancelled() {
            // What is left of sockets says that nobody is here; failing to remove them does not matter.
            let _ = std::fs::remove_file(&self.admin);
            let _ = std::fs::remove_file(&self.card);
        } else {
            // Before another one has the orders, which is asked whether there is more than it knows.
            self.leaving
                .lock_shared()
                .map_err(GatewayError::file(&self.admin))?;
        }
        self.lock
            .unlock()
            .map_err(GatewayError::file(&self.admin))?;
        tokio::select! {
            followed = self.follow(&admin, false) => followed,
            () = quiet.cancelled() => Ok(()),
        }
    }

    /// Serves the table that is on disk, until the orders are free, if they are wanted.
    async fn follow(&self, admin: &Admin, wanted: bool) -> Result<(), GatewayError> {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = None;
        loop {
            tick.tick().await;
            let found = Identity::of(&self.table).map_err(GatewayError::file(&self.table))?;
            if found != seen {
                seen = found;
                if let Err(error) = admin.follow().await {
                    tracing::error!(%error, "the table that another gateway serves is not understood");
                }
            }
            if wanted && self.try_lock()? {
                return Ok(());
            }
        }
    }

    fn try_lock(&self) -> Result<bool, GatewayError> {
        match self.lock.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(GatewayError::file(&self.admin)(error)),
        }
    }

    /// The admin socket, and who is behind it.
    fn announce(&self) -> Result<UnixListener, GatewayError> {
        let socket = listen::bind_admin(&self.admin)?;
        let socket = UnixListener::from_std(socket).map_err(GatewayError::file(&self.admin))?;
        let running =
            serde_json::json!({ "pid": std::process::id(), "address": self.address.to_string() });
        durable::replace(&self.card, running.to_string().as_bytes())
            .map_err(GatewayError::file(&self.card))?;
        Ok(socket)
    }
}

fn leaving_file(state: &Path) -> PathBuf {
    state.join("leaving.lock")
}

/// Whether a gateway that left still answers what it had.
pub(crate) fn is_any_leaving(state: &Path) -> io::Result<bool> {
    // Closing the file lets go of the lock.
    match durable::lock_file(&leaving_file(state))?.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Where the table is kept.
pub(crate) fn table_file(state: &Path) -> PathBuf {
    state.join("routes.json")
}

/// The table on disk; an empty one when there is none.
pub(crate) fn load(path: &Path) -> Result<Index, GatewayError> {
    let table = match durable::read(path).map_err(GatewayError::file(path))? {
        None => RoutingTable::default(),
        Some(bytes) => serde_json::from_slice(&bytes).map_err(|source| GatewayError::Json {
            path: path.to_owned(),
            source,
        })?,
    };
    Index::new(table).map_err(|source| GatewayError::Table {
        path: path.to_owned(),
        source,
    })
}
