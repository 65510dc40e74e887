//! The control group of one unit, in up to four hierarchies.
//!
//! The shim calls make, join, leave, usage and remove in that order; shim and driver call kill.
//! It must work from its paths alone, as the driver that made the name may be gone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::process::{kill_all, kill_until_none, open_all};
use crate::spec::Limits;

/// How long processes that were killed may take to die.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a group without a weight of its own, and one CPU, weigh in version 1.
const CPU_SHARES: f64 = 1024.0;
/// The period over which CPU time is enforced.
const CPU_PERIOD_MICROS: f64 = 100_000.0;

/// The group of a unit. An absent place is a limit that cannot be enforced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) cpu: Option<Place>,
    pub(crate) memory: Option<Place>,
    pub(crate) pids: Option<Place>,
    pub(crate) kill: Option<Place>,
}

/// The group's directory in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
    /// The group that the driver is in, to which the shim returns.
    pub(crate) home: PathBuf,
    pub(crate) v2: bool,
}

/// What the kernel counted for a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Processes that were killed because the memory limit was reached.
    pub(crate) oom_kills: u64,
    /// The most memory used at once, in bytes.
    pub(crate) memory_peak: Option<u64>,
}

impl Group {
    /// Leaves out what these limits do not need.
    pub(crate) fn needed_for(mut self, limits: &Limits) -> Self {
        self.cpu.take_if(|_| limits.cpu.is_none());
        self.memory.take_if(|_| limits.memory.is_none());
        self.pids.take_if(|_| limits.pids.is_none());
        self
    }

    /// Makes the directories and sets the limits.
    pub(crate) fn make(&self, limits: &Limits) -> io::Result<()> {
        for dir in self.dirs() {
            match fs::create_dir(dir) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(at(dir, &error));
                }
                _ => {}
            }
        }
        if let (Some(place), Some(bytes)) = (&self.memory, limits.memory) {
            place.limit_memory(bytes)?;
        }
        if let (Some(place), Some(cpu)) = (&self.cpu, limits.cpu) {
            place.limit_cpu(cpu, limits.cpu_enforced)?;
        }
        if let (Some(place), Some(pids)) = (&self.pids, limits.pids) {
            // One more while the shim itself is in the group.
            place.write("pids.max", &(u64::from(pids) + 1).to_string())?;
        }
        Ok(())
    }

    /// Moves the calling process, which must have one thread, into the group, so that its next
    /// child is born there.
    pub(crate) fn join(&self) -> io::Result<()> {
        self.places()
            .try_for_each(|place| enter(&place.dir, place.v2))
    }

    /// Moves the calling process back to where it came from and takes its allowance away.
    pub(crate) fn leave(&self, limits: &Limits) -> io::Result<()> {
        self.places()
            .try_for_each(|place| enter(&place.home, place.v2))?;
        match (&self.pids, limits.pids) {
            (Some(place), Some(pids)) => place.write("pids.max", &pids.to_string()),
            _ => Ok(()),
        }
    }

    /// What the kernel counted; zero and unknown without a memory group. Kills are not looked for in
    /// a unit that ended well.
    pub(crate) fn usage(&self, with_kills: bool) -> Usage {
        let Some(place) = &self.memory else {
            return Usage::default();
        };
        let (events, peak) = if place.v2 {
            ("memory.events", "memory.peak")
        } else {
            ("memory.oom_control", "memory.max_usage_in_bytes")
        };
        let read = |file| fs::read_to_string(place.dir.join(file)).unwrap_or_default();
        let (events, peak) = (with_kills.then(|| read(events)), read(peak));
        Usage {
            oom_kills: events.map_or(0, |events| count(&events, "oom_kill")),
            memory_peak: peak.trim().parse().ok(),
        }
    }

    /// Kills everything in the group and returns when nothing is left.
    ///
    /// # Errors
    /// `TimedOut` if something would not die.
    pub(crate) fn kill(&self) -> io::Result<()> {
        let Some(place) = &self.kill else {
            return Ok(());
        };
        kill_until_none(PATIENCE, || {
            // Each hierarchy knows one of these; where the kernel knows none, a process that forks
            // faster than we kill has to be caught by its limit.
            let _ = place.write("cgroup.kill", "1");
            let _ = place.write("pids.max", "0");
            let frozen = place.write("freezer.state", "FROZEN").is_ok();
            let found = open_all(|| members(&place.dir));
            kill_all(&found);
            if frozen {
                // What was killed while frozen dies now.
                let _ = place.write("freezer.state", "THAWED");
            }
            found
        })
    }

    /// Removes the directories; what is still busy stays.
    pub(crate) fn remove(&self) {
        for dir in self.dirs() {
            // One that is not there, or has somebody in it, is no reason to fail a unit.
            let _ = fs::remove_dir(dir);
        }
    }

    /// Each directory once: with version 2 all controllers share one, with version 1 what kills is
    /// what counts processes.
    fn places(&self) -> impl Iterator<Item = &Place> {
        let all = [&self.kill, &self.memory, &self.pids, &self.cpu];
        let is_first = move |(index, place): &(usize, &Place)| {
            !all[..*index].iter().any(|earlier| {
                earlier
                    .as_ref()
                    .is_some_and(|earlier| earlier.dir == place.dir)
            })
        };
        let some = all
            .into_iter()
            .enumerate()
            .filter_map(|(index, place)| Some((index, place.as_ref()?)));
        some.filter(is_first).map(|(_, place)| place)
    }

    fn dirs(&self) -> impl Iterator<Item = &Path> {
        self.places().map(|place| place.dir.as_path())
    }
}

