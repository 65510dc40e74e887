//! Topic `scale`: who decides how many replicas there are, simulated on recorded requests: ours beside Knative's and
//! Kubernetes' rules and fixed numbers.
//!
//! An example of the roll-outs' crate simulates: its figures come from no machine, so it needs no release build.

use super::report::Figure;
use anyhow::{Context as _, ensure};
use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
};

const BENCH: &str = "scale";
const OURS: &str = "mainspan";
const KNATIVE: &str = "kpa";
/// Of Knative's requests that wait too long, ours may be so many times as many.
const VIOLATIONS: f64 = 1.0;
/// And replica-minutes so many times as many.
const MINUTES: f64 = 1.2;

/// What one policy came to on a trace with a start.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Outcome {
    /// Percent of the requests.
    violations: f64,
    minutes: f64,
    /// Seconds in which a request waited.
    short: f64,
}

/// Simulates.
pub(super) fn measure() -> anyhow::Result<Vec<Figure>> {
    let example = [
        "run",
        "--quiet",
        "--locked",
        "-p",
        "rollout",
        "--example",
        "scale",
    ];
    let done = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(example)
        .current_dir(crate::tree::root())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(done.status.success(), "the example failed: {}", done.status);
    figures(&String::from_utf8_lossy(&done.stdout))
}

fn figures(printed: &str) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut cells: BTreeMap<String, BTreeMap<String, Outcome>> = BTreeMap::new();
    for line in printed.lines() {
        let (cell, policy, outcome) =
            read(line).with_context(|| format!("`{line}` is no figure"))?;
        let told = |what: &str, value, unit| {
            Figure::told(BENCH, format!("{cell}_{policy}_{what}"), value, unit)
        };
        figures.extend([
            told("late", outcome.violations, "%"),
            told("replicas", outcome.minutes, "min"),
            told("short", outcome.short, "s"),
        ]);
        cells.entry(cell).or_default().insert(policy, outcome);
    }
    ensure!(!cells.is_empty(), "the example printed nothing");
    for (cell, policies) in &cells {
        let of = |policy: &str| {
            let found = policies.get(policy).copied();
            found.with_context(|| format!("there is no `{policy}` for {cell}"))
        };
        let (ours, theirs) = (of(OURS)?, of(KNATIVE)?);
        let goal = |what: &str, ratio, goal| {
            Figure::at_most(BENCH, format!("{cell}_{what}_ratio"), ratio, "x", goal)
        };
        figures.extend([
            goal("late", ours.violations / theirs.violations, VIOLATIONS),
            goal("replicas", ours.minutes / theirs.minutes, MINUTES),
        ]);
    }
    Ok(figures)
}

/// Reads `code 20 kpa 42.77 1029 2107 147`.
fn read(line: &str) -> Option<(String, String, Outcome)> {
    let words: Vec<&str> = line.split(' ').collect();
    let [trace, start, policy, violations, minutes, short, _peak] = words.as_slice() else {
        return None;
    };
    let outcome = Outcome {
        violations: violations.parse().ok()?,
        minutes: minutes.parse().ok()?,
        short: short.parse().ok()?,
    };
    Some((format!("{trace}_{start}s"), (*policy).to_owned(), outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_is_held_against_knative() {
        let check = |ours: &str, expect: [bool; 2]| {
            let printed =
                format!("code 20 mainspan {ours} 20 9\ncode 20 kpa 40.00 1000 2107 147\n");
            let figures = figures(&printed).unwrap();
            let [.., late, replicas] = figures.as_slice() else {
                panic!("{figures:?}");
            };
            assert_eq!([late.holds(), replicas.holds()], expect, "{ours}");
        };
        check("40.00 1200", [true, true]);
        check("41.00 1200", [false, true]);
        check("2.00 1300", [true, false]);
    }

    #[test]
    fn what_is_no_figure_is_an_error() {
        for wrong in [
            "",
            "code 20 mainspan 1 2 3",
            "code 20 mainspan 1 2 3 4\n",
            "a b c d e f g",
        ] {
            assert!(figures(wrong).is_err(), "{wrong}");
        }
    }
}
