//! Evaluation datasets, their records, and scorers.

use std::collections::BTreeMap;

use serde_json::json;

use super::{read, refused, write};
use crate::tests::at;
use crate::*;

fn dataset(id: &str, name: &str, second: i64) -> EvaluationDataset {
    EvaluationDataset {
        id: id.into(),
        project: "ev".into(),
        name: name.into(),
        digest: "d".into(),
        schema: None,
        profile: None,
        tags: BTreeMap::from([("team".into(), name.into())]),
        created_at: at(second),
        updated_at: at(second),
        created_by: None,
        updated_by: (id == "d-1").then(|| "ann".into()),
    }
}

fn record(id: &str, input: &str) -> EvaluationRecord {
    EvaluationRecord {
        dataset: "d-1".into(),
        id: id.into(),
        inputs_digest: Digest::of(input.as_bytes()),
        inputs: json!({ "q": input }),
        outputs: Some(json!(null)),
        expectations: None,
        tags: json!({}),
        source: Some(json!({ "source_type": "HUMAN" })),
        created_at: at(0),
        updated_at: at(0),
        created_by: Some("ann".into()),
        updated_by: None,
    }
}

pub(super) async fn check(store: &Store) {
    datasets(store).await;
    records(store).await;
    scorers(store).await;
    go_with_their_project(store).await;
}

async fn datasets(store: &Store) {
    for (id, name, second) in [("d-1", "alpha", 1), ("d-2", "Beta", 2), ("d-3", "beta", 2)] {
        let one = dataset(id, name, second);
        write(store, move |tx| tx.create_evaluation_dataset(&one)).await;
    }
    for (id, experiment) in [("d-1", "10"), ("d-1", "9"), ("d-1", "9"), ("d-2", "9")] {
        write(store, move |tx| {
            tx.add_dataset_to_experiment(id, experiment)
        })
        .await;
    }
    let of = read(store, |tx| tx.dataset_experiments("d-1")).await;
    assert_eq!(of, ["9", "10"], "once each, by number");
    let find = async |experiments: &[&str], clauses: Vec<Clause>, order: Vec<Order>, limit| {
        let experiments: Vec<String> = experiments.iter().map(|one| (*one).to_owned()).collect();
        let search = Search {
            clauses,
            order,
            limit,
            after: None,
        };
        let found = read(store, move |tx| {
            tx.search_evaluation_datasets("ev", &experiments, &search)
        });
        let found = found.await;
        let ids = found.items.into_iter().map(|one| one.id);
        (ids.collect::<Vec<_>>(), found.next.is_some())
    };
    let by = |name: &str, descending| Order {
        field: Field::Attribute(name.into()),
        descending,
    };
    let newest = || vec![by("created_time", true)];
    let clause = |field, op, text: &str| Clause {
        field,
        op,
        operand: Operand::Text(text.into()),
    };
    let attribute = |name: &str| Field::Attribute(name.into());
    let all = |ids: &[&str]| {
        (
            ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>(),
            false,
        )
    };
    assert_eq!(
        find(&[], vec![], newest(), 0).await,
        all(&["d-3", "d-2", "d-1"])
    );
    assert_eq!(
        find(&["9"], vec![], newest(), 0).await,
        all(&["d-2", "d-1"])
    );
    assert_eq!(
        find(&["9", "10"], vec![], newest(), 1).await,
        (vec!["d-2".into()], true)
    );
    assert_eq!(find(&["x"], vec![], newest(), 0).await, all(&[]));
    let named = clause(attribute("name"), Op::ILike, "b%");
    assert_eq!(
        find(&[], vec![named], vec![by("name", false)], 0).await,
        all(&["d-2", "d-3"])
    );
    let tagged = clause(Field::Tag("team".into()), Op::Ne, "alpha");
    assert_eq!(
        find(&[], vec![tagged], newest(), 0).await,
        all(&["d-3", "d-2"])
    );
    let changed = clause(attribute("last_updated_by"), Op::Eq, "ann");
    assert_eq!(find(&[], vec![changed], newest(), 0).await, all(&["d-1"]));
    let later = Clause {
        field: attribute("created_time"),
        op: Op::Gt,
        operand: Operand::Number(at(1).as_millisecond() as f64),
    };
    assert_eq!(
        find(&[], vec![later], newest(), 0).await,
        all(&["d-3", "d-2"])
    );
    assert!(write(store, |tx| tx.remove_dataset_from_experiment("d-1", "9")).await);
    assert!(!write(store, |tx| tx.remove_dataset_from_experiment("d-1", "9")).await);
    let mut renamed = dataset("d-3", "gamma", 2);
    (renamed.schema, renamed.profile) = (Some(json!({ "inputs": {} })), Some(json!(null)));
    let expect = renamed.clone();
    write(store, move |tx| tx.update_evaluation_dataset(&renamed)).await;
    let known = read(store, |tx| tx.evaluation_dataset("ev", "d-3")).await;
    assert_eq!(known, Some(expect), "none and null are not the same");
    assert_eq!(
        read(store, |tx| tx.evaluation_dataset("other", "d-3")).await,
        None
    );
    assert!(!write(store, |tx| tx.delete_evaluation_dataset("other", "d-3")).await);
    assert!(write(store, |tx| tx.delete_evaluation_dataset("ev", "d-3")).await);
    assert!(!write(store, |tx| tx.delete_evaluation_dataset("ev", "d-3")).await);
}

