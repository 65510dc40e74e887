//! Starts the unit's process: born in its control group, with its own environment and nothing else.
//!
//! Called once for a unit. Errors are sentences for the exit record. The process must never exist
//! outside its limits, not even for a moment: the shim enters the group, spawns, and leaves.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{Access, OFlags, access, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};

use super::expand;
use crate::layout::{Prepared, UnitDir};
use crate::process::{kill_until_none, open_all, snapshot};
use crate::spec::{Limits, UnitSpec};

/// Where programs are looked up if the unit's environment has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A process that runs.
pub(super) struct Spawned {
    pub(super) pid: i32,
    /// Its stdout and stderr, not blocking.
    pub(super) output: OwnedFd,
}

/// Starts the process of a unit whose files are in place.
pub(super) fn spawn(dir: &UnitDir, prepared: &Prepared) -> Result<Spawned, String> {
    let Prepared { spec, group, gpus } = prepared;
    let (output, write) = pipe_with(PipeFlags::CLOEXEC)
        .map_err(|error| format!("no pipe for its output: {error}"))?;
    // Only our end: the two ends are separate file descriptions.
    fcntl_setfl(&output, OFlags::NONBLOCK)
        .map_err(|error| format!("no pipe for its output: {error}"))?;
    let mut command = command(dir, spec, gpus.as_deref(), &write)?;
    if group.pids.is_none() {
        bound_processes(&spec.limits);
    }
    let groups =
        |error| format!("its control group could not be set up: {error}; see `mainspan doctor`");
    group.make(&spec.limits).map_err(groups)?;
    let joined = group.join();
    let spawned = joined.is_ok().then(|| command.spawn());
    let left = group.leave(&spec.limits);
    joined.map_err(groups)?;
    let child = match spawned {
        Some(Ok(child)) => child,
        Some(Err(error)) => {
            let program = command.get_program().display();
            return Err(format!(
                "{program} could not be run: {error}; if the file is there, check that it is executable and that the \
                 interpreter in its first line exists"
            ));
        }
        None => return Err("its control group could not be entered".into()),
    };
    let pid = i32::try_from(child.id()).map_err(|error| error.to_string())?;
    if let Err(error) = left {
        // We would be killed with it, so it must not run.
        let _ = kill_until_none(std::time::Duration::from_secs(5), || {
            open_all(|| alive(pid))
        });
        return Err(groups(error));
    }
    Ok(Spawned { pid, output })
}

fn command(
    dir: &UnitDir,
    spec: &UnitSpec,
    gpus: Option<&[u32]>,
    write: &OwnedFd,
) -> Result<Command, String> {
    let argv: Vec<String> = spec
        .argv
        .iter()
        .map(|argument| expand(argument, dir.path()))
        .collect();
    let Some((name, arguments)) = argv.split_first() else {
        return Err("argv is empty".into());
    };
    let workdir = dir.join(&spec.workdir);
    let path = spec
        .env
        .get("PATH")
        .map_or(DEFAULT_PATH.into(), |path| expand(path, dir.path()));
    let program = resolve(name, &path, &workdir)?;
    let pipe = || {
        write
            .try_clone()
            .map(Stdio::from)
            .map_err(|error| format!("no pipe for its output: {error}"))
    };
    let mut command = Command::new(program);
    command
        .arg0(name)
        .args(arguments)
        .env_clear()
        .envs(
            spec.env
                .iter()
                .map(|(key, value)| (key, expand(value, dir.path()))),
        )
        .current_dir(workdir)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(pipe()?)
        .stderr(pipe()?);
    if let Some(gpus) = gpus {
        let list: Vec<String> = gpus.iter().map(u32::to_string).collect();
        command.env("CUDA_VISIBLE_DEVICES", list.join(","));
    }
    if let Some(endpoint) = &spec.endpoint {
        // A socket that somebody staged in would keep the process from listening.
        let _ = fs::remove_file(dir.join(endpoint));
    }
    Ok(command)
}

/// Finds a program as a shell would, in the unit's own `PATH`.
fn resolve(name: &str, path: &str, workdir: &Path) -> Result<PathBuf, String> {
    if name.contains('/') {
        let program = workdir.join(name);
        return match program.metadata() {
            Ok(metadata) if metadata.is_file() => Ok(program),
            Ok(_) => Err(format!(
                "{} is not a file and cannot be run",
                program.display()
            )),
            Err(error) => Err(format!(
                "{} cannot be run: {error}; check the path of the program",
                program.display()
            )),
        };
    }
    let found = std::env::split_paths(path)
        .map(|dir| workdir.join(dir).join(name))
        .find(|program| is_program(program));
    found.ok_or_else(|| {
        format!("program `{name}` was not found in PATH={path}; install it or write its whole path")
    })
}

fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}

/// Without a control group, the number of processes can be bounded for ordinary users only, and only
/// together with what the user runs already.
fn bound_processes(limits: &Limits) {
    let Some(pids) = limits.pids else { return };
    let uid = geteuid();
    if uid.is_root() {
        return;
    }
    let owner = |pid: i32| File::open(format!("/proc/{pid}/stat")).and_then(|file| file.metadata());
    let mine = |pid: i32| {
        owner(pid).is_ok_and(|file| std::os::unix::fs::MetadataExt::uid(&file) == uid.as_raw())
    };
    let running: u64 = snapshot()
        .iter()
        .filter(|stat| mine(stat.id.pid))
        .map(|stat| stat.threads)
        .sum();
    let hard = getrlimit(Resource::Nproc).maximum;
    let bound = hard.unwrap_or(u64::MAX).min(running + u64::from(pids));
    let _ = setrlimit(
        Resource::Nproc,
        Rlimit {
            current: Some(bound),
            maximum: Some(bound),
        },
    );
}

fn alive(pid: i32) -> Vec<i32> {
    crate::process::Stat::read(pid)
        .filter(|stat| !stat.zombie)
        .map(|_| pid)
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_path_or_below_the_workdir() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("tool");
        fs::write(&program, "").unwrap();
        fs::set_permissions(
            &program,
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        fs::write(dir.path().join("text"), "").unwrap();
        let path = format!("/nowhere:{}", dir.path().display());
        assert_eq!(resolve("tool", &path, Path::new("/")), Ok(program.clone()));
        assert_eq!(
            resolve("./tool", "", dir.path()),
            Ok(dir.path().join("./tool"))
        );
        assert_eq!(resolve("tool", "", dir.path()), Ok(program));
        for (name, mention) in [
            ("text", "`text` was not found"),
            ("no", "PATH=/nowhere"),
            ("./no", "/no cannot"),
            ("/", "not a file"),
        ] {
            let message = resolve(name, &path, dir.path()).unwrap_err();
            assert!(message.contains(mention), "{message}");
        }
    }
}
