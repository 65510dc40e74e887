//! Random runs and random searches: what SQL finds is what a plain evaluation in memory finds,
//! in the same order, in one page or in many.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::conformance::{experiment, point, tracked};
use super::fresh;
use crate::*;

/// A value of one field of one run, as a search sees it.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Missing,
    NaN,
    Number(f64),
    Text(String),
}

fn field() -> impl Strategy<Value = Field> {
    prop_oneof![
        Just(Field::Attribute("run_name".into())),
        Just(Field::Metric("a".into())),
        Just(Field::Metric("b".into())),
        Just(Field::Param("p".into())),
        Just(Field::Tag("t".into())),
    ]
}

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "a", "A", "ab", "a%", "b_", "é", "10", "9"])
        .prop_map(str::to_owned)
}

fn number() -> impl Strategy<Value = f64> {
    prop::sample::select(vec![
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -1.5,
        0.0,
        0.1,
        2.0,
    ])
}

fn clause() -> impl Strategy<Value = Clause> {
    let ops = prop::sample::select(vec![
        Op::Eq,
        Op::Ne,
        Op::Lt,
        Op::Ge,
        Op::IsNull,
        Op::NotNull,
    ]);
    (
        field(),
        ops,
        word(),
        prop::sample::select(vec![-1.5, 0.0, 0.1]),
    )
        .prop_map(|(field, op, word, number)| {
            let operand = if matches!(field, Field::Metric(_)) {
                Operand::Number(number)
            } else {
                Operand::Text(word)
            };
            Clause { field, op, operand }
        })
}

fn order() -> impl Strategy<Value = Order> {
    (field(), any::<bool>()).prop_map(|(field, descending)| Order { field, descending })
}

fn runs() -> impl Strategy<Value = Vec<TrackedRun>> {
    let one = (
        word(),
        prop::option::of(number()),
        prop::option::of(number()),
        prop::option::of(word()),
        prop::option::of(word()),
        0..3i64,
    );
    prop::collection::vec(one, 1..12).prop_map(|all| {
        let made = all
            .into_iter()
            .enumerate()
            .map(|(n, (name, a, b, p, t, start))| {
                let mut run = tracked(&format!("r{n:02}"), "1");
                run.name = name;
                run.start_time = super::at(start);
                run.metrics.extend(a.map(|a| point("a", a, 1)));
                run.metrics.extend(b.map(|b| point("b", b, 1)));
                run.params.extend(p.map(|p| ("p".to_owned(), p)));
                run.tags.extend(t.map(|t| ("t".to_owned(), t)));
                run
            });
        made.collect()
    })
}

fn seen(run: &TrackedRun, field: &Field) -> Seen {
    let text =
        |found: Option<&String>| found.map_or(Seen::Missing, |text| Seen::Text(text.clone()));
    match field {
        Field::Metric(key) => match run.metrics.iter().find(|point| point.key == *key) {
            None => Seen::Missing,
            Some(point) if point.value.is_nan() => Seen::NaN,
            Some(point) => Seen::Number(point.value),
        },
        Field::Param(key) => text(run.params.get(key)),
        Field::Tag(key) => text(run.tags.get(key)),
        _ => Seen::Text(run.name.clone()),
    }
}

fn compared(a: &Seen, b: &Seen) -> Option<Ordering> {
    match (a, b) {
        (Seen::Number(a), Seen::Number(b)) => a.partial_cmp(b),
        (Seen::Text(a), Seen::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        _ => None,
    }
}

fn holds(run: &TrackedRun, clause: &Clause) -> bool {
    let value = seen(run, &clause.field);
    let there = !matches!(value, Seen::Missing | Seen::NaN);
    let is_nan = matches!(value, Seen::NaN);
    let operand = match &clause.operand {
        Operand::Number(number) => Seen::Number(*number),
        Operand::Text(text) => Seen::Text(text.clone()),
        _ => Seen::Missing,
    };
    match (clause.op, compared(&value, &operand)) {
        (Op::IsNull, _) => !there,
        (Op::NotNull, _) => there,
        (Op::Ne, _) if is_nan => true,
        (Op::Eq, Some(order)) => order.is_eq(),
        (Op::Ne, Some(order)) => order.is_ne(),
        (Op::Lt, Some(order)) => order.is_lt(),
        (Op::Ge, Some(order)) => order.is_ge(),
        _ => false,
    }
}

fn sorted(runs: &[TrackedRun], search: &Search) -> Vec<String> {
    let mut found: Vec<&TrackedRun> = runs
        .iter()
        .filter(|run| search.clauses.iter().all(|c| holds(run, c)))
        .collect();
    let rank = |value: &Seen| match value {
        Seen::NaN => 1,
        Seen::Missing => 2,
        _ => 0,
    };
    found.sort_by(|a, b| {
        for Order { field, descending } in &search.order {
            let (a, b) = (seen(a, field), seen(b, field));
            let by_value = compared(&a, &b).unwrap_or(Ordering::Equal);
            let by_value = if *descending {
                by_value.reverse()
            } else {
                by_value
            };
            match rank(&a).cmp(&rank(&b)).then(by_value) {
                Ordering::Equal => {}
                decided => return decided,
            }
        }
        b.start_time
            .cmp(&a.start_time)
            .then_with(|| a.run_id.cmp(&b.run_id))
    });
    found.into_iter().map(|run| run.run_id.clone()).collect()
}

async fn found(runs: Vec<TrackedRun>, search: Search) -> Vec<String> {
    let (store, _dir) = fresh();
    let fill = move |tx: &mut Tx<'_>| {
        let id = tx.create_experiment(&experiment("random"))?;
        assert_eq!(id, "1");
        runs.iter().try_for_each(|run| tx.create_tracked_run(run))
    };
    store.write(Priority::Normal, fill).await.unwrap();
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = Search {
            after: after.take(),
            ..search.clone()
        };
        let page = store
            .read(move |tx| tx.search_tracked_runs(&["1".into()], RunView::All, &page))
            .await
            .unwrap();
        all.extend(page.items.into_iter().map(|run| run.run_id));
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn sql_finds_what_memory_finds(
        runs in runs(),
        clauses in prop::collection::vec(clause(), 0..3),
        order in prop::collection::vec(order(), 0..3),
        limit in 1..5u32,
    ) {
        let search = Search { clauses, order, after: None, limit };
        let expect = sorted(&runs, &search);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        prop_assert_eq!(runtime.block_on(found(runs, search)), expect);
    }
}
