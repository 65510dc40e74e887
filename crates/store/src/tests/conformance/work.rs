//! Projects, events, datasets, runs, steps.

use std::collections::BTreeMap;

use serde_json::json;

use super::{read, refused, write};
use crate::tests::{at, event};
use crate::*;

pub(super) async fn check(store: &Store) {
    projects(store).await;
    events(store).await;
    datasets(store).await;
    runs(store).await;
    steps(store).await;
}

fn project(name: &str) -> Project {
    Project {
        name: name.into(),
        root: Some("/srv/flights".into()),
        branch: None,
        created_at: at(0),
        generation: 3,
    }
}

async fn projects(store: &Store) {
    write(store, |tx| tx.put_project(&project("p-one"))).await;
    write(store, |tx| tx.put_project(&project("p-two"))).await;
    assert_eq!(write(store, |tx| tx.next_generation("p-one", 3)).await, 4);
    let stale = refused(store, |tx| tx.next_generation("p-one", 3)).await;
    assert!(stale.contains("moved on from generation 3 to 4"), "{stale}");
    assert_eq!(
        refused(store, |tx| tx.next_generation("p-none", 0)).await,
        "project `p-none` does not exist"
    );
    for (branch, commit) in [("main", "abc"), ("next", "def"), ("main", "fed")] {
        write(store, move |tx| tx.set_seen_commit("p-one", branch, commit)).await;
    }
    let seen = read(store, |tx| tx.seen_commits("p-one")).await;
    let seen: Vec<_> = seen.iter().map(|(b, c)| (b.as_str(), c.as_str())).collect();
    assert_eq!(seen, [("main", "fed"), ("next", "def")]);
    assert_eq!(
        refused(store, |tx| tx.set_seen_commit("p-none", "main", "abc")).await,
        "project `p-none` does not exist"
    );
    let known = read(store, |tx| tx.project("p-one")).await.unwrap();
    assert_eq!(
        known,
        Project {
            generation: 4,
            ..project("p-one")
        }
    );

    for generation in 1..=3 {
        let applied = AppliedSpec {
            project: "p-one".into(),
            generation,
            text: format!("mainspan: {generation}"),
            commit: None,
            applied_at: at(1),
            by: "ann".into(),
            resources: json!({"services": ["delay"]}),
        };
        write(store, move |tx| tx.put_applied(&applied)).await;
    }
    let last = read(store, |tx| tx.applied("p-one")).await.unwrap();
    assert_eq!((last.generation, last.text.as_str()), (3, "mainspan: 3"));
    assert_eq!(last.resources, json!({"services": ["delay"]}));
    let history = read(store, |tx| tx.applied_history("p-one", 2)).await;
    assert_eq!(
        history.iter().map(|a| a.generation).collect::<Vec<_>>(),
        [3, 2]
    );
    assert_eq!(
        read(store, |tx| tx.applied_generation("p-one", 1))
            .await
            .unwrap()
            .text,
        "mainspan: 1"
    );

    assert!(write(store, |tx| tx.delete_project("p-one")).await);
    assert!(!write(store, |tx| tx.delete_project("p-one")).await);
    assert_eq!(read(store, |tx| tx.applied("p-one")).await, None);
    assert_eq!(read(store, |tx| tx.projects()).await, [project("p-two")]);
}