async fn records(store: &Store) {
    for (id, input) in [("r-1", "one"), ("r-2", "two"), ("r-3", "three")] {
        write(store, move |tx| {
            tx.put_evaluation_record(&record(id, input))
        })
        .await;
    }
    let twice = store.write(Priority::Normal, |tx| {
        tx.put_evaluation_record(&record("r-9", "one"))
    });
    assert!(twice.await.is_err(), "inputs are there once");
    let digest = Digest::of(b"two");
    let known = read(store, move |tx| tx.evaluation_record("d-1", &digest)).await;
    assert_eq!(known, Some(record("r-2", "two")));
    let page = |after| Search {
        after,
        limit: 2,
        ..Search::default()
    };
    let ids = |page: &Page<EvaluationRecord>| {
        page.items
            .iter()
            .map(|one| one.id.clone())
            .collect::<Vec<_>>()
    };
    let first = read(store, move |tx| tx.evaluation_records("d-1", &page(None))).await;
    assert_eq!(ids(&first), ["r-1", "r-2"]);
    let next = first.next;
    let second = read(store, move |tx| tx.evaluation_records("d-1", &page(next))).await;
    assert_eq!((ids(&second), second.next), (vec!["r-3".to_owned()], None));
    assert!(write(store, |tx| tx.delete_evaluation_record("d-1", "r-2")).await);
    assert!(!write(store, |tx| tx.delete_evaluation_record("d-1", "r-2")).await);
    assert_eq!(
        read(store, |tx| tx.count_evaluation_records("d-1")).await,
        2
    );
    write(store, |tx| tx.delete_evaluation_dataset("ev", "d-1")).await;
    assert_eq!(
        read(store, |tx| tx.count_evaluation_records("d-1")).await,
        0
    );
}

async fn scorers(store: &Store) {
    let experiment = |name: &str| NewExperiment {
        project: "ev".into(),
        name: name.into(),
        artifact_location: "here".into(),
        created_at: at(0),
        tags: BTreeMap::new(),
    };
    let (one, two) = (experiment("one"), experiment("two"));
    let one = write(store, move |tx| tx.create_experiment(&one)).await;
    let two = write(store, move |tx| tx.create_experiment(&two)).await;
    let scorer = |id: &str, experiment: &str, name: &str| ScorerVersion {
        id: id.into(),
        experiment: experiment.into(),
        name: name.into(),
        version: 0,
        serialized: "{ }".into(),
        created_at: at(0),
    };
    for (id, experiment, name, expect) in [
        ("s-1", &one, "exact", ("s-1", 1)),
        ("s-2", &one, "exact", ("s-1", 2)),
        ("s-3", &one, "close", ("s-3", 1)),
        ("s-4", &two, "exact", ("s-4", 1)),
    ] {
        let asked = scorer(id, experiment, name);
        let made = write(store, move |tx| tx.register_scorer("ev", &asked)).await;
        assert_eq!((made.id.as_str(), made.version), expect, "{id}");
    }
    let strange = scorer("s-5", "none", "exact");
    let said = refused(store, move |tx| tx.register_scorer("ev", &strange)).await;
    assert_eq!(said, "experiment `none` does not exist");
    let both = vec![one.clone(), two.clone()];
    let newest = read(store, move |tx| tx.scorers(&both)).await;
    let newest: Vec<_> = newest
        .iter()
        .map(|one| (one.id.as_str(), one.version))
        .collect();
    assert_eq!(newest, [("s-3", 1), ("s-1", 2), ("s-4", 1)]);
    assert_eq!(
        read(store, |tx| tx.scored_experiments("ev")).await,
        [one.clone(), two]
    );
    let of = one.clone();
    let versions = read(store, move |tx| tx.scorer_versions(&of, "exact")).await;
    let expect = ScorerVersion {
        version: 1,
        ..scorer("s-1", &one, "exact")
    };
    assert_eq!((versions.len(), &versions[0]), (2, &expect));
    let scoring = OnlineScoring {
        id: "o-1".into(),
        scorer: "s-1".into(),
        experiment: one.clone(),
        sample_rate: 0.25,
        filter: None,
    };
    for id in ["o-1", "o-2"] {
        let one = OnlineScoring {
            id: id.into(),
            ..scoring.clone()
        };
        write(store, move |tx| tx.put_online_scoring(&one)).await;
    }
    let asked = vec!["s-1".to_owned(), "s-3".to_owned()];
    let found = read(store, move |tx| tx.online_scoring("ev", &asked)).await;
    let expect = OnlineScoring {
        id: "o-2".into(),
        ..scoring
    };
    assert_eq!(found, [expect], "one of a scorer");
    let gone = async |version| {
        let of = one.clone();
        write(store, move |tx| tx.delete_scorer(&of, "exact", version)).await
    };
    assert!(gone(Some(1)).await && !gone(Some(1)).await && gone(Some(2)).await);
    let of = one.clone();
    let id = read(store, move |tx| tx.scorer_id(&of, "exact")).await;
    assert_eq!(id.as_deref(), Some("s-1"), "it outlives its versions");
    assert!(gone(None).await && !gone(None).await && !gone(Some(1)).await);
    let left = read(store, |tx| tx.online_scoring("ev", &["s-1".to_owned()])).await;
    assert_eq!(left, []);
}

async fn go_with_their_project(store: &Store) {
    write(store, |tx| tx.delete_project("ev")).await;
    assert_eq!(
        read(store, |tx| tx.evaluation_dataset("ev", "d-2")).await,
        None
    );
    assert_eq!(read(store, |tx| tx.scored_experiments("ev")).await, [""; 0]);
}
