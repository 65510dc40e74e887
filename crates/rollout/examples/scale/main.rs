//! Simulates who decides how many replicas there are on recorded requests, by the protocol of docs/performance.md, and
//! prints a line each: trace, seconds that a start takes, policy, violations in percent, replica-minutes, seconds in which a
//! request waited, most replicas.
//!
//! `cargo xtask bench scale` runs it.

mod policies;
mod simulation;
mod traces;

use policies::{Fixed, Hpa, Kpa, Ours};
use simulation::{Outcome, Policy, run};
use std::{io::Write as _, path::Path, time::Duration};
use traces::{Request, read, times};

type Make = fn(Duration) -> Box<dyn Policy>;

/// Each with its name and the replicas that it begins with.
const POLICIES: [(&str, usize, Make); 7] = [
    ("mainspan", 1, |start| Box::new(Ours::new(start))),
    ("kpa", 1, |_| Box::new(Kpa::new(0.7, Duration::ZERO))),
    ("kpa-half", 1, |_| Box::new(Kpa::new(0.5, Duration::ZERO))),
    ("kpa-delay", 1, |_| {
        Box::new(Kpa::new(0.7, Duration::from_secs(300)))
    }),
    ("hpa", 1, |_| Box::new(Hpa::new())),
    ("fixed-10", 10, |_| Box::new(Fixed(10))),
    ("fixed-12", 12, |_| Box::new(Fixed(12))),
];

fn main() -> anyhow::Result<()> {
    let (conv, code) = (recorded("conv")?, recorded("code")?);
    let tenfold = times(&conv, 10);
    let mut out = std::io::stdout().lock();
    for (name, requests) in [("conv", &conv), ("code", &code), ("conv-x10", &tenfold)] {
        for start in [2, 20] {
            for (policy, begin, make) in POLICIES {
                let outcome = simulated(requests, start, begin, make);
                let Outcome {
                    violations,
                    seconds,
                    short,
                    peak,
                } = outcome;
                let minutes = seconds / 60.0;
                writeln!(
                    out,
                    "{name} {start} {policy} {violations:.2} {minutes:.0} {short:.0} {peak}"
                )?;
            }
        }
    }
    Ok(())
}

fn recorded(name: &str) -> anyhow::Result<Vec<Request>> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/scale/data");
    read(&data.join(format!("AzureLLMInferenceTrace_{name}.csv.gz")))
}

fn simulated(requests: &[Request], start: u64, begin: usize, make: Make) -> Outcome {
    let start = Duration::from_secs(start);
    run(requests, start, begin, &mut *make(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(trace: &str, start: u64, policy: &str) -> anyhow::Result<Outcome> {
        let (_, begin, make) = POLICIES[POLICIES
            .iter()
            .position(|(name, ..)| *name == policy)
            .unwrap_or_default()];
        Ok(simulated(&recorded(trace)?, start, begin, make))
    }

    /// The figures of /docs/performance.md were found by another program as well.
    #[test]
    fn knative_does_as_it_does_elsewhere() -> anyhow::Result<()> {
        let conv = outcome("conv", 2, "kpa")?;
        assert!((conv.violations - 0.49).abs() < 0.1, "{conv:?}");
        assert!((conv.seconds / 33_744.0 - 1.0).abs() < 0.01, "{conv:?}");
        let code = outcome("code", 20, "kpa")?;
        assert!((code.violations - 42.75).abs() < 0.5, "{code:?}");
        assert!((code.seconds / 61_738.0 - 1.0).abs() < 0.01, "{code:?}");
        Ok(())
    }

    /// Where requests come in bursts, and a replica takes long to start.
    #[test]
    fn bursts_are_answered_with_fewer_replicas() -> anyhow::Result<()> {
        let ours = outcome("code", 20, "mainspan")?;
        let careful = outcome("code", 20, "kpa-delay")?;
        assert!(
            ours.violations < 0.6 * careful.violations,
            "{ours:?} {careful:?}"
        );
        assert!(ours.seconds < 0.7 * careful.seconds, "{ours:?} {careful:?}");
        Ok(())
    }
}
