//! What every test here needs: a driver on its own directory and predicates to wait for.

use std::time::Duration;

use platform::{Error, Exit, Local, LocalOptions, Platform, State, UnitSpec, UnitStatus};
use tokio_util::sync::CancellationToken;

/// No test waits longer than this for anything.
const DEADLINE: Duration = Duration::from_secs(60);

/// Where `unit.json` says what to run.
const SPEC: usize = 1024;

const SHIM: &str = env!("CARGO_BIN_EXE_platform-shim");

/// A driver on a directory that goes away with it.
pub(crate) struct Bench {
    pub(crate) dir: tempfile::TempDir,
    options: LocalOptions,
    pub(crate) local: Local,
    pub(crate) shutdown: CancellationToken,
}

impl Drop for Bench {
    /// A test that fails leaves nothing running either.
    fn drop(&mut self) {
        for unit in std::fs::read_dir(self.dir.path())
            .into_iter()
            .flatten()
            .flatten()
        {
            let dir = unit.path();
            let Some(pid) = shim_of(&dir) else { continue };
            let command =
                std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if command.contains(self.dir.path().to_str().unwrap()) {
                let _ = std::fs::write(dir.join("stop"), r#"{"grace":{"secs":0,"nanos":0}}"#);
                signal(pid, rustix::process::Signal::TERM);
            }
        }
    }
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::open(tempfile::tempdir().unwrap(), SHIM, true).await
    }

    /// In a directory that the caller has prepared.
    pub(crate) async fn in_dir(dir: tempfile::TempDir) -> Self {
        Self::open(dir, SHIM, true).await
    }

    /// With another program in the place of the shim.
    pub(crate) async fn with_shim(shim: &str) -> Self {
        Self::open(tempfile::tempdir().unwrap(), shim, true).await
    }

    /// As on a host whose control groups cannot be written.
    pub(crate) async fn without_control_groups() -> Self {
        Self::open(tempfile::tempdir().unwrap(), SHIM, false).await
    }

    async fn open(dir: tempfile::TempDir, shim: &str, control_groups: bool) -> Self {
        let options = LocalOptions {
            dir: dir.path().to_owned(),
            shim: vec![shim.into()],
            // Long enough for any test that wants the same shim again.
            shim_wait: Duration::from_secs(600),
            cpu: Some(4.0),
            memory: Some(1 << 30),
            gpus: Some(2),
            control_groups,
        };
        let shutdown = CancellationToken::new();
        let local = Local::open(options.clone(), &shutdown).await.unwrap();
        Self {
            dir,
            options,
            local,
            shutdown,
        }
    }

    /// As where units come seldom.
    pub(crate) async fn impatient(&mut self) {
        self.options.shim_wait = Duration::from_millis(50);
        self.reopen().await;
    }

    /// Ends the driver as if the server had gone, and opens another one.
    pub(crate) async fn reopen(&mut self) {
        self.shutdown.cancel();
        self.local.closed().await;
        self.shutdown = CancellationToken::new();
        self.local = Local::open(self.options.clone(), &self.shutdown)
            .await
            .unwrap();
    }

    pub(crate) async fn start(&self, spec: &UnitSpec) -> UnitStatus {
        self.local.start(spec.clone()).await.unwrap()
    }

    /// Waits until the state of a unit is as wanted.
    pub(crate) async fn until(
        &self,
        id: &str,
        mut wanted: impl FnMut(&State) -> bool,
    ) -> UnitStatus {
        let mut changed = self.local.changed();
        let waited = tokio::time::timeout(DEADLINE, async {
            loop {
                let status = self.local.status(id).await.unwrap();
                if wanted(&status.state) {
                    return status;
                }
                changed.changed().await.unwrap();
            }
        });
        match waited.await {
            Ok(status) => status,
            Err(_) => panic!("unit {id} is still {:?}", self.local.status(id).await),
        }
    }

