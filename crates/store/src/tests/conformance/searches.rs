//! Clauses, orders and pages, above all where the two databases would differ by themselves:
//! NaN, missing values, case, patterns, collation.

use super::models::{model, version};
use super::tracking::{experiment, point, tracked};
use super::{read, write};
use crate::tests::at;
use crate::*;

pub(super) async fn check(store: &Store) {
    let experiment = fill(store).await;
    clauses(store, &experiment).await;
    orders(store, &experiment).await;
    refusals(store, &experiment).await;
    registry(store).await;
    experiments(store).await;
}

/// Five runs: `s0` … `s4`, started one second apart.
async fn fill(store: &Store) -> String {
    let id = write(store, |tx| tx.create_experiment(&experiment("searched"))).await;
    let accuracy = [
        Some(0.5),
        Some(f64::NAN),
        None,
        Some(0.9),
        Some(f64::INFINITY),
    ];
    let depth = [Some("4"), Some("6"), None, Some("10"), Some("4")];
    let names = ["alpha", "Beta", "be_a", "beta", "ÄTHER\\"];
    for n in 0..5usize {
        let mut run = tracked(&format!("s{n}"), &id);
        run.name = names[n].into();
        run.start_time = at(n as i64);
        run.metrics
            .extend(accuracy[n].map(|value| point("acc", value, 1)));
        run.params
            .extend(depth[n].map(|value| ("depth".to_owned(), value.to_owned())));
        run.tags.insert("even".into(), (n % 2 == 0).to_string());
        run.inputs = match n {
            0 => vec![input("flights", "d1", Some("train"))],
            2 => vec![
                input("flights", "d1", None),
                input("weather", "d2", None),
                input("m-1", "", None),
            ],
            _ => Vec::new(),
        };
        run.lifecycle = if n == 4 {
            Lifecycle::Deleted
        } else {
            Lifecycle::Active
        };
        write(store, move |tx| {
            tx.create_tracked_run(&run)?;
            tx.log_inputs(&run.run_id, &run.inputs)
        })
        .await;
    }
    id
}

fn input(name: &str, digest: &str, context: Option<&str>) -> Input {
    let label = |context: &str| ("mlflow.data.context".to_owned(), context.to_owned());
    Input {
        name: name.into(),
        digest: digest.into(),
        source_type: "local".into(),
        source: "{}".into(),
        schema: None,
        profile: None,
        tags: context.map(label).into_iter().collect(),
    }
}

fn clause(field: Field, op: Op, operand: Operand) -> Clause {
    Clause { field, op, operand }
}

fn attribute(name: &str) -> Field {
    Field::Attribute(name.into())
}

fn text(text: &str) -> Operand {
    Operand::Text(text.into())
}

async fn ids(store: &Store, experiment: &str, search: Search) -> Vec<String> {
    let mine = [experiment.to_owned()];
    let page = read(store, move |tx| {
        tx.search_tracked_runs(&mine, RunView::All, &search)
    })
    .await;
    page.items.into_iter().map(|run| run.run_id).collect()
}

