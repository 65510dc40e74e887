//! Whether a unit fits: capacity accounting for CPU, memory and GPUs as pure functions.
//!
//! Drivers call [`admit`] before they start anything; queues may call it to explain a wait. It must
//! never measure anything: what is used is what was reserved, not what is busy.

use serde::{Deserialize, Serialize};

use crate::spec::UnitSpec;

/// What a machine has and how much of it is reserved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Capacity {
    /// CPUs in all.
    pub cpu: f64,
    /// Bytes of memory in all.
    pub memory: u64,
    /// GPUs in all.
    pub gpus: u32,
    /// What running units have reserved.
    pub used: Claim,
    /// Units that run.
    pub units: u32,
}

/// What a unit reserves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// CPUs; 0 for a unit whose CPU is only a weight.
    pub cpu: f64,
    /// Bytes of memory.
    pub memory: u64,
    /// GPUs.
    pub gpus: u32,
}

/// Whether a unit can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admit {
    /// Now.
    Now,
    /// When others have ended; the text says what is short.
    Wait(String),
    /// Not on this machine; the text says what is too small.
    Never(String),
}

/// CPUs are summed as floats; this much is rounding, not a shortage.
const CPU_EPSILON: f64 = 1e-6;

impl Claim {
    /// What `spec` reserves.
    #[must_use]
    pub fn of(spec: &UnitSpec) -> Self {
        let limits = &spec.limits;
        Self {
            cpu: limits.cpu.filter(|_| limits.cpu_enforced).unwrap_or(0.0),
            memory: limits.memory.unwrap_or(0),
            gpus: limits.gpu,
        }
    }
}

impl std::iter::Sum for Claim {
    fn sum<I: Iterator<Item = Self>>(claims: I) -> Self {
        claims.fold(Self::default(), |sum, claim| Self {
            cpu: sum.cpu + claim.cpu,
            memory: sum.memory.saturating_add(claim.memory),
            gpus: sum.gpus.saturating_add(claim.gpus),
        })
    }
}

/// Whether a unit that claims `claim` can start on a machine of `capacity` beside what is running.
#[must_use]
pub fn admit(capacity: &Capacity, claim: &Claim) -> Admit {
    let (cpu, memory, gpus) = (capacity.cpu, capacity.memory, capacity.gpus);
    if claim.cpu > cpu + CPU_EPSILON {
        return Admit::Never(format!(
            "it asks for {} CPUs and this machine has {cpu}; lower `resources.cpu`",
            claim.cpu
        ));
    }
    if claim.memory > memory {
        let (asked, all) = (mebibytes(claim.memory), mebibytes(memory));
        return Admit::Never(format!(
            "it asks for {asked} of memory and this machine has {all}; lower `resources.memory`"
        ));
    }
    if claim.gpus > gpus {
        return Admit::Never(format!(
            "it asks for {} GPUs and this machine has {gpus}; lower `resources.gpu`",
            claim.gpus
        ));
    }
    let free_cpu = cpu - capacity.used.cpu;
    if claim.cpu > free_cpu + CPU_EPSILON {
        return Admit::Wait(format!(
            "{:.2} of {cpu} CPUs are free and it asks for {}",
            free_cpu.max(0.0),
            claim.cpu
        ));
    }
    let free_memory = memory.saturating_sub(capacity.used.memory);
    if claim.memory > free_memory {
        let (free, all, asked) = (
            mebibytes(free_memory),
            mebibytes(memory),
            mebibytes(claim.memory),
        );
        return Admit::Wait(format!(
            "{free} of {all} memory are free and it asks for {asked}"
        ));
    }
    let free_gpus = gpus.saturating_sub(capacity.used.gpus);
    if claim.gpus > free_gpus {
        return Admit::Wait(format!(
            "{free_gpus} of {gpus} GPUs are free and it asks for {}",
            claim.gpus
        ));
    }
    Admit::Now
}

/// The first `wanted` GPUs that nobody holds, or `None` if there are too few.
#[must_use]
pub fn pick_gpus(gpus: u32, held: &[u32], wanted: u32) -> Option<Vec<u32>> {
    let free: Vec<u32> = (0..gpus)
        .filter(|gpu| !held.contains(gpu))
        .take(wanted as usize)
        .collect();
    (free.len() == wanted as usize).then_some(free)
}

