//! The real binary, `mainspan up`, on a state directory of its own; everything it started ends when this is dropped.

use crate::http::{self, Answer};
use serde_json::Value;
use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::SocketAddr,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Nothing that a test waits for takes longer.
pub const DEADLINE: Duration = Duration::from_secs(90);

/// A folder with a state directory, a master key and projects, and the binary that works on them.
pub struct Product {
    binary: PathBuf,
    folder: TempDir,
    state: PathBuf,
}

/// How a command line ended.
#[derive(Debug)]
pub struct Said {
    /// Its exit code.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Said {
    fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Said {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Standard output as JSON.
    ///
    /// # Panics
    /// When the command failed or did not print JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }
}

impl Product {
    /// A folder in which nothing runs yet. `binary` is the test crate's `CARGO_BIN_EXE_mainspan`.
    pub fn new(binary: &str) -> Self {
        // A short path: addresses of Unix sockets hold 107 bytes.
        let folder = tempfile::Builder::new()
            .prefix("ms-")
            .tempdir_in("/tmp")
            .unwrap();
        Product {
            binary: binary.into(),
            state: folder.path().join("s"),
            folder,
        }
    }

    /// The same, running, when this returns.
    pub fn up(binary: &str) -> Self {
        let product = Self::new(binary);
        product.start(&[]);
        product
    }

    /// Starts both planes on free ports and waits until they answer.
    ///
    /// # Panics
    /// When they do not.
    #[track_caller]
    pub fn start(&self, options: &[&str]) {
        self.start_in(&[], options);
    }

    /// The same with more in the environment.
    ///
    /// # Panics
    /// When they do not.
    #[track_caller]
    pub fn start_in(&self, environment: &[(&str, &str)], options: &[&str]) {
        // Found and not 0: a role that is killed and started again comes back on the same port.
        let (control, data) = (free_port(), free_port());
        let words = [
            &["up", "--detach", "--port", &control, "--data-port", &data],
            options,
        ]
        .concat();
        let mut command = self.command();
        let said = Said::of(
            command
                .envs(environment.iter().copied())
                .args(words)
                .current_dir(self.folder()),
        );
        assert_eq!(said.code, 0, "{said:?}\n{}", self.log());
    }

    /// The folder that everything is in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The state directory.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Works on another state directory of the same folder from now on.
    pub fn use_state(&mut self, name: &str) {
        self.state = self.folder().join(name);
    }

    /// Runs the binary in a folder.
    pub fn run(&self, folder: &Path, words: &[&str]) -> Said {
        Said::of(self.command().args(words).current_dir(folder))
    }

    /// The binary with the environment of this folder and nothing else that could lead it elsewhere.
    pub fn command(&self) -> Command {
        self.command_of(&self.binary)
    }

    /// The same with another binary.
    pub fn command_of(&self, binary: impl AsRef<Path>) -> Command {
        let mut command = Command::new(binary.as_ref());
        for name in ["MAINSPAN_SERVER", "MAINSPAN_TOKEN", "MAINSPAN_PROJECT"] {
            command.env_remove(name);
        }
        command
            .env("MAINSPAN_STATE", &self.state)
            .env("MAINSPAN_KEY", self.folder().join("master.key"))
            .env(engine::library::VARIABLE, library())
            .stdin(Stdio::null());
        command
    }

    /// The owner's token.
    pub fn token(&self) -> String {
        let text = fs::read_to_string(self.state.join("control.token")).unwrap();
        text.trim().to_owned()
    }

    /// The control plane's address.
    ///
    /// # Errors
    /// While it is being started.
    pub fn control(&self) -> io::Result<SocketAddr> {
        address(&self.state.join("server.json"))
    }

    /// The data plane's address.
    ///
    /// # Errors
    /// While it is being started.
    pub fn data(&self) -> io::Result<SocketAddr> {
        address(&self.state.join("gateway.json"))
    }

    /// The process of a role, by what it wrote about itself.
    pub fn pid(&self, role: &str) -> Option<u32> {
        let value = read_json(&self.state.join(format!("{role}.json"))).ok()?;
        u32::try_from(value["pid"].as_u64()?).ok()
    }

