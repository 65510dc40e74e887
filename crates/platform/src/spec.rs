//! What a unit is: everything a driver needs in order to run one process, as plain data.
//!
//! `pipeline` and `rollout` write these, drivers store them as JSON and the shim reads them. A spec
//! must never depend on the machine it was written on: paths inside the unit are relative to the
//! unit's directory, and [`UNIT_DIR`] stands for that directory in `argv` and `env`.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Replaced by the unit's absolute directory wherever it occurs in `argv` and in values of `env`.
pub const UNIT_DIR: &str = "${UNIT_DIR}";

/// The least memory with which a process can begin.
const MEMORY_MIN: u64 = 4 << 20;

/// The directory that a process begins in unless its spec says otherwise.
pub(crate) const WORK: &str = "work";

/// A directory of the unit's that is always there, for `HOME`.
pub const HOME: &str = "home";

/// A directory of the unit's that is always there, for `TMPDIR`.
pub const TEMPORARY: &str = "tmp";

/// One process to run, with its files, limits and environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnitSpec {
    /// Names the unit for ever; starting the same id twice is starting it once. Letters, digits,
    /// `-`, `_` and `.`, at most 100 characters, not starting with a dot.
    pub id: String,
    /// The project on whose behalf the unit runs.
    pub project: String,
    /// Whatever the owner needs to recognise its unit after a restart.
    pub labels: BTreeMap<String, String>,
    /// Program and arguments. A bare program name is looked up in `PATH` of `env`; one with a
    /// slash is relative to `workdir`.
    pub argv: Vec<String>,
    /// The complete environment. Nothing is inherited from the server.
    pub env: BTreeMap<String, String>,
    /// Working directory, relative to the unit's directory; created when it is not there.
    pub workdir: PathBuf,
    /// Files and directories that must be in place before the process starts.
    pub inputs: Vec<Input>,
    /// Files and directories that the process leaves behind.
    pub outputs: Vec<Output>,
    /// What the unit may use.
    pub limits: Limits,
    /// The Unix socket on which the process will listen, relative to the unit's directory.
    pub endpoint: Option<PathBuf>,
    /// How much of the output is kept.
    pub log: LogLimits,
    /// Time between the stop signal and the kill, for a time-out and for a stop without its own.
    pub grace: Duration,
    /// The signal that asks the process to end.
    pub stop_signal: StopSignal,
}

/// A file or directory staged in before the process starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Used in messages only.
    pub name: String,
    /// An absolute path on the host, for example a blob's.
    pub source: PathBuf,
    /// Where the process finds it, relative to the unit's directory.
    pub target: PathBuf,
    /// Linked or copied.
    pub staging: Staging,
}

/// How an input gets to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Staging {
    /// A symbolic link: costs nothing, for inputs that are only read.
    Link,
    /// A copy (of a whole tree, if the source is a directory) which the process may change. A
    /// directory is merged into a target that exists.
    Copy,
}

/// A file or directory that the process leaves behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The owner's name for it.
    pub name: String,
    /// Where the process puts it, relative to the unit's directory. Its parent is created.
    pub path: PathBuf,
    /// Whether a process that ends well without it has failed.
    pub required: bool,
}

/// What a unit may use. `None` is unlimited and reserves nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// CPUs.
    pub cpu: Option<f64>,
    /// Whether `cpu` is reserved and enforced (a step) or only a weight among busy units (a
    /// replica), which reserves nothing and throttles never.
    pub cpu_enforced: bool,
    /// Bytes of memory, reserved and enforced.
    pub memory: Option<u64>,
    /// Processes and threads at the same time.
    pub pids: Option<u32>,
    /// Whole GPUs, reserved; the process sees only these.
    pub gpu: u32,
    /// Wall time from the start of the process.
    pub time: Option<Duration>,
}

/// How much of a unit's output is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLimits {
    /// Bytes in one file before the next one is begun.
    pub max_bytes: u64,
    /// Full files that are kept besides the one being written.
    pub keep: u32,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            max_bytes: 8 << 20,
            keep: 1,
        }
    }
}

/// The signal that asks a process to end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopSignal {
    /// SIGTERM
    #[default]
    Term,
    /// SIGINT
    Int,
    /// SIGQUIT
    Quit,
}

impl UnitSpec {
    /// A unit with the given command and no files, limits or endpoint, run in `work`, with a grace
    /// of ten seconds.
    #[must_use]
    pub fn new(id: impl Into<String>, project: impl Into<String>, argv: Vec<String>) -> Self {
        Self {
            id: id.into(),
            project: project.into(),
            labels: BTreeMap::new(),
            argv,
            env: BTreeMap::new(),
            workdir: PathBuf::from(WORK),
            inputs: Vec::new(),
            outputs: Vec::new(),
            limits: Limits::default(),
            endpoint: None,
            log: LogLimits::default(),
            grace: Duration::from_secs(10),
            stop_signal: StopSignal::Term,
        }
    }

