//! Experiments, tracked runs, metrics and logged models.

use std::collections::BTreeMap;

use super::{read, refused, write};
use crate::tests::at;
use crate::*;

pub(crate) fn experiment(name: &str) -> NewExperiment {
    NewExperiment {
        project: "t".into(),
        name: name.into(),
        artifact_location: "mlflow-artifacts:/t/{id}".into(),
        created_at: at(0),
        tags: BTreeMap::from([("team".into(), "air".into())]),
    }
}

pub(crate) fn tracked(run_id: &str, experiment_id: &str) -> TrackedRun {
    TrackedRun {
        run_id: run_id.into(),
        experiment_id: experiment_id.into(),
        project: "t".into(),
        name: format!("name of {run_id}"),
        user_id: "ann".into(),
        status: "RUNNING".into(),
        start_time: at(0),
        end_time: None,
        artifact_uri: "mlflow-artifacts:/t/1/x".into(),
        lifecycle: Lifecycle::Active,
        deleted_at: None,
        parent: None,
        tags: BTreeMap::new(),
        params: BTreeMap::new(),
        metrics: Vec::new(),
        inputs: Vec::new(),
        outputs: Vec::new(),
    }
}

pub(crate) fn point(key: &str, value: f64, step: i64) -> MetricPoint {
    MetricPoint {
        key: key.into(),
        value,
        at: at(step),
        step,
        model_id: None,
        dataset: None,
    }
}

fn change(key: &str, value: Option<&str>) -> TagChange {
    TagChange {
        key: key.into(),
        value: value.map(str::to_owned),
    }
}

pub(super) async fn check(store: &Store) {
    let id = experiments(store).await;
    runs(store, &id).await;
    metrics(store).await;
    heads(store).await;
    writers(store, &id).await;
    logged_models(store, &id).await;
}

async fn experiments(store: &Store) -> String {
    let id = write(store, |tx| tx.create_experiment(&experiment("delay"))).await;
    assert_eq!(
        refused(store, |tx| tx.create_experiment(&experiment("delay"))).await,
        "experiment `delay` exists already"
    );
    let (one, other) = (id.clone(), id.clone());
    let known = read(store, move |tx| tx.experiment("t", &one))
        .await
        .unwrap();
    assert_eq!(known.artifact_location, format!("mlflow-artifacts:/t/{id}"));
    assert_eq!(
        read(store, move |tx| tx.experiment("other", &other)).await,
        None,
        "of another project"
    );
    assert_eq!(read(store, |tx| tx.experiment("t", "zero")).await, None);
    let tagged = id.clone();
    let changes = [change("team", None), change("risk", Some("low"))];
    write(store, move |tx| tx.tag_experiment(&tagged, &changes)).await;
    let mut renamed = read(store, |tx| tx.experiment_by_name("t", "delay"))
        .await
        .unwrap();
    assert_eq!(
        renamed.tags,
        BTreeMap::from([("risk".into(), "low".into())])
    );
    renamed.name = "lateness".into();
    renamed.lifecycle = Lifecycle::Deleted;
    let expect = renamed.clone();
    write(store, move |tx| tx.update_experiment(&renamed)).await;
    assert_eq!(
        read(store, |tx| tx.experiment_by_name("t", "lateness")).await,
        Some(expect)
    );
    id
}

