//! From the project file's words to the rules of one roll-out, with thresholds fixed from the champion's history.
//!
//! Pure. What could not be fixed (no history yet) is left out of the judges and said so.

use super::past::Mark;
use crate::judge::{AtLeast, Counters, Judge, Method, Policy, Quiet, Then};
use inference::latency::Histogram;
use spec::{Measure, QuietAction, Rollout};
use stats::{noise::Block, ratio::Arm};
use std::time::Duration;

/// What is known of the version that serves.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Its answers' times.
    pub latency: Histogram,
    /// Its losses, for each live metric of the policy, as values.
    pub losses: Vec<f64>,
    /// Its counters of late, minute by minute.
    pub past: Vec<Mark>,
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
    let mut policy = Policy {
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
        methods: Vec::new(),
    };
    policy.methods = methods(&policy, &history.past);
    Fixed { policy, left_out }
}

/// How each judge tells a rate from noise, by what the champion's past says of it.
///
/// Its two halves are not counted apart, so its whole series is taken for that of an arm: noise that both arms would
/// share is counted too, which makes verdicts slower and never rasher. A minute says nothing of noise within it.
fn methods(policy: &Policy, past: &[Mark]) -> Vec<Method> {
    let counters = |mark: &Mark| Counters::of(policy, mark.requests, mark.errors, &mark.latency);
    let marks: Vec<(Duration, Counters)> =
        past.iter().map(|mark| (mark.at, counters(mark))).collect();
    let mut slow = 0;
    let of_judge = |judge: &Judge| {
        let index = slow;
        let events = |counters: &Counters| match judge {
            Judge::Errors { .. } => counters.errors,
            Judge::Latency { .. } => counters.slow.get(index).copied().unwrap_or(0),
            // Losses are judged by the coin that sent the request to its arm: no noise is in question.
            Judge::Live { .. } => 0,
        };
        slow += usize::from(matches!(judge, Judge::Latency { .. }));
        let block = |two: &[(Duration, Counters)]| Block {
            seconds: (two[1].0.saturating_sub(two[0].0)).as_secs_f64(),
            counts: Arm {
                requests: two[1].1.requests.saturating_sub(two[0].1.requests),
                events: events(&two[1].1).saturating_sub(events(&two[0].1)),
            },
        };
        let blocks: Vec<Block> = marks.windows(2).map(block).collect();
        Method::after(&blocks)
    };
    policy.judges.iter().map(of_judge).collect()
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
    use crate::judge::Test;
    use stats::noise::{Class, Noise};

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
    fn noise_comes_from_the_past_of_each_judge() {
        let past = |minutes: u64, errors: fn(u64) -> u64| -> Vec<Mark> {
            let mark = |minute: u64| Mark {
                at: Duration::from_secs(60 * minute),
                requests: 24_000 * minute,
                errors: (0..minute).map(errors).sum(),
                latency: Histogram::default(),
            };
            (0..=minutes).map(mark).collect()
        };
        // How much likelier lasting noise is than none.
        let lasting = |noise: &Noise| {
            let kinds = stats::noise::Kind::all().iter().enumerate();
            let lasting = kinds.filter(|(_, kind)| kind.class == Class::Lasting);
            let best = lasting.map(|(index, _)| noise.kinds()[index].log);
            best.fold(f64::NEG_INFINITY, f64::max) - noise.kinds()[0].log
        };
        let of = |past: Vec<Mark>| {
            let history = History {
                past,
                ..History::default()
            };
            fix(&rollout(), &history, false).policy.methods
        };
        let short = of(past(5, |_| 100));
        assert_eq!(short[0].basis.test, Test::Blocks);
        assert_eq!(short[0].basis.known.time, Duration::from_secs(300));
        // Ten minutes good, ten minutes bad; and a series that hardly moves.
        let waves = of(past(
            60,
            |minute| if minute / 10 % 2 == 0 { 50 } else { 200 },
        ));
        let still = of(past(60, |minute| 95 + minute % 10));
        assert!(lasting(&waves[0].noise) > 20.0, "{}", waves[0].basis);
        assert!(lasting(&still[0].noise) < -5.0, "{}", still[0].basis);
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
