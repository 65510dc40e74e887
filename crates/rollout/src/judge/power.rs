//! How long a judge needs to find a harm that somebody named, at the traffic a service has.
//!
//! `plan` shows it for each stage and warns of a judge that cannot decide in time. It plays the real judge in seeded
//! simulation, so it has no formula of its own that could disagree with it.

use super::{AtLeast, Counters, Evidence, Judge, Look, Loss, Policy, Side};
use jiff::{SignedDuration, Timestamp};
use stats::rng::Rng;
use std::time::Duration;

/// What the service is like, and the harm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Harm {
    /// Requests a second to the service, all versions together.
    pub requests_per_second: f64,
    /// What the champion does now: the share of its requests that fail or are slow; for a live metric the standard
    /// deviation of its capped losses over their mean (about 1 to 1.5 for absolute errors).
    pub baseline: f64,
    /// The candidate's rate or mean loss over the champion's, above 1.
    pub ratio: f64,
    /// For a live metric: how long after the request its label comes.
    pub label_delay: Duration,
}

/// Plays of which half must have found the harm.
const PLAYS: usize = 21;
/// Looks after which a play gives up; they are further apart for slower services.
const LOOKS: u32 = 2_000;
/// Requests to both arms between two looks at labels.
const LABELS: f64 = 40.0;
/// Beyond this nobody waits for a verdict.
const HORIZON: Duration = Duration::from_secs(30 * 24 * 3600);

/// The median time in which `policy.judges[judge]` finds the harm at a fixed share of traffic, in `stage` (from 0).
///
/// `None` if half of the plays have not found it after 30 days, if there is no such judge, stage or traffic, or if the
/// harm is within the judge's tolerance.
pub fn time_to_detect(
    policy: &Policy,
    judge: usize,
    stage: usize,
    harm: &Harm,
) -> Option<Duration> {
    let (share, judged) = (*policy.stages.get(stage)?, policy.judges.get(judge)?);
    if harm.requests_per_second <= 0.0 || share >= 1.0 || harm.ratio <= tolerance(judged) {
        return None;
    }
    let step = match judged {
        // Labels count one by one, however they are gathered into looks.
        Judge::Live { .. } => LABELS / harm.requests_per_second,
        // The fewest blocks in which it could be found come with about one event of the candidate in each; slower
        // services are looked at less often, so that a play stays short.
        _ => {
            let event = share * (harm.baseline * harm.ratio).min(1.0);
            let block = policy.block.as_secs_f64().max(1.0);
            block.max(0.5 / (harm.requests_per_second * event))
        }
    };
    let mut times = Vec::new();
    for seed in 0..PLAYS {
        times.extend(play(policy, judge, share, harm, step, seed as u64));
        if seed + 1 - times.len() > PLAYS / 2 {
            return None;
        }
    }
    times.sort_unstable();
    let looks = *times.get(PLAYS / 2)?;
    let delay = if matches!(judged, Judge::Live { .. }) {
        harm.label_delay
    } else {
        Duration::ZERO
    };
    let time = Duration::from_secs_f64(f64::from(looks) * step) + delay;
    (time <= HORIZON).then_some(time)
}

fn tolerance(judge: &Judge) -> f64 {
    match *judge {
        Judge::Errors { tolerance, .. }
        | Judge::Latency { tolerance, .. }
        | Judge::Live { tolerance, .. } => tolerance,
    }
}

