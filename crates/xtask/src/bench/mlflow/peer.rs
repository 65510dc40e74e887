//! The two servers under comparison: ours, and a real `mlflow server` beside it.

use crate::bench::{
    connection::{Connection, Request},
    http,
    process::{self, Memory},
    product::{Product, Role, free_address, pause},
};
use anyhow::{Context as _, bail};
use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// MLflow takes most of a minute to make its database.
const DEADLINE: Duration = Duration::from_secs(300);
const FILL: &str = include_str!("fill.py");

/// A server that can be asked and whose CPU time can be read.
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    pid: u32,
    /// What its clients say of themselves.
    authorization: Option<String>,
    _process: Process,
}

#[expect(dead_code, reason = "held until the peer is dropped, which ends them")]
enum Process {
    Ours(Role),
    Theirs(Group),
    /// Another peer holds it.
    Held,
}

/// A process with all its children, ended together.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["--", &group]).status();
        let _ = self.0.wait();
    }
}

impl Peer {
    /// Our server on the product's state directory.
    pub(super) fn ours(product: &Product) -> anyhow::Result<Self> {
        let role = product.server()?;
        Ok(Peer {
            name: "mainspan",
            address: product.control(),
            pid: role.pid(),
            authorization: None,
            _process: Process::Ours(role),
        })
    }

    /// A real MLflow server: with one worker and no jobs, which is its fair case, or as it starts by default.
    pub(super) fn theirs(python: &Path, folder: &Path, fair: bool) -> anyhow::Result<Self> {
        let address = free_address()?;
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.join("mlflow.log"))?;
        let mut command = Command::new(python);
        command
            .args(["-m", "mlflow", "server", "--host", "127.0.0.1", "--port"])
            .arg(address.port().to_string())
            .arg("--backend-store-uri")
            .arg(format!("sqlite:///{}", database(folder).display()))
            .arg("--artifacts-destination")
            .arg(folder.join("artifacts"))
            .env("MLFLOW_DISABLE_TELEMETRY", "true")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .current_dir(folder);
        if fair {
            command
                .args(["--workers", "1"])
                .env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false");
        }
        let child = std::os::unix::process::CommandExt::process_group(&mut command, 0).spawn()?;
        let mut group = Group(child);
        let begun = Instant::now();
        while !http::ask(address, "/health", None, None).is_ok_and(|answer| answer.status == 200) {
            if let Some(status) = group.0.try_wait()? {
                let told = fs::read_to_string(folder.join("mlflow.log"))?;
                bail!("`mlflow server` ended with {status}:\n{told}");
            }
            if begun.elapsed() > DEADLINE {
                bail!("`mlflow server` does not answer");
            }
            pause(Duration::from_millis(100));
        }
        Ok(Peer {
            name: "mlflow",
            address,
            pid: group.0.id(),
            authorization: None,
            _process: Process::Theirs(group),
        })
    }

    /// The same server, for clients with this header.
    pub(super) fn signed(&self, authorization: String) -> Self {
        Peer {
            name: self.name,
            address: self.address,
            pid: self.pid,
            authorization: Some(authorization),
            _process: Process::Held,
        }
    }

    pub(super) fn connect(&self) -> anyhow::Result<Connection> {
        Ok(Connection::open(self.address)?.signed(self.authorization.as_deref()))
    }

    /// CPU time of all its processes so far.
    pub(super) fn cpu(&self) -> anyhow::Result<Duration> {
        Ok(process::cpu_of_tree(&self.pid.to_string())?.all)
    }

    /// Waits until it has done what a server does once after its start, in processes of its own.
    pub(super) fn settle(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while process::has_children(self.pid)? {
            if begun.elapsed() > DEADLINE {
                bail!("`{}` does not come to rest", self.name);
            }
            pause(Duration::from_millis(100));
        }
        Ok(())
    }

    pub(super) fn memory(&self) -> anyhow::Result<Memory> {
        process::memory(self.pid)
    }

    /// The id of an experiment of that name, made if need be.
    pub(super) fn experiment(&self, name: &str) -> anyhow::Result<String> {
        let body = serde_json::json!({ "name": name });
        let made = self
            .connect()?
            .json(&Request::post("/api/2.0/mlflow/experiments/create", &body))?;
        let id = made["experiment_id"].as_str();
        Ok(id.context("an experiment has no id")?.to_owned())
    }
}

fn database(folder: &Path) -> PathBuf {
    folder.join("mlflow.db")
}

/// Writes runs and a metric's history straight into MLflow's database: its own API takes some 13 runs a second.
pub(super) fn fill(python: &Path, folder: &Path, words: &[&str]) -> anyhow::Result<()> {
    let done = Command::new(python)
        .args(["-c", FILL])
        .arg(database(folder))
        .args(words)
        .output()?;
    if !done.status.success() {
        let told = String::from_utf8_lossy(&done.stderr);
        bail!("MLflow's database cannot be filled:\n{told}");
    }
    Ok(())
}