    /// Asks the own API with the owner's token; null when it does not answer.
    pub fn read(&self, path: &str) -> Value {
        let ask = || {
            let headers = [format!("authorization: Bearer {}", self.token())];
            http::ask(
                self.control()?,
                "GET",
                &format!("/api/v1/{path}"),
                &headers,
                b"",
            )
        };
        ask().map(|answer| answer.json()).unwrap_or_default()
    }

    /// Posts to the own API as the owner.
    ///
    /// # Errors
    /// When the server is away.
    pub fn post(&self, path: &str, body: &Value) -> io::Result<Answer> {
        let headers = [format!("authorization: Bearer {}", self.token())];
        let body = body.to_string();
        http::ask(
            self.control()?,
            "POST",
            &format!("/api/v1/{path}"),
            &headers,
            body.as_bytes(),
        )
    }

    /// Posts a row to a service of the data plane.
    ///
    /// # Errors
    /// When the gateway cannot be reached or breaks off.
    pub fn predict(&self, path: &str, body: &Value) -> io::Result<Answer> {
        let body = body.to_string();
        http::ask(self.data()?, "POST", path, &[], body.as_bytes())
    }

    /// Reads from the gateway's own socket; null when it does not answer.
    pub fn gateway(&self, path: &str) -> Value {
        let ask = || {
            let mut stream = UnixStream::connect(self.state.join("gateway.sock")).ok()?;
            let request =
                format!("GET {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).ok()?;
            let mut text = String::new();
            stream.read_to_string(&mut text).ok()?;
            serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()
        };
        ask().unwrap_or_default()
    }

    /// What the roles have logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.state.join("logs/mainspan.log")).unwrap_or_default()
    }

    /// Processes whose command line names this folder, with that line's words.
    pub fn processes(&self) -> Vec<(u32, Vec<String>)> {
        let mark = self.folder().to_string_lossy().into_owned();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse() else {
                continue;
            };
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let words: Vec<String> = line
                .split(|byte| *byte == 0)
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect();
            if pid != std::process::id() && words.iter().any(|word| word.contains(&mark)) {
                found.push((pid, words));
            }
        }
        found
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let end = lines[lines.len().saturating_sub(40)..].join("\n");
            eprintln!("the end of the log:\n{end}");
        }
        let _ = self
            .command()
            .args(["down", "--all"])
            .current_dir("/")
            .output();
        // Whatever outlived that: what is started anew meanwhile is found by the next look.
        for _ in 0..20 {
            let left = self.processes();
            if left.is_empty() {
                break;
            }
            for (pid, _) in left {
                kill(pid);
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }
}

/// Kills a process with SIGKILL; one that is gone is no failure.
pub fn kill(pid: u32) {
    let _ = Command::new("kill")
        .args(["-9", &pid.to_string()])
        .stderr(Stdio::null())
        .status();
}

/// Asks again until there is an answer.
///
/// # Panics
/// When there is none in time.
#[track_caller]
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    until_or(|| what.to_owned(), ask)
}

/// The same, where what is missing is only known at the end.
///
/// # Panics
/// When there is no answer in time.
#[track_caller]
pub fn until_or<T>(what: impl FnOnce() -> String, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        if Instant::now() >= deadline {
            panic!("waited {} s for {}", DEADLINE.as_secs(), what());
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// ONNX Runtime's library, fetched the first time that any test of this checkout needs it.
pub fn library() -> PathBuf {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    let fetch = || {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-tools/ort");
        fs::create_dir_all(&tools).unwrap();
        let path = engine::library::fetch(&tools, Path::new("python3")).unwrap();
        path.canonicalize().unwrap()
    };
    LIBRARY.get_or_init(fetch).clone()
}

fn free_port() -> String {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port().to_string()
}

fn read_json(path: &Path) -> io::Result<Value> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

fn address(path: &Path) -> io::Result<SocketAddr> {
    let value = read_json(path)?;
    value["address"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| io::Error::other("no address yet"))
}
