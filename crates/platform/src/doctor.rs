//! What this host lets us enforce, said plainly: the platform's part of `mainspan doctor`.
//!
//! Only looks; the one thing it may make is the parent control group, as opening a driver does.

use rustix::process::{PidfdFlags, getpid, pidfd_open};
use serde::Serialize;

use crate::cgroup::{Base, Hierarchies};
use crate::local::{cpus, gpus, memory};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, in a word.
    pub name: &'static str,
    /// Whether everything is as it should be.
    pub ok: bool,
    /// What was found, what it means, and what to do about it.
    pub text: String,
}

/// Looks at everything that running units depends on.
#[must_use]
pub fn doctor() -> Vec<Finding> {
    let mut findings = limits(&Hierarchies::detect());
    findings.push(pidfd());
    findings.push(Finding {
        name: "machine",
        ok: true,
        text: format!(
            "{} CPUs, {} MiB of memory and {} GPUs can be handed out",
            cpus(),
            memory() >> 20,
            gpus()
        ),
    });
    findings
}

fn limits(groups: &Hierarchies) -> Vec<Finding> {
    let finding = |name, base: &Option<Base>, enforced: &str, otherwise: &str| {
        let text = match base {
            Some(base) => {
                let version = if base.v2 { 2 } else { 1 };
                format!(
                    "{enforced} by control groups (version {version}, {})",
                    base.parent.display()
                )
            }
            None => format!(
                "no control group can be written, so {otherwise}; run as root, or under systemd with `Delegate=yes` and \
                 `DelegateSubgroup=mainspan`"
            ),
        };
        Finding {
            name,
            ok: base.is_some(),
            text,
        }
    };
    let mut findings = vec![
        finding(
            "memory",
            &groups.memory,
            "memory limits are enforced",
            "memory limits are not enforced at once: use is looked at a few times a second",
        ),
        finding(
            "cpu",
            &groups.cpu,
            "CPU limits and weights are enforced",
            "CPU limits and weights are not enforced",
        ),
        finding(
            "processes",
            &groups.pids,
            "the number of processes is enforced",
            "the number of processes is not enforced for root, and only roughly for others",
        ),
        finding(
            "kill",
            &groups.kill,
            "everything that a unit has started is killed at once",
            "what a unit has started is found through its parents, and escapes if its shim is killed first",
        ),
    ];
    if groups.kill.as_ref().is_some_and(|base| base.v2) {
        findings.push(Finding {
            name: "start time",
            ok: true,
            text: "with control groups version 2 alone, starting a unit waits some milliseconds for the kernel; remount \
                   cgroup2 with `favordynmods` to avoid it"
                .into(),
        });
    }
    findings
}

fn pidfd() -> Finding {
    match pidfd_open(getpid(), PidfdFlags::empty()) {
        Ok(_) => Finding {
            name: "pidfd",
            ok: true,
            text: "the end of a unit is noticed at once".into(),
        },
        Err(error) => Finding {
            name: "pidfd",
            ok: false,
            text: format!(
                "this kernel has no pidfd ({error}), so units cannot be followed; use Linux 5.3 or newer"
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_enforces_nothing_is_told_so_with_a_way_out() {
        let findings = limits(&Hierarchies::default());
        assert_eq!(findings.len(), 4);
        for finding in findings {
            assert!(
                !finding.ok && finding.text.contains("Delegate=yes"),
                "{finding:?}"
            );
        }
    }

    #[test]
    fn this_process_can_be_followed() {
        let findings = doctor();
        assert!(
            findings
                .iter()
                .any(|finding| finding.name == "pidfd" && finding.ok),
            "{findings:?}"
        );
    }
}
