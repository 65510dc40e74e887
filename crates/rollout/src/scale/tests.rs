//! The decision, case by case and on random requests.

use super::*;
use expect_test::{Expect, expect};
use proptest::prelude::*;
use spec::Scale;

/// A gateway that counts, and who watches it.
struct Feed {
    scaler: Scaler,
    at: u64,
    arrived: f64,
    time: f64,
}

impl Feed {
    fn new(running: u32) -> Self {
        Feed {
            scaler: Scaler::new(Tuning::USUAL, running, Duration::ZERO),
            at: 0,
            arrived: 0.0,
            time: 0.0,
        }
    }

    /// For so many seconds `rate` requests come each second and `present` are there at a time.
    fn pass(&mut self, seconds: u64, rate: f64, present: u64, there: Replicas) -> Need {
        let mut need = None;
        for _ in 0..seconds {
            self.at += 1;
            self.arrived += rate;
            self.time += present as f64;
            let reading = Reading {
                at: Duration::from_secs(self.at),
                arrived: self.arrived as u64,
                present,
                time: Duration::from_secs_f64(self.time),
            };
            need = Some(self.scaler.see(reading, there));
        }
        need.unwrap()
    }
}

/// Replicas of four requests each that take two seconds to start.
fn there(ready: u32) -> Replicas {
    Replicas {
        ready,
        concurrency: 4,
        start: Duration::from_secs(2),
    }
}

fn said(need: Need) -> String {
    format!("{:.2}: {}", need.replicas, need.why)
}

fn check(running: u32, passes: &[(u64, f64, u64, u32)], expect: &Expect) {
    let mut feed = Feed::new(running);
    let lines = passes
        .iter()
        .map(|(seconds, rate, present, ready)| {
            said(feed.pass(*seconds, *rate, *present, there(*ready))) + "\n"
        })
        .collect::<String>();
    expect.assert_eq(&lines);
}

