//! Processes as `/proc` shows them: identities that survive pid reuse, families, memory.
//!
//! The shim and the local driver use this to find and kill what a unit has started. It must never
//! signal by a bare pid that could have been given to another process: signals go through pidfds.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// A process that can be told from a later one with the same pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessId {
    /// Its pid.
    pub(crate) pid: i32,
    /// When it started, in clock ticks since boot.
    pub(crate) started: u64,
}

/// The part of `/proc/<pid>/stat` (proc_pid_stat(5)) that is used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) id: ProcessId,
    pub(crate) zombie: bool,
    pub(crate) parent: i32,
    pub(crate) session: i32,
    /// CPU time of children that were waited for, in clock ticks.
    pub(crate) children_ticks: u64,
    pub(crate) threads: u64,
    /// Resident memory in pages.
    pub(crate) resident_pages: u64,
}

impl Stat {
    /// Parses a line of `/proc/<pid>/stat`; the command name in it may contain anything.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (pid, rest) = line.split_once(" (")?;
        let (_, rest) = rest.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        let signed = |index: usize| fields.get(index)?.parse::<i32>().ok();
        Some(Self {
            id: ProcessId {
                pid: pid.parse().ok()?,
                started: number(19)?,
            },
            zombie: matches!(*fields.first()?, "Z" | "X"),
            parent: signed(1)?,
            session: signed(3)?,
            children_ticks: number(13)? + number(14)?,
            threads: number(17)?,
            resident_pages: number(21)?,
        })
    }

    /// Reads one process, if it is there.
    pub(crate) fn read(pid: i32) -> Option<Self> {
        Self::read_file(&format!("/proc/{pid}/stat"))
    }

    /// Reads the calling process.
    pub(crate) fn own() -> Option<Self> {
        Self::read_file("/proc/self/stat")
    }

    /// The line fits, so one read has all of it.
    fn read_file(path: &str) -> Option<Self> {
        let mut line = [0; 1024];
        let count = File::open(path)
            .and_then(|mut file| file.read(&mut line))
            .ok()?;
        Self::parse(&String::from_utf8_lossy(&line[..count]))
    }
}

/// Every process there is, apart from those that are dead and only not waited for.
pub(crate) fn snapshot() -> Vec<Stat> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(Stat::read)
        .filter(|stat| !stat.zombie)
        .collect()
}

/// The children of `root`, their children, and so on.
pub(crate) fn descendants(all: &[Stat], root: i32) -> Vec<Stat> {
    let mut family: Vec<Stat> = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        for child in all
            .iter()
            .filter(|stat| stat.parent == parent && stat.id.pid != parent)
        {
            family.push(*child);
            parents.push(child.id.pid);
        }
    }
    family
}

/// Opens a process if it is still the one that is meant and not dead.
pub(crate) fn open(id: ProcessId) -> Option<OwnedFd> {
    let fd = pidfd_open(Pid::from_raw(id.pid)?, PidfdFlags::empty()).ok()?;
    // The pid cannot be given away while the descriptor refers to a process that is alive, so the
    // start time read now is that of the process that was opened.
    Stat::read(id.pid).filter(|stat| stat.id == id && !stat.zombie)?;
    Some(fd)
}

/// Opens everything that `list` names, twice asked: what is named again after it was opened is what
/// was meant, since a pid is not given away while its process is alive.
pub(crate) fn open_all(mut list: impl FnMut() -> Vec<i32>) -> Vec<OwnedFd> {
    let opened: Vec<(i32, OwnedFd)> = list()
        .into_iter()
        .filter_map(|pid| {
            Some((
                pid,
                pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?,
            ))
        })
        .collect();
    if opened.is_empty() {
        return Vec::new();
    }
    let again = list();
    opened
        .into_iter()
        .filter(|(pid, _)| again.contains(pid))
        .map(|(_, fd)| fd)
        .collect()
}

/// Sends SIGKILL to each.
pub(crate) fn kill_all(processes: &[OwnedFd]) {
    for fd in processes {
        // One that is gone already is what we want.
        let _ = pidfd_send_signal(fd, Signal::KILL);
    }
}

/// Kills whatever `find` returns until it returns nothing, or until `patience` is over.
///
/// # Errors
/// `TimedOut` if something would not die.
pub(crate) fn kill_until_none(
    patience: Duration,
    mut find: impl FnMut() -> Vec<OwnedFd>,
) -> io::Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        let victims = find();
        if victims.is_empty() {
            return Ok(());
        }
        kill_all(&victims);
        for fd in &victims {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "processes did not die when killed",
                ));
            }
            let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
            match poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_lines_are_parsed_whatever_the_command_is_called() {
        let line = "42 (a) b (c) S 7 42 9 0 -1 4194560 1 2 3 4 5 6 70 80 20 0 3 0 12345 1000 250 18446744073709551615 1";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(
            stat,
            Stat {
                id: ProcessId {
                    pid: 42,
                    started: 12345
                },
                zombie: false,
                parent: 7,
                session: 9,
                children_ticks: 150,
                threads: 3,
                resident_pages: 250,
            }
        );
        for broken in [
            "",
            "42",
            "42 (a",
            "42 (a) S 7",
            "x (a) S 7 42 9 0 -1 4194560 1 2 3 4 5 6 70 80 20 0 3 0 1 1 1",
        ] {
            assert_eq!(Stat::parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn own_process_is_alive_and_another_start_time_is_another_process() {
        let own = Stat::own().unwrap().id;
        assert!(open(own).is_some());
        assert!(
            open(ProcessId {
                started: own.started + 1,
                ..own
            })
            .is_none()
        );
    }

    #[test]
    fn descendants_are_found_at_every_depth() {
        let process = |pid, parent| Stat {
            id: ProcessId { pid, started: 0 },
            zombie: false,
            parent,
            session: 0,
            children_ticks: 0,
            threads: 1,
            resident_pages: 0,
        };
        let all = [
            process(1, 0),
            process(10, 1),
            process(11, 10),
            process(12, 11),
            process(20, 1),
        ];
        let mut found: Vec<i32> = descendants(&all, 10)
            .iter()
            .map(|stat| stat.id.pid)
            .collect();
        found.sort_unstable();
        assert_eq!(found, [11, 12]);
    }
}
