//! Mistakes inside one section: keys, types, names.

use expect_test::expect;

use super::{changed, check};
use crate::parse;

#[test]
fn unknown_keys() {
    check(
        "concurrency: 8",
        "concurency: 8",
        &expect![[r#"
        error: unknown key `concurency`, did you mean `concurrency`?
          --> mainspan.yaml:31:22
           |
        31 |     scale: { min: 1, concurency: 8 }
           |                      ^^^^^^^^^^
    "#]],
    );
    check(
        "retry: 1",
        "retries: 1",
        &expect![[r#"
        error: unknown key `retries`, did you mean `retry`?
          --> mainspan.yaml:20:64
           |
        20 |                   resources: { cpu: 1, memory: 2GiB, gpu: 0 }, retries: 1, timeout: 20m }
           |                                                                ^^^^^^^
    "#]],
    );
    check(
        "alerts:\n",
        "monitors: {}\nalerts:\n",
        &expect![[r#"
        error: unknown key `monitors`; known here: mainspan, project, environments, timezone, prune, datasets, pipelines, services, alerts, overrides
          --> mainspan.yaml:45:1
           |
        45 | monitors: {}
           | ^^^^^^^^
    "#]],
    );
}

#[test]
fn wrong_types() {
    check(
        "run: python fit.py",
        "run: [python, fit.py]",
        &expect![[r#"
            error: expected a text, found a list
              --> mainspan.yaml:19:24
               |
            19 |       fit:      { run: [python, fit.py], reads: [train], writes: [model], metrics: [cv_mae], matrix:…
               |                        ^
        "#]],
    );
    check(
        "min: 1,",
        "min: one,",
        &expect![[r#"
        error: expected a whole number, found `one`
          --> mainspan.yaml:31:19
           |
        31 |     scale: { min: one, concurrency: 8 }
           |                   ^^^
    "#]],
    );
    check(
        "timeout: 20m",
        "timeout: 20 minutes",
        &expect![[r#"
        error: `20 minutes` is not a duration; write it like `500ms`, `30s`, `20m`, `1h30m` or `30d`
          --> mainspan.yaml:20:83
           |
        20 | …pu: 1, memory: 2GiB, gpu: 0 }, retry: 1, timeout: 20 minutes }
           |                                                    ^^^^^^^^^^
    "#]],
    );
    check(
        "memory: 2GiB",
        "memory: 2G",
        &expect![[r#"
        error: `2G` is not a size; write it like `512MiB`, `2GiB` or `64MB`
          --> mainspan.yaml:20:48
           |
        20 |                   resources: { cpu: 1, memory: 2G, gpu: 0 }, retry: 1, timeout: 20m }
           |                                                ^^
    "#]],
    );
    check(
        "stages: [5%, 25%, 50%]",
        "stages: 5%",
        &expect![[r#"
        error: expected a list (`[a, b]`), found `5%`
          --> mainspan.yaml:33:15
           |
        33 |       stages: 5%
           |               ^^
    "#]],
    );
    check(
        "stages: [5%, 25%, 50%]",
        "shadow: 0%\n      stages: []",
        &expect![[r#"
            error: shadow is above 0% and up to 100%, like `20%`; leave it out for no such stage
              --> mainspan.yaml:33:15
               |
            33 |       shadow: 0%
               |               ^^
        "#]],
    );
    check(
        "[5%, 25%, 50%]",
        "[25%, 5%]",
        &expect![[r#"
        error: stages rise and lie between 0% and 100%, both left out, like `[5%, 25%, 50%]`
          --> mainspan.yaml:33:15
           |
        33 |       stages: [25%, 5%]
           |               ^
    "#]],
    );
    check(
        "\"0 3 * * *\"",
        "\"0 25 * * *\"",
        &expect![[r#"
            error: `0 25 * * *` is not a schedule (number out of bounds); write minute, hour, day of month, month and day of week like `0 3 * * *`
              --> mainspan.yaml:14:41
               |
            14 |     triggers: { push: [main], schedule: "0 25 * * *", alerts: [delay-worse] }
               |                                         ^^^^^^^^^^^^
        "#]],
    );
    check(
        "1 per 90d",
        "0 per 90d",
        &expect![[r#"
        error: `0 per 90d` is not a rate; write it like `1 per 90d`
          --> mainspan.yaml:42:44
           |
        42 |       alarm: { on: live.mae, false_alarms: 0 per 90d }
           |                                            ^^^^^^^^^
    "#]],
    );
    check(
        "latency.p99",
        "latency.p100",
        &expect![[r#"
        error: `p100` is not a quantile; write it like `p50`, `p99` or `p99.9`
          --> mainspan.yaml:35:23
           |
        35 |       judge: [errors, latency.p100, live.mae]
           |                       ^^^^^^^^^^^^
    "#]],
    );
    check(
        "hold after 1h",
        "wait 1h",
        &expect![[r#"
        error: `wait 1h` is not what to do with a quiet stage; write it like `hold after 1h` or `promote after 30m`
          --> mainspan.yaml:38:14
           |
        38 |       quiet: wait 1h
           |              ^^^^^^^
    "#]],
    );
    check(
        "500 requests",
        "500",
        &expect![[r#"
        error: `500` is not a number of requests; write it like `500 requests`
          --> mainspan.yaml:37:17
           |
        37 |       at_least: 500
           |                 ^^^
    "#]],
    );
    check(
        "against: champion",
        "against: champ",
        &expect![[r#"
        error: `champ` is not a known comparison, did you mean `champion`?
          --> mainspan.yaml:21:97
           |
        21 | …ds: [model, test], metrics: [mae, rows], against: champ }
           |                                                    ^^^^^
    "#]],
    );
    check(
        "mainspan: 1",
        "mainspan: 2",
        &expect![[r#"
        error: this file is of schema 2, and this Mainspan knows 1; write `mainspan: 1` or use a newer one
         --> mainspan.yaml:1:11
          |
        1 | mainspan: 2
          |           ^
    "#]],
    );
    check(
        "environments: [staging, prod]",
        "environments: []",
        &expect![[r#"
            error: a project has 1 to 16 environments, like `[staging, prod]`
             --> mainspan.yaml:3:15
              |
            3 | environments: []
              |               ^
        "#]],
    );
    check(
        "alerts:\n",
        "timezone: Europe/Berln\nalerts:\n",
        &expect![[r#"
            error: `Europe/Berln` is not a time zone like `Europe/Berlin`, did you mean `Europe/Berlin`?
              --> mainspan.yaml:45:11
               |
            45 | timezone: Europe/Berln
               |           ^^^^^^^^^^^^
        "#]],
    );
    check(
        "depth: [4, 6]",
        "depth: []",
        &expect![[r#"
            error: a matrix has 1 to 256 combinations; every parameter needs at least one value
              --> mainspan.yaml:19:91
               |
            19 | …ads: [train], writes: [model], metrics: [cv_mae], matrix: { depth: [] }, select: { min: cv_mae },
               |                                                    ^^^^^^
        "#]],
    );
    check(
        "requirements.lock",
        "../requirements.lock",
        &expect![[r#"
            error: `../requirements.lock` is not a path inside the project's folder; write it relative to this file
              --> mainspan.yaml:16:40
               |
            16 |     python: { version: ">=3.10", lock: ../requirements.lock }
               |                                        ^^^^^^^^^^^^^^^^^^^^
        "#]],
    );
    check(
        "data/flights.csv.gz",
        "/data/flights.csv.gz",
        &expect![[r#"
            error: `/data/flights.csv.gz` is not a path relative to this file; datasets live beside it or in an object store
             --> mainspan.yaml:7:13
              |
            7 |     source: /data/flights.csv.gz
              |             ^^^^^^^^^^^^^^^^^^^^
        "#]],
    );
    check(
        "{ min: cv_mae }",
        "{ min: cv_mae, max: cv_mae }",
        &expect![[r#"
            error: select takes exactly one of `min: METRIC` and `max: METRIC`
              --> mainspan.yaml:19:126
               |
            19 | …ics: [cv_mae], matrix: { depth: [4, 6] }, select: { min: cv_mae, max: cv_mae },
               |                                                    ^
        "#]],
    );
    check(
        "{ min: 2 }",
        "{ min: 2, max: 1 }",
        &expect![[r#"
        error: `max` is below `min`; raise it or leave it out
          --> mainspan.yaml:49:39
           |
        49 |   prod: { services: { delay: { scale: { min: 2, max: 1 } } } }
           |                                       ^
    "#]],
    );
    check(
        "{ min: 2 }",
        "{ min: 0, max: 0 }",
        &expect![[r#"
        error: a service that never has a replica answers nobody; set `max` to 1 or more
          --> mainspan.yaml:49:39
           |
        49 |   prod: { services: { delay: { scale: { min: 0, max: 0 } } } }
           |                                       ^
    "#]],
    );
    check(
        "{ min: 2 }",
        "{ min: 2, hold: 5 }",
        &expect![[r#"
        error: requests are held only where there may be no replica; remove `hold` and `wait`, or set `min: 0`
          --> mainspan.yaml:49:39
           |
        49 |   prod: { services: { delay: { scale: { min: 2, hold: 5 } } } }
           |                                       ^
    "#]],
    );
    for (wrong, says) in [
        ("hold: 0", "10000 requests"),
        ("wait: 2h", "an hour"),
        ("window: 1s", "two seconds"),
    ] {
        let text = changed("{ min: 2 }", &format!("{{ min: 0, {wrong} }}"));
        let found = parse("mainspan.yaml", &text).unwrap_err().to_string();
        assert!(found.contains(says), "{found}");
    }
}

#[test]
fn missing_and_repeated() {
    check(
        "    source: data/flights.csv.gz\n",
        "",
        &expect![[r#"
        error: `datasets.flights` lacks the key `source`
         --> mainspan.yaml:6:3
          |
        6 |   flights:
          |   ^^^^^^^
    "#]],
    );
    check(
        "project: flights",
        "project: flights\nproject: trains",
        &expect![[r#"
            error: `project` is given twice; keep one
             --> mainspan.yaml:3:1
              |
            3 | project: trains
              | ^^^^^^^
        "#]],
    );
    check(
        "      stages: [5%, 25%, 50%]\n",
        "",
        &expect![[r#"
            error: `services.delay.rollout` lacks the key `stages`
              --> mainspan.yaml:32:5
               |
            32 |     rollout:
               |     ^^^^^^^
        "#]],
    );
    check(
        "writes: [train, test]",
        "writes: [train, train]",
        &expect![[r#"
            error: `train` is named twice; keep one
              --> mainspan.yaml:18:75
               |
            18 |       split:    { run: python split.py, reads: [flights], writes: [train, train] }
               |                                                                           ^^^^^
        "#]],
    );
}

#[test]
fn names() {
    check(
        "project: flights",
        "project: My Flights",
        &expect![[r#"
        error: `My Flights` is not a name; use lower-case letters, digits, `-` and `_`, starting with a letter
         --> mainspan.yaml:2:10
          |
        2 | project: My Flights
          |          ^^^^^^^^^^
    "#]],
    );
    check(
        "params: { trees: 200 }",
        "params: { n-trees: 200 }",
        &expect![[r#"
            error: `n-trees` is not a name for use in expressions; use letters, digits and `_`, starting with a letter
              --> mainspan.yaml:15:15
               |
            15 |     params: { n-trees: 200 }
               |               ^^^^^^^
        "#]],
    );
    check(
        "project: flights",
        "project: v2",
        &expect![[r#"
        error: `v2` is taken by an address of Mainspan's own; choose another name
         --> mainspan.yaml:2:10
          |
        2 | project: v2
          |          ^^
    "#]],
    );
    check(
        "      split: ",
        "      champion: ",
        &expect![[r#"
        error: `champion` is a word of the expression language; choose another name
          --> mainspan.yaml:18:7
           |
        18 |       champion:    { run: python split.py, reads: [flights], writes: [train, test] }
           |       ^^^^^^^^
    "#]],
    );
}