async fn events(store: &Store) {
    let first = read(store, |tx| tx.last_event()).await;
    for (n, kind) in [
        "rollout.started",
        "rollout.stage",
        "roll_out",
        "version.registered",
    ]
    .into_iter()
    .enumerate()
    {
        let mut one = event(kind, n as i64);
        one.project = Some("e".into());
        one.subject = format!("service/delay_{n}");
        write(store, move |tx| tx.append_event(&one)).await;
    }
    let check = async |filter: EventFilter, expect: &[&str]| {
        let wanted = EventFilter {
            project: Some("e".into()),
            ..filter
        };
        let found = read(store, move |tx| tx.events(&wanted)).await;
        assert_eq!(
            found.iter().map(|e| e.kind.as_str()).collect::<Vec<_>>(),
            expect
        );
    };
    let any = EventFilter::default();
    let newest = [
        "version.registered",
        "roll_out",
        "rollout.stage",
        "rollout.started",
    ];
    check(any.clone(), &newest).await;
    check(
        EventFilter {
            kind: Some("rollout.".into()),
            ..any.clone()
        },
        &["rollout.stage", "rollout.started"],
    )
    .await;
    check(
        EventFilter {
            kind: Some("rollout".into()),
            ..any.clone()
        },
        &[],
    )
    .await;
    check(
        EventFilter {
            subject_prefix: Some("service/delay_".into()),
            limit: 2,
            ..any.clone()
        },
        &newest[..2],
    )
    .await;
    // An underscore is a letter here, not a pattern.
    check(
        EventFilter {
            subject_prefix: Some("service/delay__".into()),
            ..any.clone()
        },
        &[],
    )
    .await;
    check(
        EventFilter {
            after: Some(first + 1),
            oldest_first: true,
            limit: 1,
            ..any.clone()
        },
        &["rollout.stage"],
    )
    .await;
    check(
        EventFilter {
            before: Some(first + 2),
            ..any
        },
        &["rollout.started"],
    )
    .await;
    assert_eq!(read(store, |tx| tx.last_event()).await, first + 4);
    assert_eq!(
        read(store, move |tx| tx.event(first + 2))
            .await
            .unwrap()
            .kind,
        "rollout.stage"
    );
}

async fn datasets(store: &Store) {
    let version = |bytes: &str, second| DatasetVersion {
        project: "d".into(),
        dataset: "flights".into(),
        digest: Digest::of(bytes.as_bytes()),
        size: bytes.len() as u64,
        profile: json!({"rows": 3}),
        source: "data/flights.csv".into(),
        ingested_at: at(second),
    };
    let (old, new) = (version("old", 1), version("new", 2));
    for (one, fresh) in [(&old, true), (&new, true), (&version("old", 9), false)] {
        let one = one.clone();
        assert_eq!(write(store, move |tx| tx.put_dataset(&one)).await, fresh);
    }
    let digest = old.digest.clone();
    assert_eq!(
        read(store, move |tx| tx.dataset("d", "flights", &digest))
            .await
            .as_ref(),
        Some(&old)
    );
    assert_eq!(
        read(store, |tx| tx.latest_dataset("d", "flights"))
            .await
            .as_ref(),
        Some(&new)
    );
    assert_eq!(
        read(store, |tx| tx.datasets("d", None, 0)).await,
        [new, old]
    );
}

pub(super) fn run(id: &str, state: RunState) -> Run {
    Run {
        id: id.into(),
        project: "r".into(),
        pipeline: "train".into(),
        trigger: json!({"kind": "push", "commit": "abc"}),
        commit: Some("abc".into()),
        dirty: true,
        snapshot: Some(Digest::of(b"tree")),
        generation: 2,
        params: json!({"trees": 200}),
        datasets: BTreeMap::from([("flights".into(), Digest::of(b"data"))]),
        lock: None,
        state,
        reason: "pushed".into(),
        created_at: at(0),
        started_at: Some(at(1)),
        ended_at: None,
        mlflow_run_id: Some(format!("mlflow-{id}")),
        spec: json!({"steps": {"b": 1, "a": 2.5}}).into(),
    }
}

