//! A process of a role: how it is started, stopped, and started again when it ended.

use super::STOP;
use crate::roles::SUPERVISED;
use anyhow::bail;
use platform::Program;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    io,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};
use tokio::{
    process::{Child, Command},
    sync::{mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;

/// A role that dies at once is started again after this long, doubled up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A role that has lived this long did start: what ended it then is no reason to wait.
const STEADY: Duration = Duration::from_secs(1);

/// An order to run the binary that is on disk, and where to say what came of it.
pub(super) type Order = oneshot::Sender<anyhow::Result<()>>;

/// How a role is started.
pub(super) struct Role {
    pub(super) name: &'static str,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) variables: Vec<(&'static str, String)>,
}

impl Role {
    /// Call it on the thread that lives as long as the supervisor: with that thread its children end.
    pub(super) fn start(&self, stdin: Stdio) -> io::Result<Child> {
        Command::new(&self.program)
            .args(&self.arguments)
            .stdin(stdin)
            .env(SUPERVISED, "1")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .spawn()
    }

    /// Whether the binary on disk is another one than a process runs. Where either cannot be told, nothing is done.
    pub(super) fn is_replaced(&self, child: &Child) -> bool {
        let of = child.id().map(Program::of);
        match (of, Program::at(&self.program)) {
            (Some(Ok(runs)), Ok(is)) => runs != is,
            _ => false,
        }
    }
}

/// How long to wait before a role that ended is started again, and when to give up.
pub(super) struct Pace {
    pause: Duration,
    /// One that has run can run: it is started again for ever.
    has_run: bool,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            pause: PAUSE,
            has_run: false,
        }
    }

    /// Waits, or fails when the role does not start at all.
    pub(super) async fn wait(
        &mut self,
        role: &str,
        status: ExitStatus,
        lived: Duration,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<()> {
        self.has_run |= lived > STEADY && status.code() != Some(1);
        let gives_up = status.code() == Some(1) && lived < STEADY * 5 && self.pause >= PAUSE * 8;
        if gives_up && !self.has_run {
            shutdown.cancel();
            bail!("the {role} does not start; the lines above say why");
        }
        if lived > STEADY {
            self.pause = PAUSE;
        }
        tracing::warn!(role, %status, "a role ended and is started again");
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(self.pause) => {}
        }
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }

    /// One was stopped that ran.
    pub(super) fn has_run(&mut self) {
        self.has_run = true;
    }
}

/// Keeps one process of a role running until the shutdown.
pub(super) async fn keep(
    role: Role,
    mut orders: mpsc::Receiver<Order>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let mut pace = Pace::new();
    while !shutdown.is_cancelled() {
        let started = Instant::now();
        let mut child = role.start(Stdio::null())?;
        let ended = loop {
            tokio::select! {
                status = child.wait() => break Some(status?),
                Some(order) = orders.recv() => {
                    let is_replaced = role.is_replaced(&child);
                    let stopped = if is_replaced { stop(&mut child).await } else { Ok(()) };
                    // Whoever gave the order may have gone.
                    let _ = order.send(stopped);
                    if is_replaced {
                        break None;
                    }
                }
                () = shutdown.cancelled() => return stop(&mut child).await,
            }
        };
        match ended {
            Some(status) => {
                let lived = started.elapsed();
                pace.wait(role.name, status, lived, &shutdown).await?;
            }
            None => pace.has_run(),
        }
    }
    Ok(())
}

/// Asks a process to end, waits, and kills it if that takes too long.
pub(super) async fn stop(child: &mut Child) -> anyhow::Result<()> {
    if let Some(pid) = child
        .id()
        .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
    {
        kill_process(pid, Signal::TERM)?;
    }
    if tokio::time::timeout(STOP, child.wait()).await.is_err() {
        child.kill().await?;
    }
    Ok(())
}
