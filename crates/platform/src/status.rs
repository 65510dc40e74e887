//! What is known about a unit: its state while it lives and its exit record afterwards.
//!
//! The shim writes an [`Exit`] once, durably; drivers answer with [`UnitStatus`]. These are values
//! only; nothing here reads a file or a clock.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A unit as its driver sees it now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnitStatus {
    /// The id it was started with.
    pub id: String,
    /// The project it was started for.
    pub project: String,
    /// The labels it was started with.
    pub labels: BTreeMap<String, String>,
    /// Where its process can be reached, as an absolute path, if it has an endpoint.
    pub endpoint: Option<PathBuf>,
    /// What it is doing.
    pub state: State,
}

/// What a unit is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum State {
    /// Accepted; its process does not run yet.
    Starting,
    /// Its process runs.
    Running {
        /// The process.
        pid: u32,
        /// When it was started.
        since: Timestamp,
    },
    /// Over, for a reason that is known.
    Exited(Exit),
    /// Over without an exit status: its shim was killed or the machine went down. This says
    /// nothing about the work itself; run it again as a new unit.
    Lost {
        /// When that was noticed.
        at: Timestamp,
    },
}

impl State {
    /// Whether the unit is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Exited(_) | Self::Lost { .. })
    }
}

/// How a unit ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exit {
    /// How the process itself ended.
    pub ending: Ending,
    /// Why the unit is over.
    pub reason: Reason,
    /// A sentence for people that says what happened and what to do; empty if it simply completed.
    pub message: String,
    /// When the process was started; the same as `at` if it never was.
    pub started: Timestamp,
    /// When the unit was over.
    pub at: Timestamp,
    /// CPU time of the process and its descendants, in microseconds, where it could be measured.
    pub cpu_micros: Option<u64>,
    /// The most memory used at once, in bytes, where it could be measured.
    pub memory_peak: Option<u64>,
    /// The declared outputs as they were found.
    pub outputs: Vec<OutputStatus>,
}

impl Exit {
    /// Of a unit whose process never ran.
    pub(crate) fn not_started(reason: Reason, message: String, at: Timestamp) -> Self {
        Self {
            ending: Ending::NotStarted,
            reason,
            message,
            started: at,
            at,
            cpu_micros: None,
            memory_peak: None,
            outputs: Vec::new(),
        }
    }

    /// Whether the process ended by itself with code 0 and left every required output.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.reason == Reason::Completed && self.ending == Ending::Code(0)
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
    /// It never ran.
    NotStarted,
}

/// Why a unit is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The process ended by itself, well or not: see its [`Ending`].
    Completed,
    /// It took longer than its wall time.
    Timeout,
    /// It needed more memory than its limit.
    OutOfMemory,
    /// Somebody stopped it.
    Stopped,
    /// It ended with code 0 but left a required output out.
    MissingOutput,
    /// The process could not be started: no such program, an input that is not there.
    NotStarted,
}

/// A declared output as it was found when the unit ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputStatus {
    /// The name it was declared with.
    pub name: String,
    /// Its absolute path on the host.
    pub path: PathBuf,
    /// What was there, if anything.
    pub found: Option<Found>,
}

/// The size of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Bytes, of all files together if it is a directory.
    pub bytes: u64,
    /// Files; 1 unless it is a directory.
    pub files: u64,
}
