//! `mainspan gateway`: the data plane.

use super::{end_with_supervisor, logging, shutdown};
use crate::{cli::Common, exit, place};
use clap::Args;
use rustix::process::{Resource, getrlimit, setrlimit};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    os::{fd::AsFd as _, unix::net::UnixStream as Line},
    path::{Path, PathBuf},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};
use tokio_util::sync::CancellationToken;

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

/// Said to the supervisor by a gateway that serves.
pub(super) const SERVING: u8 = b's';
/// Said by the supervisor when another gateway does.
pub(super) const LEAVE: u8 = b'l';

impl Gateway {
    /// Serves until told to stop.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        logging();
        let supervised = end_with_supervisor()?;
        let state_dir = place::state_dir(common.state.as_deref())?;
        std::fs::create_dir_all(&state_dir)?;
        let options = self.options(&state_dir)?;
        open_as_many_files_as_allowed();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async move {
            let shutdown = shutdown()?;
            if supervised {
                in_the_supervisors_seat(options, shutdown).await?;
            } else {
                gateway::run(options, shutdown).await?;
            }
            Ok(exit::OK)
        })
    }

    /// As the gateway's own crate understands them.
    pub(super) fn options(&self, state_dir: &Path) -> anyhow::Result<gateway::Options> {
        let listen = SocketAddr::new(self.data_host, self.data_port);
        let mut options = gateway::Options::new(state_dir.to_owned(), listen);
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
        Ok(options)
    }
}

/// Every connection is an open file, and what a process gets by default may be as little as 1,024.
fn open_as_many_files_as_allowed() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// Serves on sockets that the supervisor hands over on stdin, until told to stop or to leave.
async fn in_the_supervisors_seat(
    options: gateway::Options,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let line = Line::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let seat = gateway::Seat::receive(line.as_fd())?;
    line.set_nonblocking(true)?;
    let mut line = UnixStream::from_std(line)?;
    let handle = gateway::start_in(options, seat, shutdown).await?;
    line.write_u8(SERVING).await?;
    let leaving = handle.leaving();
    let told = async {
        // When the supervisor is gone, a signal says so.
        if line.read_u8().await.is_ok_and(|said| said == LEAVE) {
            leaving.cancel();
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        stopped = handle.stopped() => stopped?,
        () = told => {}
    }
    Ok(())
}
