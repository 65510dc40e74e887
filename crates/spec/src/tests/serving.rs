//! Mistakes in what says how a service answers: its engine, batches, warm-up, queue and log.

use expect_test::{Expect, expect};

use super::{changed, check};
use crate::{Priority, parse};

#[test]
fn a_command_and_its_engine_belong_together() {
    let with = |more: &str| format!("    engine: {more}\n    resources: {{ cpu: 0.5");
    let refused =
        |more: &str, expect: &Expect| check("    resources: { cpu: 0.5", &with(more), expect);
    let accepted = changed(
        "    resources: { cpu: 0.5",
        &with("command\n    command: serve $PORT"),
    );
    let file = parse("mainspan.yaml", &accepted).unwrap();
    let service = file.service_in("prod", "delay").unwrap();
    assert_eq!(service.command.as_deref(), Some("serve $PORT"));
    let shadowed = accepted.replace("stages: [", "shadow: 20%\n      stages: [");
    let wrong = parse("mainspan.yaml", &shadowed).unwrap_err().to_string();
    assert!(wrong.contains("remove `shadow`"), "{wrong}");
    refused(
        "command",
        &expect![[r#"
        error: `services.delay` lacks the key `command`
          --> mainspan.yaml:28:3
           |
        28 |   delay:
           |   ^^^^^

        error: `overrides.prod.services.delay` lacks the key `command`
          --> mainspan.yaml:50:23
           |
        50 |   prod: { services: { delay: { scale: { min: 2 } } } }
           |                       ^^^^^
    "#]],
    );
    refused(
        "command\n    command: serve\n    ready: health",
        &expect![[r#"
        error: a path begins with `/` and has no spaces
          --> mainspan.yaml:32:12
           |
        32 |     ready: health
           |            ^^^^^^
    "#]],
    );
    refused(
        "onnx\n    command: serve",
        &expect![[r#"
        error: `command` is for `engine: command`; remove it, or set the engine
          --> mainspan.yaml:31:14
           |
        31 |     command: serve
           |              ^^^^^
    "#]],
    );
    refused(
        "pyfunc\n    ready: /health",
        &expect![[r#"
        error: `ready` is for `engine: command`; remove it, or set the engine
          --> mainspan.yaml:31:12
           |
        31 |     ready: /health
           |            ^^^^^^^
    "#]],
    );
}

#[test]
fn batches() {
    let with = |more: &str| format!("    {more}\n    resources: {{ cpu: 0.5");
    let refused =
        |more: &str, expect: &Expect| check("    resources: { cpu: 0.5", &with(more), expect);
    let accepted = with("batch: { requests: 32, wait: 500us }");
    let file = parse(
        "mainspan.yaml",
        &changed("    resources: { cpu: 0.5", &accepted),
    )
    .unwrap();
    let batch = file.service_in("prod", "delay").unwrap().batch.unwrap();
    assert_eq!(
        (batch.requests, batch.wait.to_string().as_str()),
        (32, "500us")
    );
    refused(
        "batch: { requests: 1 }",
        &expect![[r#"
        error: a batch has 2 to 4096 requests, and waits for at most 10s
          --> mainspan.yaml:30:12
           |
        30 |     batch: { requests: 1 }
           |            ^
    "#]],
    );
    refused(
        "engine: pyfunc\n    batch: { requests: 8 }",
        &expect![[r#"
        error: only the built-in engine gathers requests; remove `batch`, or set `engine: onnx`
          --> mainspan.yaml:31:12
           |
        31 |     batch: { requests: 8 }
           |            ^
    "#]],
    );
}

#[test]
fn what_the_log_keeps() {
    let with = |more: &str| format!("    log: {more}\n    resources: {{ cpu: 0.5");
    let refused =
        |more: &str, expect: &Expect| check("    resources: { cpu: 0.5", &with(more), expect);
    let log = |more: &str| {
        let file = changed("    resources: { cpu: 0.5", &with(more));
        let file = parse("mainspan.yaml", &file).unwrap();
        file.service_in("prod", "delay").unwrap().log.clone()
    };
    let all = log("{ sample: 2.5%, redact: [ssn, address.street], keep: 30d, bodies: false }");
    assert_eq!(all.sample.fraction(), 0.025);
    assert_eq!(all.redact, ["ssn", "address.street"]);
    assert_eq!(all.keep.unwrap().to_string(), "30d");
    assert!(!all.bodies);
    assert!(log("{ sample: 100%, bodies: true }").is_usual());
    refused(
        "{ redact: [flown_at] }",
        &expect![[r#"
            error: labels are joined by `flown_at`, which is written in clear for them; join by another field
              --> mainspan.yaml:30:21
               |
            30 |     log: { redact: [flown_at] }
               |                     ^^^^^^^^
        "#]],
    );
    refused(
        "{ keep: 30s }",
        &expect![[r#"
        error: a file of the log holds a minute; keep it for `1m` or longer, or set `sample: 0%`
          --> mainspan.yaml:30:18
           |
        30 |     log: { keep: 30s }
           |                  ^^^
    "#]],
    );
}

#[test]
fn warm_up_requests() {
    let with = |more: &str| format!("    {more}\n    resources: {{ cpu: 0.5");
    let refused =
        |more: &str, expect: &Expect| check("    resources: { cpu: 0.5", &with(more), expect);
    let warmup = |more: &str| {
        let file = changed("    resources: { cpu: 0.5", &with(more));
        let file = parse("mainspan.yaml", &file).unwrap();
        let service = file.service_in("prod", "delay").unwrap();
        service.warmup.clone().unwrap()
    };
    let rows = warmup("warmup: { body: '{\"x\": 1}' }");
    assert_eq!((rows.requests, rows.body.as_str()), (10, "{\"x\": 1}"));
    assert_eq!(rows.protocol.as_str(), "rows");
    let chat = "engine: command\n    command: serve\n    warmup: { body: '{}', path: /v1/chat/completions, requests: 2 }";
    assert_eq!(warmup(chat).path.unwrap(), "/v1/chat/completions");
    refused(
        "warmup: { body: x=1, requests: 0 }",
        &expect![[r#"
        error: a body is JSON of at most 64 KiB, in quotes, like `'{"x": 1}'`
          --> mainspan.yaml:30:21
           |
        30 |     warmup: { body: x=1, requests: 0 }
           |                     ^^^
    "#]],
    );
    refused(
        "warmup: { body: '[1]', requests: 0 }",
        &expect![[r#"
        error: a replica is warmed up with 1 to 10000 requests
          --> mainspan.yaml:30:38
           |
        30 |     warmup: { body: '[1]', requests: 0 }
           |                                      ^
    "#]],
    );
    refused(
        "warmup: { body: '[1]', path: /x, paht: 1 }",
        &expect![[r#"
            error: `path` is for `engine: command`; say how the body is written with `protocol`
              --> mainspan.yaml:30:34
               |
            30 |     warmup: { body: '[1]', path: /x, paht: 1 }
               |                                  ^^

            error: unknown key `paht`, did you mean `path`?
              --> mainspan.yaml:30:38
               |
            30 |     warmup: { body: '[1]', path: /x, paht: 1 }
               |                                      ^^^^
        "#]],
    );
    refused(
        "engine: command\n    command: serve\n    warmup: { body: '[1]' }",
        &expect![[r#"
            error: a server of your own is asked somewhere; add a `path`
              --> mainspan.yaml:32:13
               |
            32 |     warmup: { body: '[1]' }
               |             ^
        "#]],
    );
    refused(
        "engine: command\n    command: serve\n    warmup: { body: '[1]', path: x, protocol: v1 }",
        &expect![[r#"
            error: a path begins with `/` and has no spaces
              --> mainspan.yaml:32:34
               |
            32 |     warmup: { body: '[1]', path: x, protocol: v1 }
               |                                  ^

            error: a server of your own is asked at a `path`; remove `protocol`
              --> mainspan.yaml:32:47
               |
            32 |     warmup: { body: '[1]', path: x, protocol: v1 }
               |                                               ^^
        "#]],
    );
}

#[test]
fn queues() {
    let with = |more: &str| format!("    {more}\n    resources: {{ cpu: 0.5");
    let queue = |text: &str| {
        let text = changed("    resources: { cpu: 0.5", &with(text));
        let file = parse("mainspan.yaml", &text).unwrap();
        let queue = file.service_in("prod", "delay").unwrap().queue.unwrap();
        (queue.length, queue.wait.to_string(), queue.priority)
    };
    let whole = queue("queue: { length: 32, wait: 250ms, priority: low }");
    assert_eq!(whole, (32, "250ms".to_owned(), Priority::Low));
    let usual = queue("queue: {}");
    assert_eq!(usual, (1024, "1s".to_owned(), Priority::Normal));
    let refused =
        |more: &str, expect: &Expect| check("    resources: { cpu: 0.5", &with(more), expect);
    refused(
        "queue: { wait: 61s }",
        &expect![[r#"
        error: at most 100000 requests wait, and none for more than 60s
          --> mainspan.yaml:30:12
           |
        30 |     queue: { wait: 61s }
           |            ^
    "#]],
    );
    refused(
        "queue: { priority: urgent }",
        &expect![[r#"
        error: `urgent` is not a known priority; write `high` or `normal` or `low`
          --> mainspan.yaml:30:24
           |
        30 |     queue: { priority: urgent }
           |                        ^^^^^^
    "#]],
    );
}
