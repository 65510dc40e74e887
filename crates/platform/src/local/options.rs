//! What the local driver is told, and what it finds out about the machine.
//!
//! Read once when the driver opens. Nothing here may change anything on the machine.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::units::Entry;
use crate::capacity::{Capacity, Claim};
use crate::driver::Error;

/// How the driver is set up.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// The directory that holds the units' directories.
    pub dir: PathBuf,
    /// The command that runs a shim; the unit's directory is appended. Usually the path of the
    /// running program and `unit`.
    pub shim: Vec<String>,
    /// How long a shim waits for another unit before it ends. What a unit that comes later pays for a
    /// new one is little beside what it waited for.
    pub shim_wait: Duration,
    /// CPUs to hand out; what the machine has if `None`.
    pub cpu: Option<f64>,
    /// Bytes of memory to hand out; nine tenths of what the machine has if `None`.
    pub memory: Option<u64>,
    /// GPUs to hand out; what the NVIDIA driver shows if `None`.
    pub gpus: Option<u32>,
    /// Whether to use control groups where they can be written. Without them CPU limits are not
    /// enforced, memory is looked at a few times a second, and what a unit started is found through
    /// its parents.
    pub control_groups: bool,
}

/// What there is to hand out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Machine {
    cpu: f64,
    memory: u64,
    gpus: u32,
}

impl LocalOptions {
    /// The running program as its own shim, and everything the machine has.
    ///
    /// # Errors
    /// [`Error::Io`] if the path of the running program is not to be had.
    pub fn new(dir: impl Into<PathBuf>) -> Result<Self, Error> {
        let program = std::env::current_exe().map_err(|source| Error::Io {
            action: "cannot find the path of the running program".into(),
            source,
        })?;
        let shim = vec![program.to_string_lossy().into_owned(), "unit".into()];
        Ok(Self {
            dir: dir.into(),
            shim,
            shim_wait: Duration::from_secs(3),
            cpu: None,
            memory: None,
            gpus: None,
            control_groups: true,
        })
    }

    pub(super) fn absolute(mut self) -> Result<Self, Error> {
        let action = || format!("cannot find {}", self.dir.display());
        self.dir = fs::canonicalize(&self.dir).map_err(|source| Error::Io {
            action: action(),
            source,
        })?;
        Ok(self)
    }

    /// Tells this directory's control groups from those of another on the same host (FNV-1a).
    pub(super) fn tag(&self) -> String {
        let bytes = self.dir.as_os_str().as_encoded_bytes();
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        format!("{hash:016x}")
    }
}

impl Machine {
    pub(super) fn detect(options: &LocalOptions) -> Self {
        Self {
            cpu: options.cpu.unwrap_or_else(|| cpus() as f64),
            memory: options.memory.unwrap_or_else(|| memory() / 10 * 9),
            gpus: options.gpus.unwrap_or_else(gpus),
        }
    }

    pub(super) fn capacity<'a>(&self, units: impl Iterator<Item = &'a Entry>) -> Capacity {
        let alive: Vec<&Entry> = units
            .filter(|entry| !entry.status.state.is_over())
            .collect();
        Capacity {
            cpu: self.cpu,
            memory: self.memory,
            gpus: self.gpus,
            used: alive.iter().map(|entry| entry.claim).sum::<Claim>(),
            units: u32::try_from(alive.len()).unwrap_or(u32::MAX),
        }
    }
}

/// CPUs that this process may use.
pub(crate) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Bytes of memory of this machine.
pub(crate) fn memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    meminfo_total(&text).unwrap_or(0)
}

/// GPUs that the NVIDIA driver shows.
pub(crate) fn gpus() -> u32 {
    let entries = fs::read_dir("/proc/driver/nvidia/gpus").map(Iterator::count);
    entries
        .ok()
        .and_then(|count| u32::try_from(count).ok())
        .unwrap_or(0)
}

fn meminfo_total(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_kibibytes() {
        let text = "MemFree: 5 kB\nMemTotal:       16384 kB\n";
        assert_eq!(meminfo_total(text), Some(16 << 20));
        for broken in ["", "MemTotal: x kB", "MemTotal: 12"] {
            assert_eq!(meminfo_total(broken), None, "{broken}");
        }
    }

    #[test]
    fn two_directories_have_two_tags() {
        let tag = |dir: &str| {
            LocalOptions {
                dir: dir.into(),
                shim: vec![],
                shim_wait: Duration::ZERO,
                cpu: None,
                memory: None,
                gpus: None,
                control_groups: true,
            }
            .tag()
        };
        assert_ne!(tag("/a/units"), tag("/b/units"));
        assert_eq!(tag("/a/units"), tag("/a/units"));
    }
}
