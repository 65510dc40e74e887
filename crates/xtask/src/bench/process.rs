//! What the kernel says about processes: CPU time and memory, of Linux's /proc.

use anyhow::Context as _;
use std::{fs, time::Duration};

/// What one clock tick of /proc is; Linux has told user space 100 a second on every machine for decades.
const TICK: Duration = Duration::from_millis(10);

/// CPU time of a process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cpu {
    /// Its own.
    pub(super) own: Duration,
    /// Its own and that of all its children that have ended.
    pub(super) all: Duration,
}

impl Cpu {
    /// What was used since.
    pub(super) fn since(self, before: Cpu) -> Cpu {
        Cpu {
            own: self.own.saturating_sub(before.own),
            all: self.all.saturating_sub(before.all),
        }
    }
}

/// CPU time of a process.
pub(super) fn cpu(pid: &str) -> anyhow::Result<Cpu> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("process {pid} is gone"))?;
    ticks(&stat).context("/proc/…/stat is not as expected")
}

/// Whether a process has children now.
pub(super) fn has_children(pid: u32) -> anyhow::Result<bool> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"))
        .with_context(|| format!("process {pid} is gone"))?;
    Ok(tasks.flatten().any(|task| {
        fs::read_to_string(task.path().join("children")).is_ok_and(|all| !all.trim().is_empty())
    }))
}

/// CPU time of a process and of all that descends from it, alive or not.
pub(super) fn cpu_of_tree(pid: &str) -> anyhow::Result<Cpu> {
    let mut cpu = cpu(pid)?;
    for task in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            // One that has ended meanwhile is counted with its parent the next time.
            cpu.all += cpu_of_tree(child).map_or(Duration::ZERO, |child| child.all);
        }
    }
    Ok(cpu)
}

/// The fields utime, stime, cutime and cstime of proc_pid_stat(5).
fn ticks(stat: &str) -> Option<Cpu> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let field = |at: usize| fields.get(at)?.parse::<u32>().ok();
    let own = field(11)? + field(12)?;
    let children = field(13)? + field(14)?;
    Some(Cpu {
        own: TICK * own,
        all: TICK * (own + children),
    })
}

/// Memory of a process in megabytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Memory {
    /// Its pages, shared ones divided by how many share them.
    pub(super) proportional: f64,
    /// Its pages, shared ones counted whole.
    pub(super) resident: f64,
}

/// Memory of a process.
pub(super) fn memory(pid: u32) -> anyhow::Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
        .with_context(|| format!("process {pid} is gone"))?;
    rollup(&text).context("/proc/…/smaps_rollup is not as expected")
}

fn rollup(text: &str) -> Option<Memory> {
    let megabytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1024.0 / 1e6)
    };
    Some(Memory {
        proportional: megabytes("Pss:")?,
        resident: megabytes("Rss:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_understood() {
        let stat = "12 (a) b) S 1 12 12 0 -1 4194304 9 9 0 0 3 4 5 6 20 0 1 0 100 1 1";
        let expect = Cpu {
            own: TICK * 7,
            all: TICK * 18,
        };
        assert_eq!(ticks(stat), Some(expect));
        assert_eq!(ticks("12 (a"), None);
        let memory =
            rollup("Rss:            2000 kB\nPss:            1000 kB\nPss_Dirty: 7 kB\n").unwrap();
        assert_eq!(
            memory,
            Memory {
                proportional: 1.024,
                resident: 2.048
            }
        );
    }

    #[test]
    fn this_process_has_used_memory() {
        let own = memory(std::process::id()).unwrap();
        assert!(own.proportional > 0.0 && own.resident >= own.proportional);
        assert!(cpu("self").is_ok());
    }

    #[test]
    fn children_are_counted_while_they_live() {
        let mut busy = std::process::Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .spawn()
            .unwrap();
        let (mut alone, mut with_it) = (cpu("self").unwrap(), cpu_of_tree("self").unwrap());
        for _ in 0..100_000 {
            if with_it.all >= alone.all + TICK * 3 {
                break;
            }
            (alone, with_it) = (cpu("self").unwrap(), cpu_of_tree("self").unwrap());
        }
        busy.kill().unwrap();
        busy.wait().unwrap();
        assert!(with_it.all >= alone.all + TICK * 3, "{with_it:?} {alone:?}");
    }
}
