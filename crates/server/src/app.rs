//! What handlers and reconcilers share: a cheap handle on the store, the blobs, the platform and the keys.

use crate::{
    compare::Desk,
    http::{Known, Passwords},
    options::Options,
    pace::Pace,
    webhooks::{Sender, System},
};
use gateway::AdminClient;
use guard::{
    Policy,
    browser::Names,
    keys::{self, KeyError, MasterKey},
};
use jiff::Timestamp;
use platform::Platform;
use std::{
    path::Path,
    sync::{Arc, Mutex},
};
use store::{Blobs, Gate, Lease, NamedFiles, Need, StateDir, Store};
use tokio::sync::watch;

/// The shared parts. Cloning is cheap.
#[derive(Clone)]
pub struct App {
    parts: Arc<Parts>,
    store: Store,
}

struct Parts {
    options: Options,
    blobs: Blobs,
    traffic_archive: Option<Arc<NamedFiles>>,
    platform: Arc<dyn Platform>,
    gateway: AdminClient,
    owner_token: String,
    master_key: MasterKey,
    passwords: Passwords,
    known: Known,
    names: Names,
    pace: Pace,
    desk: Desk,
    sender: Sender,
    reports: Mutex<Vec<(&'static str, Report)>>,
}

/// Says how a reconciler is.
type Report = Box<dyn Fn() -> serde_json::Value + Send>;

/// A server that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store or the state directory.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The keys.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The platform.
    #[error("units cannot be run here")]
    Platform(#[from] platform::Error),
    /// The control port.
    #[error("cannot listen on {address}: {}", hint(.source))]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// Another server of this Postgres keeps its bytes elsewhere.
    #[error(
        "the blobs of the servers that use this Postgres are not at {0}: give every server of one database the same --blobs (a folder that all of them see, or an object store), and copy the blobs along when they move"
    )]
    OtherBlobs(String),
    /// Listening beyond loopback without protection.
    #[error(
        "refusing to listen on {0}: the control port beyond loopback needs TLS in front of it. Keep it on 127.0.0.1 and let a proxy with TLS forward to it (`--host-name` gives the proxy's name)"
    )]
    Exposed(std::net::SocketAddr),
    /// Blobs that would be gone with the process.
    #[error(
        "refusing to keep blobs at `{0}`, which forgets everything when the server ends; use a directory or an object store"
    )]
    Forgetful(String),
    /// A file of the state directory.
    #[error("cannot use the state directory")]
    Io(#[from] std::io::Error),
}

fn hint(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "the port is taken: stop what uses it, or choose another with --port".to_owned()
        }
        _ => error.to_string(),
    }
}

