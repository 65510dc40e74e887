//! Models, versions and aliases, also under concurrency.

use std::collections::BTreeMap;

use serde_json::json;

use super::{read, refused, write};
use crate::tests::at;
use crate::*;

pub(crate) fn model(name: &str) -> RegisteredModel {
    RegisteredModel {
        project: "m".into(),
        name: name.into(),
        created_at: at(0),
        updated_at: at(0),
        description: String::new(),
        tags: BTreeMap::from([("team".into(), "air".into())]),
    }
}

pub(crate) fn version(model: &str) -> ModelVersion {
    ModelVersion {
        project: "m".into(),
        model: model.into(),
        version: 0,
        created_at: at(0),
        updated_at: at(0),
        description: "the \"first\"".into(),
        user_id: "ann".into(),
        source: "runs:/abc/model".into(),
        mlflow_run_id: Some("abc".into()),
        mlflow_model_id: None,
        run_id: None,
        artifact: Some(Digest::of(b"onnx")),
        lineage: json!({"commit": "4f2a"}),
        gate: json!({"expression": "evaluate.mae < 15.0"}),
        signature: json!(null),
        gate_state: GateState::Passed,
        stage: "None".into(),
        status: "READY".into(),
        status_message: String::new(),
        tags: BTreeMap::new(),
    }
}

pub(super) async fn check(store: &Store) {
    write(store, |tx| tx.create_model(&model("delay"))).await;
    assert_eq!(
        refused(store, |tx| tx.create_model(&model("delay"))).await,
        "model `delay` exists already"
    );
    assert_eq!(
        refused(store, |tx| tx.create_version(&version("none"))).await,
        "model `none` does not exist"
    );
    numbers(store).await;
    aliases(store).await;
    renames(store).await;
    concurrent(store).await;
    prompts(store).await;
}

async fn numbers(store: &Store) {
    for expect in [1, 2, 3] {
        assert_eq!(
            write(store, |tx| tx.create_version(&version("delay"))).await,
            expect
        );
    }
    let known = read(store, |tx| tx.version("m", "delay", 2)).await.unwrap();
    assert_eq!(
        known,
        ModelVersion {
            version: 2,
            ..version("delay")
        }
    );
    let mut changed = known;
    changed.stage = "Production".into();
    changed.tags.insert("risk".into(), "low".into());
    let wanted = changed.clone();
    write(store, move |tx| tx.update_version(&changed)).await;
    assert_eq!(
        read(store, |tx| tx.version("m", "delay", 2)).await,
        Some(wanted)
    );
    assert!(write(store, |tx| tx.delete_version("m", "delay", 3)).await);
    assert!(!write(store, |tx| tx.delete_version("m", "delay", 3)).await);
    assert_eq!(
        write(store, |tx| tx.create_version(&version("delay"))).await,
        4,
        "a number is not given twice"
    );
    let all = read(store, |tx| tx.versions("m", "delay")).await;
    assert_eq!(all.iter().map(|v| v.version).collect::<Vec<_>>(), [4, 2, 1]);
}

async fn aliases(store: &Store) {
    assert_eq!(
        write(store, |tx| tx.set_alias("m", "delay", "champion", 1)).await,
        None
    );
    assert_eq!(
        write(store, |tx| tx.set_alias("m", "delay", "champion", 2)).await,
        Some(1)
    );
    write(store, |tx| tx.set_alias("m", "delay", "prod", 4)).await;
    let missing = refused(store, |tx| tx.set_alias("m", "delay", "prod", 9)).await;
    assert_eq!(missing, "version `9 of model delay` does not exist");
    let all = read(store, |tx| tx.aliases("m", "delay")).await;
    assert_eq!(
        all,
        BTreeMap::from([("champion".into(), 2), ("prod".into(), 4)])
    );
    write(store, |tx| tx.delete_version("m", "delay", 4)).await;
    assert_eq!(
        read(store, |tx| tx.alias("m", "delay", "prod")).await,
        None,
        "an alias goes with its version"
    );
    assert_eq!(
        write(store, |tx| tx.delete_alias("m", "delay", "champion")).await,
        Some(2)
    );
    assert_eq!(
        write(store, |tx| tx.delete_alias("m", "delay", "champion")).await,
        None
    );
}

async fn renames(store: &Store) {
    write(store, |tx| tx.set_alias("m", "delay", "champion", 1)).await;
    write(store, |tx| tx.create_model(&model("taken"))).await;
    assert_eq!(
        refused(store, |tx| tx.rename_model("m", "delay", "taken")).await,
        "model `taken` exists already"
    );
    write(store, |tx| tx.rename_model("m", "delay", "lateness")).await;
    assert_eq!(
        read(store, |tx| tx.alias("m", "lateness", "champion")).await,
        Some(1)
    );
    assert_eq!(
        write(store, |tx| tx.create_version(&version("lateness"))).await,
        5
    );
    assert!(write(store, |tx| tx.delete_model("m", "lateness")).await);
    assert_eq!(read(store, |tx| tx.versions("m", "lateness")).await, []);
    let names: Vec<_> = read(store, |tx| tx.models("m"))
        .await
        .into_iter()
        .map(|m| m.name)
        .collect();
    assert_eq!(names, ["taken"]);
}

/// 64 writers register at once: every number once, none left out.
async fn concurrent(store: &Store) {
    let writers =
        (0..64).map(|_| store.write(Priority::Normal, |tx| tx.create_version(&version("taken"))));
    let mut numbers: Vec<u32> = futures_util::future::join_all(writers)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=64).collect::<Vec<_>>());
}

/// Prompts are told from models by their tag, and a prompt's versions by that of any of them.
async fn prompts(store: &Store) {
    let tagged = |value: &str| BTreeMap::from([("mlflow.prompt.is_prompt".into(), value.into())]);
    for (name, tags) in [
        ("p", tagged("true")),
        ("no", tagged("false")),
        ("m", BTreeMap::new()),
    ] {
        let one = RegisteredModel {
            project: "pm".into(),
            tags: tags.clone(),
            ..model(name)
        };
        write(store, move |tx| tx.create_model(&one)).await;
        for tags in [tags, BTreeMap::new()] {
            let one = ModelVersion {
                project: "pm".into(),
                tags,
                ..version(name)
            };
            write(store, move |tx| tx.create_version(&one)).await;
        }
    }
    let no_prompts = Search {
        clauses: vec![Clause {
            field: Field::Attribute("prompt".into()),
            op: Op::Eq,
            operand: Operand::Number(0.0),
        }],
        ..Search::default()
    };
    let same = no_prompts.clone();
    let found = read(store, move |tx| tx.search_models("pm", &no_prompts)).await;
    let names: Vec<_> = found.items.into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["m", "no"]);
    let found = read(store, move |tx| tx.search_versions("pm", &same)).await;
    let names: Vec<_> = found.items.into_iter().map(|one| one.model).collect();
    assert_eq!(names, ["m", "m", "no", "no"]);
}
