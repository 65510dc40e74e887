//! Records that come from another server.

use super::{model, read, refused, version, write};
use crate::tests::at;
use crate::*;

pub(super) async fn check(store: &Store) {
    versions_keep_their_numbers(store).await;
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
