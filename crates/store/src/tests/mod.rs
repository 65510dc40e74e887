//! Tests of the store as callers see it. `writer` is about the queue and the commits, the
//! conformance suite (which Postgres runs too) about the records.

mod backup;
mod conformance;
mod full;
mod migrations;
mod postgres;
mod search_model;
mod upgrade;
mod writer;

use jiff::Timestamp;

use crate::{NewEvent, StateDir, Store, StoreUrl};

/// A store in a directory of its own, which goes with the second value.
pub(crate) fn fresh() -> (Store, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::create(dir.path().join("state")).unwrap();
    (Store::open(&StoreUrl::Sqlite, &state).unwrap(), dir)
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + second).unwrap()
}

pub(crate) fn event(kind: &str, second: i64) -> NewEvent {
    NewEvent {
        project: Some("flights".into()),
        at: at(second),
        actor: "user:ann".into(),
        kind: kind.into(),
        subject: "service/delay/prod".into(),
        reason: String::new(),
        before: None,
        after: Some(second.into()),
    }
}
