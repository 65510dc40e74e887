//! Every ending of a stage, and the harms that the verdict is for.

mod endings;

use super::*;
use jiff::{SignedDuration, Timestamp};
use stats::rng::Rng;
use std::time::Duration;

/// 400 requests a second in the order of seconds: what the two arms do, and what the policy is.
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) rate: u64,
    /// Error rate of champion and candidate.
    pub(super) errors: [f64; 2],
    /// Rate of slow answers.
    pub(super) slow: [f64; 2],
    /// Factor on the losses; 0: no labels come.
    pub(super) loss: [f64; 2],
}

impl Default for Service {
    fn default() -> Self {
        Self {
            rate: 400,
            errors: [0.0004, 0.0004],
            slow: [0.01, 0.01],
            loss: [1.0, 1.0],
        }
    }
}

pub(super) fn policy() -> Policy {
    Policy {
        stages: vec![0.05, 0.25, 0.5],
        judges: vec![
            Judge::errors(),
            Judge::latency(0.99, Duration::from_millis(20)),
            Judge::Live {
                metric: "mae".to_owned(),
                cap: 110.0,
                typical: 12.0,
                tolerance: 1.05,
                at_least: 100,
            },
        ],
        false_rollbacks: 0.01,
        at_least: AtLeast {
            requests: 500,
            lasting: Duration::ZERO,
        },
        quiet: Some(Quiet {
            after: Duration::from_secs(3600),
            then: Then::Hold,
        }),
        block: Duration::from_secs(1),
        methods: Vec::new(),
    }
}

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_700_000_000 + seconds)
}

fn heavy_tailed_loss(rng: &mut Rng) -> f64 {
    (13_f64.ln() - 0.774 + 1.244 * rng.normal()).exp()
}

/// Plays the whole roll-out at one look a second, promoting from stage to stage; the decision, the second and the
/// verdict that ended it.
pub(super) fn play(
    service: &Service,
    policy: &Policy,
    seed: u64,
    seconds: i64,
) -> (i64, Evidence, Verdict) {
    let mut rng = Rng::new(seed);
    let mut evidence = Evidence::begin(policy, at(0));
    let mut counters = [
        Counters {
            slow: vec![0],
            ..Counters::default()
        },
        Counters {
            slow: vec![0],
            ..Default::default()
        },
    ];
    let look = |evidence: &mut Evidence, counters: &[Counters; 2], now: i64, losses: Vec<Loss>| {
        let [champion, candidate] = counters.clone();
        evidence.look(
            policy,
            &Look {
                at: at(now),
                passed: Duration::from_secs(u64::from(now > 0)),
                champion,
                candidate,
                losses: vec![losses],
                pending: 0,
            },
        );
    };
    look(&mut evidence, &counters, 0, Vec::new());
    for second in 1..=seconds {
        let to_candidate = rng.binomial(service.rate, evidence.share(policy));
        let mut losses = Vec::new();
        for (arm, requests) in [service.rate - to_candidate, to_candidate]
            .into_iter()
            .enumerate()
        {
            counters[arm].requests += requests;
            counters[arm].errors += rng.binomial(requests, service.errors[arm]);
            counters[arm].slow[0] += rng.binomial(requests, service.slow[arm]);
            if service.loss[arm] > 0.0 {
                let side = [Side::Champion, Side::Candidate][arm];
                losses.extend((0..requests).map(|_| {
                    let loss = service.loss[arm] * heavy_tailed_loss(&mut rng);
                    Loss {
                        side,
                        answered_at: at(second - 1),
                        loss,
                    }
                }));
            }
        }
        look(&mut evidence, &counters, second, losses);
        let verdict = judge(&evidence, policy);
        match verdict.decision {
            Decision::Continue => {}
            Decision::Promote if evidence.stage + 1 < policy.stages.len() => {
                let next = evidence.stage + 1;
                evidence.enter(policy, next, at(second));
            }
            _ => return (second, evidence, verdict),
        }
    }
    let verdict = judge(&evidence, policy);
    (seconds, evidence, verdict)
}

#[test]
fn harm_is_found_within_seconds_to_tens_of_seconds() {
    for (what, service, judge, within) in [
        (
            "fails on 8%",
            Service {
                errors: [0.0004, 0.08],
                ..Default::default()
            },
            "errors",
            10,
        ),
        (
            "fails always",
            Service {
                errors: [0.0004, 1.0],
                ..Default::default()
            },
            "errors",
            5,
        ),
        (
            "ten times slower",
            Service {
                slow: [0.01, 0.97],
                ..Default::default()
            },
            "latency.p99",
            8,
        ),
        (
            "40% more error",
            Service {
                loss: [1.0, 1.4],
                ..Default::default()
            },
            "live.mae",
            45,
        ),
    ] {
        let mut times: Vec<i64> = (0..15)
            .map(|seed| {
                let (second, _, verdict) = play(&service, &policy(), seed, 300);
                assert_eq!(verdict.decision, Decision::RollBack, "{what}: {verdict:?}");
                let found = matches!(&verdict.reasons[0], Reason::Harm { reading } if reading.judge == judge);
                assert!(found, "{what}: {:?}", verdict.reasons);
                second
            })
            .collect();
        times.sort_unstable();
        println!("{what}: {times:?}");
        assert!(
            times[7] <= within,
            "{what}: median {} of {times:?}",
            times[7]
        );
    }
}

#[test]
fn an_equal_or_better_candidate_is_promoted_through_all_stages() {
    let mut wrong = Vec::new();
    for seed in 0..60 {
        for service in [
            Service::default(),
            Service {
                loss: [1.0, 0.9],
                errors: [0.01, 0.0],
                ..Default::default()
            },
        ] {
            let (second, evidence, verdict) = play(&service, &policy(), 1000 + seed, 600);
            if verdict.decision != Decision::Promote || evidence.stage != 2 || second > 60 {
                wrong.push((seed, second, evidence.stage, verdict.decision));
            }
        }
    }
    assert!(wrong.len() <= 2, "{wrong:?}");
}
