//! What to do next with the steps of a run: a pure function of what is known.
//!
//! The executor gathers steps, unit states and the time, asks here, and carries the moves out. Deciding twice on the
//! same values gives the same moves, which is what makes a restart harmless.

use crate::graph::Node;
use jiff::Timestamp;
use store::{Step, StepState};

/// Machine failures of one attempt that are forgiven; more mean that the step brings the machine down.
pub const INFRASTRUCTURE_ATTEMPTS: u32 = 5;

/// One thing to do with the step of this place in the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// All that it waits for is done: look for a kept result, else queue it.
    Ready(usize),
    /// Try to start it.
    Launch(usize),
    /// Something it needs did not succeed.
    Skip {
        /// The step.
        step: usize,
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

/// The moves that are due. `steps` has one for each node, in the nodes' order.
pub fn moves(nodes: &[Node], steps: &[Step], now: Timestamp) -> Vec<Move> {
    let failed = first_failed(steps);
    let mut moves = Vec::new();
    for (at, (node, step)) in nodes.iter().zip(steps).enumerate() {
        match (step.state, failed) {
            (StepState::Waiting | StepState::Queued, Some(failed)) => {
                let why = format!("step `{}` failed", failed.key);
                moves.push(Move::Skip { step: at, why });
            }
            (StepState::Waiting, None) if after_done(node, steps) => moves.push(Move::Ready(at)),
            (StepState::Queued, None) if is_due(step, now) => moves.push(Move::Launch(at)),
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
pub fn wake_at(steps: &[Step], now: Timestamp) -> Option<Timestamp> {
    steps
        .iter()
        .filter(|step| step.state == StepState::Queued)
        .filter(|step| !is_due(step, now))
        .filter_map(|step| step.not_before)
        .min()
}

/// How the run ends, once no step can move any more.
pub fn outcome(steps: &[Step]) -> Option<Outcome> {
    if !steps.iter().all(|step| step.state.is_final()) {
        return None;
    }
    Some(match first_failed(steps) {
        Some(step) => Outcome::Failed {
            key: step.key.clone(),
            why: step.reason.clone(),
        },
        None => Outcome::Succeeded,
    })
}

fn after_done(node: &Node, steps: &[Step]) -> bool {
    let mut after = node.after.iter();
    after.all(|at| {
        steps
            .get(*at)
            .is_some_and(|step| step.state == StepState::Succeeded)
    })
}

fn first_failed(steps: &[Step]) -> Option<&Step> {
    steps.iter().find(|step| step.state == StepState::Failed)
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
        let steps: Vec<Step> = nodes
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
                step(&node.key, state)
            })
            .collect();
        let shown: Vec<String> = moves(&nodes, &steps, at(0))
            .iter()
            .map(|m| match m {
                Move::Ready(at) => format!("ready {}", nodes[*at].key),
                Move::Launch(at) => format!("launch {}", nodes[*at].key),
                Move::Skip { step, .. } => format!("skip {}", nodes[*step].key),
            })
            .chain(outcome(&steps).map(|o| format!("{o:?}").split(' ').next().unwrap().to_owned()))
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
        let steps = [waiting];
        let check = |now: i64, expect: &[Move], wake: Option<i64>| {
            assert_eq!(moves(&nodes, &steps, at(now)), expect, "{now}");
            assert_eq!(wake_at(&steps, at(now)), wake.map(at), "{now}");
        };
        let launch = [Move::Launch(0)];
        check(9, &[], Some(10));
        // What is due and waits for room does not become due again.
        check(10, &launch, None);
        check(11, &launch, None);
        // The clock was set back after the attempt had begun.
        check(4, &launch, None);
    }
}
