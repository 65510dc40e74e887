//! The servers that people use, on the same model, with the same load: started one after the other, each alone.
//!
//! FastAPI as lean as it gets (orjson, uvloop, an async handler, two workers, one ONNX Runtime thread each) is in the Python of
//! the tests. MLServer with a runtime of its own, configured as it comes but for its worker process, which is left
//! out, gets a Python below `target`, the first time.

use super::bodies::{Bodies, Body};
use super::wait;
use super::wrk::Wrk;
use anyhow::{Context as _, ensure};
use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const FASTAPI: &str = include_str!("peers/lean.py");
const MLSERVER: &str = include_str!("peers/runtime.py");
const PATH: &str = "/v2/models/gbt/infer";
/// At least so many times as fast as each.
const GOALS: [(&str, f64); 2] = [("fastapi", 6.0), ("mlserver", 30.0)];
const LONG: Duration = Duration::from_secs(60);

/// How many times as fast as each peer each of ours is: both names, the goal and the ratio. `ours` are where gateways
/// listen, and asked in turn with the peer.
pub(super) fn measure(
    wrk: &Wrk,
    models: &Path,
    bodies: &Bodies,
    ours: &[(&'static str, SocketAddr)],
) -> anyhow::Result<Vec<(String, f64, f64)>> {
    let folder = tempfile::tempdir()?;
    let model = models.join("gbt.onnx");
    let mut cells = Vec::new();
    for (name, goal) in GOALS {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let server = match name {
            "fastapi" => fastapi(folder.path(), &model, port)?,
            _ => mlserver(folder.path(), &model, port)?,
        };
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        server.until_it_listens(address)?;
        let ask =
            |address, path: &str| wrk.load(address, path, &bodies.of(Body::Json1), super::MANY);
        // The first seconds are for warming up.
        ask(address, PATH)?;
        for (our, at) in ours {
            let (peer, own) = super::pair(|| ask(address, PATH), || ask(*at, super::PATH))?;
            cells.push((format!("{our}_of_{name}"), goal, own.rate / peer.rate));
        }
    }
    Ok(cells)
}

/// A process that ends with this, and its children with it.
struct Server(Child);

impl Server {
    fn until_it_listens(&self, address: SocketAddr) -> anyhow::Result<()> {
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            ensure!(began.elapsed() < LONG, "{address} does not listen");
            wait(Duration::from_millis(50));
        }
        // A socket listens before its application is there.
        wait(Duration::from_secs(2));
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both end their workers when they are asked to end.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

fn fastapi(folder: &Path, model: &Path, port: u16) -> anyhow::Result<Server> {
    fs::write(folder.join("lean.py"), FASTAPI)?;
    let python = crate::tree::root().join("target/test-python/bin/python");
    ensure!(
        python.is_file(),
        "there is no {}: run `make test-tools`",
        python.display()
    );
    let mut command = Command::new(python);
    command
        .args([
            "-m",
            "uvicorn",
            "lean:app",
            "--workers",
            "2",
            "--loop",
            "uvloop",
        ])
        .args([
            "--http",
            "httptools",
            "--log-level",
            "error",
            "--no-access-log",
        ])
        .args(["--port", &port.to_string()])
        .env("MODEL", model)
        .current_dir(folder);
    start(&mut command)
}

fn mlserver(folder: &Path, model: &Path, port: u16) -> anyhow::Result<Server> {
    let home = crate::tree::root().join("target/mlserver-python");
    let python = python(&home)?;
    let at = folder.join("mlserver");
    fs::create_dir_all(&at)?;
    fs::write(at.join("runtime.py"), MLSERVER)?;
    let other = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let third = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let settings = serde_json::json!({
        "http_port": port, "grpc_port": other, "metrics_port": third, "host": "127.0.0.1",
        "parallel_workers": 0,
    });
    let card = serde_json::json!({ "name": "gbt", "implementation": "runtime.Gbt" });
    fs::write(at.join("settings.json"), settings.to_string())?;
    fs::write(at.join("model-settings.json"), card.to_string())?;
    let mut command = Command::new(python.with_file_name("mlserver"));
    command
        .args(["start", "."])
        .env("MODEL", model)
        .current_dir(&at);
    start(&mut command)
}

/// A Python with MLServer; its last release needs an older uvloop than it asks for.
fn python(home: &Path) -> anyhow::Result<PathBuf> {
    let (python, ready) = (home.join("bin/python"), home.join("ready"));
    if !ready.is_file() {
        let run = |command: &mut Command| {
            let done = command.stdin(Stdio::null()).status()?;
            ensure!(done.success(), "MLServer cannot be installed");
            anyhow::Ok(())
        };
        run(Command::new("python3").args(["-m", "venv"]).arg(home))?;
        run(Command::new(&python).args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "mlserver==1.7.1",
            "uvloop<0.22",
            "onnxruntime==1.32.0",
        ]))?;
        fs::write(ready, "")?;
    }
    Ok(python)
}

fn start(command: &mut Command) -> anyhow::Result<Server> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    Ok(Server(child))
}
