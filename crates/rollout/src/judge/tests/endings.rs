//! Each way that a stage can end, on evidence made by hand.

use super::*;
use expect_test::{Expect, expect};

/// Requests and errors of champion and candidate in each of `seconds` one-second looks, from evidence's last look on.
struct Hand {
    policy: Policy,
    evidence: Evidence,
    counters: [Counters; 2],
    now: i64,
    looked: i64,
}

impl Hand {
    fn new(policy: Policy) -> Self {
        let evidence = Evidence::begin(&policy, at(0));
        let counters = [(); 2].map(|()| Counters {
            slow: vec![0],
            ..Counters::default()
        });
        let mut hand = Self {
            policy,
            evidence,
            counters,
            now: 0,
            looked: 0,
        };
        hand.look(Vec::new());
        hand
    }

    fn look(&mut self, losses: Vec<Loss>) {
        let [first, candidate] = self.counters.clone();
        let look = Look {
            at: at(self.now),
            passed: Duration::from_secs(self.now.abs_diff(self.looked)),
            champion: first,
            candidate,
            losses: vec![losses],
            pending: 7,
        };
        self.looked = self.now;
        self.evidence.look(&self.policy, &look);
    }

    fn seconds(mut self, n: i64, each: [(u64, u64); 2]) -> Self {
        for _ in 0..n {
            self.now += 1;
            for (counters, (requests, errors)) in self.counters.iter_mut().zip(each) {
                counters.requests += requests;
                counters.errors += errors;
            }
            self.look(Vec::new());
        }
        self
    }

    /// One look after a silence.
    fn until(mut self, second: i64) -> Self {
        self.now = second;
        self.look(Vec::new());
        self
    }

    /// Somebody sets the clock.
    fn clock(mut self, seconds: i64) -> Self {
        self.now += seconds;
        self.looked += seconds;
        self
    }

    fn labels(mut self, n: usize) -> Self {
        let loss = |side| Loss {
            side,
            answered_at: at(self.now),
            loss: 12.0,
        };
        let losses = (0..n)
            .flat_map(|_| [loss(Side::Champion), loss(Side::Candidate)])
            .collect();
        self.look(losses);
        self
    }

    fn verdict(&self) -> Verdict {
        judge(&self.evidence, &self.policy)
    }

    fn expect(&self, decision: Decision, reasons: &Expect) {
        let verdict = self.verdict();
        assert_eq!(verdict.decision, decision, "{verdict:#?}");
        let lines: Vec<String> = verdict
            .reasons
            .iter()
            .map(|reason| format!("{reason}\n"))
            .collect();
        reasons.assert_eq(&lines.concat());
    }
}

fn errors_only() -> Policy {
    Policy {
        judges: vec![Judge::errors()],
        ..policy()
    }
}