impl Place {
    fn limit_memory(&self, bytes: u64) -> io::Result<()> {
        let bytes = bytes.to_string();
        if self.v2 {
            self.write("memory.max", &bytes)?;
            self.write("memory.oom.group", "1")?;
            return self.write_if_there("memory.swap.max", "0");
        }
        self.write("memory.limit_in_bytes", &bytes)?;
        self.write_if_there("memory.memsw.limit_in_bytes", &bytes)
    }

    fn limit_cpu(&self, cpu: f64, enforced: bool) -> io::Result<()> {
        let quota = (cpu * CPU_PERIOD_MICROS).round().max(1000.0);
        if self.v2 {
            let weight = (cpu * 100.0).round().clamp(1.0, 10_000.0);
            self.write("cpu.weight", &weight.to_string())?;
            return if enforced {
                self.write("cpu.max", &format!("{quota} {CPU_PERIOD_MICROS}"))
            } else {
                Ok(())
            };
        }
        let shares = (cpu * CPU_SHARES).round().clamp(2.0, 262_144.0);
        // Each write to a control group costs tens of microseconds, so a new group's own value stays.
        if shares != CPU_SHARES {
            self.write("cpu.shares", &shares.to_string())?;
        }
        if enforced {
            self.write("cpu.cfs_quota_us", &quota.to_string())
        } else {
            Ok(())
        }
    }

    fn write(&self, file: &str, value: &str) -> io::Result<()> {
        let path = self.dir.join(file);
        fs::write(&path, value).map_err(|error| at(&path, &error))
    }

    fn write_if_there(&self, file: &str, value: &str) -> io::Result<()> {
        match self.write(file, value) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            written => written,
        }
    }
}

/// Version 1 takes a single thread, which spares the kernel a lock that waits for RCU.
fn enter(dir: &Path, v2: bool) -> io::Result<()> {
    let path = dir.join(if v2 { "cgroup.procs" } else { "tasks" });
    fs::write(&path, "0").map_err(|error| at(&path, &error))
}

fn members(dir: &Path) -> Vec<i32> {
    let list = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    list.lines()
        .filter_map(|pid| pid.parse().ok())
        .filter(|pid| *pid > 0)
        .collect()
}

/// The value of `key` in a file of `key value` lines.
fn count(lines: &str, key: &str) -> u64 {
    let value = |line: &str| {
        line.strip_prefix(key)?
            .strip_prefix(' ')?
            .trim()
            .parse()
            .ok()
    };
    lines.lines().find_map(value).unwrap_or(0)
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_counters_are_read_by_their_whole_name() {
        let v1 = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        let v2 = "low 0\noom 9\noom_kill 2\noom_group_kill 1\n";
        for (lines, expect) in [
            (v1, 3),
            (v2, 2),
            ("oom_kill_disable 1\n", 0),
            ("", 0),
            ("oom_kill x\n", 0),
        ] {
            assert_eq!(count(lines, "oom_kill"), expect, "{lines}");
        }
    }

    #[test]
    fn only_what_the_limits_need_is_made() {
        let place = |dir: &str| {
            Some(Place {
                dir: PathBuf::from(dir),
                home: PathBuf::from("/"),
                v2: false,
            })
        };
        let all = Group {
            cpu: place("/c"),
            memory: place("/m"),
            pids: place("/p"),
            kill: place("/k"),
        };
        let none = all.clone().needed_for(&Limits::default());
        assert_eq!(
            none,
            Group {
                kill: place("/k"),
                ..Group::default()
            }
        );
        let limits = Limits {
            memory: Some(1),
            pids: Some(1),
            ..Limits::default()
        };
        assert_eq!(all.clone().needed_for(&limits), Group { cpu: None, ..all });
    }

    #[test]
    fn a_directory_that_serves_twice_is_made_once() {
        let place = Some(Place {
            dir: PathBuf::from("/g"),
            home: PathBuf::from("/"),
            v2: true,
        });
        let group = Group {
            cpu: place.clone(),
            memory: place.clone(),
            pids: place.clone(),
            kill: place,
        };
        assert_eq!(group.dirs().count(), 1);
    }
}