async fn clauses(store: &Store, experiment: &str) {
    let acc = || Field::Metric("acc".into());
    let depth = || Field::Param("depth".into());
    let cases: Vec<(Clause, &[&str])> = vec![
        (clause(acc(), Op::Gt, Operand::Number(0.5)), &["s4", "s3"]),
        (clause(acc(), Op::Le, Operand::Number(0.9)), &["s3", "s0"]),
        // NaN is unlike every number, and like none; who has no value is neither.
        (
            clause(acc(), Op::Ne, Operand::Number(0.9)),
            &["s4", "s1", "s0"],
        ),
        (clause(acc(), Op::Eq, Operand::Number(0.0)), &[]),
        (
            clause(acc(), Op::Ge, Operand::Number(-1.0)),
            &["s4", "s3", "s0"],
        ),
        (clause(depth(), Op::Eq, text("4")), &["s4", "s0"]),
        (clause(depth(), Op::Ne, text("4")), &["s3", "s1"]),
        (clause(depth(), Op::IsNull, Operand::Nothing), &["s2"]),
        (
            clause(depth(), Op::NotNull, Operand::Nothing),
            &["s4", "s3", "s1", "s0"],
        ),
        (
            clause(attribute("run_name"), Op::Like, text("be%")),
            &["s3", "s2"],
        ),
        (
            clause(attribute("run_name"), Op::ILike, text("BE%")),
            &["s3", "s2", "s1"],
        ),
        (
            clause(attribute("run_name"), Op::Like, text("be_a")),
            &["s3", "s2"],
        ),
        (
            clause(attribute("run_name"), Op::Like, text("%\\")),
            &["s4"],
        ),
        (
            clause(
                attribute("run_id"),
                Op::In,
                Operand::Texts(vec!["s0".into(), "s3".into()]),
            ),
            &["s3", "s0"],
        ),
        (
            clause(
                attribute("run_id"),
                Op::NotIn,
                Operand::Texts(vec!["s0".into(), "s3".into()]),
            ),
            &["s4", "s2", "s1"],
        ),
        (
            clause(attribute("run_id"), Op::In, Operand::Texts(vec![])),
            &[],
        ),
        (
            clause(
                attribute("start_time"),
                Op::Ge,
                Operand::Number(at(3).as_millisecond() as f64),
            ),
            &["s4", "s3"],
        ),
        (
            clause(Field::Tag("even".into()), Op::Eq, text("false")),
            &["s3", "s1"],
        ),
        // Any of a run's datasets; one without a context has none; logged models are no datasets.
        (
            clause(Field::Dataset("name".into()), Op::Eq, text("flights")),
            &["s2", "s0"],
        ),
        (
            clause(Field::Dataset("name".into()), Op::Ne, text("flights")),
            &["s2"],
        ),
        (
            clause(Field::Dataset("context".into()), Op::Ne, text("eval")),
            &["s0"],
        ),
        (
            clause(
                Field::Dataset("digest".into()),
                Op::NotIn,
                Operand::Texts(vec!["d1".into()]),
            ),
            &["s2"],
        ),
        (
            clause(Field::Dataset("name".into()), Op::Eq, text("m-1")),
            &[],
        ),
    ];
    for (clause, expect) in cases {
        let shown = format!("{clause:?}");
        let search = Search {
            clauses: vec![clause],
            ..Search::default()
        };
        assert_eq!(ids(store, experiment, search).await, expect, "{shown}");
    }
    let both = vec![
        clause(acc(), Op::Gt, Operand::Number(0.1)),
        clause(depth(), Op::Eq, text("4")),
    ];
    assert_eq!(
        ids(
            store,
            experiment,
            Search {
                clauses: both,
                ..Search::default()
            }
        )
        .await,
        ["s4", "s0"]
    );
    let mine = [experiment.to_owned()];
    let seen = read(store, move |tx| {
        let mut all = Vec::new();
        for view in [RunView::Active, RunView::Deleted] {
            all.push(
                tx.search_tracked_runs(&mine, view, &Search::default())?
                    .items
                    .len(),
            );
        }
        Ok(all)
    })
    .await;
    assert_eq!(seen, [4, 1]);
}

async fn orders(store: &Store, experiment: &str) {
    let by = |field: Field, descending| Order { field, descending };
    let acc = |descending| vec![by(Field::Metric("acc".into()), descending)];
    let cases: Vec<(Vec<Order>, [&str; 5])> = vec![
        (vec![], ["s4", "s3", "s2", "s1", "s0"]),
        (acc(false), ["s0", "s3", "s4", "s1", "s2"]),
        (acc(true), ["s4", "s3", "s0", "s1", "s2"]),
        (
            vec![by(Field::Param("depth".into()), false)],
            ["s3", "s4", "s0", "s1", "s2"],
        ),
        (
            vec![by(attribute("run_name"), false)],
            ["s1", "s0", "s2", "s3", "s4"],
        ),
        (
            vec![
                by(Field::Tag("even".into()), true),
                by(attribute("start_time"), false),
            ],
            ["s0", "s2", "s4", "s1", "s3"],
        ),
    ];
    for (order, expect) in cases {
        let whole = Search {
            order,
            ..Search::default()
        };
        assert_eq!(
            ids(store, experiment, whole.clone()).await,
            expect,
            "{:?}",
            whole.order
        );
        for limit in [1, 2, 4] {
            assert_eq!(
                paged(store, experiment, &whole, limit).await,
                expect,
                "{:?} by {limit}",
                whole.order
            );
        }
    }
}

