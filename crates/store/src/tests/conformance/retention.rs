//! What records refer to, and what is forgotten when.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::work::run;
use super::{model, read, version, write};
use crate::tests::at;
use crate::*;

fn named(names: &[&str]) -> BTreeSet<Digest> {
    names
        .iter()
        .map(|name| Digest::of(name.as_bytes()))
        .collect()
}

/// A run whose bytes bear its name.
fn of(id: &str, state: RunState, ended: Option<i64>) -> Run {
    let bytes = |what: &str| Digest::of(format!("{what} of {id}").as_bytes());
    Run {
        snapshot: Some(bytes("snapshot")),
        datasets: BTreeMap::from([("rows".into(), bytes("rows"))]),
        lock: Some(bytes("lock")),
        spec: json!({ "files": [bytes("file")] }).into(),
        ended_at: ended.map(at),
        ..run(id, state)
    }
}

pub(super) async fn check(store: &Store) {
    let outputs = |name: &str| BTreeMap::from([("out".to_owned(), Digest::of(name.as_bytes()))]);
    let runs = [
        of("keep-open", RunState::Running, None),
        of("keep-new", RunState::Failed, Some(900)),
        of("keep-version", RunState::Succeeded, Some(100)),
        of("keep-not", RunState::Succeeded, Some(100)),
    ];
    for run in runs {
        let step = Step {
            outputs: outputs(&format!("output of {}", run.id)),
            ..Step::new(&run.id, "fit", 0)
        };
        write(store, move |tx| {
            tx.insert_run(&run)?;
            tx.insert_step(&step)
        })
        .await;
    }
    let registered = ModelVersion {
        run_id: Some("keep-version".into()),
        artifact: Some(Digest::of(b"kept onnx")),
        lineage: json!({ "output": Digest::of(b"kept output"), "steps": { "a": [Digest::of(b"kept step")] } }),
        ..version("kept")
    };
    let cached = |key: &str, second: i64| CachedStep {
        project: "keep".into(),
        key: key.into(),
        run_id: "keep-not".into(),
        step_key: "fit".into(),
        mlflow_run_id: None,
        outputs: outputs(&format!("cached {key}")),
        metrics: BTreeMap::new(),
        created_at: at(second),
    };
    let data = |name: &str, second: i64| DatasetVersion {
        project: "keep".into(),
        dataset: "rows".into(),
        digest: Digest::of(name.as_bytes()),
        size: 1,
        profile: json!(null),
        source: "rows.csv".into(),
        ingested_at: at(second),
    };
    let artifact = Artifact {
        project: "keep".into(),
        path: "1/r/artifacts/x".into(),
        digest: Digest::of(b"kept artifact"),
        size: 1,
        created_at: at(0),
    };
    let (old, new) = (cached("old", 100), cached("new", 900));
    let (data_old, data_new) = (data("old data", 100), data("new data", 900));
    write(store, move |tx| {
        tx.create_model(&model("kept"))?;
        tx.create_version(&registered)?;
        tx.put_cached_step(&old)?;
        tx.put_cached_step(&new)?;
        tx.put_dataset(&data_old)?;
        tx.put_dataset(&data_new)?;
        tx.put_artifact(&artifact)
    })
    .await;

    let expect = |referred: &Referred, there: &[&str], gone: &[&str]| {
        let all: BTreeSet<_> = referred
            .files
            .union(&referred.perhaps_lists)
            .cloned()
            .collect();
        assert!(named(there).is_subset(&all), "of {there:?}");
        assert!(named(gone).is_disjoint(&all), "of {gone:?}");
    };
    let of_run = |id: &str| {
        ["snapshot", "rows", "lock", "file", "output"].map(|what| format!("{what} of {id}"))
    };
    let referred = read(store, |tx| tx.referred(at(500))).await;
    assert!(named(&["kept onnx", "kept artifact"]).is_subset(&referred.files));
    for id in ["keep-open", "keep-new", "keep-version"] {
        expect(&referred, &of_run(id).each_ref().map(String::as_str), &[]);
    }
    expect(
        &referred,
        &[],
        &of_run("keep-not").each_ref().map(String::as_str),
    );
    let there = [
        "kept output",
        "kept step",
        "cached old",
        "cached new",
        "new data",
    ];
    expect(&referred, &there, &["old data"]);

    let over = read(store, |tx| {
        let ids = ["keep-open", "keep-new", "keep-version", "keep-not", "none"];
        assert!(tx.runs_over(&[], at(500))?.is_empty());
        tx.runs_over(&ids, at(500))
    })
    .await;
    assert_eq!(over, ["keep-not"]);

    assert_eq!(write(store, |tx| tx.forget_cached_steps(at(500))).await, 1);
    assert_eq!(write(store, |tx| tx.forget_cached_steps(at(500))).await, 0);
    let referred = read(store, |tx| tx.referred(at(500))).await;
    expect(&referred, &["cached new"], &["cached old"]);
}
