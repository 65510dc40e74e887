//! What a server is told at its start; parsed once by the command line and handed down.

use guard::egress::Egress;
use jiff::Timestamp;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};
use store::StoreUrl;

/// A server's settings.
#[derive(Clone, Debug)]
pub struct Options {
    /// Everything the server keeps.
    pub state_dir: PathBuf,
    /// Where records are.
    pub store: StoreUrl,
    /// Where bytes are; `blobs/` of the state directory without one.
    pub blobs: Option<String>,
    /// Where files of the gateway's traffic log are copied to; nowhere without one.
    pub traffic_archive: Option<String>,
    /// The control port.
    pub listen: SocketAddr,
    /// The master key's file, outside the state directory.
    pub key: PathBuf,
    /// Names that the control port answers to beside loopback's.
    pub host_names: Vec<String>,
    /// What webhooks may reach beyond public addresses over https.
    pub webhook_allow: Egress,
    /// Callers without a token on loopback may use tracking.
    pub anonymous_tracking: bool,
    /// Started as `<shim> <units' directory>`: this binary's `unit` role.
    pub shim: Vec<String>,
    /// Started as `<engine> --model … --socket …`: this binary's `engine` role.
    pub engine: Vec<String>,
    /// The environment whose services answer under their bare name.
    pub default_environment: String,
    /// GPUs that units may claim, when they cannot be counted.
    pub gpus: Option<u32>,
    /// Asks whoever keeps server and gateway running to replace what runs another binary than is on disk; `None` where
    /// nobody does.
    pub supervisor: Option<fn() -> std::io::Result<()>>,
    /// The time; what is measured and not dated goes by clocks that nobody sets.
    pub now: fn() -> Timestamp,
}

impl Options {
    /// The owner's token, for the command line on this machine.
    pub fn owner_token_file(&self) -> PathBuf {
        owner_token_file(&self.state_dir)
    }

    /// The gateway's admin socket.
    pub fn gateway_socket(&self) -> PathBuf {
        self.state_dir.join("gateway.sock")
    }
}

/// The owner's token of a state directory.
pub fn owner_token_file(state_dir: &Path) -> PathBuf {
    state_dir.join("control.token")
}