fn mebibytes(bytes: u64) -> String {
    format!("{}MiB", bytes.div_ceil(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Limits;

    const GIB: u64 = 1 << 30;

    fn claim(cpu: f64, memory: u64, gpus: u32) -> Claim {
        Claim { cpu, memory, gpus }
    }

    /// A machine of 4 CPUs, 8 GiB and 2 GPUs on which `used` is reserved.
    fn check(used: Claim, asked: Claim, expect: &str) {
        let capacity = Capacity {
            cpu: 4.0,
            memory: 8 * GIB,
            gpus: 2,
            used,
            units: 1,
        };
        let (kind, reason) = match admit(&capacity, &asked) {
            Admit::Now => ("now", String::new()),
            Admit::Wait(reason) => ("wait", reason),
            Admit::Never(reason) => ("never", reason),
        };
        let found = format!("{kind} {reason}");
        assert!(
            found.starts_with(expect),
            "{asked:?} beside {used:?}: `{found}`"
        );
    }

    #[test]
    fn a_unit_starts_waits_or_never_fits() {
        let none = claim(0.0, 0, 0);
        let half = claim(2.0, 4 * GIB, 1);
        let full = claim(4.0, 8 * GIB, 2);
        // What fits exactly, fits.
        check(none, none, "now");
        check(none, full, "now");
        check(half, half, "now");
        check(full, none, "now");
        // One thing short is enough to wait, and it is named.
        check(
            half,
            claim(2.5, 0, 0),
            "wait 2.00 of 4 CPUs are free and it asks for 2.5",
        );
        check(
            half,
            claim(0.0, 5 * GIB, 0),
            "wait 4096MiB of 8192MiB memory",
        );
        check(half, claim(0.0, 0, 2), "wait 1 of 2 GPUs");
        check(full, claim(0.1, 0, 0), "wait 0.00 of 4 CPUs");
        // More than there is at all is never, however much is free.
        check(
            none,
            claim(4.1, 0, 0),
            "never it asks for 4.1 CPUs and this machine has 4",
        );
        check(
            full,
            claim(0.0, 8 * GIB + 1, 0),
            "never it asks for 8193MiB",
        );
        check(none, claim(0.0, 0, 3), "never it asks for 3 GPUs");
        // Ten tenths are one, whatever floats say; more reserved than there is frees nothing.
        check(
            claim((0..30).map(|_| 0.1).sum(), 0, 0),
            claim(1.0, 0, 0),
            "now",
        );
        check(claim(9.0, 9 * GIB, 9), none, "wait 0.00 of 4 CPUs");
    }

    #[test]
    fn a_replica_reserves_memory_and_no_cpu() {
        let limits = Limits {
            cpu: Some(0.5),
            memory: Some(GIB),
            gpu: 1,
            ..Limits::default()
        };
        let spec = |cpu_enforced| UnitSpec {
            limits: Limits {
                cpu_enforced,
                ..limits.clone()
            },
            ..UnitSpec::new("u", "p", vec!["x".into()])
        };
        assert_eq!(Claim::of(&spec(false)), claim(0.0, GIB, 1));
        assert_eq!(Claim::of(&spec(true)), claim(0.5, GIB, 1));
        let sum: Claim = [claim(0.5, GIB, 1), claim(1.0, u64::MAX, 0)]
            .into_iter()
            .sum();
        assert_eq!(sum, claim(1.5, u64::MAX, 1));
    }

    #[test]
    fn gpus_are_given_to_one_unit_at_a_time() {
        for (held, wanted, expect) in [
            (vec![], 0, Some(vec![])),
            (vec![], 2, Some(vec![0, 1])),
            (vec![1], 2, Some(vec![0, 2])),
            (vec![0, 1, 2], 1, None),
            (vec![0], 3, None),
        ] {
            assert_eq!(
                pick_gpus(3, &held, wanted),
                expect,
                "{wanted} beside {held:?}"
            );
        }
    }
}
