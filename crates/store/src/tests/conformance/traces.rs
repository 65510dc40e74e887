//! Traces, their spans, links and assessments.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::{experiment, read, refused, write};
use crate::tests::at;
use crate::*;

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let one = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(one).collect()
}

fn place(project: &str) -> NewExperiment {
    NewExperiment {
        project: project.to_owned(),
        ..experiment("traces")
    }
}

pub(super) fn trace(project: &str, experiment: &str, id: &str, seconds: i64) -> Trace {
    Trace {
        trace_id: id.to_owned(),
        project: project.to_owned(),
        experiment_id: experiment.to_owned(),
        request_time: at(seconds),
        duration: None,
        state: "OK".to_owned(),
        client_request_id: None,
        request_preview: None,
        response_preview: None,
        tags: BTreeMap::new(),
        metadata: BTreeMap::new(),
        assessments: Vec::new(),
    }
}

fn span(id: &str, parent: Option<&str>, name: &str, kind: &str) -> Span {
    Span {
        span_id: id.to_owned(),
        parent_id: parent.map(str::to_owned),
        name: name.to_owned(),
        kind: Some(kind.to_owned()),
        status: "OK".to_owned(),
        started: 5,
        ended: Some(9_000_005),
        model: Some("m".to_owned()),
        provider: None,
        input_cost: Some(0.5),
        output_cost: None,
        total_cost: None,
        content: format!("{{\"name\": \"{name}\"}}"),
    }
}

pub(super) fn judged(
    trace_id: &str,
    id: &str,
    name: &str,
    value: &str,
    number: Option<f64>,
) -> Assessment {
    Assessment {
        assessment_id: id.to_owned(),
        trace_id: trace_id.to_owned(),
        name: name.to_owned(),
        kind: AssessmentKind::Feedback,
        value: value.to_owned(),
        number,
        numeric: number.is_some(),
        error: None,
        rationale: Some("because".to_owned()),
        source_type: "HUMAN".to_owned(),
        source_id: None,
        span_id: None,
        overrides: None,
        valid: true,
        of_session: false,
        metadata: labels(&[("k", "v")]),
        created_at: at(1),
        updated_at: at(2),
    }
}

async fn put(store: &Store, one: Trace) {
    write(store, move |tx| tx.put_trace(&one)).await;
}

async fn get(store: &Store, project: &'static str, id: &'static str) -> Option<Trace> {
    read(store, move |tx| tx.trace(project, id)).await
}

pub(super) async fn check(store: &Store) {
    let made = write(store, |tx| tx.create_experiment(&place("tr"))).await;
    let other = write(store, |tx| tx.create_experiment(&place("tr2"))).await;
    once_and_again(store, &made, &other).await;
    spans(store).await;
    assessments(store).await;
    searches(store, &made).await;
    figures(store, &made).await;
    deletes(store, &made).await;
    write(store, |tx| tx.delete_project("tr")).await;
    assert_eq!(get(store, "tr", "b").await, None);
    assert!(get(store, "tr2", "a").await.is_some(), "another project's");
    write(store, |tx| tx.delete_project("tr2")).await;
}

/// What is told later is added; what is told twice changes nothing; projects do not see each other.
async fn once_and_again(store: &Store, made: &str, other: &str) {
    let first = Trace {
        tags: labels(&[("mlflow.traceName", "chat"), ("team", "x")]),
        ..trace("tr", made, "a", 10)
    };
    put(store, first.clone()).await;
    put(store, first.clone()).await;
    assert_eq!(get(store, "tr", "a").await, Some(first.clone()));
    put(store, trace("tr2", other, "a", 11)).await;
    let more = Trace {
        duration: Some(SignedDuration::from_millis(1500)),
        tags: labels(&[("team", "y")]),
        metadata: labels(&[("mlflow.sourceRun", "r1"), ("mlflow.trace.session", "s1")]),
        request_preview: Some("hi".to_owned()),
        ..trace("tr", made, "a", 12)
    };
    put(store, more.clone()).await;
    let whole = Trace {
        tags: labels(&[("mlflow.traceName", "chat"), ("team", "y")]),
        ..more
    };
    assert_eq!(get(store, "tr", "a").await, Some(whole));
    put(store, trace("tr", made, "b", 13)).await;
    let session = labels(&[("mlflow.trace.session", "s1")]);
    let third = Trace {
        state: "ERROR".to_owned(),
        metadata: session,
        ..trace("tr", made, "c", 13)
    };
    put(store, third).await;
    let ids = ["c", "none", "a"].map(str::to_owned);
    let found = read(store, move |tx| tx.traces("tr", &ids)).await;
    let found: Vec<_> = found.into_iter().map(|one| one.trace_id).collect();
    assert_eq!(found, ["c", "a"]);
    let change = |value: Option<&str>| TagChange {
        key: "new".to_owned(),
        value: value.map(str::to_owned),
    };
    for (id, value, expect) in [
        ("a", Some("1"), true),
        ("a", None, true),
        ("a", None, false),
        ("none", Some("1"), false),
    ] {
        let change = change(value);
        assert_eq!(
            write(store, move |tx| tx.tag_trace("tr", id, &change)).await,
            expect
        );
    }
}

