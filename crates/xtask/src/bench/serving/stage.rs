//! A gateway and the engines behind it, as processes of the binary.

use super::super::process;
use super::wait;
use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use std::{
    io::{Read as _, Write as _},
    net::SocketAddr,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Nothing here takes as long unless it is broken.
const LONG: Duration = Duration::from_secs(60);

/// What an engine is started with.
pub(super) struct Engine<'a> {
    pub(super) binary: &'a Path,
    pub(super) model: PathBuf,
    pub(super) library: PathBuf,
    /// Whether ONNX Runtime computes, whatever the model is.
    pub(super) onnxruntime: bool,
    /// How many requests are computed at a time.
    pub(super) threads: usize,
}

/// Processes that end with this.
pub(super) struct Stage {
    processes: Vec<Child>,
    pub(super) address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Engine<'_> {
    fn start(&self, socket: &Path) -> anyhow::Result<Child> {
        let evaluator = if self.onnxruntime {
            "onnxruntime"
        } else {
            "automatic"
        };
        let mut command = Command::new(self.binary);
        command
            .args(["engine", "--evaluator", evaluator])
            .args(["--threads", &self.threads.to_string(), "--model"])
            .arg(&self.model)
            .arg("--library")
            .arg(&self.library)
            .arg("--socket")
            .arg(socket);
        spawn(&mut command)
    }
}

impl Stage {
    /// One engine, reached by so many services.
    pub(super) fn start(engine: &Engine<'_>, services: usize) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("engine.sock");
        let replica = engine.start(&socket)?;
        let mut command = Command::new(engine.binary);
        command
            .args(["gateway", "--data-port", "0", "--state"])
            .arg(folder.path());
        let gateway = spawn(&mut command)?;
        let mut stage = Stage {
            processes: vec![replica, gateway],
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            _folder: folder,
        };
        let state = stage._folder.path().to_owned();
        let card = until("the gateway is up", || {
            let text = std::fs::read_to_string(state.join("gateway.json")).ok()?;
            serde_json::from_str::<Value>(&text).ok()
        })?;
        stage.address = card["address"].as_str().unwrap_or_default().parse()?;
        let arm = json!({ "version": 1, "model": "gbt", "weight": 1.0, "replicas": [socket] });
        let route = |number| {
            let service = format!("m{number}");
            json!({ "project": "bench", "environment": "prod", "service": service, "root": true, "arms": [arm] })
        };
        let routes: Vec<Value> = (0..services).map(route).collect();
        let admin = state.join("gateway.sock");
        ask(
            &admin,
            "PUT",
            "/routes",
            &json!({ "generation": 1, "routes": routes }),
        )?;
        until("the engine answers", || {
            let health = ask(&admin, "GET", "/health", &Value::Null).ok()?;
            let replicas = health["replicas"].as_array()?;
            let up = replicas
                .iter()
                .all(|r| r["connections"] == health["threads"]);
            up.then_some(())
        })?;
        Ok(stage)
    }

    /// Resident megabytes of gateway and engine together.
    pub(super) fn memory(&self) -> anyhow::Result<f64> {
        let all = self
            .processes
            .iter()
            .map(|child| process::memory(child.id()));
        Ok(all
            .collect::<anyhow::Result<Vec<_>>>()?
            .iter()
            .map(|memory| memory.resident)
            .sum())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for child in &mut self.processes {
            end(child);
        }
    }
}

/// What a replica needs beyond what loading the model in process takes: the middle of some starts, in milliseconds.
pub(super) fn cold_start(engine: &Engine<'_>) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let mut times = Vec::new();
    for number in 0..7 {
        let socket = folder.path().join(format!("{number}.sock"));
        let began = Instant::now();
        let mut child = engine.start(&socket)?;
        let ready = until("the replica is ready", || socket.exists().then_some(()));
        times.push(began.elapsed().as_secs_f64() * 1e3);
        end(&mut child);
        ready?;
    }
    let loading = super::super::trees::loading()?;
    Ok(super::super::report::median(times) - loading)
}

fn spawn(command: &mut Command) -> anyhow::Result<Child> {
    command
        .env("MAINSPAN_LOG", "error")
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))
}

fn end(child: &mut Child) {
    // One that has ended needs no end.
    let _ = child.kill();
    let _ = child.wait();
}

fn until<T>(what: &str, mut reached: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
    let began = Instant::now();
    loop {
        if let Some(reached) = reached() {
            return Ok(reached);
        }
        ensure!(began.elapsed() < LONG, "never: {what}");
        wait(Duration::from_millis(1));
    }
}

/// One request on the admin socket.
fn ask(socket: &Path, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
    let mut stream = UnixStream::connect(socket)?;
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("the gateway hung up")?;
    ensure!(
        head.starts_with("HTTP/1.1 200"),
        "the gateway refused: {body}"
    );
    Ok(serde_json::from_str(body)?)
}
