//! `mainspan server`: the control plane.

use super::{announce, end_with_supervisor, logging, shutdown};
use crate::{cli::Common, exit, place};
use anyhow::Context as _;
use clap::Args;
use guard::egress::{Allowed, Egress};
use platform::{Local, LocalOptions, Platform};
use server::Options;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

/// The variable with the address of the store.
pub(crate) const STORE: &str = "MAINSPAN_STORE";

/// Settings of the control plane.
#[derive(Clone, Debug, Args)]
pub(crate) struct Server {
    /// Address of the control port
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    pub(crate) host: IpAddr,
    /// The control port; 0 for a free one
    #[arg(long, default_value_t = place::CONTROL_PORT)]
    pub(crate) port: u16,
    /// Where records are kept: `sqlite`, or postgres://user@host/database
    #[arg(
        long,
        env = STORE,
        hide_env_values = true,
        default_value = "sqlite",
        value_name = "URL"
    )]
    pub(crate) store: String,
    /// Where bytes are kept: a folder or an object store's URL [default: blobs/ of the state directory]
    #[arg(long, env = "MAINSPAN_BLOBS", value_name = "URL")]
    pub(crate) blobs: Option<String>,
    /// Where finished files of the traffic log are copied to: a folder or an object store's URL [default: nowhere]
    #[arg(long, env = "MAINSPAN_TRAFFIC_ARCHIVE", value_name = "URL")]
    pub(crate) traffic_archive: Option<String>,
    /// The master key's file [default: $XDG_CONFIG_HOME/mainspan/master.key]
    #[arg(long, env = "MAINSPAN_KEY", value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// A name that a proxy forwards to this server; may be given several times
    #[arg(long = "host-name", value_name = "NAME")]
    pub(crate) host_names: Vec<String>,
    /// A host, or a range of addresses like 10.0.0.0/8, that webhooks may reach though it is not public, also by http;
    /// may be given several times
    #[arg(long = "webhook-allow", value_name = "HOST|RANGE")]
    pub(crate) webhook_allow: Vec<Allowed>,
    /// Tracking needs a token on loopback too
    #[arg(long)]
    pub(crate) no_anonymous_tracking: bool,
    /// The environment whose services answer under their bare name
    #[arg(long, default_value = "prod", value_name = "NAME")]
    pub(crate) default_environment: String,
    /// GPUs that units may claim [default: those of the NVIDIA driver]
    #[arg(long, value_name = "N")]
    pub(crate) gpus: Option<u32>,
    /// Processors that steps may claim [default: all]
    #[arg(long, value_name = "N")]
    pub(crate) cpus: Option<f64>,
    /// Memory that units may claim, like 8GiB [default: nine tenths]
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<spec::ByteSize>,
}

impl Server {
    /// Serves until told to stop.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        logging();
        end_with_supervisor()?;
        let state_dir = place::state_dir(common.state.as_deref())?;
        let options = self.options(&state_dir)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async move {
            let shutdown = shutdown()?;
            let units = LocalOptions { gpus: self.gpus, cpu: self.cpus, memory: self.memory.map(spec::ByteSize::bytes), ..LocalOptions::new(state_dir.join("units"))? };
            std::fs::create_dir_all(&units.dir).with_context(|| format!("cannot use `{}`", state_dir.display()))?;
            let platform: Arc<dyn Platform> = Arc::new(Local::open(units, &shutdown).await?);
            let handle = server::start(options, platform, shutdown).await?;
            let told = serde_json::json!({ "pid": std::process::id(), "address": handle.address.to_string() });
            announce(&state_dir.join("server.json"), &told)?;
            tracing::info!(address = %handle.address, "control plane ready");
            handle.stopped().await;
            Ok(exit::OK)
        })
    }

    fn options(&self, state_dir: &std::path::Path) -> anyhow::Result<Options> {
        let program = std::env::current_exe()?.to_string_lossy().into_owned();
        Ok(Options {
            state_dir: state_dir.to_owned(),
            store: self.store.parse()?,
            blobs: self.blobs.clone(),
            traffic_archive: self.traffic_archive.clone(),
            listen: SocketAddr::new(self.host, self.port),
            key: place::key_file(self.key.as_deref())?,
            host_names: self.host_names.clone(),
            webhook_allow: Egress::new(self.webhook_allow.clone()),
            anonymous_tracking: !self.no_anonymous_tracking,
            shim: vec![program.clone(), "unit".to_owned()],
            engine: vec![program, "engine".to_owned()],
            default_environment: self.default_environment.clone(),
            gpus: self.gpus,
            supervisor: super::supervisor(),
            now: jiff::Timestamp::now,
        })
    }
}