async fn spans(store: &Store) {
    let both = [
        span("2", Some("1"), "call", "LLM"),
        span("1", None, "chat", "CHAIN"),
    ];
    let again = both.clone();
    write(store, move |tx| tx.put_spans("tr", "a", &both)).await;
    write(store, move |tx| tx.put_spans("tr", "a", &again)).await;
    let found = read(store, |tx| tx.spans("tr", "a")).await;
    let names: Vec<_> = found.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["chat", "call"], "roots first, and none twice");
    assert_eq!(found[1], span("2", Some("1"), "call", "LLM"));
    assert_eq!(read(store, |tx| tx.spans("tr2", "a")).await, []);
    let error = refused(store, |tx| tx.put_spans("tr", "none", &[])).await;
    assert_eq!(error, "trace `none` does not exist");
}

async fn assessments(store: &Store) {
    let one = judged("a", "a-1", "good", "0.5", Some(0.5));
    let expect = one.clone();
    write(store, move |tx| tx.create_assessment("tr", &one)).await;
    let twice = expect.clone();
    let error = refused(store, move |tx| tx.create_assessment("tr", &twice)).await;
    assert_eq!(error, "assessment `a-1` exists already");
    let found = read(store, |tx| tx.assessment("tr", "a", "a-1")).await;
    assert_eq!(found, Some(expect.clone()));
    assert_eq!(
        read(store, |tx| tx.assessment("tr2", "a", "a-1")).await,
        None
    );
    let session = Assessment {
        of_session: true,
        ..judged("c", "a-2", "polite", "\"yes\"", None)
    };
    write(store, move |tx| tx.create_assessment("tr", &session)).await;
    let changed = Assessment {
        rationale: None,
        ..expect
    };
    let expect = changed.clone();
    write(store, move |tx| tx.update_assessment("tr", &changed)).await;
    assert_eq!(get(store, "tr", "a").await.unwrap().assessments, [expect]);
    let third = judged("b", "a-3", "x", "1", None);
    write(store, move |tx| tx.create_assessment("tr", &third)).await;
    for expect in [true, false] {
        let gone = write(store, |tx| tx.delete_assessment("tr", "b", "a-3")).await;
        assert_eq!(gone, expect);
    }
}

async fn found(store: &Store, made: &str, search: TraceSearch) -> (String, Option<Cursor>) {
    let experiments = [made.to_owned()];
    let page = read(store, move |tx| {
        tx.search_traces("tr", &experiments, &search)
    })
    .await;
    let ids: Vec<_> = page.items.into_iter().map(|one| one.trace_id).collect();
    (ids.join(" "), page.next)
}

fn equal(text: &str) -> TraceTest {
    TraceTest::Compare(Op::Eq, Operand::Text(text.to_owned()))
}

fn number(op: Op, number: f64) -> TraceTest {
    TraceTest::Compare(op, Operand::Number(number))
}

fn feedback(name: &str, test: TraceTest) -> TraceClause {
    TraceClause::Assessment(AssessmentKind::Feedback, name.to_owned(), test)
}

async fn searches(store: &Store, made: &str) {
    let links = ["b", "unknown"].map(str::to_owned);
    for link in [TraceLink::Run("r1".into()), TraceLink::Prompt("p/1".into())] {
        let links = links.clone();
        write(store, move |tx| tx.link_traces("tr", &links, &link)).await;
    }
    let field = |field, test| vec![TraceClause::Field(field, test)];
    let tag = |key: &str| TraceField::Tag(key.to_owned());
    let absent = TraceTest::Compare(Op::IsNull, Operand::Nothing);
    let there = TraceTest::Compare(Op::NotNull, Operand::Nothing);
    let like = |op, text: &str| TraceTest::Compare(op, Operand::Text(text.to_owned()));
    let matches = |text: &str| TraceTest::Matches(text.to_owned());
    let span = |field, test| TraceClause::Span(field, test);
    let begun = at(12).as_millisecond() as f64;
    for (clauses, expect) in [
        (vec![], "b c a"),
        (field(TraceField::State, equal("ERROR")), "c"),
        (field(TraceField::RequestTime, number(Op::Gt, begun)), "b c"),
        (field(TraceField::Duration, number(Op::Eq, 1500.0)), "a"),
        (
            field(TraceField::EndTime, number(Op::Gt, begun + 1500.0)),
            "",
        ),
        (
            field(TraceField::EndTime, number(Op::Eq, begun + 1500.0)),
            "a",
        ),
        (field(tag("team"), equal("y")), "a"),
        (field(tag("team"), absent.clone()), "b c"),
        (field(tag("team"), there.clone()), "a"),
        (field(tag("mlflow.traceName"), like(Op::Like, "Ch%")), ""),
        (field(tag("mlflow.traceName"), like(Op::ILike, "Ch%")), "a"),
        (field(tag("mlflow.traceName"), matches("^c.a")), "a"),
        (field(tag("mlflow.traceName"), matches("[")), ""),
        (vec![TraceClause::Run("r1".into())], "b a"),
        (vec![TraceClause::Prompt("p/1".into())], "b"),
        (vec![TraceClause::Prompt("p/2".into())], ""),
        (
            vec![
                span(SpanField::Name, equal("call")),
                span(SpanField::Kind, equal("LLM")),
            ],
            "a",
        ),
        (
            vec![
                span(SpanField::Name, equal("call")),
                span(SpanField::Kind, equal("CHAIN")),
            ],
            "",
        ),
        (
            vec![span(SpanField::Content, like(Op::Like, "%chat%"))],
            "a",
        ),
        (vec![feedback("good", number(Op::Gt, 0.4))], "a"),
        (vec![feedback("good", number(Op::Gt, 0.5))], ""),
        (vec![feedback("good", equal("0.5"))], "a"),
        (vec![feedback("good", absent.clone())], "b c"),
        (vec![feedback("polite", equal("yes"))], "c a"),
        (vec![feedback("polite", absent)], "b"),
        (vec![feedback("polite", like(Op::Ne, "yes"))], ""),
        (vec![TraceClause::Issue("i".into())], ""),
    ] {
        let search = TraceSearch {
            clauses: clauses.clone(),
            ..TraceSearch::default()
        };
        assert_eq!(found(store, made, search).await.0, expect, "{clauses:?}");
        let experiments = [made.to_owned()];
        let count = read(store, move |tx| {
            tx.count_traces("tr", &experiments, &clauses)
        })
        .await;
        assert_eq!(count as usize, expect.split_whitespace().count());
    }
    pages(store, made).await;
}

