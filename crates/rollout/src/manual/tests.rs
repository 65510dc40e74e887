//! Who is booked for what people do, and what a promotion without a reason is told. On a real store.

use super::*;
use crate::fixtures::{self, booked, deployment, rollout, store_with_model};
use expect_test::{Expect, expect};
use store::{Digest, ModelVersion, Priority, Store};

/// A store in a directory of its own, where version 1 serves of four: 2 and 3 take other requests, and 3 and 4 did not
/// pass their gate.
async fn world() -> (Store, tempfile::TempDir) {
    let (store, _, dir) = store_with_model().await;
    let seed = store.write(Priority::Normal, |tx| {
        for (input, gate_state) in [
            ("dep_delay", GateState::Passed),
            ("carrier", GateState::Passed),
            ("carrier", GateState::Rejected),
            ("dep_delay", GateState::Rejected),
        ] {
            tx.create_version(&version(input, gate_state))?;
        }
        tx.put_deployment(&deployment(Some(1), None))
    });
    seed.await.unwrap();
    (store, dir)
}

fn version(input: &str, gate_state: GateState) -> ModelVersion {
    ModelVersion {
        artifact: Some(Digest::of(b"a model")),
        signature: json!({
            "inputs": [{ "name": input, "datatype": "FP32", "shape": [-1, 1] }],
            "outputs": [],
        }),
        gate_state,
        ..fixtures::version(0, false)
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn wish(by: &str, reason: &str) -> Wish {
    Wish {
        project: "flights".into(),
        environment: "prod".into(),
        service: "delay".into(),
        by: by.into(),
        reason: reason.into(),
        last_environment: true,
        id: format!("of {by}"),
        now: at(10),
    }
}

async fn promote_without_a_reason(version: u32, expect: Expect) {
    let (store, _dir) = world().await;
    let asked = store.write(Priority::Urgent, move |tx| {
        promote(tx, &wish("user:ann", " "), version, false)
    });
    expect.assert_eq(&asked.await.unwrap_err().to_string());
    let with_a_reason = store.write(Priority::Urgent, move |tx| {
        promote(tx, &wish("user:ann", "I know"), version, false)
    });
    assert_eq!(with_a_reason.await.unwrap().to, version);
}

#[tokio::test]
async fn all_objections_are_told_at_once() {
    promote_without_a_reason(2, expect!["version 2 takes other requests than the one that serves: input `dep_delay` (FP32 [-1, 1]) is gone; input `carrier` (FP32 [-1, 1]) is new: say why it should serve all the same with --reason"]).await;
    promote_without_a_reason(3, expect!["version 3 passed no gate (rejected), and it takes other requests than the one that serves: input `dep_delay` (FP32 [-1, 1]) is gone; input `carrier` (FP32 [-1, 1]) is new: say why it should serve all the same with --reason"]).await;
    promote_without_a_reason(4, expect!["version 4 passed no gate (rejected): say why it should serve all the same with --reason"]).await;
}

#[tokio::test]
async fn a_person_is_booked_for_what_they_do_to_an_automatic_rollout() {
    let (store, _dir) = world().await;
    let done = store.write(Priority::Urgent, |tx| {
        tx.insert_rollout(&rollout(Some(1), 2))?;
        pause(tx, &wish("user:ann", ""), true)?;
        pause(tx, &wish("user:bob", ""), false)?;
        roll_back(tx, &wish("user:eve", ""), None)
    });
    assert_eq!(done.await.unwrap().by, "rollout", "who began it stays");
    assert_eq!(
        booked(&store).await,
        [
            "rollout.paused by user:ann",
            "rollout.running by user:bob",
            "rollout.rolled_back by user:eve"
        ]
    );
}

#[tokio::test]
async fn who_begins_a_rollout_is_booked_for_that() {
    let (store, _dir) = world().await;
    let done = store.write(Priority::Urgent, |tx| {
        promote(tx, &wish("user:ann", "I know"), 2, false)?;
        roll_back(tx, &wish("user:bob", ""), None)?;
        tx.put_deployment(&deployment(Some(2), Some(1)))?;
        // Version 1 is warm, so it serves at once.
        roll_back(tx, &wish("user:eve", ""), None)
    });
    assert_eq!(done.await.unwrap().state, RolloutState::Promoted);
    assert_eq!(
        booked(&store).await,
        [
            "rollout.begun by user:ann",
            "rollout.rolled_back by user:bob",
            "rollout.begun by user:eve",
            "rollout.promoted by user:eve",
            "deployment.changed by user:eve"
        ]
    );
}

#[tokio::test]
async fn a_freeze_is_overruled_with_a_reason_only() {
    let (store, _dir) = world().await;
    let check = async |wish: Wish, verb: fn(&mut Tx<'_>, &Wish) -> Result<Rollout>| {
        let done = store.write(Priority::Urgent, move |tx| verb(tx, &wish));
        done.await.map_err(|error| error.to_string())
    };
    let freeze = store.write(Priority::Normal, |tx| {
        tx.put_deployment(&Deployment {
            shape: json!({ "freeze": { "windows": ["1970-01-01 - 1970-01-01"] } }),
            previous: Some(3),
            ..deployment(Some(1), Some(3))
        })
    });
    freeze.await.unwrap();
    let forward = |tx: &mut Tx<'_>, wish: &Wish| promote(tx, wish, 4, false);
    let why = check(wish("user:ann", ""), forward).await.unwrap_err();
    assert!(why.contains("frozen until 1970-01-02T00:00:00Z"), "{why}");
    let rollout = check(wish("user:ann", "it must"), forward).await.unwrap();
    let place = deployment(Some(1), None);
    let place = Deployment {
        shape: json!({ "freeze": { "windows": ["1970-01-01 - 1970-01-01"] } }),
        ..place
    };
    assert_eq!(freeze::holds(&place, &rollout, at(10)), None);
    // The way back asks for nothing.
    let back = |tx: &mut Tx<'_>, wish: &Wish| roll_back(tx, wish, None);
    check(wish("user:bob", ""), back).await.unwrap();
    check(wish("user:eve", ""), back).await.unwrap();
}
