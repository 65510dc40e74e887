//! Issues, and what reviewers are asked.

use serde_json::json;

use super::traces::{judged, trace};
use super::{experiment, read, refused, tracked, write};
use crate::tests::at;
use crate::*;

fn place(name: &str) -> NewExperiment {
    NewExperiment {
        project: "rv".into(),
        ..experiment(name)
    }
}

fn issue(id: &str, experiment: &str, second: i64) -> Issue {
    Issue {
        id: id.into(),
        project: "rv".into(),
        experiment: experiment.into(),
        name: format!("name of {id}"),
        description: "it is rude".into(),
        status: IssueStatus::Pending,
        severity: None,
        root_causes: vec!["a 'cause'".into(), String::new()],
        categories: Vec::new(),
        source_run: None,
        created_by: Some("ann".into()),
        created_at: at(second),
        updated_at: at(second),
    }
}

fn schema(id: &str, experiment: &str, name: &str, second: i64) -> LabelSchema {
    LabelSchema {
        id: id.into(),
        project: "rv".into(),
        experiment: experiment.into(),
        name: name.into(),
        kind: LabelKind::Expectation,
        instruction: None,
        comment: true,
        input: json!({ "numeric": { "max_value": 0.5 } }),
        is_default: false,
        created_at: at(second),
        updated_at: at(second),
    }
}

pub(super) async fn check(store: &Store) {
    let (one, two) = (place("one"), place("two"));
    let one = write(store, move |tx| tx.create_experiment(&one)).await;
    let two = write(store, move |tx| tx.create_experiment(&two)).await;
    issues(store, &one, &two).await;
    traces_of_issues(store, &one).await;
    label_schemas(store, &one, &two).await;
    write(store, |tx| tx.delete_project("rv")).await;
    assert_eq!(read(store, |tx| tx.issue("rv", "iss-1")).await, None);
    assert_eq!(read(store, |tx| tx.label_schema("rv", "ls-1")).await, None);
}

fn by(field: &str) -> Order {
    Order {
        field: Field::Attribute(field.into()),
        descending: true,
    }
}

async fn found(store: &Store, experiment: Option<&str>, search: Search) -> Vec<String> {
    let experiment = experiment.map(str::to_owned);
    let page = read(store, move |tx| {
        tx.search_issues("rv", experiment.as_deref(), &search)
    });
    page.await.items.into_iter().map(|one| one.id).collect()
}

async fn issues(store: &Store, one: &str, two: &str) {
    let run = TrackedRun {
        project: "rv".into(),
        ..tracked("rv-run", one)
    };
    let made = [
        issue("iss-1", one, 1),
        Issue {
            severity: Some(IssueSeverity::NotAnIssue),
            source_run: Some("rv-run".into()),
            ..issue("iss-2", one, 2)
        },
        Issue {
            severity: Some(IssueSeverity::High),
            status: IssueStatus::Rejected,
            ..issue("iss-3", two, 1)
        },
        issue("iss-4", two, 1),
    ];
    let all = made.clone();
    write(store, move |tx| {
        tx.create_tracked_run(&run)?;
        all.iter().try_for_each(|one| tx.create_issue(one))
    })
    .await;
    let again = made[0].clone();
    let said = refused(store, move |tx| tx.create_issue(&again)).await;
    assert_eq!(said, "issue `iss-1` exists already");
    let stranger = Issue {
        source_run: Some("nobody".into()),
        ..issue("iss-5", one, 1)
    };
    let strange = store.write(Priority::Normal, move |tx| tx.create_issue(&stranger));
    assert!(strange.await.is_err(), "there is no such run");
    let known = read(store, |tx| tx.issue("rv", "iss-2")).await;
    assert_eq!(known.as_ref(), Some(&made[1]));
    assert_eq!(read(store, |tx| tx.issue("other", "iss-2")).await, None);

    let sorted = |after, limit| Search {
        order: vec![by("severity")],
        after,
        limit,
        ..Search::default()
    };
    assert_eq!(
        found(store, None, sorted(None, 0)).await,
        ["iss-3", "iss-2", "iss-4", "iss-1"],
        "the worst first, the newest of those"
    );
    assert_eq!(
        found(store, Some(one), sorted(None, 0)).await,
        ["iss-2", "iss-1"]
    );
    let first = sorted(None, 3);
    let page = read(store, move |tx| tx.search_issues("rv", None, &first)).await;
    assert_eq!(found(store, None, sorted(page.next, 3)).await, ["iss-1"]);
    for (key, op, value, expect) in [
        ("status", Op::Eq, "rejected", vec!["iss-3"]),
        ("source_run_id", Op::Eq, "rv-run", vec!["iss-2"]),
        ("source_run_id", Op::Ne, "other", vec!["iss-2"]),
    ] {
        let search = Search {
            clauses: vec![Clause {
                field: Field::Attribute(key.into()),
                op,
                operand: Operand::Text(value.into()),
            }],
            ..Search::default()
        };
        assert_eq!(found(store, None, search).await, expect, "{key} {op:?}");
    }
    let changed = Issue {
        status: IssueStatus::Resolved,
        severity: Some(IssueSeverity::Low),
        updated_at: at(9),
        ..made[1].clone()
    };
    let to = changed.clone();
    write(store, move |tx| tx.update_issue(&to)).await;
    write(store, |tx| tx.purge_tracked_run("rv-run")).await;
    let known = read(store, |tx| tx.issue("rv", "iss-2")).await;
    let expect = Issue {
        source_run: None,
        ..changed
    };
    assert_eq!(known, Some(expect), "it outlives the run that found it");
    let nobody = issue("iss-9", one, 1);
    let said = refused(store, move |tx| tx.update_issue(&nobody)).await;
    assert_eq!(said, "issue `iss-9` does not exist");
}

