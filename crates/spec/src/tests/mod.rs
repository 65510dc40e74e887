//! The whole file, read right and read wrong.

use expect_test::{Expect, expect};

use super::*;

mod documents;
mod references;
mod sections;
mod serving;

const WHOLE: &str = include_str!("../fixtures/whole.yaml");
pub(crate) const SUPPORTED: &str = include_str!("../fixtures/supported.yaml");

pub(crate) fn supported() -> ProjectFile {
    parse("mainspan.yaml", SUPPORTED).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// The supported file with one text in it replaced by another.
pub(crate) fn changed(from: &str, to: &str) -> String {
    assert!(SUPPORTED.contains(from), "the fixture has no `{from}`");
    SUPPORTED.replacen(from, to, 1)
}

fn check(from: &str, to: &str, expect: &Expect) {
    match parse("mainspan.yaml", &changed(from, to)) {
        Ok(_) => panic!("`{to}` was accepted"),
        Err(wrong) => expect.assert_eq(&wrong.to_string()),
    }
}

#[test]
fn the_whole_shape_is_read() {
    let file = parse("mainspan.yaml", WHOLE).unwrap_or_else(|wrong| panic!("{wrong}"));
    let json = serde_json::to_string_pretty(&file).unwrap();
    expect_test::expect_file!["../fixtures/whole.json"].assert_eq(&json);
}

#[test]
fn overrides_are_laid_over_the_service() {
    let text = changed(
        "overrides:\n",
        "overrides:\n  staging: { services: { delay: { rollout: { stages: [] } } } }\n",
    );
    let file = parse("mainspan.yaml", &text).unwrap();
    let staging = file.service_in("staging", "delay").unwrap();
    let prod = file.service_in("prod", "delay").unwrap();
    assert!(staging.rollout.stages.is_empty());
    assert_eq!(
        staging.rollout.sticky,
        Sticky::Field("request_id".to_owned())
    );
    assert_eq!((staging.scale.min, staging.scale.max), (1, 1));
    assert_eq!(
        (prod.scale.min, prod.scale.max, prod.scale.concurrency),
        (2, 2, Some(8))
    );
    assert_eq!(prod.rollout.stages.len(), 3);
    assert!(file.for_environment("qa").is_none());
    assert_eq!(file.last_environment(), "prod");
}

#[test]
fn what_is_not_supported_yet() {
    let file = parse("mainspan.yaml", WHOLE).unwrap();
    let text: String = unsupported(&file).iter().map(ToString::to_string).collect();
    expect![[r#"
        error: `secrets` are not supported yet; remove the key
          --> mainspan.yaml:19:5
           |
        19 |     secrets: [WAREHOUSE_URL]       # named here, kept by Mainspan, given to these steps only
           |     ^^^^^^^
        error: `network` is not supported yet; remove the key; steps reach what this machine reaches
          --> mainspan.yaml:20:5
           |
        20 |     network: []                    # hosts the steps may reach; nothing else
           |     ^^^^^^^
        error: `slo` is not supported yet; remove the key
          --> mainspan.yaml:49:7
           |
        49 |       slo: { availability: 99.9%, latency: { p99: 50ms } }
           |       ^^^
        error: `approve` is not supported yet; remove the key; `mainspan pause` holds a roll-out
          --> mainspan.yaml:55:11
           |
        55 |   prod: { approve: manual, freeze: "Fri 16:00 - Mon 08:00", services: { delay: { scale: { min: 2, ma…
           |           ^^^^^^^
    "#]].assert_eq(&text);
    assert!(unsupported(&supported()).is_empty());
}

#[test]
fn each_unsupported_key_is_refused() {
    let check = |from: &str, to: &str, place: &str| {
        let file =
            parse("mainspan.yaml", &changed(from, to)).unwrap_or_else(|wrong| panic!("{wrong}"));
        let all = unsupported(&file);
        assert_eq!(all.len(), 1, "{to}: {all:?}");
        assert!(
            all[0].message.contains("not supported yet"),
            "{}",
            all[0].message
        );
        let at: String = all[0]
            .excerpt
            .chars()
            .skip(all[0].column - 1)
            .take(place.len())
            .collect();
        assert_eq!(at, place, "{to}");
    };
    check(
        "python: { version: \">=3.10\", lock: requirements.lock }",
        "image: python",
        "image",
    );
    check("params: {", "secrets: [A]\n    params: {", "secrets");
    check("params: {", "network: []\n    params: {", "network");
    check(
        "prod: { services",
        "prod: { platform: x, services",
        "platform",
    );
    check(
        "prod: { services",
        "prod: { approve: manual, services",
        "approve",
    );
    check(
        "drift: {",
        "slo: { availability: 99% }\n      drift: {",
        "slo",
    );
    check("cpu: 0.5,", "cpu: 0.5, gpu: 1,", "gpu");
    check(
        "data/flights.csv.gz",
        "s3://bucket/flights.csv.gz",
        "source",
    );
    check(
        "data/flights.csv.gz",
        "https://host/flights.csv.gz",
        "source",
    );
}

#[test]
fn what_steps_wait_for_and_run() {
    let file = supported();
    let train = &file.pipelines["train"];
    assert_eq!(train.upstream(&train.steps["evaluate"]), ["split", "fit"]);
    assert!(train.upstream(&train.steps["split"]).is_empty());
    assert_eq!(train.datasets(), ["flights"]);
    assert_eq!(train.writer("model").unwrap().0, "fit");
    let depths: Vec<String> = train.steps["fit"]
        .combinations()
        .iter()
        .map(|one| one["depth"].to_string())
        .collect();
    assert_eq!(depths, ["4", "6"]);
    assert_eq!(train.steps["split"].combinations().len(), 1);
}

#[test]
fn retries_back_off() {
    let retry = Retry {
        times: 12,
        backoff: Duration::from_secs(1),
    };
    let delays: Vec<Option<String>> = [0, 1, 2, 3, 11, 12, 13]
        .iter()
        .map(|failed| retry.delay_after(*failed).map(|delay| delay.to_string()))
        .collect();
    let text = |delay: &str| Some(delay.to_owned());
    assert_eq!(
        delays,
        [
            None,
            text("1s"),
            text("2s"),
            text("4s"),
            text("10m"),
            text("10m"),
            None
        ]
    );
}
