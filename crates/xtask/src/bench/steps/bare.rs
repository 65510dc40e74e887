//! The trivial step as a bare process: what the platform's steps are compared with.

use crate::bench::process;
use anyhow::{Context as _, ensure};
use std::{
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// What a number of steps took together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Took {
    pub(super) wall: Duration,
    /// With that of everything that was started.
    pub(super) cpu: Duration,
    /// Without.
    pub(super) own: Duration,
}

/// The command of the trivial step, with the interpreter itself in place of a launcher that looks for it.
pub(super) fn command() -> anyhow::Result<String> {
    let told = Command::new("python3")
        .args([
            "-c",
            "import os, sys; print(os.path.realpath(sys.executable))",
        ])
        .output()
        .context("cannot run python3")?;
    ensure!(told.status.success(), "python3 does not run");
    Ok(format!(
        "{} -c pass",
        String::from_utf8(told.stdout)?.trim()
    ))
}

/// Runs it `count` times in each of `lanes` lanes, in the shell that steps run in.
pub(super) fn run(command: &str, count: usize, lanes: usize) -> anyhow::Result<Took> {
    let (begun, cpu) = (Instant::now(), process::cpu("self")?);
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..lanes)
            .map(|_| scope.spawn(|| one_lane(command, count)))
            .collect();
        lanes.into_iter().try_for_each(|lane| {
            lane.join()
                .unwrap_or_else(|_| Err(anyhow::anyhow!("a lane of bare processes broke off")))
        })
    })?;
    let wall = begun.elapsed();
    let used = process::cpu("self")?.since(cpu);
    Ok(Took {
        wall,
        cpu: used.all,
        own: used.own,
    })
}

fn one_lane(command: &str, count: usize) -> anyhow::Result<()> {
    for _ in 0..count {
        let status = Command::new("/bin/sh")
            .args(["-c", command])
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        ensure!(status.success(), "`{command}` ended with {status}");
    }
    Ok(())
}
