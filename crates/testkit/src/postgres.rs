//! A Postgres server for one test: found among the installed binaries, in a folder that goes again, on a port that was
//! free. The store's own suite takes this file in by its path, because it cannot depend on this crate; so the file names
//! nothing else of it.

use std::{
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Set where no server could be installed; without it, a missing server is a failure.
const SKIP: &str = "MAINSPAN_TEST_WITHOUT_POSTGRES";
/// Debian's `nobody` and `nogroup`: Postgres refuses root.
const NOBODY: u32 = 65534;

/// It takes a second or two to start.
const DEADLINE: Duration = Duration::from_secs(60);

/// A running server, stopped when dropped.
pub struct Postgres {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Postgres {
    /// Starts one; it answers when this returns. `None` where there is none and that is allowed.
    ///
    /// # Panics
    /// When there is none and nobody said that this is all right, or when it does not start.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            assert!(
                std::env::var_os(SKIP).is_some(),
                "no Postgres server under /usr/lib/postgresql: install Debian's package `postgresql` or set {SKIP}=1"
            );
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mut make = Command::new(programs.join("initdb"));
        make.args(["--auth=trust", "--username=mainspan", "--encoding=UTF8"])
            .args(["--locale=C.UTF-8", "--no-sync", "-D"])
            .arg(&data);
        as_nobody(&mut make, folder.path());
        let made = make.status().unwrap();
        assert!(made.success(), "initdb failed in {}", data.display());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let mut server = Command::new(programs.join("postgres"));
        server.arg("-D").arg(&data);
        server.args([
            "-h",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "-c",
            "fsync=off",
        ]);
        server.args(["-c", "unix_socket_directories=", "-c", "max_connections=60"]);
        as_nobody(&mut server, folder.path());
        let process = server.spawn().unwrap();
        let mut server = Postgres {
            process,
            port,
            _folder: folder,
        };
        let deadline = Instant::now() + DEADLINE;
        // It listens before it lets anybody in.
        let mut ask = Command::new(programs.join("pg_isready"));
        ask.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]);
        while !ask.status().unwrap().success() {
            server.lives();
            assert!(Instant::now() < deadline, "Postgres does not answer");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Some(server)
    }

    /// Asserts that it has not ended by itself.
    ///
    /// # Panics
    /// When it has.
    pub fn lives(&mut self) {
        assert_eq!(self.process.try_wait().unwrap(), None, "Postgres ended");
    }

    /// Its address, as `--store` takes it.
    pub fn url(&self) -> String {
        format!("postgres://mainspan@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its own children see that it is gone and end too.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The folder of the newest installed server's programs.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> = versions
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|programs| programs.join("initdb").exists())
        .collect();
    found.sort();
    found.pop()
}

fn as_nobody(command: &mut Command, folder: &Path) {
    if std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0) {
        chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    command.current_dir(folder).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
}
