//! `mainspan gateway`: the data plane.

use super::{end_with_supervisor, logging, shutdown};
use crate::{cli::Common, exit, place};
use clap::Args;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
};

/// Settings of the data plane.
#[derive(Clone, Debug, Args)]
pub(crate) struct Gateway {
    /// Address of the data plane
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    pub(crate) data_host: IpAddr,
    /// The data plane's port; 0 for a free one
    #[arg(long, default_value_t = place::DATA_PORT, value_name = "PORT")]
    pub(crate) data_port: u16,
    /// Serving threads [default: one for each core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// A file with the SHA-256 of a bearer token on each line; needed beyond loopback
    #[arg(long, value_name = "FILE")]
    pub(crate) data_tokens: Option<PathBuf>,
    /// Keep no traffic log
    #[arg(long)]
    pub(crate) no_traffic_log: bool,
}

impl Gateway {
    /// Serves until told to stop.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        logging();
        end_with_supervisor()?;
        let state_dir = place::state_dir(common.state.as_deref())?;
        std::fs::create_dir_all(&state_dir)?;
        let mut options =
            gateway::Options::new(state_dir, SocketAddr::new(self.data_host, self.data_port));
        if let Some(threads) = self.threads {
            options.threads = threads;
        }
        if let Some(file) = &self.data_tokens {
            let text = std::fs::read_to_string(file)?;
            options.tokens = text
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .map(str::parse)
                .collect::<Result<_, _>>()?;
        }
        if self.no_traffic_log {
            options.traffic = None;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async move {
            gateway::run(options, shutdown()?).await?;
            Ok(exit::OK)
        })
    }
}
