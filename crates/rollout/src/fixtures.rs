//! What tests of this crate begin with: a deployment, a roll-out, a version, a store with one model, and what was
//! booked in it.

use gateway::{Health, ReplicaReport};
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use store::{
    Deployment, EventFilter, Events as _, GateState, ModelVersion, Models as _, Priority,
    RegisteredModel, Rollout, RolloutKind, RolloutState, StateDir, Store, StoreUrl,
};

/// What a gateway of two threads says of these replicas.
pub(crate) fn health(replicas: Vec<ReplicaReport>) -> Health {
    Health {
        pid: 1,
        address: ([127, 0, 0, 1], 1).into(),
        generation: 1,
        threads: 2,
        replicas,
        leaving: false,
        loads: Vec::new(),
    }
}

/// A store in a directory of its own, which has the model and nothing else.
pub(crate) async fn store_with_model() -> (Store, StateDir, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::create(dir.path().join("state")).unwrap();
    let store = Store::open(&StoreUrl::Sqlite, &state).unwrap();
    let made = store.write(Priority::Normal, |tx| {
        tx.create_model(&RegisteredModel {
            project: "flights".into(),
            name: "delay".into(),
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            description: String::new(),
            tags: BTreeMap::new(),
        })
    });
    made.await.unwrap();
    (store, state, dir)
}

/// Kinds and actors of all events, oldest first.
pub(crate) async fn booked(store: &Store) -> Vec<String> {
    let read = store.read(|tx| {
        tx.events(&EventFilter {
            oldest_first: true,
            ..EventFilter::default()
        })
    });
    let events = read.await.unwrap();
    let line = |event: &store::Event| format!("{} by {}", event.kind, event.actor);
    events.iter().map(line).collect()
}

pub(crate) fn deployment(version: Option<u32>, previous: Option<u32>) -> Deployment {
    Deployment {
        project: "flights".into(),
        environment: "prod".into(),
        service: "delay".into(),
        model: "delay".into(),
        version,
        previous,
        since: Timestamp::UNIX_EPOCH,
        rollout_id: None,
        reason: String::new(),
        commit: None,
        shape: json!({}),
        generation: 1,
        keep_previous_until: Some(Timestamp::from_second(100).unwrap()),
    }
}

pub(crate) fn rollout(from: Option<u32>, to: u32) -> Rollout {
    Rollout {
        id: format!("r{to}"),
        project: "flights".into(),
        environment: "prod".into(),
        service: "delay".into(),
        model: "delay".into(),
        from,
        to,
        kind: RolloutKind::Automatic,
        state: RolloutState::Running,
        stage: 0,
        stage_started_at: None,
        created_at: Timestamp::UNIX_EPOCH,
        ended_at: None,
        by: "rollout".into(),
        reason: String::new(),
        policy: json!({}),
        baseline: json!({}),
        evidence: json!({}),
    }
}

pub(crate) fn version(number: u32, dirty: bool) -> ModelVersion {
    ModelVersion {
        project: "flights".into(),
        model: "delay".into(),
        version: number,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
        description: String::new(),
        user_id: String::new(),
        source: String::new(),
        mlflow_run_id: None,
        mlflow_model_id: None,
        run_id: None,
        artifact: None,
        lineage: json!({ "dirty": dirty }),
        gate: json!({}),
        signature: json!({}),
        gate_state: GateState::Passed,
        stage: "None".into(),
        status: "READY".into(),
        status_message: String::new(),
        tags: BTreeMap::new(),
    }
}
