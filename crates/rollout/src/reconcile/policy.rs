//! From the project file's words to the rules of one roll-out, with thresholds fixed from the champion's history.
//!
//! Pure. What could not be fixed (no history yet) is left out of the judges and said so.

use crate::judge::{AtLeast, Judge, Policy, Quiet, Then};
use inference::latency::Histogram;
use spec::{Measure, QuietAction, Rollout};
use std::time::Duration;

/// What is known of the version that serves.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Its answers' times.
    pub latency: Histogram,
    /// Its losses, for each live metric of the policy, as values.
    pub losses: Vec<f64>,
}

/// Rules, and what they cannot judge.
#[derive(Clone, Debug)]
pub struct Fixed {
    /// The rules.
    pub policy: Policy,
    /// Judges that were left out, each with the reason.
    pub left_out: Vec<String>,
}

/// Answers of the champion that a latency threshold needs.
const LATENCY_HISTORY: u64 = 200;
/// Losses of the champion that a live judge needs.
const LOSS_HISTORY: usize = 100;
/// One observation where looks are the unit.
const BLOCK: Duration = Duration::from_secs(1);
/// Blocks that a judged stage lasts at the least: a burst of traffic must not carry a candidate through before the
/// test by block has seen enough of it to speak.
const BLOCKS: u32 = 5;
/// Requests of a stage when the file says nothing.
const REQUESTS: u64 = 100;

/// Fixes the rules of a roll-out that begins now.
pub fn fix(rollout: &Rollout, history: &History, at_once: bool) -> Fixed {
    let at_least = AtLeast {
        requests: match (rollout.at_least, rollout.lasting) {
            (Some(requests), _) => requests.0,
            (None, Some(_)) => 1,
            (None, None) => REQUESTS,
        },
        lasting: rollout
            .lasting
            .map(spec::Duration::get)
            .unwrap_or_default()
            .max(if rollout.judge.is_empty() {
                Duration::ZERO
            } else {
                BLOCK * BLOCKS
            }),
    };
    let mut left_out = Vec::new();
    let mut judges = Vec::new();
    for measure in &rollout.judge {
        match judge(*measure, history, at_least) {
            Ok(judge) => judges.push(judge),
            Err(why) => left_out.push(format!("{measure} is not judged: {why}")),
        }
    }
    let then = match rollout.quiet.action {
        QuietAction::Hold => Then::Hold,
        QuietAction::Promote => Then::Promote,
    };
    let policy = Policy {
        stages: if at_once {
            Vec::new()
        } else {
            rollout
                .stages
                .iter()
                .map(|stage| stage.fraction())
                .collect()
        },
        judges,
        false_rollbacks: rollout.false_rollbacks.fraction(),
        at_least,
        quiet: Some(Quiet {
            after: rollout.quiet.after.get(),
            then,
        }),
        block: BLOCK,
    };
    Fixed { policy, left_out }
}

fn judge(measure: Measure, history: &History, at_least: AtLeast) -> Result<Judge, String> {
    match measure {
        Measure::Errors => Ok(Judge::errors()),
        Measure::Latency(quantile) => {
            if history.latency.total() < LATENCY_HISTORY {
                return Err(format!(
                    "{} answers of the version before are too few for a threshold",
                    history.latency.total()
                ));
            }
            Judge::latency_after(&history.latency, quantile.fraction())
                .ok_or_else(|| "the version before has answered nothing yet".to_owned())
        }
        Measure::Live(metric) => {
            if history.losses.len() < LOSS_HISTORY {
                return Err(format!(
                    "{} labels of the version before are too few to compare with",
                    history.losses.len()
                ));
            }
            let labels = (at_least.requests / 2).max(1);
            Judge::live(&metric.to_string(), &history.losses, labels)
                .ok_or_else(|| "the version before has no loss at all".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollout() -> Rollout {
        Rollout {
            stages: vec!["5%".parse().unwrap(), "50%".parse().unwrap()],
            judge: vec![
                Measure::Errors,
                "latency.p99".parse().unwrap(),
                "live.mae".parse().unwrap(),
            ],
            at_least: Some("500 requests".parse().unwrap()),
            ..Rollout::default()
        }
    }

    #[test]
    fn without_history_only_errors_are_judged() {
        let fixed = fix(&rollout(), &History::default(), false);
        assert_eq!(fixed.policy.judges, [Judge::errors()]);
        assert_eq!(fixed.policy.stages, [0.05, 0.5]);
        assert_eq!(fixed.left_out.len(), 2);
        assert!(fixed.policy.check().is_ok());
        assert_eq!(fixed.policy.at_least.lasting, Duration::from_secs(5));
        assert!(
            fix(&rollout(), &History::default(), true)
                .policy
                .stages
                .is_empty()
        );
    }

    #[test]
    fn thresholds_come_from_history() {
        let mut history = History {
            losses: (0..1000).map(f64::from).collect(),
            ..History::default()
        };
        for micros in 0..1000 {
            history.latency.add(micros);
        }
        let fixed = fix(&rollout(), &history, false);
        assert!(fixed.left_out.is_empty());
        let Judge::Latency { threshold, .. } = &fixed.policy.judges[1] else {
            panic!("the second judge is latency")
        };
        assert!(
            (1900..2100).contains(&threshold.as_micros()),
            "{threshold:?}"
        );
        let Judge::Live { cap, at_least, .. } = &fixed.policy.judges[2] else {
            panic!("the third judge is live")
        };
        assert!((980.0..1000.0).contains(cap));
        assert_eq!(*at_least, 250);
    }
}
