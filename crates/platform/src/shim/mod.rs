//! The shim: the small process that runs one unit and outlives whoever asked for it.
//!
//! The binary's role `mainspan unit <dir>` calls [`main`] before it does anything else, since what
//! the shim costs is paid by every step. It has one thread, no runtime and no tracing: what goes
//! wrong is written to the unit's exit record. It must never run a unit twice, never leave a
//! process behind, and never end without an exit record unless it is killed.

mod log;
mod outputs;
mod spawn;
mod stage;
mod supervise;
mod verdict;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use jiff::Timestamp;

use crate::layout::{Prepared, Running, StatusFile, UnitDir};
use crate::process::Stat;
use crate::spec::UNIT_DIR;
use crate::status::{Ending, Exit, OutputStatus, Reason, State, UnitStatus};
pub(crate) use log::{keep as keep_log, read as read_log};

use supervise::{Ended, Signals};
use verdict::Asked;

/// Runs the unit in `dir` to its end. Success means that its exit record is on disk, however the
/// unit itself has ended, or that another shim has run it.
#[must_use]
pub fn main(dir: &Path) -> ExitCode {
    match run(&UnitDir::new(dir)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            UnitDir::new(dir).write_shim_error(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run(dir: &UnitDir) -> io::Result<()> {
    // Fails if we lead a session already, which is what we want.
    let _ = rustix::process::setsid();
    let (read, file) = dir.lock()?;
    if read.records().shim.is_some() {
        // A shim was here before: the unit is over, or lost, which the driver decides.
        return Ok(());
    }
    let signals = Signals::catch()?;
    let own = Stat::own().ok_or_else(|| io::Error::other("/proc is not mounted"))?;
    file.write_shim(own.id)?;
    let prepared = read.prepared()?;
    let mut unit = Unit {
        dir,
        prepared: &prepared,
        file: &file,
        started: Timestamp::now(),
    };
    let exit = unit.run(&signals);
    file.write_exit(&status(dir, &prepared, State::Exited(exit)))
}

/// The status of a unit whose state is known.
pub(crate) fn status(dir: &UnitDir, prepared: &Prepared, state: State) -> UnitStatus {
    let spec = &prepared.spec;
    UnitStatus {
        id: spec.id.clone(),
        project: spec.project.clone(),
        labels: spec.labels.clone(),
        endpoint: spec.endpoint.as_ref().map(|path| dir.join(path)),
        state,
    }
}

struct Unit<'a> {
    dir: &'a UnitDir,
    prepared: &'a Prepared,
    file: &'a StatusFile,
    started: Timestamp,
}

impl Unit<'_> {
    fn run(&mut self, signals: &Signals) -> Exit {
        if self.dir.stop().is_some() {
            return Exit::not_started(
                Reason::Stopped,
                "it was stopped before it started".into(),
                Timestamp::now(),
            );
        }
        match self.supervise(signals) {
            Ok(exit) => exit,
            Err(message) => {
                self.prepared.group.remove();
                Exit::not_started(Reason::NotStarted, message, Timestamp::now())
            }
        }
    }

    fn supervise(&mut self, signals: &Signals) -> Result<Exit, String> {
        let spec = &self.prepared.spec;
        stage::prepare(self.dir, spec)?;
        let spawned = spawn::spawn(self.dir, self.prepared)?;
        self.started = Timestamp::now();
        let running = Running {
            pid: spawned.pid.unsigned_abs(),
            since: self.started,
        };
        // Without these the unit runs all the same: the driver shows it as starting for longer, and
        // the exit record has to find its room at the end.
        let _ = self.file.write_running(&running);
        announce(&running);
        let _ = self.file.reserve();
        let log = log::Log::create(self.dir.path(), spec.log);
        let ended = supervise::supervise(self.dir, self.prepared, spawned, log, signals);
        Ok(self.conclude(&ended))
    }

    fn conclude(&self, ended: &Ended) -> Exit {
        let group = &self.prepared.group;
        let usage = group.usage(ended.ending != Ending::Code(0));
        group.remove();
        let outputs = outputs::find(self.dir, &self.prepared.spec.outputs);
        let missing = self.missing(&outputs);
        let asked = match ended.asked {
            None if usage.oom_kills > 0 => Some(Asked::OutOfMemory),
            asked => asked,
        };
        let (reason, mut message) =
            verdict::conclude(ended.ending, asked, &self.prepared.spec.limits, &missing);
        if let Some(trouble) = &ended.trouble {
            message = format!(
                "{message}{}{trouble}",
                if message.is_empty() { "" } else { "; " }
            );
        }
        Exit {
            ending: ended.ending,
            reason,
            message,
            started: self.started,
            at: Timestamp::now(),
            cpu_micros: ended.cpu_micros,
            memory_peak: usage.memory_peak.or(ended.memory_peak),
            outputs,
        }
    }

    fn missing(&self, outputs: &[OutputStatus]) -> Vec<String> {
        let required = self
            .prepared
            .spec
            .outputs
            .iter()
            .filter(|output| output.required);
        required
            .filter(|output| {
                outputs
                    .iter()
                    .any(|found| found.name == output.name && found.found.is_none())
            })
            .map(|output| {
                format!(
                    "`{}` ({})",
                    output.name,
                    self.dir.join(&output.path).display()
                )
            })
            .collect()
    }
}

/// Tells the driver which process runs, in a line; it does not read on.
fn announce(running: &Running) {
    let mut line = serde_json::to_vec(running).unwrap_or_default();
    line.push(b'\n');
    let _ = rustix::io::write(rustix::stdio::stdout(), &line);
}

/// Puts the unit's directory where a spec names it.
fn expand(text: &str, dir: &Path) -> String {
    if text.contains(UNIT_DIR) {
        text.replace(UNIT_DIR, &dir.to_string_lossy())
    } else {
        text.to_owned()
    }
}
