//! `mainspan up`: starts server and gateway, starts again what dies, and stops both in order. `down` ends it.

use super::{
    SUPERVISED, announce,
    gateway::Gateway,
    line::Line,
    logging,
    server::{STORE, Server},
    shutdown,
};
use crate::{
    cli::Common,
    exit::{self, Coded},
    output, place, verbs,
};
use anyhow::{Context as _, bail};
use clap::Args;
use platform::{Local, LocalOptions, Platform as _};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

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
const STOP: Duration = Duration::from_secs(20);
/// A role that dies at once is started again after this long, doubled up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A role that has lived this long did start: what ended it then is no reason to wait.
const STEADY: Duration = Duration::from_secs(1);

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
            announce(
                &state.join("up.json"),
                &serde_json::json!({ "pid": std::process::id() }),
            )?;
            let shutdown = shutdown()?;
            let program = std::env::current_exe()?;
            let server = keep(
                program.clone(),
                self.server_arguments(&state),
                // Command lines can be read by everybody on this machine, and the address may hold a password.
                vec![(STORE, self.server.store.clone())],
                "server",
                shutdown.clone(),
            );
            let gateway = keep(
                program,
                self.gateway_arguments(&state),
                Vec::new(),
                "gateway",
                shutdown.clone(),
            );
            let ready = async {
                if let Some(file) = &self.apply {
                    self.apply_when_ready(common, &state, file, &shutdown).await;
                }
                std::future::pending::<()>().await;
            };
            let outcome = tokio::select! {
                (server, gateway) = async { tokio::join!(server, gateway) } => server.and(gateway),
                () = ready => Ok(()),
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

/// Keeps one role running until the shutdown.
async fn keep(
    program: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(&'static str, String)>,
    role: &str,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let mut pause = PAUSE;
    while !shutdown.is_cancelled() {
        let started = Instant::now();
        let mut child = Command::new(&program)
            .args(&arguments)
            .stdin(Stdio::null())
            .env(SUPERVISED, "1")
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .spawn()?;
        let status = tokio::select! {
            status = child.wait() => status?,
            () = shutdown.cancelled() => return stop(child).await,
        };
        let lived = started.elapsed();
        if status.code() == Some(1) && lived < Duration::from_secs(5) && pause >= PAUSE * 8 {
            shutdown.cancel();
            bail!("the {role} does not start; the lines above say why");
        }
        if lived > STEADY {
            pause = PAUSE;
        }
        tracing::warn!(role, %status, "a role ended and is started again");
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Ok(())
}

async fn stop(mut child: Child) -> anyhow::Result<()> {
    if let Some(pid) = child
        .id()
        .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
    {
        kill_process(pid, Signal::TERM)?;
    }
    if tokio::time::timeout(STOP, child.wait()).await.is_err() {
        child.kill().await?;
    }
    Ok(())
}

/// What to stop.
#[derive(Clone, Debug, Args)]
pub(crate) struct Down {
    /// Steps of runs too; they run again after the next `up`
    #[arg(long)]
    all: bool,
}

impl Down {
    /// Stops the supervisor of a state directory, then replicas, and waits for their end.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let state = place::state_dir(common.state.as_deref())?;
        let supervisor = running(&state);
        if let Some(pid) = supervisor {
            end(pid, &state)?;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        // A supervisor that was killed takes server and gateway with it, but no unit.
        let is_alone = supervisor.is_none();
        let units = if is_alone && (answers(&state) || !state.join("units").is_dir()) {
            Units::default()
        } else {
            runtime.block_on(stop_units(&state, self.all))?
        };
        if is_alone && units.ended + units.left == 0 {
            return Err(Coded {
                code: exit::NO_SERVER,
                message: format!("nothing runs on `{}`", state.display()),
            }
            .into());
        }
        let rest = match units.left {
            0 => String::new(),
            n => format!(" {n} steps go on; `mainspan up` takes them up again."),
        };
        output::line(&format!("Stopped.{rest}"))?;
        Ok(exit::OK)
    }
}

/// Ends a supervisor and waits for that.
fn end(pid: Pid, state: &Path) -> anyhow::Result<()> {
    kill_process(pid, Signal::TERM).with_context(|| format!("cannot stop process {pid}"))?;
    let deadline = Instant::now() + STOP + Duration::from_secs(5);
    while test_kill_process(pid).is_ok() {
        if Instant::now() > deadline {
            let log = state.join("logs/mainspan.log");
            bail!("process {pid} does not end; see {}", log.display());
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    Ok(())
}

/// What became of the units.
#[derive(Debug, Default)]
struct Units {
    ended: usize,
    left: usize,
}

/// Stops replicas, and steps when asked.
async fn stop_units(state: &Path, steps: bool) -> anyhow::Result<Units> {
    let shutdown = CancellationToken::new();
    let platform = Local::open(LocalOptions::new(state.join("units"))?, &shutdown).await?;
    let mut changed = platform.changed();
    let deadline = Instant::now() + STOP;
    let mut stopped = BTreeSet::new();
    loop {
        changed.borrow_and_update();
        let units = platform.list().await?;
        let alive: Vec<_> = units.iter().filter(|unit| !unit.state.is_over()).collect();
        let (going, ending): (Vec<_>, Vec<_>) = alive
            .into_iter()
            .partition(|unit| !steps && unit.labels.get("kind").is_some_and(|kind| kind == "step"));
        if ending.is_empty() || Instant::now() > deadline {
            shutdown.cancel();
            return Ok(Units {
                ended: stopped.len(),
                left: going.len(),
            });
        }
        for unit in ending {
            platform.stop(&unit.id, None).await?;
            stopped.insert(unit.id.clone());
        }
        tokio::select! {
            _ = changed.changed() => {}
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
        }
    }
}

/// The supervisor of a state directory, if it lives.
fn running(state: &Path) -> Option<Pid> {
    let value: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(state.join("up.json")).ok()?).ok()?;
    let pid = Pid::from_raw(i32::try_from(value["pid"].as_i64()?).ok()?)?;
    // A number may have been given to another process since.
    let command = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).ok()?;
    (test_kill_process(pid).is_ok() && command.windows(3).any(|w| w == b"\0up")).then_some(pid)
}

fn answers(state: &Path) -> bool {
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