/// The same search in pages.
async fn paged(store: &Store, experiment: &str, search: &Search, limit: u32) -> Vec<String> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = Search {
            after: after.take(),
            limit,
            ..search.clone()
        };
        let mine = [experiment.to_owned()];
        let page = read(store, move |tx| {
            tx.search_tracked_runs(&mine, RunView::All, &page)
        })
        .await;
        assert!(page.items.len() <= limit as usize);
        all.extend(page.items.into_iter().map(|run| run.run_id));
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

async fn refusals(store: &Store, experiment: &str) {
    let check = async |search: Search, expect: &str| {
        let mine = [experiment.to_owned()];
        let error = store
            .read(move |tx| tx.search_tracked_runs(&mine, RunView::All, &search))
            .await
            .unwrap_err();
        assert!(error.to_string().contains(expect), "{error}");
    };
    let of = |clause| Search {
        clauses: vec![clause],
        ..Search::default()
    };
    check(
        of(clause(attribute("colour"), Op::Eq, text("red"))),
        "cannot be searched for here",
    )
    .await;
    check(
        of(clause(Field::Metric("acc".into()), Op::Gt, text("high"))),
        "`high` is not a number",
    )
    .await;
    check(
        of(clause(attribute("run_id"), Op::Eq, Operand::Number(1.0))),
        "cannot be compared like that",
    )
    .await;
    let foreign = Search {
        after: Some(Cursor("[\"i1\"]".into())),
        ..Search::default()
    };
    check(foreign, "start from the first page").await;
}

async fn registry(store: &Store) {
    for name in ["aa", "ab", "b"] {
        let mut one = model(name);
        one.project = "ms".into();
        one.tags.insert("own".into(), name.into());
        write(store, move |tx| tx.create_model(&one)).await;
        let mut first = version(name);
        first.project = "ms".into();
        first.tags.insert("own".into(), name.into());
        write(store, move |tx| tx.create_version(&first)).await;
        write(store, move |tx| {
            tx.create_version(&ModelVersion {
                project: "ms".into(),
                ..version(name)
            })
        })
        .await;
    }
    let like = Search {
        clauses: vec![clause(attribute("name"), Op::Like, text("a%"))],
        limit: 1,
        ..Search::default()
    };
    let first = read(store, move |tx| tx.search_models("ms", &like)).await;
    assert_eq!(
        (first.items[0].name.as_str(), first.next.is_some()),
        ("aa", true)
    );
    let tag = clause(Field::Tag("own".into()), Op::Eq, text("ab"));
    let tagged = Search {
        clauses: vec![tag],
        ..Search::default()
    };
    let (models, versions) = (tagged.clone(), tagged);
    let found = read(store, move |tx| tx.search_models("ms", &models)).await;
    assert_eq!(
        found
            .items
            .iter()
            .map(|m| m.name.as_str())
            .collect::<Vec<_>>(),
        ["ab"]
    );
    let found = read(store, move |tx| tx.search_versions("ms", &versions)).await;
    assert_eq!(
        found
            .items
            .iter()
            .map(|v| (v.model.as_str(), v.version))
            .collect::<Vec<_>>(),
        [("ab", 1)]
    );
    let named = clause(attribute("name"), Op::Eq, text("b"));
    let second = clause(attribute("version_number"), Op::Ge, Operand::Number(2.0));
    let found = read(store, move |tx| {
        tx.search_versions(
            "ms",
            &Search {
                clauses: vec![named, second],
                ..Search::default()
            },
        )
    })
    .await;
    assert_eq!(
        found.items.iter().map(|v| v.version).collect::<Vec<_>>(),
        [2]
    );
}

async fn experiments(store: &Store) {
    let team = clause(Field::Tag("team".into()), Op::Eq, text("air"));
    let search = Search {
        clauses: vec![team],
        ..Search::default()
    };
    let found = read(store, move |tx| {
        tx.search_experiments("t", RunView::Active, &search)
    })
    .await;
    assert_eq!(
        found
            .items
            .iter()
            .map(|e| e.name.as_str())
            .collect::<Vec<_>>(),
        ["searched"]
    );
}