#[test]
fn too_little_seen_continues_and_says_what_is_missing() {
    Hand::new(policy())
        .seconds(3, [(380, 1), (20, 0)])
        .expect(Decision::Continue, &expect![[r#"
            60 of the 500 requests that this stage needs
            live.mae: 0 of the 100 labels that this stage needs, 7 predictions wait for theirs
            errors: 0 of 60 (0%) against 3 of 1,140 (0.26%), 0 to 148 times as much; evidence 1 : 1, threshold 300 : 1, by request and block (0 minutes of history, noise takes 10)
            latency.p99: 0 of 60 (0%) against 0 of 1,140 (0%); evidence 1 : 1, threshold 300 : 1, by request and block (0 minutes of history, noise takes 10)
            live.mae: no label against no label; evidence 1 : 1, threshold 300 : 1
        "#]]);
}

#[test]
fn harm_rolls_back_with_its_numbers() {
    Hand::new(errors_only())
        .seconds(20, [(380, 1), (20, 2)])
        .expect(Decision::RollBack, &expect![[r#"
            errors: 40 of 400 (10%) against 20 of 7,600 (0.26%), 13.5 to 122 times as much; evidence 7.7e20 : 1, threshold 100 : 1, by request and block (0 minutes of history, noise takes 10)
        "#]]);
}

#[test]
fn a_passed_stage_goes_on_and_the_last_one_takes_everything() {
    let mut hand = Hand::new(errors_only()).seconds(25, [(380, 1), (20, 0)]);
    hand.expect(Decision::Promote, &expect![[r#"
        stage 1 of 3 passed without finding harm
        errors: 0 of 500 (0%) against 25 of 9,500 (0.26%), 0 to 5 times as much; evidence 1 : 1, threshold 100 : 1, by request and block (0 minutes of history, noise takes 10)
    "#]]);
    hand.evidence.enter(&hand.policy.clone(), 2, at(hand.now));
    let hand = hand.seconds(1, [(200, 0), (200, 0)]);
    assert_eq!(hand.verdict().decision, Decision::Continue);
    hand.seconds(2, [(200, 0), (200, 0)])
        .expect(Decision::Promote, &expect![[r#"
            stage 3 of 3 passed without finding harm: all traffic goes to the candidate
            errors: 0 of 1,100 (0%) against 25 of 10,100 (0.25%), 0 to 5 times as much; evidence 1 : 1, threshold 100 : 1, by request and block (0 minutes of history, noise takes 10)
        "#]]);
}

#[test]
fn late_labels_are_waited_for_until_the_quiet_rule_ends_it() {
    let hand = Hand::new(policy())
        .seconds(30, [(380, 0), (20, 0)])
        .labels(99);
    assert_eq!(hand.verdict().decision, Decision::Continue);
    let mut hand = hand.until(3600);
    hand.expect(Decision::Hold, &expect![[r#"
        too quiet for 60m: held; promote or roll back by hand, or send traffic
        live.mae: 99 of the 100 labels that this stage needs, 7 predictions wait for theirs
        errors: 0 of 600 (0%) against 0 of 11,400 (0%); evidence 1 : 1, threshold 300 : 1, by request and block (0 minutes of history, noise takes 10)
        latency.p99: 0 of 600 (0%) against 0 of 11,400 (0%); evidence 1 : 1, threshold 300 : 1, by request and block (0 minutes of history, noise takes 10)
        live.mae: mean 12 over 99 labels against mean 12 over 99 labels, 1 to 1 times as much; evidence 1 : 1, threshold 300 : 1
    "#]]);
    hand.policy.quiet = Some(Quiet {
        after: Duration::from_secs(3600),
        then: Then::Promote,
    });
    assert_eq!(hand.verdict().decision, Decision::Promote);
    hand.policy.quiet = None;
    assert_eq!(hand.verdict().decision, Decision::Continue);
    assert_eq!(hand.labels(1).verdict().decision, Decision::Promote);
}

#[test]
fn no_traffic_at_all_continues_until_the_quiet_rule() {
    let mut hand = Hand::new(errors_only());
    hand.policy.at_least = AtLeast {
        requests: 0,
        lasting: Duration::from_secs(60),
    };
    hand = hand.until(61);
    hand.expect(
        Decision::Continue,
        &expect![[r#"
            0 of the 1 requests that this stage needs
            errors: no request against no request; evidence 1 : 1, threshold 100 : 1, by request and block (0 minutes of history, noise takes 10)
        "#]],
    );
    assert_eq!(hand.until(3601).verdict().decision, Decision::Hold);
}

#[test]
fn a_clock_that_is_set_neither_passes_a_stage_nor_holds_it_up() {
    let check = |set: i64| {
        let mut hand = Hand::new(policy());
        hand.policy.at_least.lasting = Duration::from_secs(60);
        let traffic = [(380, 0), (20, 0)];
        let hand = hand.seconds(40, traffic).clock(set).seconds(19, traffic);
        let hand = hand.labels(300);
        assert_eq!(hand.evidence.lasted, Duration::from_secs(59), "{set}");
        assert_eq!(hand.verdict().decision, Decision::Continue, "{set}");
        let hand = hand.seconds(1, traffic);
        assert_eq!(hand.verdict().decision, Decision::Promote, "{set}");
        // Labels of answers from before and after count: none looks as if it came before the roll-out.
        assert_eq!(hand.evidence.total[1].losses[0].count, 300, "{set}");
    };
    for set in [0, 3600, -3600, 40_000_000, -40_000_000] {
        check(set);
    }
}

#[test]
fn harm_is_judged_before_anything_else() {
    let hand = Hand::new(errors_only())
        .seconds(20, [(380, 0), (20, 20)])
        .until(4000);
    assert_eq!(hand.verdict().decision, Decision::RollBack);
    // Once found it stays found, also when the candidate recovers.
    assert_eq!(
        hand.seconds(200, [(380, 0), (20, 0)]).verdict().decision,
        Decision::RollBack
    );
}

#[test]
fn a_suspicious_judge_prolongs_the_stage() {
    let at_least = AtLeast {
        requests: 40,
        lasting: Duration::ZERO,
    };
    let hand = Hand::new(Policy {
        at_least,
        ..errors_only()
    })
    .seconds(2, [(380, 0), (20, 2)]);
    hand.expect(Decision::Continue, &expect![[r#"
        errors: 4 of 40 (10%) against 0 of 760 (0%), 5 times as much or more; evidence 65.6 : 1, threshold 100 : 1, by request and block (0 minutes of history, noise takes 10); now 65.6 : 1, so the stage goes on until that falls or decides
    "#]]);
    // Four times what the stage needs is as long as suspicion alone can hold it up.
    let hand = hand.seconds(5, [(380, 0), (20, 0)]);
    assert_eq!(hand.verdict().decision, Decision::Continue);
    assert_eq!(
        hand.seconds(1, [(380, 0), (20, 0)]).verdict().decision,
        Decision::Promote
    );
}

#[test]
fn a_wrong_share_of_traffic_holds() {
    Hand::new(errors_only())
        .seconds(60, [(200, 0), (200, 0)])
        .expect(Decision::Hold, &expect![[r#"
            the candidate got 11,800 of 23,600 (50%) where 5% were meant; evidence 3.5e51 : 1, threshold 20,000 : 1; check the routing and the sticky key, then promote or roll back by hand
            errors: 0 of 12,000 (0%) against 0 of 12,000 (0%); evidence 1 : 1, threshold 100 : 1, by request and block (0 minutes of history, noise takes 10)
        "#]]);
    let mut hand = Hand::new(Policy {
        stages: vec![0.5],
        ..errors_only()
    });
    // A transition of a second or two is not a mismatch, …
    hand = hand
        .seconds(2, [(400, 0), (0, 0)])
        .seconds(20, [(200, 0), (200, 0)]);
    assert_eq!(hand.verdict().decision, Decision::Promote);
    // … but a candidate that gets half of what it should is one.
    assert_eq!(
        hand.seconds(120, [(300, 0), (100, 0)]).verdict().decision,
        Decision::Hold
    );
}

#[test]
fn both_arms_failing_is_not_the_candidates_fault() {
    let hand = Hand::new(errors_only()).seconds(60, [(380, 190), (20, 10)]);
    assert_eq!(hand.verdict().decision, Decision::Promote);
}

#[test]
fn harm_under_the_floor_is_none() {
    // Nine of 18,000 against none of 342,000: certainly more, but nobody minds one in two thousand.
    let hand = Hand::new(errors_only()).seconds(100, [(3_800, 0), (200, 0)]);
    let hand = (0..9).fold(hand, |hand, _| {
        hand.seconds(1, [(3_800, 0), (200, 1)])
            .seconds(9, [(3_800, 0), (200, 0)])
    });
    assert_eq!(hand.verdict().decision, Decision::Promote);
}

#[test]
fn evidence_survives_the_store_and_resumes() {
    let hand = Hand::new(policy())
        .seconds(8, [(380, 1), (20, 1)])
        .labels(30);
    let stored = serde_json::to_string(&hand.evidence).unwrap();
    let mut restored = Hand {
        evidence: serde_json::from_str(&stored).unwrap(),
        policy: policy(),
        ..hand
    };
    assert_eq!(serde_json::to_string(&restored.evidence).unwrap(), stored);
    restored = restored.seconds(12, [(380, 1), (20, 1)]);
    let straight = Hand::new(policy())
        .seconds(8, [(380, 1), (20, 1)])
        .labels(30)
        .seconds(12, [(380, 1), (20, 1)]);
    assert_eq!(restored.evidence, straight.evidence);
    let verdict = restored.verdict();
    let stored = serde_json::to_string(&verdict).unwrap();
    assert_eq!(serde_json::from_str::<Verdict>(&stored).unwrap(), verdict);
    // Looking again without news changes nothing, and counters that went down count nothing.
    let mut again = straight;
    let before = again.verdict();
    again.look(Vec::new());
    assert_eq!(again.verdict(), before);
    again.counters[1] = Counters {
        slow: vec![0],
        ..Counters::default()
    };
    again.look(Vec::new());
    assert_eq!(again.verdict(), before);
}

/// The same champion as in [`Service`] for so many minutes.
fn known(minutes: usize) -> Vec<Method> {
    let block = |requests, events| stats::noise::Block {
        seconds: 60.0,
        counts: stats::ratio::Arm { requests, events },
    };
    let method = |events| Method::after(&vec![block(24_000, events); minutes]);
    vec![method(10), method(240), Method::default()]
}

#[test]
fn what_is_known_of_the_champion_decides_how_rates_are_judged() {
    let judged = |minutes: usize, expect: &Expect| {
        let policy = Policy {
            methods: known(minutes),
            ..errors_only()
        };
        Hand::new(policy)
            .seconds(20, [(380, 1), (20, 2)])
            .expect(Decision::RollBack, expect);
    };
    judged(
        9,
        &expect![[r#"
        errors: 40 of 400 (10%) against 20 of 7,600 (0.26%), 13.5 to 122 times as much; evidence 7.7e20 : 1, threshold 100 : 1, by request and block (9 minutes of history, noise takes 10)
    "#]],
    );
    judged(
        60,
        &expect![[r#"
        errors: 40 of 400 (10%) against 20 of 7,600 (0.26%), 13.5 to 122 times as much; evidence 1.3e18 : 1, threshold 100 : 1, against the noise of 60 minutes before
    "#]],
    );
}

#[test]
fn against_known_noise_evidence_is_small_and_resumes() {
    let policy = Policy {
        methods: known(60),
        ..policy()
    };
    let hand = Hand::new(policy).seconds(8, [(380, 1), (20, 0)]);
    let evidence = serde_json::to_string(&hand.evidence).unwrap();
    assert!(
        evidence.len() < 60_000,
        "{} bytes at each look",
        evidence.len()
    );
    let policy = serde_json::to_string(&hand.policy).unwrap();
    assert!(policy.len() < 6_000, "{} bytes once", policy.len());
    let told = serde_json::to_string(&hand.verdict()).unwrap();
    assert!(told.len() < 3_000, "{} bytes in each verdict", told.len());
    let (before, verdict) = (hand.evidence.clone(), hand.verdict());
    let restored = Hand {
        evidence: serde_json::from_str(&evidence).unwrap(),
        policy: serde_json::from_str(&policy).unwrap(),
        ..hand
    };
    assert_eq!(restored.evidence, before);
    assert_eq!(restored.verdict(), verdict);
    let found = restored.seconds(20, [(380, 0), (20, 2)]).verdict().decision;
    assert_eq!(found, Decision::RollBack);
}

#[test]
fn the_counters_of_another_gateway_are_no_requests() {
    let mut hand = Hand::new(errors_only()).seconds(60, [(380, 1), (20, 0)]);
    let before = hand.verdict();
    // Taken for news, they would be a harm, or a wrong share.
    for (counters, requests) in hand.counters.iter_mut().zip([90_000, 40_000]) {
        counters.requests += requests;
        counters.errors += requests / 2;
    }
    let [champion, candidate] = hand.counters.clone();
    let look = Look {
        at: at(hand.now),
        passed: Duration::ZERO,
        champion,
        candidate,
        losses: vec![Vec::new()],
        pending: 7,
    };
    hand.evidence.rebase(&look);
    hand.look(Vec::new());
    assert_eq!(hand.verdict(), before);
    // And it goes on from there.
    let hand = hand.seconds(60, [(380, 1), (20, 0)]);
    assert_eq!(hand.evidence.total[1].requests, 2 * 60 * 20);
}

#[test]
fn policies_that_cannot_be_judged_by_are_refused() {
    for (policy, message) in [
        (
            Policy {
                false_rollbacks: 0.0,
                ..policy()
            },
            "false_rollbacks must lie between 0% and 100%",
        ),
        (
            Policy {
                stages: vec![0.5, 0.25],
                ..policy()
            },
            "stage 2 is 0.25",
        ),
        (
            Policy {
                stages: vec![0.0],
                ..policy()
            },
            "stage 1 is 0",
        ),
        (
            Policy {
                judges: vec![Judge::Errors {
                    tolerance: 0.5,
                    floor: 0.0,
                }],
                ..policy()
            },
            "judge errors has tolerance",
        ),
    ] {
        let error = policy.check().unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    assert_eq!(policy().check(), Ok(()));
    assert_eq!(policy().threshold(), 300.0);
}

#[test]
fn history_fixes_thresholds() {
    let mut latency = inference::latency::Histogram::new();
    (1..=1000).for_each(|i| latency.add(i * 10));
    let judge = Judge::latency_after(&latency, 0.99).unwrap();
    assert_eq!(judge.name(), "latency.p99");
    let Judge::Latency { threshold, .. } = judge else {
        panic!("not latency")
    };
    assert!((14..16).contains(&threshold.as_millis()), "{threshold:?}");
    let losses: Vec<f64> = (0..=1000).map(f64::from).collect();
    let Some(Judge::Live { cap, typical, .. }) = Judge::live("mae", &losses, 50) else {
        panic!("no judge")
    };
    assert_eq!((cap, typical.round()), (990.0, 500.0));
    let Some(Judge::Live { cap, .. }) =
        Judge::live("error_rate", &[vec![0.0; 999], vec![1.0]].concat(), 50)
    else {
        panic!("rare mistakes are losses too")
    };
    assert_eq!(cap, 1.0);
    assert_eq!(Judge::live("mae", &[0.0; 9], 50), None);
    let counters = Counters::of(
        &Policy {
            judges: vec![Judge::latency(0.9, Duration::from_millis(8))],
            ..policy()
        },
        1000,
        3,
        &latency,
    );
    assert!((170..=200).contains(&counters.slow[0]), "{counters:?}");
}
