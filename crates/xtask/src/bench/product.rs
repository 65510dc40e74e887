//! The binary under measurement: its two long-lived roles on a state directory of their own, and its command line.

use super::http::{self, Answer};
use anyhow::{Context as _, bail};
use serde_json::Value;
use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Nothing that is waited for takes longer.
const DEADLINE: Duration = Duration::from_secs(120);
/// CPUs that the server hands out: steps run two at a time.
const CPUS: &str = "2";

/// A state directory and the addresses of its roles.
pub(super) struct Product {
    binary: PathBuf,
    folder: PathBuf,
    control: SocketAddr,
    data: SocketAddr,
}

/// One of the two long-lived roles, stopped when dropped.
pub(super) struct Role {
    child: Child,
    /// From exec to the first answer.
    pub(super) ready: Duration,
}

impl Role {
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        // A role stops in order on SIGTERM; std can only kill.
        let _ = Command::new("kill").arg(&pid).status();
        let _ = self.child.wait();
    }
}

impl Product {
    /// A product in a folder, on ports that are free now.
    pub(super) fn new(binary: &Path, folder: &Path) -> anyhow::Result<Self> {
        Ok(Product {
            binary: binary.to_owned(),
            folder: folder.to_owned(),
            control: free_address()?,
            data: free_address()?,
        })
    }

    /// Where the control plane answers.
    pub(super) fn control(&self) -> SocketAddr {
        self.control
    }

    /// Starts the control plane.
    pub(super) fn server(&self) -> anyhow::Result<Role> {
        let port = self.control.port().to_string();
        self.start(
            &["server", "--port", &port, "--cpus", CPUS],
            self.control,
            "/health",
        )
    }

    /// Starts the data plane.
    pub(super) fn gateway(&self) -> anyhow::Result<Role> {
        let port = self.data.port().to_string();
        self.start(
            &["gateway", "--data-port", &port],
            self.data,
            "/v2/health/live",
        )
    }

    fn start(&self, arguments: &[&str], address: SocketAddr, path: &str) -> anyhow::Result<Role> {
        let log = self.folder.join(format!("{}.log", arguments[0]));
        let mut command = self.command();
        let file = File::options().create(true).append(true).open(&log)?;
        command
            .args(arguments)
            .stdout(file.try_clone()?)
            .stderr(file);
        let begun = Instant::now();
        let mut role = Role {
            child: command.spawn()?,
            ready: Duration::ZERO,
        };
        loop {
            if http::ask(address, path, None, None).is_ok_and(|answer| answer.status == 200) {
                role.ready = begun.elapsed();
                return Ok(role);
            }
            if let Some(status) = role.child.try_wait()? {
                bail!(
                    "`mainspan {}` ended with {status}:\n{}",
                    arguments[0],
                    fs::read_to_string(&log)?
                );
            }
            if begun.elapsed() > DEADLINE {
                bail!(
                    "`mainspan {}` does not answer on {address}{path}",
                    arguments[0]
                );
            }
            pause(Duration::from_millis(1));
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .env("MAINSPAN_STATE", self.folder.join("state"))
            .env("MAINSPAN_KEY", self.folder.join("master.key"))
            .env_remove("MAINSPAN_SERVER")
            .env_remove("MAINSPAN_TOKEN")
            .env_remove("MAINSPAN_PROJECT")
            .current_dir(&self.folder)
            .stdin(Stdio::null());
        command
    }

    /// Runs a verb in a project's folder and gives what it printed.
    pub(super) fn verb(&self, project: &Path, words: &[&str]) -> anyhow::Result<Value> {
        let done = self
            .command()
            .args(words)
            .args(["-o", "json"])
            .current_dir(project)
            .output()?;
        if !done.status.success() {
            bail!(
                "`mainspan {}` ended with {}: {}",
                words.join(" "),
                done.status,
                String::from_utf8_lossy(&done.stderr)
            );
        }
        Ok(serde_json::from_slice(&done.stdout).unwrap_or_default())
    }

    /// Reads from the own API.
    pub(super) fn read(&self, path: &str) -> anyhow::Result<Value> {
        let token = fs::read_to_string(self.folder.join("state/control.token"))?;
        let answer = http::ask(
            self.control,
            &format!("/api/v1/{path}"),
            Some(token.trim()),
            None,
        )?;
        if answer.status != 200 {
            bail!("/api/v1/{path} answered {}: {}", answer.status, answer.body);
        }
        serde_json::from_str(&answer.body).context("the answer is not JSON")
    }

    /// Asks a service of the data plane.
    pub(super) fn predict(&self, service: &str, row: &Value) -> anyhow::Result<Answer> {
        http::ask(self.data, &format!("/{service}"), None, Some(row))
    }
}

/// Asks again until there is an answer.
pub(super) fn until<T>(
    what: &str,
    every: Duration,
    mut ask: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if Instant::now() > deadline {
            bail!("waited {} s for {what}", DEADLINE.as_secs());
        }
        pause(every);
    }
}

/// Lets time pass between two looks.
pub(super) fn pause(time: Duration) {
    std::thread::park_timeout(time);
}

/// An address on this machine that nothing listens on now.
pub(super) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Runs git as somebody who has no configuration.
pub(super) fn git(folder: &Path, words: &[&str]) -> anyhow::Result<()> {
    let who = [
        "-c",
        "user.name=Bench",
        "-c",
        "user.email=bench@example.com",
        "-c",
        "commit.gpgsign=false",
    ];
    let done = Command::new("git")
        .args(who)
        .args(words)
        .current_dir(folder)
        .output()
        .context("cannot run git")?;
    if !done.status.success() {
        bail!(
            "git {}: {}",
            words.join(" "),
            String::from_utf8_lossy(&done.stderr)
        );
    }
    Ok(())
}