    pub(crate) async fn pid(&self, id: &str) -> u32 {
        match self
            .until(id, |state| !matches!(state, State::Starting))
            .await
            .state
        {
            State::Running { pid, .. } => pid,
            over => panic!("unit {id} is {over:?}"),
        }
    }

    pub(crate) async fn exit(&self, id: &str) -> Exit {
        match self.until(id, State::is_over).await.state {
            State::Exited(exit) => exit,
            other => panic!("unit {id} is {other:?}"),
        }
    }

    /// Runs a unit to its end.
    pub(crate) async fn run(&self, spec: &UnitSpec) -> Exit {
        self.start(spec).await;
        self.exit(&spec.id).await
    }

    /// Waits until the unit has written a line that begins with `word`; gives the rest of the line.
    pub(crate) async fn said(&self, id: &str, word: &str) -> String {
        let found = poll_until(async || {
            let log = self.log(id).await;
            let whole = log.rfind('\n').map_or("", |end| &log[..end]);
            whole
                .lines()
                .find_map(|line| line.strip_prefix(word))
                .map(|rest| rest.trim().to_owned())
        });
        found
            .await
            .unwrap_or_else(|| panic!("unit {id} never said `{word}`"))
    }

    /// Everything that is kept of a unit's output.
    pub(crate) async fn log(&self, id: &str) -> String {
        let (mut text, mut offset) = (Vec::new(), 0);
        loop {
            let chunk = self.local.logs(id, offset).await.unwrap();
            if chunk.bytes.is_empty() {
                return String::from_utf8(text).unwrap();
            }
            text.extend(chunk.bytes);
            offset = chunk.next;
        }
    }

    /// The pid of a unit's shim.
    pub(crate) fn shim(&self, id: &str) -> i32 {
        shim_of(&self.dir.path().join(id)).unwrap()
    }

    /// The pid of a unit's shim, if that has said it already.
    pub(crate) fn early_shim(&self, id: &str) -> Option<i32> {
        shim_of(&self.dir.path().join(id))
    }

    /// Leaves a directory as a crash would between its name and the shim: of a unit that is like another
    /// one but for its id.
    pub(crate) fn accept(&self, dir: &str, like: &str, id: &str) {
        let path = |dir: &str| self.dir.path().join(dir).join("unit.json");
        let records = std::fs::read_to_string(path(like)).unwrap();
        let spec = records[SPEC..].lines().next().unwrap();
        let spec = spec.replace(&format!("\"{like}\""), &format!("\"{id}\""));
        std::fs::create_dir(self.dir.path().join(dir)).unwrap();
        std::fs::write(path(dir), format!("{}{spec}\n", " ".repeat(SPEC))).unwrap();
    }

    pub(crate) async fn refused(&self, spec: UnitSpec) -> Error {
        self.local.start(spec).await.unwrap_err()
    }
}

/// The first record in `unit.json`.
fn shim_of(unit: &std::path::Path) -> Option<i32> {
    let status = std::fs::read(unit.join("unit.json")).ok()?;
    let shim: serde_json::Value = serde_json::from_slice(&status[..512.min(status.len())]).ok()?;
    i32::try_from(shim["pid"].as_i64()?).ok()
}

/// A unit that runs a shell script.
pub(crate) fn shell(id: &str, script: &str) -> UnitSpec {
    let argv = ["sh", "-c", script].map(String::from).to_vec();
    UnitSpec {
        grace: Duration::from_secs(30),
        ..UnitSpec::new(id, "flights", argv)
    }
}

/// Whether a process is there and not dead.
pub(crate) fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Asks again and again until there is an answer, or the deadline is over.
pub(crate) async fn poll_until<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            ticks.tick().await;
        }
    };
    tokio::time::timeout(DEADLINE, asking).await.ok()
}

/// Sends a signal to a process of a test's own unit.
pub(crate) fn signal(pid: i32, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
}