async fn runs(store: &Store, experiment: &str) {
    let mut run = tracked("run-1", experiment);
    run.tags.insert("mlflow.parentRunId".into(), "run-0".into());
    run.params.insert("depth".into(), "4".into());
    run.metrics = vec![point("mae", 11.5, 1)];
    run.inputs = vec![Input {
        name: "flights".into(),
        digest: "ab12".into(),
        source_type: "local".into(),
        source: "{}".into(),
        schema: None,
        profile: Some("{}".into()),
        tags: BTreeMap::from([("mlflow.data.context".into(), "training".into())]),
    }];
    run.outputs = vec![Output {
        model_id: "m-1".into(),
        step: 2,
    }];
    let mut expect = run.clone();
    expect.parent = Some("run-0".into());
    let again = run.clone();
    write(store, move |tx| tx.create_tracked_run(&run)).await;
    assert_eq!(
        refused(store, move |tx| tx.create_tracked_run(&again)).await,
        "run `run-1` exists already"
    );
    assert_eq!(
        read(store, |tx| tx.tracked_run("run-1")).await.as_ref(),
        Some(&expect)
    );
    assert_eq!(
        read(store, |tx| tx.child_runs("run-0")).await,
        [expect.clone()]
    );

    let log = |value: &str| {
        vec![
            ("depth".to_owned(), value.to_owned()),
            ("trees".to_owned(), "200".to_owned()),
        ]
    };
    let (same, other) = (log("4"), log("6"));
    write(store, move |tx| tx.log_params("run-1", &same)).await;
    let error = refused(store, move |tx| tx.log_params("run-1", &other)).await;
    assert!(
        error.contains("`depth` is logged already as `4` and cannot become `6`"),
        "{error}"
    );
    let changes = [
        change("mlflow.parentRunId", None),
        change("note", Some("a\nb")),
    ];
    write(store, move |tx| tx.tag_tracked_run("run-1", &changes)).await;
    let inputs = expect.inputs.clone();
    write(store, move |tx| tx.log_inputs("run-1", &inputs)).await;
    let mut ended = read(store, |tx| tx.tracked_run("run-1")).await.unwrap();
    assert_eq!(
        (
            ended.parent.as_ref(),
            ended.inputs.len(),
            ended.params.len()
        ),
        (None, 1, 2)
    );
    (ended.status, ended.end_time, ended.lifecycle) =
        ("FINISHED".into(), Some(at(9)), Lifecycle::Deleted);
    let changed = ended.clone();
    write(store, move |tx| tx.update_tracked_run(&changed)).await;
    assert_eq!(
        read(store, |tx| tx.tracked_run("run-1")).await,
        Some(ended.clone())
    );
    write(store, |tx| tx.end_tracked_run("nobody", "FAILED", at(10))).await;
    write(store, |tx| tx.end_tracked_run("run-1", "FAILED", at(10))).await;
    (ended.status, ended.end_time) = ("FAILED".into(), Some(at(10)));
    assert_eq!(read(store, |tx| tx.tracked_run("run-1")).await, Some(ended));
    assert_eq!(
        refused(store, |tx| tx.log_params("nobody", &[])).await,
        "run `nobody` does not exist"
    );
}

async fn metrics(store: &Store) {
    let odd = [
        ("nan", f64::NAN),
        ("up", f64::INFINITY),
        ("down", f64::NEG_INFINITY),
        ("tiny", 5e-324),
        ("huge", f64::MAX),
    ];
    let points: Vec<_> = odd
        .iter()
        .map(|(key, value)| point(key, *value, 0))
        .collect();
    let again = points.clone();
    write(store, move |tx| tx.log_metrics("run-1", &points)).await;
    write(store, move |tx| tx.log_metrics("run-1", &again)).await;
    let latest = read(store, |tx| tx.latest_metrics("run-1")).await;
    for (key, value) in odd {
        assert_eq!(latest[key].to_bits(), value.to_bits(), "{key}");
        let history = all_of(store, "run-1", key).await;
        assert_eq!(history.len(), 1, "the same point twice is one point: {key}");
        assert_eq!(history[0].value.to_bits(), value.to_bits(), "{key}");
    }
    // In shuffled order: the latest is that of the largest step, not of the last call.
    let shuffled: Vec<_> = (0..130)
        .map(|n| point("loss", f64::from(n * 37 % 130), i64::from(n * 37 % 130)))
        .collect();
    write(store, move |tx| tx.log_metrics("run-1", &shuffled)).await;
    write(store, |tx| {
        tx.log_metrics("run-1", &[point("loss", 5.0, 3)])
    })
    .await;
    assert_eq!(
        read(store, |tx| tx.latest_metrics("run-1")).await["loss"],
        129.0
    );
    let page = all_of(store, "run-1", "loss").await;
    assert_eq!(
        page[2..6]
            .iter()
            .map(|p| (p.step, p.value))
            .collect::<Vec<_>>(),
        [(2, 2.0), (3, 3.0), (3, 5.0), (4, 4.0)]
    );

    // The same metric on two datasets: two series, one history, one latest value.
    let on = |name: &str, value, step| MetricPoint {
        dataset: Some((name.into(), "d".into())),
        ..point("mae", value, step)
    };
    let points = [on("test", 9.0, 8), on("train", 7.0, 7)];
    write(store, move |tx| tx.log_metrics("run-1", &points)).await;
    let history = all_of(store, "run-1", "mae").await;
    assert_eq!(
        history,
        [
            point("mae", 11.5, 1),
            on("train", 7.0, 7),
            on("test", 9.0, 8)
        ]
    );
    let whole = read(store, |tx| tx.tracked_run("run-1")).await.unwrap();
    assert_eq!(
        whole.metrics.iter().find(|p| p.key == "mae"),
        Some(&on("test", 9.0, 8))
    );
}

