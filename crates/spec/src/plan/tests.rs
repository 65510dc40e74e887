//! What a plan says, and that applying it leaves nothing to plan.

use expect_test::{Expect, expect};

use super::*;
use crate::tests::{SUPPORTED, changed, supported};

fn desired(text: &str) -> Desired {
    let file = crate::parse("mainspan.yaml", text).unwrap_or_else(|wrong| panic!("{wrong}"));
    Desired {
        file,
        commit: Some("c0ffee".to_owned()),
        prune: false,
    }
}

/// The state after `text` was applied for the first time.
fn after(text: &str) -> Observed {
    let (desired, nothing) = (desired(text), Observed::default());
    plan(&desired, &nothing).applied(&desired, &nothing)
}

fn check(before: &Observed, text: &str, expect: &Expect) {
    expect.assert_eq(&plan(&desired(text), before).render(false));
}

#[test]
fn from_nothing_everything_is_created() {
    check(
        &Observed::default(),
        SUPPORTED,
        &expect![[r#"
            + project flights
                + environments = ["staging","prod"]
                + timezone     = "UTC"

            + dataset flights
                + checks = ["rows >= 50000","columns.arr_delay.null_fraction < 0.05"]
                + format = "csv"
                + source = "data/flights.csv.gz"

            + model delay
                + pipelines = ["train"]

            + pipeline train
                + params.trees                    = 200
                + python.lock                     = "requirements.lock"
                + python.version                  = ">=3.10"
                + register.from                   = "fit.model"
                + register.gate                   = "evaluate.mae < 15.0 && evaluate.mae < 0.99 * champion.mae"
                + register.model                  = "delay"
                + steps.evaluate.against          = "champion"
                + steps.evaluate.metrics          = ["mae","rows"]
                + steps.evaluate.reads            = ["model","test"]
                + steps.evaluate.resources.cpu    = 1
                + steps.evaluate.resources.gpu    = 0
                + steps.evaluate.resources.memory = "1GiB"
                + steps.evaluate.retry.backoff    = "1s"
                + steps.evaluate.retry.times      = 0
                + steps.evaluate.run              = "python evaluate.py"
                + steps.evaluate.timeout          = "1d"
                + steps.fit.matrix.depth          = [4,6]
                + steps.fit.metrics               = ["cv_mae"]
                + steps.fit.reads                 = ["train"]
                + steps.fit.resources.cpu         = 1
                + steps.fit.resources.gpu         = 0
                + steps.fit.resources.memory      = "2GiB"
                + steps.fit.retry.backoff         = "1s"
                + steps.fit.retry.times           = 1
                + steps.fit.run                   = "python fit.py"
                + steps.fit.select.min            = "cv_mae"
                + steps.fit.timeout               = "20m"
                + steps.fit.writes                = ["model"]
                + steps.split.reads               = ["flights"]
                + steps.split.resources.cpu       = 1
                + steps.split.resources.gpu       = 0
                + steps.split.resources.memory    = "1GiB"
                + steps.split.retry.backoff       = "1s"
                + steps.split.retry.times         = 0
                + steps.split.run                 = "python split.py"
                + steps.split.timeout             = "1d"
                + steps.split.writes              = ["train","test"]
                + triggers.alerts                 = ["delay-worse"]
                + triggers.push                   = ["main"]
                + triggers.schedule               = "0 3 * * *"

            + service delay in staging
                + engine                  = "onnx"
                + model                   = "delay"
                + resources.cpu           = 0.5
                + resources.gpu           = 0
                + resources.memory        = "512MiB"
                + rollout.at_least        = "500 requests"
                + rollout.false_rollbacks = "1%"
                + rollout.judge           = ["errors","latency.p99","live.mae"]
                + rollout.keep_previous   = "1h"
                + rollout.quiet           = "hold after 1h"
                + rollout.stages          = ["5%","25%","50%"]
                + rollout.sticky          = "request_id"
                + scale.concurrency       = 8
                + scale.max               = 1
                + scale.min               = 1

            + service delay in prod
                + engine                  = "onnx"
                + model                   = "delay"
                + resources.cpu           = 0.5
                + resources.gpu           = 0
                + resources.memory        = "512MiB"
                + rollout.at_least        = "500 requests"
                + rollout.false_rollbacks = "1%"
                + rollout.judge           = ["errors","latency.p99","live.mae"]
                + rollout.keep_previous   = "1h"
                + rollout.quiet           = "hold after 1h"
                + rollout.stages          = ["5%","25%","50%"]
                + rollout.sticky          = "request_id"
                + scale.concurrency       = 8
                + scale.max               = 2
                + scale.min               = 2

            + monitor of delay in staging
                + alarm.false_alarms = "1 per 90d"
                + alarm.on           = "live.mae"
                + drift.reference    = "training"
                + labels.join        = "request_id"
                + labels.time        = "flown_at"
                + labels.within      = "30d"

            + monitor of delay in prod
                + alarm.false_alarms = "1 per 90d"
                + alarm.on           = "live.mae"
                + drift.reference    = "training"
                + labels.join        = "request_id"
                + labels.time        = "flown_at"
                + labels.within      = "30d"

            + alert delay-worse
                + when = "services.delay.prod.alarm"

            Plan: 9 to create, 0 to change, 0 to delete.
        "#]],
    );
}

#[test]
fn the_same_again_changes_nothing() {
    check(
        &after(SUPPORTED),
        SUPPORTED,
        &expect![[r#"
        No changes. What runs has the shape of the file.
    "#]],
    );
    assert!(plan(&desired(SUPPORTED), &after(SUPPORTED)).is_empty());
}

#[test]
fn order_and_shorthand_change_nothing() {
    let reordered = changed("retry: 1", "retry: { backoff: 1s, times: 1 }")
        .replace(
            "project: flights\nenvironments: [staging, prod]",
            "environments: [staging, prod]\nproject: flights",
        )
        .replace("memory: 512MiB", "memory: 0.5GiB")
        .replace("quiet: hold after 1h", "quiet: hold after 60m");
    assert!(plan(&desired(&reordered), &after(SUPPORTED)).is_empty());
}

#[test]
fn changes_show_old_and_new() {
    let text = changed("at_least: 500 requests", "at_least: 800 requests")
        .replace("scale: { min: 2 }", "scale: { min: 3 }")
        .replace("timeout: 20m", "timeout: 30m")
        .replace("      drift: { reference: training }\n", "");
    check(
        &after(SUPPORTED),
        &text,
        &expect![[r#"
            ~ pipeline train
                ~ steps.fit.timeout = "20m" → "30m"

            ~ service delay in staging
                ~ rollout.at_least = "500 requests" → "800 requests"

            ~ service delay in prod
                ~ rollout.at_least = "500 requests" → "800 requests"
                ~ scale.max        = 2 → 3
                ~ scale.min        = 2 → 3

            ~ monitor of delay in staging
                - drift.reference = "training"

            ~ monitor of delay in prod
                - drift.reference = "training"

            Plan: 0 to create, 5 to change, 0 to delete.
        "#]],
    );
}

#[test]
fn what_is_gone_is_kept_unless_pruned() {
    let text = changed("alerts: [delay-worse] ", "").replace(
        "alerts:\n  delay-worse: { when: services.delay.prod.alarm }\n",
        "",
    );
    check(
        &after(SUPPORTED),
        &text,
        &expect![[r#"
        ~ pipeline train
            - triggers.alerts = ["delay-worse"]

        - alert delay-worse (kept without --prune)
            # mainspan.yaml no longer names it

        Plan: 0 to create, 1 to change, 0 to delete. 1 no longer in the file: kept; `mainspan apply --prune` deletes.
    "#]],
    );
    let with_prune = format!("{text}\nprune: true\n");
    check(
        &after(SUPPORTED),
        &with_prune,
        &expect![[r#"
        ~ pipeline train
            - triggers.alerts = ["delay-worse"]

        - alert delay-worse
            # mainspan.yaml no longer names it

        Plan: 0 to create, 1 to change, 1 to delete.
    "#]],
    );
}

#[test]
fn an_unpruned_resource_stays_recorded() {
    let text = changed("alerts: [delay-worse] ", "").replace(
        "alerts:\n  delay-worse: { when: services.delay.prod.alarm }\n",
        "",
    );
    let before = after(SUPPORTED);
    let kept = plan(&desired(&text), &before).applied(&desired(&text), &before);
    let alert = ResourceKey::new(ResourceKind::Alert, "delay-worse");
    assert!(kept.resources.contains_key(&alert));
    assert_eq!(kept.generation, 2);
    let pruned = Desired {
        prune: true,
        ..desired(&text)
    };
    let gone = plan(&pruned, &kept).applied(&pruned, &kept);
    assert!(!gone.resources.contains_key(&alert));
    assert!(plan(&pruned, &gone).changes.is_empty());
}

#[test]
fn a_digest_tells_plans_apart_and_survives_json() {
    let first = plan(&desired(SUPPORTED), &Observed::default());
    let json = serde_json::to_string(&first).unwrap();
    let back: Plan = serde_json::from_str(&json).unwrap();
    assert_eq!(back.digest(), first.digest());
    let moved = Observed {
        generation: 1,
        ..Observed::default()
    };
    assert_ne!(plan(&desired(SUPPORTED), &moved).digest(), first.digest());
    let other = changed("trees: 200", "trees: 201");
    assert_ne!(
        plan(&desired(&other), &Observed::default()).digest(),
        first.digest()
    );
}

#[test]
fn keys_have_a_text_form() {
    for key in resources(&supported()).keys() {
        let text = key.to_string();
        assert_eq!(&text.parse::<ResourceKey>().unwrap(), key, "{text}");
    }
    assert!("services".parse::<ResourceKey>().is_err());
    assert!("thing/x".parse::<ResourceKey>().is_err());
}

#[test]
fn shapes_read_back_as_the_types() {
    let file = supported();
    let all = resources(&file);
    let service = &all[&ResourceKey::in_environment(ResourceKind::Service, "delay", "prod")];
    let mut service: crate::Service = serde_json::from_value(service.clone()).unwrap();
    let monitor = &all[&ResourceKey::in_environment(ResourceKind::Monitor, "delay", "prod")];
    service.monitor = serde_json::from_value(monitor.clone()).unwrap();
    assert_eq!(&service, file.service_in("prod", "delay").unwrap());
    let pipeline = &all[&ResourceKey::new(ResourceKind::Pipeline, "train")];
    let pipeline: crate::Pipeline = serde_json::from_value(pipeline.clone()).unwrap();
    assert_eq!(pipeline, file.pipelines["train"]);
}

/// A project of a few services and datasets, from small numbers.
fn project(services: &[(u32, u32)], datasets: u32, environments: usize) -> String {
    let names = ["one", "two", "three"];
    let mut text = format!(
        "mainspan: 1\nproject: p\nenvironments: [{}]\n",
        names[..environments].join(", ")
    );
    text.push_str("pipelines:\n  p:\n    steps: { s: { run: x, writes: [m], metrics: [a] } }\n    register: { model: m, from: s.m, gate: s.a > 1 }\ndatasets:\n");
    for index in 0..datasets {
        text.push_str(&format!("  d{index}: {{ source: d{index}.csv }}\n"));
    }
    text.push_str("services:\n");
    for (index, (min, concurrency)) in services.iter().enumerate() {
        text.push_str(&format!(
            "  s{index}: {{ model: m, scale: {{ min: {min}, concurrency: {concurrency} }} }}\n"
        ));
    }
    text
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 60, failure_persistence: None, ..Default::default() })]

    #[test]
    fn applying_a_plan_leaves_nothing_to_plan(
        before in proptest::collection::vec((1..4u32, 1..4u32), 0..4),
        then in proptest::collection::vec((1..4u32, 1..4u32), 0..4),
        datasets in (0..4u32, 0..4u32),
        environments in (1..4usize, 1..4usize),
        prune: bool,
    ) {
        let before = after(&project(&before, datasets.0, environments.0));
        let desired = Desired { prune, ..desired(&project(&then, datasets.1, environments.1)) };
        let first = plan(&desired, &before);
        let second = plan(&desired, &first.applied(&desired, &before));
        assert!(second.is_empty(), "{}", second.render(false));
        assert_eq!(second.count(Action::Delete), if prune { 0 } else { first.count(Action::Delete) });
    }
}
