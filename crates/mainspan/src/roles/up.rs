//! `mainspan up`: starts server and gateway, starts again what dies, and stops both in order. `down` ends it.

mod gateways;
mod keep;
pub(crate) mod upgrade;

use super::{
    gateway::Gateway,
    line::Line,
    logging,
    server::{STORE, Server},
    shutdown,
};
use crate::{cli::Common, exit, output, place, verbs};
use anyhow::{Context as _, bail};
use clap::Args;
use gateways::Gateways;
use keep::{Role, keep};
use rustix::process::{Pid, test_kill_process};
use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use upgrade::{Card, Looks};

/// Settings of both planes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Up {
    /// Apply this project file once everything runs (asks nothing)
    #[arg(long, value_name = "PATH")]
    apply: Option<PathBuf>,
    /// Go to the background once everything runs
    #[arg(short, long)]
    detach: bool,
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    gateway: Gateway,
}

/// How long both planes may take to answer.
const READY: Duration = Duration::from_secs(60);
/// How long they may take to stop before they are killed.
pub(super) const STOP: Duration = Duration::from_secs(20);

impl Up {
    /// Runs both planes until told to stop.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let state = place::state_dir(common.state.as_deref())?;
        fs::create_dir_all(state.join("logs"))
            .with_context(|| format!("cannot use `{}`", state.display()))?;
        if let Some(pid) = running(&state) {
            bail!(
                "mainspan runs on `{}` already (process {pid}): `mainspan down` stops it",
                state.display()
            );
        }
        if self.detach {
            return self.detached(common, &state);
        }
        logging();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let shutdown = shutdown()?;
            let program = std::env::current_exe()?;
            let card = Card::new(program.clone());
            card.write(&state)?;
            // Here, so that what cannot be is said at once.
            let seat = gateways::seat(&self.gateway.options(&state)?, &shutdown).await?;
            let (to_server, server_orders) = mpsc::channel(1);
            let (to_gateway, gateway_orders) = mpsc::channel(1);
            let looks = Looks::new(to_gateway, to_server)?;
            let server = Role {
                name: "server",
                program: program.clone(),
                arguments: self.server_arguments(&state),
                // Command lines can be read by everybody on this machine, and the address may hold a password.
                variables: vec![(STORE, self.server.store.clone())],
            };
            let gateway = Role {
                name: "gateway",
                program,
                arguments: self.gateway_arguments(&state),
                variables: Vec::new(),
            };
            let server = keep(server, server_orders, shutdown.clone());
            let gateway = Gateways::new(gateway, seat).keep(gateway_orders, shutdown.clone());
            let ready = async {
                if let Some(file) = &self.apply {
                    self.apply_when_ready(common, &state, file, &shutdown).await;
                }
                std::future::pending::<()>().await;
            };
            let outcome = tokio::select! {
                (server, gateway) = async { tokio::join!(server, gateway) } => server.and(gateway),
                () = ready => Ok(()),
                looked = looks.run(card, &state) => looked,
            };
            let _ = fs::remove_file(state.join("up.json"));
            outcome.map(|()| exit::OK)
        })
    }

    async fn apply_when_ready(
        &self,
        common: &Common,
        state: &Path,
        file: &Path,
        shutdown: &CancellationToken,
    ) {
        let deadline = Instant::now() + READY;
        while !answers(state) && Instant::now() < deadline && !shutdown.is_cancelled() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let common = Common {
            file: Some(file.to_owned()),
            ..common.clone()
        };
        let applied =
            tokio::task::spawn_blocking(move || verbs::plan::Apply::without_asking().run(&common))
                .await;
        match applied {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!("cannot apply {}: {error:#}", file.display()),
            Err(error) => tracing::error!(%error, "applying was cut off"),
        }
    }

    fn server_arguments(&self, state: &Path) -> Vec<String> {
        let mut line = Line::new("server", state);
        line.server(&self.server);
        line.0
    }

    fn gateway_arguments(&self, state: &Path) -> Vec<String> {
        let mut line = Line::new("gateway", state);
        line.gateway(&self.gateway);
        line.0
    }

    /// Starts this command again in a session of its own and waits until it answers.
    fn detached(&self, common: &Common, state: &Path) -> anyhow::Result<u8> {
        let log = state.join("logs/mainspan.log");
        let file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)?;
        for name in ["server.json", "gateway.json"] {
            let _ = fs::remove_file(state.join(name));
        }
        let arguments = std::env::args_os()
            .skip(1)
            .filter(|argument| argument != "-d" && argument != "--detach");
        let mut command = std::process::Command::new(std::env::current_exe()?);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0);
        let mut child = command.spawn()?;
        let deadline = Instant::now() + READY;
        while !answers(state) {
            if let Some(status) = child.try_wait()? {
                bail!(
                    "it ended with {status}; the end of {}:\n{}",
                    log.display(),
                    tail(&log)
                );
            }
            if Instant::now() > deadline {
                bail!(
                    "it does not answer after {}s; see {}",
                    READY.as_secs(),
                    log.display()
                );
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        let control = place::control_url(state).unwrap_or_default();
        let data = gateway_address(state).unwrap_or_default();
        if common.output == output::Format::Json {
            output::json(
                &serde_json::json!({ "pid": child.id(), "control": control, "data": data, "state": state, "log": log }),
            )?;
        } else {
            output::line(&format!("Mainspan runs (process {}).", child.id()))?;
            output::line(&format!("  control plane  {control}"))?;
            output::line(&format!("  data plane     {data}"))?;
            output::line(&format!("  state          {}", state.display()))?;
            output::line(&format!("  log            {}", log.display()))?;
            output::line("Stop it with `mainspan down`.")?;
        }
        Ok(exit::OK)
    }
}

/// The supervisor of a state directory, if it lives.
pub(super) fn running(state: &Path) -> Option<Pid> {
    let pid = Pid::from_raw(i32::try_from(Card::read(state)?.pid).ok()?)?;
    // A number may have been given to another process since.
    let command = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).ok()?;
    (test_kill_process(pid).is_ok() && command.windows(3).any(|w| w == b"\0up")).then_some(pid)
}

pub(super) fn answers(state: &Path) -> bool {
    let connects = |url: Option<String>| {
        url.and_then(|url| url.strip_prefix("http://").map(str::to_owned))
            .is_some_and(|address| std::net::TcpStream::connect(address).is_ok())
    };
    connects(place::control_url(state)) && connects(gateway_address(state))
}

/// The data plane's address as it left it.
pub(crate) fn gateway_address(state: &Path) -> Option<String> {
    let value: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(state.join("gateway.json")).ok()?).ok()?;
    Some(format!("http://{}", value["address"].as_str()?))
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory as _, Parser};

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        up: Up,
    }

    #[test]
    fn what_up_hands_down_is_understood() {
        crate::cli::Cli::command().debug_assert();
        let said = "up --host 127.0.0.1 --port 0 --data-port 0 --threads 2 --gpus 1 --cpus 1.5 --host-name a --host-name b \
                    --no-traffic-log --no-anonymous-tracking --key /k --blobs /b --traffic-archive /t --data-tokens /t";
        let up = Only::try_parse_from(said.split_whitespace()).unwrap().up;
        for arguments in [
            up.server_arguments(Path::new("/s")),
            up.gateway_arguments(Path::new("/s")),
        ] {
            let whole = std::iter::once("mainspan".to_owned()).chain(arguments.clone());
            let parsed = crate::cli::Cli::try_parse_from(whole);
            assert!(
                parsed.is_ok(),
                "{arguments:?}: {:?}",
                parsed.err().map(|e| e.to_string())
            );
        }
    }
}