    /// Checks what a driver relies on.
    ///
    /// # Errors
    /// A sentence that names the field and what to write instead.
    pub fn validate(&self) -> Result<(), String> {
        check_id(&self.id)?;
        if self.argv.first().is_none_or(String::is_empty) {
            return Err("argv is empty; name the program to run".into());
        }
        if self
            .argv
            .iter()
            .chain(self.env.values())
            .any(|text| text.contains('\0'))
        {
            return Err("argv and env must not contain NUL bytes".into());
        }
        if let Some(key) = self
            .env
            .keys()
            .find(|key| key.is_empty() || key.contains(['=', '\0']))
        {
            return Err(format!(
                "`{key}` cannot be the name of an environment variable"
            ));
        }
        let inside = [("workdir", &self.workdir)]
            .into_iter()
            .chain(
                self.inputs
                    .iter()
                    .map(|input| ("input target", &input.target)),
            )
            .chain(
                self.outputs
                    .iter()
                    .map(|output| ("output path", &output.path)),
            )
            .chain(self.endpoint.iter().map(|path| ("endpoint", path)));
        for (field, path) in inside {
            if !is_inside(path) {
                return Err(format!(
                    "{field} `{}` must be a relative path without `..`",
                    path.display()
                ));
            }
        }
        if let Some(input) = self.inputs.iter().find(|input| !input.source.is_absolute()) {
            return Err(format!(
                "the source of input `{}` must be an absolute path",
                input.name
            ));
        }
        if self
            .limits
            .cpu
            .is_some_and(|cpu| !cpu.is_finite() || cpu <= 0.0)
        {
            return Err("limits.cpu must be above 0".into());
        }
        if self.limits.memory.is_some_and(|bytes| bytes < MEMORY_MIN) {
            return Err("limits.memory must be at least 4MiB, or no program can be loaded".into());
        }
        if self.limits.pids == Some(0) {
            return Err("limits.pids must be above 0".into());
        }
        if self.log.max_bytes == 0 {
            return Err("log.max_bytes must be above 0".into());
        }
        Ok(())
    }
}

/// Checks that an id is safe as a file name.
///
/// # Errors
/// A sentence that says what ids look like.
pub fn check_id(id: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.is_empty() || id.len() > 100 || id.starts_with('.') || !id.chars().all(plain) {
        return Err(format!(
            "`{id}` is no unit id; use up to 100 letters, digits, `-`, `_` and `.`, not starting with a dot"
        ));
    }
    Ok(())
}

fn is_inside(path: &Path) -> bool {
    path.components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut UnitSpec), mention: &str) {
        let mut spec = UnitSpec::new("u-1", "flights", vec!["true".into()]);
        spec.validate().unwrap();
        change(&mut spec);
        let message = spec.validate().unwrap_err();
        assert!(
            message.contains(mention),
            "`{message}` does not mention `{mention}`"
        );
    }

    #[test]
    fn a_wrong_spec_is_refused_with_the_field_named() {
        for id in [
            "",
            ".hidden",
            "a/b",
            "a b",
            "..",
            "é",
            "x\0",
            &"x".repeat(101),
        ] {
            check(|spec| spec.id = id.into(), "is no unit id");
        }
        check(|spec| spec.argv.clear(), "argv is empty");
        check(|spec| spec.argv.push("a\0b".into()), "NUL");
        check(
            |spec| drop(spec.env.insert("A=B".into(), String::new())),
            "`A=B`",
        );
        check(|spec| drop(spec.env.insert("A".into(), "\0".into())), "NUL");
        check(|spec| spec.workdir = "/work".into(), "workdir `/work`");
        check(|spec| spec.workdir = "a/../../b".into(), "without `..`");
        check(|spec| spec.endpoint = Some("../sock".into()), "endpoint");
        check(|spec| spec.limits.cpu = Some(0.0), "limits.cpu");
        check(|spec| spec.limits.cpu = Some(f64::NAN), "limits.cpu");
        check(|spec| spec.limits.memory = Some(1 << 20), "limits.memory");
        check(|spec| spec.limits.pids = Some(0), "limits.pids");
        check(|spec| spec.log.max_bytes = 0, "log.max_bytes");
        let input = |source: &str, target: &str| Input {
            name: "data".into(),
            source: source.into(),
            target: target.into(),
            staging: Staging::Link,
        };
        check(
            |spec| spec.inputs.push(input("relative", "in")),
            "input `data` must be an absolute path",
        );
        check(
            |spec| spec.inputs.push(input("/a", "/in")),
            "input target `/in`",
        );
        check(
            |spec| {
                spec.outputs.push(Output {
                    name: "o".into(),
                    path: "../o".into(),
                    required: true,
                });
            },
            "output path",
        );
    }

    #[test]
    fn a_spec_is_the_same_after_its_way_over_the_disk() {
        let mut spec = UnitSpec::new("u", "p", vec!["sh".into(), "-c".into()]);
        spec.limits = Limits {
            cpu: Some(0.1),
            time: Some(Duration::from_millis(1500)),
            ..Limits::default()
        };
        spec.endpoint = Some("engine.sock".into());
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<UnitSpec>(&text).unwrap(), spec);
    }
}