/// After how many looks, `step` seconds apart, the judge finds the harm.
fn play(
    policy: &Policy,
    judge: usize,
    share: f64,
    harm: &Harm,
    step: f64,
    seed: u64,
) -> Option<u32> {
    let alone = Policy {
        stages: vec![share],
        judges: vec![alone(&policy.judges[judge])],
        at_least: AtLeast {
            requests: u64::MAX,
            lasting: Duration::ZERO,
        },
        block: Duration::ZERO,
        methods: policy.methods.get(judge).cloned().into_iter().collect(),
        ..policy.clone()
    };
    let threshold = policy.threshold().ln();
    let at = |look: u32| {
        Timestamp::UNIX_EPOCH
            + SignedDuration::try_from_secs_f64(step * f64::from(look))
                .unwrap_or(SignedDuration::ZERO)
    };
    let mut rng = Rng::new(seed);
    let mut evidence = Evidence::begin(&alone, at(0));
    let mut arms = [(); 2].map(|()| Counters {
        slow: vec![0],
        ..Counters::default()
    });
    let rates = [harm.baseline, (harm.baseline * harm.ratio).min(1.0)];
    (0..=LOOKS).find(|&look| {
        let mut losses = Vec::new();
        if look > 0 {
            let all = (harm.requests_per_second * step + rng.uniform()) as u64;
            let candidate = rng.binomial(all, share);
            for (arm, requests) in [all - candidate, candidate].into_iter().enumerate() {
                match alone.judges[0] {
                    Judge::Live { cap, typical, .. } => {
                        let scale = [typical, typical * harm.ratio][arm];
                        let side = [Side::Champion, Side::Candidate][arm];
                        losses.extend((0..requests).map(|_| {
                            let loss = (scale * skewed(&mut rng, harm.baseline)).min(cap);
                            Loss {
                                side,
                                answered_at: at(look - 1),
                                loss,
                            }
                        }));
                    }
                    _ => {
                        let events = rng.binomial(requests, rates[arm]);
                        arms[arm].errors += events;
                        arms[arm].slow[0] += events;
                    }
                }
                arms[arm].requests += requests;
            }
        }
        let [champion, candidate] = arms.clone();
        let look = Look {
            at: at(look),
            passed: Duration::from_secs_f64(step),
            champion,
            candidate,
            losses: vec![losses],
            pending: 0,
        };
        evidence.look(&alone, &look);
        evidence.peaks[0] >= threshold
    })
}

/// The judge as a play needs it: nothing to wait for.
fn alone(judge: &Judge) -> Judge {
    let mut judge = judge.clone();
    if let Judge::Live { at_least, .. } = &mut judge {
        *at_least = 0;
    }
    judge
}

/// A positive number of mean 1 whose deviation is `spread`, lognormal as errors of predictions are.
fn skewed(rng: &mut Rng, spread: f64) -> f64 {
    let variance = spread.powi(2).ln_1p();
    (variance.sqrt() * rng.normal() - variance / 2.0).exp()
}

#[cfg(test)]
mod tests {
    use super::super::tests::policy;
    use super::*;

    #[test]
    fn more_traffic_more_harm_and_a_larger_share_are_found_sooner() {
        let harm = |requests_per_second: f64, baseline: f64, ratio: f64| Harm {
            requests_per_second,
            baseline,
            ratio,
            label_delay: Duration::ZERO,
        };
        let seconds = |judge: usize, stage: usize, harm: Harm| {
            time_to_detect(&policy(), judge, stage, &harm)
                .map_or(f64::INFINITY, |t| t.as_secs_f64())
        };
        for (judge, stage, harm, from, to) in [
            (0, 0, harm(400.0, 0.0004, 200.0), 2.0, 8.0),
            (1, 0, harm(400.0, 0.01, 97.0), 2.0, 8.0),
            (2, 0, harm(400.0, 1.3, 1.4), 5.0, 60.0),
            (0, 0, harm(400.0, 0.01, 2.0), 30.0, 600.0),
            (0, 0, harm(4.0, 0.01, 2.0), 3_000.0, 100_000.0),
            (0, 2, harm(4.0, 0.01, 2.0), 500.0, 20_000.0),
            (0, 0, harm(0.01, 0.01, 2.0), f64::INFINITY, f64::INFINITY),
            (0, 0, harm(400.0, 0.01, 1.2), f64::INFINITY, f64::INFINITY),
            (0, 0, harm(0.0, 0.01, 9.0), f64::INFINITY, f64::INFINITY),
            (7, 0, harm(400.0, 0.01, 9.0), f64::INFINITY, f64::INFINITY),
        ] {
            let found = seconds(judge, stage, harm);
            assert!(
                (from..=to).contains(&found),
                "{found} s for judge {judge}, stage {stage}, {harm:?}"
            );
        }
    }

    #[test]
    fn late_labels_come_on_top() {
        let policy = policy();
        let soon = Harm {
            requests_per_second: 400.0,
            baseline: 1.3,
            ratio: 1.5,
            label_delay: Duration::ZERO,
        };
        let late = Harm {
            label_delay: Duration::from_secs(3600),
            ..soon
        };
        let time = |harm| time_to_detect(&policy, 2, 0, &harm).unwrap();
        assert_eq!(time(late) - time(soon), Duration::from_secs(3600));
    }
}
