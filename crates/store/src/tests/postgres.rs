//! A Postgres server of our own for the conformance suite: found among the installed binaries,
//! in a directory that goes again, on a port that was free, without a socket file.

use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::conformance::conformance;
use crate::{EventFilter, Events as _, Priority, StateDir, Store, StoreUrl};

/// The variable that lets the suite pass on a machine without Postgres.
const SKIP: &str = "MAINSPAN_TEST_WITHOUT_POSTGRES";

/// A running server, stopped when dropped.
struct Server {
    process: Child,
    url: String,
    _dir: tempfile::TempDir,
}

/// The directory of the newest installed server's programs.
fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> = versions
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    found.retain(|bin| bin.join("initdb").exists());
    found.sort();
    found.pop()
}

/// Root may not run Postgres, so root's tests run it as `nobody`.
fn as_nobody(command: &mut Command, dir: &Path) {
    if std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0)
    {
        chown(dir, Some(65534), Some(65534)).unwrap();
        command.uid(65534).gid(65534);
    }
    command
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
}

fn start() -> Option<Server> {
    let Some(bin) = binaries() else {
        assert!(
            std::env::var_os(SKIP).is_some(),
            "no Postgres server under /usr/lib/postgresql: install Debian's package `postgresql` or set {SKIP}=1"
        );
        return None;
    };
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut initdb = Command::new(bin.join("initdb"));
    initdb
        .args([
            "--auth=trust",
            "--username=mainspan",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "-D",
        ])
        .arg(&data);
    as_nobody(&mut initdb, dir.path());
    assert!(
        initdb.status().unwrap().success(),
        "initdb failed in {}",
        data.display()
    );
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut postgres = Command::new(bin.join("postgres"));
    postgres
        .arg("-D")
        .arg(&data)
        .args(["-h", "127.0.0.1", "-p", &port.to_string()]);
    postgres.args([
        "-c",
        "fsync=off",
        "-c",
        "unix_socket_directories=",
        "-c",
        "max_connections=60",
    ]);
    as_nobody(&mut postgres, dir.path());
    let process = postgres.spawn().unwrap();
    Some(Server {
        process,
        url: format!("postgres://mainspan@127.0.0.1:{port}/postgres"),
        _dir: dir,
    })
}

impl Server {
    /// Opens a store, as soon as the server answers.
    fn open(&mut self, dir: &Path) -> Store {
        let state = StateDir::create(dir).unwrap();
        let url = StoreUrl::Postgres(self.url.clone());
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            match Store::open(&url, &state) {
                Ok(store) => return store,
                Err(error) => {
                    assert_eq!(
                        self.process.try_wait().unwrap(),
                        None,
                        "Postgres ended: {error}"
                    );
                    assert!(Instant::now() < deadline, "{error}");
                    std::thread::park_timeout(Duration::from_millis(20));
                }
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its own children see that it is gone and end too.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_conforms() {
    let Some(mut server) = start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let store = server.open(&dir.path().join("one"));
    conformance(&store).await;

    // A second server on the same database: both migrate, both write, each hears of the other.
    let other = server.open(&dir.path().join("two"));
    let mut changes = store.subscribe();
    changes.mark_unchanged();
    let seq = other
        .write(Priority::Normal, |tx| {
            tx.append_event(&super::event("elsewhere", 0))
        })
        .await
        .unwrap();
    tokio::time::timeout(Duration::from_secs(20), changes.changed())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        store
            .read(move |tx| tx.event(seq))
            .await
            .unwrap()
            .unwrap()
            .kind,
        "elsewhere"
    );

    // Events of two servers at once become visible in the order of their numbers.
    let jobs = (0..40).map(|n| {
        let store = if n % 2 == 0 { &store } else { &other };
        store.write(Priority::Normal, move |tx| {
            tx.append_event(&super::event("both", n))
        })
    });
    let answers = futures_util::future::join_all(jobs).await;
    let mut given: Vec<u64> = answers.into_iter().map(Result::unwrap).collect();
    given.sort_unstable();
    let filter = EventFilter {
        kind: Some("both".into()),
        oldest_first: true,
        ..EventFilter::default()
    };
    let seen: Vec<u64> = store
        .read(move |tx| tx.events(&filter))
        .await
        .unwrap()
        .iter()
        .map(|e| e.seq)
        .collect();
    assert_eq!(seen, given);

    // When the database goes, errors say so and nothing hangs.
    drop(server);
    let gone = store
        .write(Priority::Normal, |tx| {
            tx.append_event(&super::event("late", 0))
        })
        .await
        .unwrap_err();
    assert!(
        matches!(
            gone,
            crate::Error::Unavailable(_) | crate::Error::Database(_)
        ),
        "{gone:?}"
    );
}