/// What is asked of a run without loading it is what it would say.
async fn heads(store: &Store) {
    let whole = read(store, |tx| tx.tracked_run("run-1")).await.unwrap();
    let head = read(store, |tx| tx.run_head("run-1")).await.unwrap();
    let expect = RunHead {
        run_id: whole.run_id,
        experiment_id: whole.experiment_id,
        project: whole.project,
        artifact_uri: whole.artifact_uri,
        lifecycle: whole.lifecycle,
        parent: whole.parent,
    };
    assert_eq!(head, expect);
    assert_eq!(read(store, |tx| tx.run_head("nothing")).await, None);
    for (key, value) in &whole.tags {
        let key = key.clone();
        let tag = read(store, move |tx| tx.run_tag("run-1", &key)).await;
        assert_eq!(tag.as_ref(), Some(value));
    }
    assert_eq!(read(store, |tx| tx.run_tag("run-1", "none")).await, None);
    let many: Vec<_> = (0..230)
        .map(|n| (format!("many-{n}"), n.to_string()))
        .collect();
    let logged = many.clone();
    write(store, move |tx| tx.log_params("run-1", &logged)).await;
    let params = read(store, |tx| {
        let keys: Vec<String> = (100..400).map(|n| format!("many-{n}")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        assert!(tx.run_params("run-1", &[])?.is_empty());
        tx.run_params("run-1", &keys)
    })
    .await;
    assert_eq!(params, many.into_iter().skip(100).collect());
}

/// Many writers on one run with shuffled keys: nothing is lost, nothing locks up.
async fn writers(store: &Store, experiment: &str) {
    let run = tracked("busy", experiment);
    write(store, move |tx| tx.create_tracked_run(&run)).await;
    let writers = (0..16i64).map(|writer| {
        let keys = (0..10).map(|n| format!("k{}", (n * 7 + writer) % 10));
        let points: Vec<_> = keys.map(|key| point(&key, writer as f64, writer)).collect();
        store.write(Priority::Bulk, move |tx| tx.log_metrics("busy", &points))
    });
    futures_util::future::join_all(writers)
        .await
        .into_iter()
        .for_each(|done| done.unwrap());
    let latest = read(store, |tx| tx.latest_metrics("busy")).await;
    assert_eq!(latest.len(), 10);
    assert!(latest.values().all(|value| *value == 15.0), "{latest:?}");
    assert_eq!(all_of(store, "busy", "k3").await.len(), 16);
    assert!(write(store, |tx| tx.purge_tracked_run("busy")).await);
    assert_eq!(read(store, |tx| tx.tracked_run("busy")).await, None);
}

async fn logged_models(store: &Store, experiment: &str) {
    let model = LoggedModel {
        model_id: "m-1".into(),
        experiment_id: experiment.into(),
        project: "t".into(),
        name: "delay".into(),
        model_type: String::new(),
        source_run_id: Some("run-1".into()),
        artifact_uri: "mlflow-artifacts:/t/1/models/m-1".into(),
        status: "LOGGED_MODEL_PENDING".into(),
        status_message: String::new(),
        created_at: at(0),
        updated_at: at(0),
        tags: BTreeMap::from([("a".into(), "b".into())]),
        params: BTreeMap::from([("depth".into(), "4".into())]),
        metrics: Vec::new(),
    };
    let created = model.clone();
    write(store, move |tx| tx.create_logged_model(&created)).await;
    let measured = MetricPoint {
        model_id: Some("m-1".into()),
        ..point("r2", 0.5, 1)
    };
    let logged = measured.clone();
    write(store, move |tx| {
        tx.log_metrics("run-1", std::slice::from_ref(&logged))
    })
    .await;
    let mut ready = model;
    ready.status = "LOGGED_MODEL_READY".into();
    let changed = ready.clone();
    write(store, move |tx| tx.update_logged_model(&changed)).await;
    ready.metrics = vec![("run-1".to_owned(), measured)];
    assert_eq!(
        read(store, |tx| tx.logged_model("m-1")).await.as_ref(),
        Some(&ready)
    );
    let (mine, found) = (experiment.to_owned(), ready);
    let wanted = Search {
        clauses: vec![Clause {
            field: Field::Param("depth".into()),
            op: Op::Eq,
            operand: Operand::Text("4".into()),
        }],
        ..Search::default()
    };
    assert_eq!(
        read(store, move |tx| tx.search_logged_models(&[mine], &wanted))
            .await
            .items,
        [found]
    );
    points_of_models(store, experiment).await;
    charts(store, experiment).await;
    assert!(write(store, |tx| tx.delete_logged_model("m-1")).await);
    assert!(!write(store, |tx| tx.delete_logged_model("m-1")).await);
}

/// Clauses about the points of a model look at any of them, orders at the latest by time, both only on the datasets that
/// are asked for.
async fn points_of_models(store: &Store, experiment: &str) {
    let logged = |name: &str, values: &[(f64, i64, i64, Option<&str>)]| {
        let (id, values) = (name.to_owned(), values.to_vec());
        values
            .into_iter()
            .map(move |(value, at, step, dataset)| MetricPoint {
                at: jiff::Timestamp::from_second(at).unwrap(),
                model_id: Some(id.clone()),
                dataset: dataset.map(|name| (name.to_owned(), "d".to_owned())),
                ..point("acc", value, step)
            })
            .collect::<Vec<_>>()
    };
    // The latest by time of m-a is 0.2, though 0.9 has the larger step.
    let points = [
        logged(
            "m-a",
            &[(0.9, 1, 9, Some("train")), (0.2, 2, 1, Some("test"))],
        ),
        logged("m-b", &[(0.5, 1, 1, Some("train"))]),
        logged("m-c", &[(f64::NAN, 1, 1, None)]),
    ]
    .concat();
    let home = experiment.to_owned();
    write(store, move |tx| {
        let first = tx.logged_model("m-1")?.expect("it was created");
        for (n, id) in (1..).zip(["m-a", "m-b", "m-c", "m-d"]) {
            tx.create_logged_model(&LoggedModel {
                model_id: id.into(),
                created_at: at(-n),
                experiment_id: home.clone(),
                ..first.clone()
            })?;
        }
        tx.log_metrics("run-1", &points)
    })
    .await;
    let on = |dataset: Option<&str>| {
        Field::Measured(Measured {
            metric: Some("acc".into()),
            datasets: dataset
                .map(|name| (Some(name.to_owned()), None))
                .into_iter()
                .collect(),
        })
    };
    let any = Field::Measured(Measured {
        metric: None,
        datasets: vec![(None, Some("d".into()))],
    });
    let above = |field: Field, op, limit: f64| {
        vec![Clause {
            field,
            op,
            operand: Operand::Number(limit),
        }]
    };
    let by = |field: Field, descending| vec![Order { field, descending }];
    for (clauses, order, expect) in [
        (above(on(None), Op::Gt, 0.4), vec![], vec!["m-a", "m-b"]),
        (above(on(None), Op::Lt, 0.4), vec![], vec!["m-a"]),
        (above(on(None), Op::Ne, 0.5), vec![], vec!["m-a", "m-c"]),
        (
            above(on(Some("train")), Op::Gt, 0.0),
            vec![],
            vec!["m-a", "m-b"],
        ),
        (above(on(Some("test")), Op::Gt, 0.4), vec![], vec![]),
        (
            vec![Clause {
                field: Field::Attribute("creation_timestamp".into()),
                op: Op::Ne,
                operand: Operand::Number(f64::NAN),
            }],
            vec![],
            vec![],
        ),
        (
            vec![
                Clause {
                    field: Field::Attribute("lifecycle_stage".into()),
                    op: Op::ILike,
                    operand: Operand::Text("ACT%".into()),
                },
                above(on(None), Op::Gt, 0.4).remove(0),
            ],
            vec![],
            vec!["m-a", "m-b"],
        ),
        (
            vec![Clause {
                field: any,
                op: Op::NotNull,
                operand: Operand::Nothing,
            }],
            vec![],
            vec!["m-a", "m-b"],
        ),
        (
            above(on(None), Op::Ne, 9.0),
            by(on(None), false),
            vec!["m-a", "m-b", "m-c"],
        ),
        (
            above(on(None), Op::Ne, 9.0),
            by(on(None), true),
            vec!["m-b", "m-a", "m-c"],
        ),
        (
            above(on(None), Op::Ne, 9.0),
            by(on(Some("train")), true),
            vec!["m-a", "m-b", "m-c"],
        ),
    ] {
        let shown = format!("{clauses:?} {order:?}");
        let search = Search {
            clauses,
            order,
            ..Search::default()
        };
        let home = [experiment.to_owned()];
        let page = read(store, move |tx| tx.search_logged_models(&home, &search)).await;
        let found: Vec<_> = page
            .items
            .into_iter()
            .map(|model| model.model_id)
            .filter(|id| id != "m-1")
            .collect();
        assert_eq!(found, expect, "{shown}");
    }
}

/// A history has a point once, whatever it was measured on, and a sample is spread evenly over it with both its ends.
async fn charts(store: &Store, experiment: &str) {
    let mut run = tracked("run-charts", experiment);
    run.metrics = (0..10)
        .map(|n| point("long", f64::from(n), i64::from(n)))
        .collect();
    let again = MetricPoint {
        model_id: Some("m-a".into()),
        ..point("long", 3.0, 3)
    };
    let input = |name: &str, context: &str| Input {
        name: name.into(),
        digest: "d1".into(),
        source_type: "local".into(),
        source: "{}".into(),
        schema: None,
        profile: None,
        tags: BTreeMap::from([("mlflow.data.context".to_owned(), context.to_owned())]),
    };
    let inputs = [input("charted", "train"), input("charted 2", "")];
    write(store, move |tx| {
        tx.create_tracked_run(&run)?;
        tx.log_metrics("run-charts", std::slice::from_ref(&again))?;
        tx.log_inputs("run-charts", &inputs)
    })
    .await;
    let history = all_of(store, "run-charts", "long").await;
    assert_eq!(history.len(), 10);
    for (steps, most, expect) in [
        (None, 100, vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (None, 4, vec![0, 3, 6, 9]),
        (None, 3, vec![0, 4, 9]),
        (None, 1, vec![9]),
        (Some((3, 5)), 100, vec![3, 4, 5]),
        (Some((20, 30)), 100, vec![]),
    ] {
        let sample = read(store, move |tx| {
            tx.metric_sample("run-charts", "long", steps, most)
        })
        .await;
        let found: Vec<i64> = sample.iter().map(|point| point.step).collect();
        assert_eq!(found, expect, "{steps:?} {most}");
    }
    let home = [experiment.to_owned()];
    let used = read(store, move |tx| tx.datasets_of(&home)).await;
    let used: Vec<_> = used
        .into_iter()
        .filter(|one| one.name.starts_with("charted"))
        .map(|one| (one.name, one.context))
        .collect();
    assert_eq!(
        used,
        [
            ("charted".to_owned(), Some("train".to_owned())),
            ("charted 2".to_owned(), None)
        ]
    );
}

/// All points of a run's metric.
async fn all_of(store: &Store, run: &'static str, key: &'static str) -> Vec<MetricPoint> {
    let page = read(store, move |tx| tx.metric_history(run, key, None, 1000)).await;
    assert_eq!(page.next, None);
    page.items
}
