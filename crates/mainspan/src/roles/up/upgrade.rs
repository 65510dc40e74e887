//! `mainspan upgrade`: the binary on disk in the place of the one that runs; and the supervisor's part of it.
//!
//! The gateway comes first: an older one might not understand a newer server's routing table. The supervisor itself is
//! not replaced; how it hands over the sockets must therefore stay as it is.

use super::{READY, answers, keep::Order, running};
use crate::{
    cli::Common,
    exit::{self, Coded},
    output, place,
};
use anyhow::{Context as _, bail};
use clap::Args;
use platform::Program;
use rustix::process::{Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::{
    signal::unix,
    sync::{mpsc, oneshot},
};

/// Tells a supervisor to look at the binary.
pub(crate) const SIGNAL: Signal = Signal::USR1;
/// How often to look whether it has.
const LOOK: Duration = Duration::from_millis(20);

/// What a supervisor leaves in `up.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Card {
    pub(super) pid: u32,
    /// What it starts.
    pub(super) program: PathBuf,
    /// How often it has looked at the binary.
    looks: u64,
    /// Why not all runs the binary that it saw last.
    failed: Option<String>,
}

impl Card {
    pub(super) fn new(program: PathBuf) -> Self {
        Self {
            pid: std::process::id(),
            program,
            looks: 0,
            failed: None,
        }
    }

    pub(super) fn write(&self, state: &Path) -> anyhow::Result<()> {
        let value = serde_json::to_value(self)?;
        Ok(crate::roles::announce(&state.join("up.json"), &value)?)
    }

    pub(super) fn read(state: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(state.join("up.json")).ok()?).ok()
    }
}

/// Looks at the binary whenever [`SIGNAL`] comes.
pub(super) struct Looks {
    signal: unix::Signal,
    gateway: mpsc::Sender<Order>,
    server: mpsc::Sender<Order>,
}

impl Looks {
    pub(super) fn new(
        gateway: mpsc::Sender<Order>,
        server: mpsc::Sender<Order>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            signal: unix::signal(unix::SignalKind::user_defined1())?,
            gateway,
            server,
        })
    }

    /// Looks until it is dropped.
    pub(super) async fn run(mut self, mut card: Card, state: &Path) -> anyhow::Result<()> {
        while self.signal.recv().await.is_some() {
            let looked = async {
                order(&self.gateway).await?;
                order(&self.server).await
            };
            card.failed = looked.await.err().map(|error| format!("{error:#}"));
            if let Some(failed) = &card.failed {
                tracing::error!("{failed}; what ran goes on");
            }
            card.looks += 1;
            card.write(state)?;
        }
        Ok(())
    }
}

async fn order(role: &mpsc::Sender<Order>) -> anyhow::Result<()> {
    let (order, done) = oneshot::channel();
    role.send(order)
        .await
        .context("everything is being stopped")?;
    done.await.context("everything is being stopped")?
}

/// Nothing to set.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Upgrade;

impl Upgrade {
    /// Asks the supervisor of a state directory, and waits until all runs the binary on disk.
    pub(crate) fn run(self, common: &Common) -> anyhow::Result<u8> {
        let state = place::state_dir(common.state.as_deref())?;
        let (Some(pid), Some(before)) = (running(&state), Card::read(&state)) else {
            return Err(Coded {
                code: exit::NO_SERVER,
                message: format!("nothing runs on `{}`", state.display()),
            }
            .into());
        };
        let program = Program::at(&before.program)
            .with_context(|| format!("cannot read `{}`", before.program.display()))?;
        kill_process(pid, SIGNAL).with_context(|| format!("cannot signal process {pid}"))?;
        let deadline = Instant::now() + READY * 2;
        let runs = |role: &str| {
            let pid = pid_of(&state, role)?;
            Program::of(pid)
                .is_ok_and(|runs| runs == program)
                .then_some(pid)
        };
        loop {
            let now = Card::read(&state).filter(|card| card.looks > before.looks);
            if let Some(failed) = now.as_ref().and_then(|card| card.failed.as_ref()) {
                bail!("{failed}; what ran goes on");
            }
            if let (Some(_), Some(gateway), Some(server)) = (now, runs("gateway"), runs("server"))
                && answers(&state)
            {
                return said(common, &before.program, gateway, server);
            }
            if Instant::now() > deadline || running(&state).is_none() {
                let log = state.join("logs/mainspan.log");
                bail!("not all of it runs the new binary; see {}", log.display());
            }
            std::thread::park_timeout(LOOK);
        }
    }
}

fn said(common: &Common, program: &Path, gateway: u32, server: u32) -> anyhow::Result<u8> {
    if common.output == output::Format::Json {
        output::json(
            &serde_json::json!({ "program": program, "gateway": gateway, "server": server }),
        )?;
    } else {
        output::line(&format!(
            "Gateway (process {gateway}) and server (process {server}) run {}.",
            program.display()
        ))?;
    }
    Ok(exit::OK)
}

/// The process of a role, by what it wrote about itself.
fn pid_of(state: &Path, role: &str) -> Option<u32> {
    let text = fs::read(state.join(format!("{role}.json"))).ok()?;
    let value: serde_json::Value = serde_json::from_slice(&text).ok()?;
    u32::try_from(value["pid"].as_u64()?).ok()
}
