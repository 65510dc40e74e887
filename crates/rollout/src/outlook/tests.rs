//! Outlooks of services that have much traffic, little, or none, and labels that come soon or late.

use super::*;
use expect_test::{Expect, expect};

const FILE: &str = "mainspan: 1
project: p
environments: [prod]
pipelines:
  train:
    steps: { fit: { run: python fit.py, writes: [model] } }
    register: { model: delay, from: fit.model }
services:
  delay:
    model: delay
    rollout: { stages: [5%, 50%], judge: JUDGE, at_least: 500 requests, quiet: QUIET }
    monitor:
      labels: { join: request_id, within: 30d }
";

fn service(judge: &str, quiet: &str) -> Service {
    let text = FILE.replace("JUDGE", judge).replace("QUIET", quiet);
    let file = spec::parse("mainspan.yaml", &text).unwrap();
    file.for_environment("prod").unwrap()["delay"].clone()
}

/// A version that answers in 5 to 10 ms and is a dozen minutes wrong.
fn seen(requests_per_second: f64, label_seconds: &[u64]) -> Seen {
    let mut history = History {
        losses: (0..1000_u32).map(|n| f64::from(n % 50) / 2.0).collect(),
        ..History::default()
    };
    (0..1000).for_each(|n| history.latency.add(5_000 + 5 * n));
    Seen {
        traffic: Some(Present {
            requests_per_second,
            over: Duration::from_secs(600),
            errors: 0.0,
        }),
        history,
        label_delays: label_seconds
            .iter()
            .copied()
            .map(Duration::from_secs)
            .collect(),
    }
}

fn check(service: &Service, seen: &Seen, expect: &Expect) {
    let outlook = outlook("delay", "prod", service, seen).unwrap();
    let late = outlook.late.as_ref().map(|late| &late.why);
    let late = late.map_or_else(String::new, |why| format!("note: {why}\n"));
    expect.assert_eq(&(outlook.text() + &late));
}

#[test]
fn stages_are_told_at_present_traffic() {
    let all = service("[errors, latency.p99, live.mae]", "hold after 1h");
    check(
        &all,
        &seen(400.0, &[20; 200]),
        &expect![[r#"
            Roll-outs of delay in prod, at 400 requests a second (the last 10m):
                   5% lasts 33s or more; finds 1% errors in 43s, 5% slower than 15 ms in 10s, mae 25% worse in 28s
                  50% lasts 21s or more; finds 1% errors in 12s, 5% slower than 15 ms in 11s, mae 25% worse in 22s
        "#]],
    );
    check(
        &all,
        &seen(2.0, &[20; 200]),
        &expect![[r#"
            Roll-outs of delay in prod, at 2 requests a second (the last 10m):
                   5% lasts 1h23m or more, so `quiet: hold after 1h` comes first; finds 1% errors in 2h21m, 5% slower than 15 ms in 21m40s, mae 25% worse in 26m
                  50% lasts 8m20s or more; finds 1% errors in 25m, 5% slower than 15 ms in 6m40s, mae 25% worse in 5m40s
        "#]],
    );
    check(
        &service("[errors]", "hold after 1h"),
        &seen(0.01, &[]),
        &expect![[r#"
            Roll-outs of delay in prod, at 0.01 requests a second (the last 10m):
                   5% lasts 11d13h or more, so `quiet: hold after 1h` comes first; finds 1% errors in 13d21h
                  50% lasts 1d3h or more, so `quiet: hold after 1h` comes first; finds 1% errors in 3d3h
        "#]],
    );
}

#[test]
fn what_is_not_known_is_said() {
    let all = service("[errors, latency.p99, live.mae]", "hold after 1h");
    check(
        &all,
        &Seen::default(),
        &expect![[r#"
            Roll-outs of delay in prod: no requests in the last minutes, so it is not known how long a stage needs.
            note: labels may come up to 30d after the answer, and a stage waits 1h for them: how late they really come, so whether `live.mae` can judge a stage, is not known yet
        "#]],
    );
    let fresh = Seen {
        history: History::default(),
        ..seen(400.0, &[])
    };
    check(
        &all,
        &fresh,
        &expect![[r#"
            Roll-outs of delay in prod, at 400 requests a second (the last 10m):
                   5% lasts 25s or more; finds 1% errors in 30s
                  50% lasts 5s or more; finds 1% errors in 10s
                latency.p99 is not judged: 0 answers of the version before are too few for a threshold
                live.mae is not judged: 0 labels of the version before are too few to compare with
            note: labels may come up to 30d after the answer, and a stage waits 1h for them: how late they really come, so whether `live.mae` can judge a stage, is not known yet
        "#]],
    );
    let at_once = Service {
        rollout: Rollout {
            stages: Vec::new(),
            ..all.rollout.clone()
        },
        ..all
    };
    assert_eq!(outlook("delay", "prod", &at_once, &seen(400.0, &[])), None);
}

#[test]
fn labels_that_come_too_late_are_told_by_how_sure_that_is() {
    let hour = 3_600;
    let mixed: Vec<u64> = (0..200)
        .map(|n| if n % 5 == 0 { 2 * hour } else { 60 })
        .collect();
    for (judge, quiet, delays, expect) in [
        ("[live.mae]", "hold after 1h", vec![60; 200], None),
        (
            "[live.mae]",
            "hold after 1h",
            vec![2 * hour; 200],
            Some(true),
        ),
        (
            "[live.mae]",
            "promote after 1h",
            vec![2 * hour; 200],
            Some(true),
        ),
        ("[live.mae]", "hold after 1d", vec![2 * hour; 200], None),
        ("[errors]", "hold after 1h", vec![2 * hour; 200], None),
        // One in five, a few, and nothing that is known.
        ("[live.mae]", "hold after 1h", mixed, Some(false)),
        (
            "[live.mae]",
            "hold after 1h",
            vec![2 * hour; 50],
            Some(false),
        ),
        ("[live.mae]", "hold after 1h", vec![60; 50], None),
        ("[live.mae]", "hold after 1h", vec![], Some(false)),
        ("[live.mae]", "hold after 30d", vec![], None),
    ] {
        let delays: Vec<_> = delays.into_iter().map(Duration::from_secs).collect();
        let late = late_labels(&service(judge, quiet), &delays);
        let label = format!("{judge}, {quiet}, {} labels: {late:?}", delays.len());
        assert_eq!(late.map(|late| late.certain), expect, "{label}");
    }
    let sure = late_labels(
        &service("[live.mae]", "promote after 1h"),
        &[26 * 3_600; 200].map(Duration::from_secs),
    );
    expect!["`live.mae` cannot judge a stage: half of the labels come more than 1d2h after the answer, and a stage waits 1h for them: give it more time (`quiet: promote after …`), or take it out of `judge`, since the alarm watches it all the same"].assert_eq(&sure.unwrap().why);
}