/// Every order gives all traces, page by page.
async fn pages(store: &Store, made: &str) {
    let by = |field: TraceField, descending| TraceOrder { field, descending };
    for (order, expect) in [
        (vec![], "b c a"),
        (vec![by(TraceField::TraceId, false)], "a b c"),
        (vec![by(TraceField::Duration, true)], "a b c"),
        (
            vec![by(
                TraceField::Metadata("mlflow.trace.session".into()),
                true,
            )],
            "c a b",
        ),
        (
            vec![by(TraceField::State, true), by(TraceField::TraceId, true)],
            "b a c",
        ),
    ] {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let search = TraceSearch {
                order: order.clone(),
                after: after.clone(),
                limit: 1,
                ..TraceSearch::default()
            };
            let (page, next) = found(store, made, search).await;
            if next.is_none() {
                break;
            }
            all.push(page);
            after = next;
        }
        assert_eq!(all.join(" "), expect, "{order:?}");
    }
}

async fn figures(store: &Store, made: &str) {
    let get = |kind, filters| {
        let experiments = [made.to_owned()];
        let which = Figures {
            kind,
            filters,
            from: Some(at(12)),
            until: Some(at(12)),
        };
        read(store, move |tx| {
            tx.trace_figures("tr", &experiments, &which)
        })
    };
    let traces = get(
        FigureKind::Traces,
        vec![FigureFilter::Trace(TraceField::State, "OK".into())],
    )
    .await;
    let expect = Figure {
        at: at(12).as_millisecond(),
        name: Some("chat".into()),
        status: Some("OK".into()),
        latency: Some(1500.0),
        session: Some("s1".into()),
        ..Figure::default()
    };
    assert_eq!(traces, [expect]);
    let spans = get(
        FigureKind::Spans,
        vec![FigureFilter::Span(SpanField::Kind, "LLM".into())],
    )
    .await;
    assert_eq!(spans.len(), 1);
    assert_eq!(
        (spans[0].latency, spans[0].costs),
        (Some(9.0), [Some(0.5), None, None])
    );
    let said = get(
        FigureKind::Assessments,
        vec![
            FigureFilter::AssessmentName("good".into()),
            FigureFilter::Run("r1".into()),
        ],
    )
    .await;
    assert_eq!((said.len(), said[0].number), (1, Some(0.5)));
}

async fn deletes(store: &Store, made: &str) {
    let delete = |experiment: &str, which: TraceDeletion| {
        let experiment = experiment.to_owned();
        write(store, move |tx| tx.delete_traces("tr", &experiment, &which))
    };
    let ids = TraceDeletion::Ids(vec!["c".into(), "none".into()]);
    assert_eq!(
        delete("424242", ids.clone()).await,
        0,
        "of another experiment"
    );
    assert_eq!(delete(made, ids).await, 1);
    let until = |limit| TraceDeletion::Until {
        time: at(13),
        limit,
    };
    assert_eq!(
        delete(made, until(Some(1))).await,
        1,
        "the oldest goes first"
    );
    assert_eq!(get(store, "tr", "a").await, None);
    assert_eq!(read(store, |tx| tx.spans("tr", "a")).await, []);
    assert!(get(store, "tr", "b").await.is_some());
    assert_eq!(delete(made, until(None)).await, 1);
    put(store, trace("tr", made, "b", 13)).await;
    let linked = TraceSearch {
        clauses: vec![TraceClause::Run("r1".into())],
        ..TraceSearch::default()
    };
    assert_eq!(
        found(store, made, linked).await.0,
        "",
        "links go with their trace"
    );
}