/// A trace counts once however often it says so, and only for issues of its project.
async fn traces_of_issues(store: &Store, one: &str) {
    let other = NewExperiment {
        project: "rv2".into(),
        ..experiment("one")
    };
    let other = write(store, move |tx| tx.create_experiment(&other)).await;
    for (project, experiment, id, shows) in [
        ("rv", one, "rv-a", vec!["iss-1", "iss-1", "iss-4"]),
        ("rv", one, "rv-b", vec!["iss-4"]),
        ("rv2", &other, "rv-c", vec!["iss-1"]),
    ] {
        let made = trace(project, experiment, id, 1);
        write(store, move |tx| {
            tx.put_trace(&made)?;
            for (n, issue) in shows.iter().enumerate() {
                let said = Assessment {
                    kind: AssessmentKind::Issue,
                    ..judged(id, &format!("a-{n}"), issue, "{}", None)
                };
                tx.create_assessment(project, &said)?;
            }
            let praise = judged(id, "a-praise", "iss-2", "1", Some(1.0));
            tx.create_assessment(project, &praise)
        })
        .await;
    }
    let asked = ["iss-1", "iss-2", "iss-4", "none"].map(str::to_owned);
    let counts = read(store, move |tx| tx.traces_of_issues("rv", &asked)).await;
    let expect = [("iss-1".to_owned(), 1), ("iss-4".to_owned(), 2)];
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), expect);
    let sorted = Search {
        order: vec![by("traces")],
        ..Search::default()
    };
    let order = found(store, None, sorted).await;
    assert_eq!(order, ["iss-4", "iss-1", "iss-2", "iss-3"]);
    write(store, |tx| tx.delete_project("rv2")).await;
}

async fn label_schemas(store: &Store, one: &str, two: &str) {
    for made in [
        schema("ls-2", one, "polite", 1),
        schema("ls-1", one, "correct", 1),
        schema("ls-3", one, "brief", 2),
        schema("ls-4", two, "correct", 1),
    ] {
        write(store, move |tx| tx.create_label_schema(&made)).await;
    }
    let twice = schema("ls-5", one, "correct", 1);
    let said = refused(store, move |tx| tx.create_label_schema(&twice)).await;
    assert_eq!(said, "label schema `correct` exists already");
    let page = |after| Search {
        after,
        limit: 2,
        ..Search::default()
    };
    let ids = |page: &Page<LabelSchema>| {
        let ids = page.items.iter().map(|one| one.id.clone());
        ids.collect::<Vec<_>>()
    };
    let of = one.to_owned();
    let first = read(store, move |tx| tx.search_label_schemas(&of, &page(None))).await;
    assert_eq!(ids(&first), ["ls-3", "ls-1"]);
    let of = one.to_owned();
    let second = read(store, move |tx| {
        tx.search_label_schemas(&of, &page(first.next))
    });
    let second = second.await;
    assert_eq!((ids(&second), second.next), (vec!["ls-2".to_owned()], None));

    let of = one.to_owned();
    let known = read(store, move |tx| tx.label_schema_by_name(&of, "correct")).await;
    assert_eq!(known, Some(schema("ls-1", one, "correct", 1)));
    assert_eq!(
        read(store, |tx| tx.label_schema("other", "ls-1")).await,
        None
    );
    let changed = LabelSchema {
        instruction: Some("look twice".into()),
        comment: false,
        kind: LabelKind::Feedback,
        is_default: true,
        ..schema("ls-1", one, "right", 1)
    };
    let to = changed.clone();
    write(store, move |tx| tx.update_label_schema(&to)).await;
    let known = read(store, |tx| tx.label_schema("rv", "ls-1")).await;
    assert_eq!(known.as_ref(), Some(&changed));
    let taken = LabelSchema {
        name: "polite".into(),
        ..changed
    };
    let said = refused(store, move |tx| tx.update_label_schema(&taken)).await;
    assert_eq!(said, "label schema `polite` exists already");
    let nobody = schema("ls-9", one, "new", 1);
    let said = refused(store, move |tx| tx.update_label_schema(&nobody)).await;
    assert_eq!(said, "label schema `ls-9` does not exist");
    assert!(!write(store, |tx| tx.delete_label_schema("other", "ls-2")).await);
    assert!(write(store, |tx| tx.delete_label_schema("rv", "ls-2")).await);
    assert!(!write(store, |tx| tx.delete_label_schema("rv", "ls-2")).await);
}
