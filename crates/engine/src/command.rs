//! Any server as a replica: started here, asked until it is ready, and reached through the replica's
//! socket.
//!
//! It is told its port in `PORT` (and `HOST`), and where its model is in `MODEL`. A connection to the
//! socket that begins as a frame is answered here: the server lives, or this process does not. Any
//! other is passed on byte for byte, both ways, and whoever hangs up first hangs up on both sides.

mod relay;

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::options::WarmUp;
use crate::replica::listen;

/// How often a server that starts is asked whether it is ready.
const ASK: Duration = Duration::from_millis(20);
/// How long one such question may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// Settings of one server.
#[derive(Debug, Clone)]
pub struct CommandOptions {
    /// Program and arguments.
    pub argv: Vec<OsString>,
    /// Where its model's files are.
    pub model: Option<PathBuf>,
    /// The replica's socket. It appears once the server is ready.
    pub socket: PathBuf,
    /// What to get from it: any answer that is no server error says that it is ready.
    pub ready: String,
    /// What it is asked then, by POST at a path, before anybody finds it.
    pub warm_up: Option<WarmUp<String>>,
    /// How long it may take to end after the shutdown was asked for.
    pub grace: Duration,
}

/// A server that does not serve.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Nothing to start.
    #[error("no command is given; put it behind `--`")]
    Nothing,
    /// It could not be started.
    #[error("cannot start {program}: {source}; check that it is installed where PATH looks")]
    Start {
        /// What.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It ended by itself.
    #[error("the command ended ({0}); its log says why")]
    Ended(String),
    /// What it is asked first is not answered well.
    #[error(
        "the warm-up request is answered with {0}, so the replica does not start; correct `warmup`, or the server"
    )]
    WarmUp(String),
    /// The socket or a port cannot be had.
    #[error("cannot listen for the command: {0}")]
    Listen(io::Error),
}

/// Starts the server and passes connections on to it, until `shutdown` is cancelled and those under
/// way have ended, or it ends by itself.
pub async fn run(options: CommandOptions, shutdown: CancellationToken) -> Result<(), CommandError> {
    let port = free_port().map_err(CommandError::Listen)?;
    let mut server = start(&options, port)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let ready = async {
        relay::ready(address, &options.ready, ASK, ASK_TIMEOUT).await;
        match &options.warm_up {
            Some(warm_up) => relay::warm_up(address, warm_up).await,
            None => Ok(()),
        }
    };
    tokio::select! {
        ended = server.wait() => return Err(CommandError::Ended(how(ended))),
        () = shutdown.cancelled() => return stop(server, options.grace).await,
        ready = ready => if let Err(said) = ready {
            stop(server, options.grace).await?;
            return Err(CommandError::WarmUp(said));
        },
    }
    let listener = listen(&options.socket).map_err(CommandError::Listen)?;
    tracing::info!(port, socket = %options.socket.display(), "command ready");
    let serve = relay::serve(&listener, address, &options, &shutdown);
    tokio::select! {
        () = serve => stop(server, options.grace).await,
        ended = server.wait() => {
            // Nobody new may find a replica that is gone.
            remove(&options.socket);
            Err(CommandError::Ended(how(ended)))
        }
    }
}

/// Takes a socket away.
fn remove(socket: &Path) {
    let _ = std::fs::remove_file(socket);
}

/// A port that nobody has. Another may take it before the server does; then the server ends, and is
/// started again.
fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

fn start(options: &CommandOptions, port: u16) -> Result<Child, CommandError> {
    let (program, arguments) = options.argv.split_first().ok_or(CommandError::Nothing)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("HOST", Ipv4Addr::LOCALHOST.to_string())
        .env("PORT", port.to_string())
        .kill_on_drop(true);
    if let Some(model) = &options.model {
        command.env("MODEL", model);
    }
    command.spawn().map_err(|source| CommandError::Start {
        program: program.display().to_string(),
        source,
    })
}

/// Asks a server to end, and ends it if it does not.
async fn stop(mut server: Child, grace: Duration) -> Result<(), CommandError> {
    let pid = server
        .id()
        .and_then(|pid| i32::try_from(pid).ok())
        .and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        // One that has ended needs no telling.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    if tokio::time::timeout(grace, server.wait()).await.is_err() {
        tracing::warn!("the command did not end in time and is killed");
        let _ = server.kill().await;
    }
    Ok(())
}

fn how(ended: io::Result<ExitStatus>) -> String {
    ended.map_or_else(|error| error.to_string(), |status| status.to_string())
}