impl App {
    /// Opens everything a server needs. Blocks; called once at the start.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn open(options: Options, platform: Arc<dyn Platform>) -> Result<Self, StartError> {
        if !options.listen.ip().is_loopback() {
            return Err(StartError::Exposed(options.listen));
        }
        let blobs = options.blobs.as_deref().unwrap_or_default();
        if blobs.starts_with("memory:") {
            return Err(StartError::Forgetful(blobs.to_owned()));
        }
        let state = StateDir::create(&options.state_dir)?;
        let store = Store::open(&options.store, &state)?;
        let environment: Vec<(String, String)> = std::env::vars().collect();
        let blobs = Blobs::open(blobs, &state, &environment)?;
        let traffic_archive = match options.traffic_archive.as_deref() {
            None | Some("") => None,
            Some(url) => Some(Arc::new(NamedFiles::open(url, &state, &environment)?)),
        };
        let owner_token = keys::owner_token(&options.owner_token_file())?;
        let master_key = keys::master_key(&options.key)?;
        let names = Names {
            hosts: options
                .host_names
                .iter()
                .map(|name| name.to_ascii_lowercase())
                .collect(),
        };
        let gateway = AdminClient::new(options.gateway_socket());
        let sender = Sender::new(options.webhook_allow.clone(), Arc::new(System));
        let parts = Parts {
            options,
            blobs,
            traffic_archive,
            platform,
            gateway,
            owner_token,
            master_key,
            passwords: Passwords::default(),
            known: Known::default(),
            names,
            pace: Pace::default(),
            desk: Desk::default(),
            sender,
            reports: Mutex::default(),
        };
        Ok(App {
            parts: Arc::new(parts),
            store,
        })
    }

    /// The same parts, with writes that are refused once another server has this lease.
    pub fn fenced(&self, lease: Lease) -> Self {
        App {
            parts: Arc::clone(&self.parts),
            store: self.store.fenced(lease),
        }
    }

    /// The same parts, whose records are within a gate: see [`Store::within`].
    pub fn within(&self, gate: Arc<dyn Gate>, need: Need) -> Self {
        App {
            parts: Arc::clone(&self.parts),
            store: self.store.within(gate, need),
        }
    }

    /// The server's settings.
    pub fn options(&self) -> &Options {
        &self.parts.options
    }

    /// The state directory.
    pub fn state_dir(&self) -> &Path {
        &self.parts.options.state_dir
    }

    /// Records.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Bytes.
    pub fn blobs(&self) -> &Blobs {
        &self.parts.blobs
    }

    /// Where the traffic log is copied to.
    pub(crate) fn traffic_archive(&self) -> Option<&Arc<NamedFiles>> {
        self.parts.traffic_archive.as_ref()
    }

    /// Where units run.
    pub fn platform(&self) -> &Arc<dyn Platform> {
        &self.parts.platform
    }

    /// The gateway's admin socket.
    pub fn gateway(&self) -> &AdminClient {
        &self.parts.gateway
    }

    /// How many requests services have had of late.
    pub fn pace(&self) -> &Pace {
        &self.parts.pace
    }

    /// Where wishes for a comparison of versions wait.
    pub(crate) fn desk(&self) -> &Desk {
        &self.parts.desk
    }

    /// Who speaks to the receivers of webhooks.
    pub(crate) fn sender(&self) -> &Sender {
        &self.parts.sender
    }

    /// The owner's token.
    pub fn owner_token(&self) -> &str {
        &self.parts.owner_token
    }

    /// The key of units' tokens and of secrets that are kept.
    pub fn master_key(&self) -> &MasterKey {
        &self.parts.master_key
    }

    /// Checks of tokens and passwords.
    pub fn passwords(&self) -> &Passwords {
        &self.parts.passwords
    }

    /// Tokens and users that were just looked up.
    pub fn known(&self) -> &Known {
        &self.parts.known
    }

    /// Names that the control port answers to.
    pub fn names(&self) -> &Names {
        &self.parts.names
    }

    /// Where the model runtime's library is: named by the environment, or fetched into the state directory.
    ///
    /// # Errors
    /// What is missing.
    pub fn library(&self) -> Result<std::path::PathBuf, String> {
        if let Some(named) = std::env::var_os(engine::library::VARIABLE) {
            return engine::library::resolve(None, Some(named)).map_err(|error| error.to_string());
        }
        engine::library::locate(self.state_dir())
            .ok_or_else(|| "the model runtime is still being fetched".to_owned())
    }

    /// Makes a reconciler's last status visible under its name.
    pub fn report<S>(&self, name: &'static str, status: watch::Receiver<S>)
    where
        S: serde::Serialize + Send + Sync + 'static,
    {
        let report = move || serde_json::to_value(&*status.borrow()).unwrap_or_default();
        let mut reports = self.reports();
        reports.retain(|(known, _)| *known != name);
        reports.push((name, Box::new(report)));
    }

    /// Forgets the reports of all but these: the others have ended.
    pub fn report_only(&self, names: &[&str]) {
        self.reports().retain(|(known, _)| names.contains(known));
    }

    /// What each reconciler did last.
    pub fn statuses(&self) -> serde_json::Map<String, serde_json::Value> {
        self.reports()
            .iter()
            .map(|(name, report)| ((*name).to_owned(), report()))
            .collect()
    }

    fn reports(&self) -> std::sync::MutexGuard<'_, Vec<(&'static str, Report)>> {
        self.parts
            .reports
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Settings that bear on access.
    pub fn policy(&self) -> Policy {
        Policy {
            anonymous_tracking: self.parts.options.anonymous_tracking,
            loopback: self.parts.options.listen.ip().is_loopback(),
        }
    }

    /// The time. Handlers read it once and pass it on.
    pub fn now(&self) -> Timestamp {
        (self.parts.options.now)()
    }
}