#[test]
fn nothing_is_needed_without_requests() {
    check(
        0,
        &[(1, 0.0, 0, 0), (9, 0.0, 0, 0)],
        &expect![[r#"
        0.00: no request for 1 s
        0.00: no request for 10 s
    "#]],
    );
}

#[test]
fn what_ran_is_kept_for_a_while() {
    check(
        3,
        &[(60, 0.0, 0, 3), (31, 0.0, 0, 3)],
        &expect![[r#"
        3.00: it ran already when looking began, 60 s ago
        0.00: no request for 91 s
    "#]],
    );
}

#[test]
fn one_that_waits_needs_one() {
    check(
        0,
        &[(100, 0.0, 0, 0), (1, 1.0, 1, 0)],
        &expect![[r#"
            0.00: no request for 100 s
            0.33: a request waits
        "#]],
    );
}

#[test]
fn steady_requests_need_what_they_take_and_some_room() {
    check(
        2,
        &[(120, 10.0, 4, 2)],
        &expect![[r#"
        1.33: 4.0 requests at a time over 60 s
    "#]],
    );
}

#[test]
fn a_peak_counts_at_once_and_is_kept() {
    check(
        1,
        &[
            (120, 2.0, 1, 1),
            (3, 40.0, 20, 1),
            (60, 2.0, 1, 5),
            (31, 2.0, 1, 5),
        ],
        &expect![[r#"
            0.33: 1.0 requests at a time over 60 s
            4.48: a peak of 17.9 requests at a time 2 s ago
            4.48: a peak of 17.9 requests at a time 62 s ago
            0.33: 1.0 requests at a time over 60 s
        "#]],
    );
}

/// Twenty seconds without a replica that answers, and then so many that all is done in a few.
#[test]
fn what_waited_is_no_demand() {
    // Knative counts 160 requests at a time then, of which a replica should have 2.8.
    check(
        1,
        &[
            (60, 8.0, 4, 1),
            (20, 8.0, 160, 0),
            (1, 8.0, 100, 10),
            (4, 8.0, 4, 10),
            (90, 8.0, 4, 10),
        ],
        &expect![[r#"
            1.31: 3.9 requests at a time over 60 s
            14.24: 160 requests wait
            10.00: a peak of 40.0 requests at a time 0 s ago
            10.00: a peak of 40.0 requests at a time 4 s ago
            1.33: 4.0 requests at a time over 60 s
        "#]],
    );
}

fn scale(min: u32, max: u32) -> Scale {
    Scale {
        min,
        max,
        ..Scale::default()
    }
}

fn needing(replicas: f64) -> Need {
    Need {
        replicas,
        why: Why::Steady(replicas * 6.0, Duration::from_secs(60)),
    }
}

#[test]
fn each_version_gets_what_it_is_there_for() {
    let check = |bounds: (u32, u32), role, whole: f64, own: f64, running, expect: &str| {
        let arm = Arm {
            version: 1,
            role,
            need: Need {
                why: Why::Waiting(2),
                ..needing(own)
            },
        };
        let wanted = replicas(&scale(bounds.0, bounds.1), &needing(whole), &arm, running);
        assert_eq!(format!("{}: {}", wanted.replicas, wanted.why), expect);
    };
    use Role::{Candidate, Kept, Serves};
    let six = "6.0 requests at a time over 60 s";
    check(
        (1, 8),
        Serves,
        3.0,
        1.0,
        3,
        "3: 18.0 requests at a time over 60 s",
    );
    check(
        (1, 8),
        Serves,
        3.001,
        1.0,
        3,
        "4: 18.0 requests at a time over 60 s",
    );
    check((0, 8), Serves, 0.0, 0.0, 1, "0: 2 requests wait");
    check(
        (2, 8),
        Serves,
        1.0,
        0.5,
        2,
        &format!("2: {six}, and `scale.min` asks for 2"),
    );
    check(
        (1, 8),
        Serves,
        20.0,
        0.0,
        8,
        "8: 120.0 requests at a time over 60 s, and `scale.max` allows 8",
    );
    // All of a service's requests may come back to the version that serves, at any moment; its candidate has its share.
    check(
        (1, 8),
        Candidate(0.25),
        4.0,
        0.1,
        1,
        "1: 25% of 24.0 requests at a time over 60 s",
    );
    check((1, 8), Candidate(0.25), 4.0, 2.0, 1, "2: 2 requests wait");
    check(
        (0, 8),
        Candidate(0.5),
        0.0,
        0.0,
        0,
        "1: 2 requests wait, and a roll-out needs one",
    );
    check(
        (2, 8),
        Kept,
        4.0,
        0.0,
        2,
        "2: 2 requests wait, and `scale.min` asks for 2",
    );
    check((0, 8), Kept, 4.0, 0.5, 1, "1: 2 requests wait");
    // Neither up nor down all at once.
    check(
        (0, 99),
        Serves,
        40.0,
        0.0,
        0,
        "10: 240.0 requests at a time over 60 s, which asks for 40",
    );
    check(
        (0, 99),
        Serves,
        1.0,
        0.0,
        9,
        &format!("4: {six}, and more of them go in a moment"),
    );
    // What the file says now counts at once.
    check(
        (0, 3),
        Serves,
        9.0,
        0.0,
        20,
        "3: 54.0 requests at a time over 60 s, and `scale.max` allows 3",
    );
    check(
        (20, 20),
        Serves,
        9.0,
        0.0,
        1,
        "20: 54.0 requests at a time over 60 s, and `scale.min` asks for 20",
    );
}

proptest! {
    #[test]
    fn a_need_is_a_number_and_ends_with_the_requests(
        passes in prop::collection::vec((1_u64..40, 0.0..500.0_f64, 0_u64..2000, 0_u32..50), 1..12),
        running in 0_u32..20,
        concurrency in 1_u32..64,
        start in 0_u64..600,
    ) {
        let mut feed = Feed::new(running);
        let there = |ready| Replicas { ready, concurrency, start: Duration::from_secs(start) };
        for (seconds, rate, present, ready) in passes {
            let need = feed.pass(seconds, rate, present, there(ready));
            prop_assert!(need.replicas.is_finite() && need.replicas >= 0.0, "{need:?}");
            // What is at replicas has a place, and what waits has hope.
            let at_replicas = (present as f64).min(f64::from(ready * concurrency));
            prop_assert!(need.replicas * f64::from(concurrency) >= at_replicas - 1e-6, "{need:?}");
            prop_assert!(present == 0 || need.replicas > 0.0, "{need:?}");
        }
        // A peak is kept for ten minutes at the most, and none is seen further back than that.
            let quiet = feed.pass(1210, 0.0, 0, there(1));
        prop_assert_eq!(quiet.replicas, 0.0, "{:?}", quiet);
    }

    #[test]
    fn steady_requests_always_have_room(rate in 0.2..200.0_f64, takes in 1_u64..8, concurrency in 1_u32..16) {
        let present = (rate * takes as f64).round().max(1.0) as u64;
        let rate = present as f64 / takes as f64;
        let ready = present.div_ceil(u64::from(concurrency)) as u32;
        let there = Replicas { ready, concurrency, start: Duration::from_secs(2) };
        let need = Feed::new(0).pass(180, rate, present, there).replicas * f64::from(concurrency);
        let exact = present as f64;
        prop_assert!((exact..exact * 1.6 + 2.0).contains(&need), "{need} for {exact}");
    }

    #[test]
    fn counts_stay_within_bounds_and_rates(
        (min, more) in (0_u32..10, 0_u32..90),
        whole in 0.0..300.0_f64,
        own in 0.0..300.0_f64,
        running in 0_u32..120,
        share in 0.0..1.0_f64,
        which in 0..3,
    ) {
        let scale = scale(min, (min + more).max(1));
        let role = [Role::Serves, Role::Candidate(share), Role::Kept][which as usize];
        let arm = Arm { version: 1, role, need: needing(own) };
        let wanted = replicas(&scale, &needing(whole), &arm, running).replicas;
        prop_assert!((scale.min..=scale.max).contains(&wanted));
        prop_assert!(wanted >= (running / 2).min(scale.max));
        prop_assert!(wanted <= (running.max(1) * 10).max(scale.min));
        // Again and again, it comes to rest.
        let mut count = wanted;
        for _ in 0..20 {
            count = replicas(&scale, &needing(whole), &arm, count).replicas;
        }
        prop_assert_eq!(count, replicas(&scale, &needing(whole), &arm, count).replicas);
        prop_assert!(f64::from(count) + 1e-6 >= own.min(f64::from(scale.max)));
    }
}
