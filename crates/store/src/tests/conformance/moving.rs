//! Records that come from another server.

use super::{experiment, model, read, refused, version, write};
use crate::tests::at;
use crate::*;

pub(super) async fn check(store: &Store) {
    versions_keep_their_numbers(store).await;
    scorers_keep_their_numbers(store).await;
    what_was_copied_is_remembered(store).await;
}

async fn versions_keep_their_numbers(store: &Store) {
    write(store, |tx| tx.create_model(&model("moved-in"))).await;
    let numbered = |number| ModelVersion {
        version: number,
        ..version("moved-in")
    };
    for number in [3, 7, 5] {
        let one = numbered(number);
        write(store, move |tx| tx.put_version(&one)).await;
    }
    let again = numbered(5);
    let said = refused(store, move |tx| tx.put_version(&again)).await;
    assert!(said.contains("5 of model moved-in"), "{said}");
    let next = write(store, |tx| tx.create_version(&version("moved-in"))).await;
    assert_eq!(next, 8);
    write(store, |tx| tx.skip_versions("m", "moved-in", 20)).await;
    write(store, |tx| tx.skip_versions("m", "moved-in", 2)).await;
    let next = write(store, |tx| tx.create_version(&version("moved-in"))).await;
    assert_eq!(next, 21);
    let orphan = ModelVersion {
        version: 1,
        ..version("unknown")
    };
    let said = refused(store, move |tx| tx.put_version(&orphan)).await;
    assert!(said.contains("unknown"), "{said}");
}

async fn scorers_keep_their_numbers(store: &Store) {
    let home = NewExperiment {
        project: "moving".into(),
        ..experiment("scored")
    };
    let home = write(store, move |tx| tx.create_experiment(&home)).await;
    let of = |name: &str, id: &str, version| ScorerVersion {
        id: id.into(),
        experiment: home.clone(),
        name: name.into(),
        version,
        serialized: format!("{{\"n\":{version}}}"),
        created_at: at(i64::from(version)),
    };
    for number in [4, 2] {
        let one = of("kind", "s-moved", number);
        write(store, move |tx| tx.put_scorer_version("moving", &one)).await;
    }
    // The id that a scorer has stays.
    let third = of("kind", "s-another", 3);
    write(store, move |tx| tx.put_scorer_version("moving", &third)).await;
    let there = home.clone();
    let found = read(store, move |tx| tx.scorer_versions(&there, "kind")).await;
    let expect: Vec<_> = (2..5).map(|n| of("kind", "s-moved", n)).collect();
    assert_eq!(found, expect);
    for (again, words) in [
        (of("kind", "s-moved", 2), "2 of scorer kind"),
        (of("other", "s-moved", 1), "s-moved"),
    ] {
        let said = refused(store, move |tx| tx.put_scorer_version("moving", &again)).await;
        assert!(said.contains(words), "{said}");
    }
    let next = of("kind", "s-moved", 0);
    let next = write(store, move |tx| tx.register_scorer("moving", &next)).await;
    assert_eq!(next.version, 5);
}

async fn what_was_copied_is_remembered(store: &Store) {
    let moved = |text: &str, seconds| Moved {
        project: "moving".into(),
        kind: "run".into(),
        id: "ab".into(),
        digest: Digest::of(text.as_bytes()),
        moved_at: at(seconds),
    };
    let found = || read(store, |tx| tx.moved("moving", "run", "ab"));
    assert_eq!(found().await, None);
    for (text, seconds) in [("once", 1), ("twice", 2)] {
        let one = moved(text, seconds);
        write(store, move |tx| tx.set_moved(&one)).await;
        assert_eq!(found().await, Some(moved(text, seconds)));
    }
    let other = read(store, |tx| tx.moved("elsewhere", "run", "ab")).await;
    assert_eq!(other, None);
}
