//! `mainspan down`: stops what `up` started, and replicas.

use super::up::{STOP, answers, running};
use crate::{
    cli::Common,
    exit::{self, Coded},
    output, place,
};
use anyhow::{Context as _, bail};
use clap::Args;
use platform::{Local, LocalOptions, Platform as _};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// What to stop.
#[derive(Clone, Debug, Args)]
pub(crate) struct Down {
    /// Steps of runs too; they run again after the next `up`
    #[arg(long)]
    all: bool,
}

impl Down {
    /// Stops the supervisor of a state directory, then replicas, and waits for their end.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let state = place::state_dir(common.state.as_deref())?;
        let supervisor = running(&state);
        if let Some(pid) = supervisor {
            end(pid, &state)?;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        // A supervisor that was killed takes server and gateway with it, but no unit.
        let is_alone = supervisor.is_none();
        let units = if is_alone && (answers(&state) || !state.join("units").is_dir()) {
            Units::default()
        } else {
            runtime.block_on(stop_units(&state, self.all))?
        };
        if is_alone && units.ended + units.left == 0 {
            return Err(Coded {
                code: exit::NO_SERVER,
                message: format!("nothing runs on `{}`", state.display()),
            }
            .into());
        }
        let rest = match units.left {
            0 => String::new(),
            n => format!(" {n} steps go on; `mainspan up` takes them up again."),
        };
        output::line(&format!("Stopped.{rest}"))?;
        Ok(exit::OK)
    }
}

/// Ends a supervisor and waits for that.
fn end(pid: Pid, state: &Path) -> anyhow::Result<()> {
    kill_process(pid, Signal::TERM).with_context(|| format!("cannot stop process {pid}"))?;
    let deadline = Instant::now() + STOP + Duration::from_secs(5);
    while test_kill_process(pid).is_ok() {
        if Instant::now() > deadline {
            let log = state.join("logs/mainspan.log");
            bail!("process {pid} does not end; see {}", log.display());
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    Ok(())
}

/// What became of the units.
#[derive(Debug, Default)]
struct Units {
    ended: usize,
    left: usize,
}

/// Stops replicas, and steps when asked.
async fn stop_units(state: &Path, steps: bool) -> anyhow::Result<Units> {
    let shutdown = CancellationToken::new();
    let platform = Local::open(LocalOptions::new(state.join("units"))?, &shutdown).await?;
    let mut changed = platform.changed();
    let deadline = Instant::now() + STOP;
    let mut stopped = BTreeSet::new();
    loop {
        changed.borrow_and_update();
        let units = platform.list().await?;
        let alive: Vec<_> = units.iter().filter(|unit| !unit.state.is_over()).collect();
        let (going, ending): (Vec<_>, Vec<_>) = alive
            .into_iter()
            .partition(|unit| !steps && unit.labels.get("kind").is_some_and(|kind| kind == "step"));
        if ending.is_empty() || Instant::now() > deadline {
            shutdown.cancel();
            return Ok(Units {
                ended: stopped.len(),
                left: going.len(),
            });
        }
        for unit in ending {
            platform.stop(&unit.id, None).await?;
            stopped.insert(unit.id.clone());
        }
        tokio::select! {
            _ = changed.changed() => {}
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
        }
    }
}
