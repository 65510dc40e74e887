//! What to do next with the steps of a run: a pure function of what is known.
//!
//! The executor gathers steps, unit states and the time, asks here, and carries the moves out. Deciding twice on the
//! same values gives the same moves, which is what makes a restart harmless.

use crate::graph::Node;
use jiff::Timestamp;
use std::collections::BTreeMap;
use store::{Step, StepState};

/// Machine failures of one attempt that are forgiven; more mean that the step brings the machine down.
pub const INFRASTRUCTURE_ATTEMPTS: u32 = 5;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// All that it waits for is done: look for a kept result, else queue it.
    Ready(String),
    /// Try to start it.
    Launch(String),
    /// Something it needs did not succeed.
    Skip {
        /// The step.
        key: String,
        /// Why.
        why: String,
    },
}

/// How a run ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every step succeeded.
    Succeeded,
    /// This step failed first.
    Failed {
        /// The step.
        key: String,
        /// What it said.
        why: String,
    },
}

/// The moves that are due.
pub fn moves(nodes: &[Node], steps: &BTreeMap<String, Step>, now: Timestamp) -> Vec<Move> {
    let failed = first_failed(nodes, steps);
    let mut moves = Vec::new();
    for node in nodes {
        let Some(step) = steps.get(&node.key) else {
            continue;
        };
        match step.state {
            StepState::Waiting | StepState::Queued if failed.is_some() => {
                let why = format!("step `{}` failed", failed.unwrap_or_default());
                moves.push(Move::Skip {
                    key: node.key.clone(),
                    why,
                });
            }
            StepState::Waiting if after_done(node, steps) => {
                moves.push(Move::Ready(node.key.clone()));
            }
            StepState::Queued if is_due(step, now) => {
                moves.push(Move::Launch(node.key.clone()));
            }
            _ => {}
        }
    }
    moves
}

/// Whether a step's back-off is over, if it has one. When its last attempt began in the future, the clock was set back
/// since: the step must not wait until it has caught up.
fn is_due(step: &Step, now: Timestamp) -> bool {
    step.not_before.is_none_or(|at| at <= now) || step.started_at.is_some_and(|at| at > now)
}

/// When something becomes due by itself: the earliest end of a back-off that is not over.
pub fn wake_at(steps: &BTreeMap<String, Step>, now: Timestamp) -> Option<Timestamp> {
    steps
        .values()
        .filter(|step| step.state == StepState::Queued)
        .filter(|step| !is_due(step, now))
        .filter_map(|step| step.not_before)
        .min()
}

/// How the run ends, once no step can move any more.
pub fn outcome(nodes: &[Node], steps: &BTreeMap<String, Step>) -> Option<Outcome> {
    if !nodes.iter().all(|node| {
        steps
            .get(&node.key)
            .is_some_and(|step| step.state.is_final())
    }) {
        return None;
    }
    match first_failed(nodes, steps) {
        Some(key) => Some(Outcome::Failed {
            key: key.to_owned(),
            why: steps[key].reason.clone(),
        }),
        None => Some(Outcome::Succeeded),
    }
}

fn after_done(node: &Node, steps: &BTreeMap<String, Step>) -> bool {
    node.after.iter().all(|key| {
        steps
            .get(key)
            .is_some_and(|step| step.state == StepState::Succeeded)
    })
}

fn first_failed<'a>(nodes: &'a [Node], steps: &BTreeMap<String, Step>) -> Option<&'a str> {
    let failed = |node: &&Node| {
        steps
            .get(&node.key)
            .is_some_and(|step| step.state == StepState::Failed)
    };
    nodes.iter().find(failed).map(|node| node.key.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{self, tests::train};

    fn step(key: &str, state: StepState) -> Step {
        Step {
            state,
            ..Step::new("r", key, 0)
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// States in the order of the pipeline's nodes, by first letter: w, q, r, s, f.
    fn check(states: &str, expect: &str) {
        let nodes = graph::build(&train(), false);
        let steps: BTreeMap<String, Step> = nodes
            .iter()
            .zip(states.chars())
            .map(|(node, letter)| {
                let state = match letter {
                    'w' => StepState::Waiting,
                    'q' => StepState::Queued,
                    'r' => StepState::Running,
                    's' => StepState::Succeeded,
                    'k' => StepState::Skipped,
                    _ => StepState::Failed,
                };
                (node.key.clone(), step(&node.key, state))
            })
            .collect();
        let shown: Vec<String> = moves(&nodes, &steps, at(0))
            .iter()
            .map(|m| match m {
                Move::Ready(key) => format!("ready {key}"),
                Move::Launch(key) => format!("launch {key}"),
                Move::Skip { key, .. } => format!("skip {key}"),
            })
            .chain(
                outcome(&nodes, &steps)
                    .map(|o| format!("{o:?}").split(' ').next().unwrap().to_owned()),
            )
            .collect();
        assert_eq!(shown.join(", "), expect, "{states}");
    }

    #[test]
    fn table() {
        check("wwwww", "ready split");
        check("qwwww", "launch split");
        check("rwwww", "");
        check("swwww", "ready fit[depth=4], ready fit[depth=6]");
        check("srqww", "launch fit[depth=6]");
        check("ssrww", "");
        check("ssssw", "ready report");
        check("sssss", "Succeeded");
        check("sfrww", "skip evaluate, skip report");
        check("sfskk", "Failed");
        check("sfqkk", "skip fit[depth=6]");
    }

    #[test]
    fn back_off_is_waited_for() {
        let nodes = graph::build(&train(), false);
        let mut waiting = step("split", StepState::Queued);
        waiting.not_before = Some(at(10));
        waiting.started_at = Some(at(5));
        let steps = BTreeMap::from([("split".to_owned(), waiting)]);
        let check = |now: i64, expect: &[Move], wake: Option<i64>| {
            assert_eq!(moves(&nodes, &steps, at(now)), expect, "{now}");
            assert_eq!(wake_at(&steps, at(now)), wake.map(at), "{now}");
        };
        let launch = [Move::Launch("split".into())];
        check(9, &[], Some(10));
        // What is due and waits for room does not become due again.
        check(10, &launch, None);
        check(11, &launch, None);
        // The clock was set back after the attempt had begun.
        check(4, &launch, None);
    }
}