async fn runs(store: &Store) {
    let all = [
        run("r1", RunState::Succeeded),
        run("r2", RunState::Running),
        run("r3", RunState::Queued),
    ];
    for one in all.clone() {
        write(store, move |tx| tx.insert_run(&one)).await;
    }
    assert_eq!(
        refused(store, |tx| tx.insert_run(&run("r1", RunState::Queued))).await,
        "run `r1` exists already"
    );
    assert_eq!(read(store, |tx| tx.run("r2")).await.as_ref(), Some(&all[1]));
    let check = async |filter: RunFilter, expect: &[&str]| {
        let wanted = RunFilter {
            project: Some("r".into()),
            ..filter
        };
        let found = read(store, move |tx| tx.runs(&wanted)).await;
        assert_eq!(
            found.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(),
            expect
        );
    };
    check(RunFilter::default(), &["r3", "r2", "r1"]).await;
    check(
        RunFilter {
            states: vec![RunState::Queued, RunState::Succeeded],
            ..RunFilter::default()
        },
        &["r3", "r1"],
    )
    .await;
    check(
        RunFilter {
            before: Some("r3".into()),
            limit: 1,
            ..RunFilter::default()
        },
        &["r2"],
    )
    .await;
    check(
        RunFilter {
            pipeline: Some("score".into()),
            ..RunFilter::default()
        },
        &[],
    )
    .await;
    let active = read(store, |tx| tx.active_runs()).await;
    assert_eq!(
        active.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(),
        ["r2", "r3"]
    );
    let known = read(store, |tx| Ok((tx.run_state("r2")?, tx.run_state("r9")?))).await;
    assert_eq!(known, (Some(active[0].state), None));
    let mut ended = all[1].clone();
    ended.state = RunState::Failed;
    ended.ended_at = Some(at(5));
    let changed = ended.clone();
    write(store, move |tx| tx.update_run(&changed)).await;
    assert_eq!(
        read(store, |tx| tx.run_of_mlflow("mlflow-r2")).await,
        Some(ended)
    );
    assert_eq!(
        refused(store, |tx| tx.update_run(&run("r9", RunState::Queued))).await,
        "run `r9` does not exist"
    );

    assert_eq!(read(store, |tx| tx.last_fired("r", "train")).await, None);
    for second in [1, 2] {
        write(store, move |tx| tx.set_last_fired("r", "train", at(second))).await;
    }
    assert_eq!(
        read(store, |tx| tx.last_fired("r", "train")).await,
        Some(at(2))
    );
}

fn step(key: &str, position: u32) -> Step {
    Step {
        run_id: "r1".into(),
        key: key.into(),
        position,
        state: StepState::Running,
        attempt: 1,
        infra_attempts: 0,
        unit_id: Some(format!("unit-{key}")),
        cache_key: None,
        mlflow_run_id: Some(format!("step-{key}")),
        outputs: BTreeMap::from([("model".into(), Digest::of(b"model"))]),
        metrics: BTreeMap::from([("mae".into(), 11.25), ("worst".into(), f64::INFINITY)]),
        cached_from: None,
        not_before: Some(at(3)),
        started_at: None,
        ended_at: None,
        reason: String::new(),
    }
}

async fn steps(store: &Store) {
    let (fit, split) = (step("fit[depth=4]", 1), step("split", 0));
    for one in [fit.clone(), split.clone()] {
        write(store, move |tx| tx.insert_step(&one)).await;
    }
    assert_eq!(
        read(store, |tx| tx.steps("r1")).await,
        [split.clone(), fit.clone()]
    );
    assert_eq!(
        read(store, |tx| tx.step_of_unit("unit-split")).await,
        Some(split)
    );
    assert_eq!(
        read(store, |tx| tx.run_of_mlflow("step-split"))
            .await
            .unwrap()
            .id,
        "r1"
    );
    let mut done = fit;
    done.state = StepState::Succeeded;
    done.metrics.insert("odd".into(), f64::NAN);
    let changed = done.clone();
    write(store, move |tx| tx.update_step(&changed)).await;
    let known = read(store, |tx| tx.step("r1", "fit[depth=4]"))
        .await
        .unwrap();
    assert_eq!(known.state, StepState::Succeeded);
    assert!(known.metrics["odd"].is_nan());
    assert_eq!(known.metrics["worst"], f64::INFINITY);

    let cached = |run: &str| CachedStep {
        project: "r".into(),
        key: "k".into(),
        run_id: run.into(),
        step_key: "fit".into(),
        mlflow_run_id: None,
        outputs: BTreeMap::new(),
        metrics: BTreeMap::from([("mae".into(), 1.5)]),
        created_at: at(0),
    };
    for run in ["r1", "r2"] {
        let one = cached(run);
        write(store, move |tx| tx.put_cached_step(&one)).await;
    }
    assert_eq!(
        read(store, |tx| tx.cached_step("r", "k")).await,
        Some(cached("r1"))
    );
    write(store, |tx| tx.forget_cached_step("r", "k")).await;
    assert_eq!(read(store, |tx| tx.cached_step("r", "k")).await, None);
}
