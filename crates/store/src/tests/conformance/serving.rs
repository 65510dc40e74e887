//! Deployments, roll-outs, alarms, tokens and idempotency keys.

use serde_json::json;

use super::{read, refused, write};
use crate::tests::at;
use crate::*;

pub(super) async fn check(store: &Store) {
    deployments(store).await;
    rollouts(store).await;
    alarms(store).await;
    tokens(store).await;
    idempotency(store).await;
}

async fn deployments(store: &Store) {
    let deployment = |environment: &str, version| Deployment {
        project: "s".into(),
        environment: environment.into(),
        service: "delay".into(),
        model: "delay".into(),
        version,
        previous: None,
        since: at(0),
        rollout_id: None,
        reason: "applied".into(),
        commit: None,
        shape: json!({"engine": "onnx"}),
        generation: 1,
        keep_previous_until: Some(at(60)),
    };
    for one in [
        deployment("prod", None),
        deployment("staging", Some(1)),
        deployment("prod", Some(7)),
    ] {
        write(store, move |tx| tx.put_deployment(&one)).await;
    }
    assert_eq!(
        read(store, |tx| tx.deployment("s", "prod", "delay")).await,
        Some(deployment("prod", Some(7)))
    );
    let both = [deployment("prod", Some(7)), deployment("staging", Some(1))];
    assert_eq!(read(store, |tx| tx.deployments(Some("s"))).await, both);
    assert_eq!(read(store, |tx| tx.deployments(None)).await, both);
    assert!(write(store, |tx| tx.delete_deployment("s", "prod", "delay")).await);
    assert!(!write(store, |tx| tx.delete_deployment("s", "prod", "delay")).await);
}

async fn rollouts(store: &Store) {
    let rollout = |id: &str, state| Rollout {
        id: id.into(),
        project: "s".into(),
        environment: "prod".into(),
        service: "delay".into(),
        model: "delay".into(),
        from: Some(1),
        to: 2,
        kind: RolloutKind::ManualPromote,
        state,
        stage: -1,
        stage_started_at: None,
        created_at: at(0),
        ended_at: None,
        by: "ann".into(),
        reason: String::new(),
        policy: json!({"stages": [0.05, 0.25]}),
        baseline: json!({}),
        evidence: json!({"requests": 10}),
    };
    let (done, now) = (
        rollout("o1", RolloutState::RolledBack),
        rollout("o2", RolloutState::Starting),
    );
    for one in [done.clone(), now.clone()] {
        write(store, move |tx| tx.insert_rollout(&one)).await;
    }
    let mut moved = now;
    (moved.state, moved.stage, moved.stage_started_at) = (RolloutState::Running, 1, Some(at(9)));
    let changed = moved.clone();
    write(store, move |tx| tx.update_rollout(&changed)).await;
    assert_eq!(
        read(store, |tx| tx.rollout("o2")).await.as_ref(),
        Some(&moved)
    );
    let of = |active| RolloutFilter {
        service: Some("delay".into()),
        active,
        ..RolloutFilter::default()
    };
    assert_eq!(
        read(store, move |tx| tx.rollouts(&of(true))).await,
        [moved.clone()]
    );
    // Who moves a roll-out on does not know the comparison, and leaves it.
    let found = json!({"captured": {"rows": 3}, "shadow": {"rows": 5}});
    let parts = [("shadow", 4), ("captured", 3), ("shadow", 5)];
    write(store, move |tx| {
        for (part, rows) in parts {
            tx.set_comparison("o2", part, &json!({"rows": rows}))?;
        }
        Ok(())
    })
    .await;
    let again = moved.clone();
    write(store, move |tx| tx.update_rollout(&again)).await;
    let (of_two, of_one, of_none) = read(store, |tx| {
        let of = ["o2", "o1", "o9"].map(|id| tx.comparison(id));
        let [two, one, none] = of;
        Ok((two?, one?, none?))
    })
    .await;
    assert_eq!((of_two, of_one, of_none), (Some(found), None, None));
    let unknown = refused(store, |tx| tx.set_comparison("o9", "shadow", &json!(1))).await;
    assert!(unknown.contains("o9"), "{unknown}");
    assert_eq!(
        read(store, move |tx| tx.rollouts(&of(false))).await,
        [moved, done]
    );

    let verdict = |decision: &str| Verdict {
        rollout_id: "o2".into(),
        seq: 0,
        at: at(1),
        stage: 1,
        decision: decision.into(),
        reasons: json!(["too early"]),
        evidence: json!({"p": 0.5}),
    };
    for (expect, decision) in [(1, "continue"), (2, "promote")] {
        let one = verdict(decision);
        assert_eq!(
            write(store, move |tx| tx.append_verdict(&one)).await,
            expect
        );
    }
    let last = read(store, |tx| tx.verdicts("o2", 1)).await;
    assert_eq!(
        last,
        [Verdict {
            seq: 2,
            ..verdict("promote")
        }]
    );
}

async fn alarms(store: &Store) {
    let alarm = |id: &str, cleared_at| Alarm {
        id: id.into(),
        project: "s".into(),
        environment: "prod".into(),
        service: "delay".into(),
        monitor: "alarm".into(),
        raised_at: at(0),
        cleared_at,
        evidence: json!({"e_value": 1200.0}),
        run_id: None,
    };
    for one in [
        alarm("a1", None),
        alarm("a2", None),
        alarm("a1", Some(at(5))),
    ] {
        write(store, move |tx| tx.put_alarm(&one)).await;
    }
    assert_eq!(
        read(store, |tx| tx.alarm("a1")).await,
        Some(alarm("a1", Some(at(5))))
    );
    let of = |raised| AlarmFilter {
        monitor: Some("alarm".into()),
        raised,
        ..AlarmFilter::default()
    };
    assert_eq!(
        read(store, move |tx| tx.alarms(&of(true))).await,
        [alarm("a2", None)]
    );
    assert_eq!(
        read(store, move |tx| tx.alarms(&of(false))).await,
        [alarm("a2", None), alarm("a1", Some(at(5)))]
    );

    let state = |n: i64| MonitorState {
        project: "s".into(),
        environment: "prod".into(),
        service: "delay".into(),
        monitor: "drift".into(),
        state: json!({"seen": n}),
        updated_at: at(n),
    };
    for n in [1, 2] {
        let one = state(n);
        write(store, move |tx| tx.put_monitor_state(&one)).await;
    }
    assert_eq!(
        read(store, |tx| tx.monitor_state("s", "prod", "delay", "drift")).await,
        Some(state(2))
    );
    assert_eq!(read(store, |tx| tx.monitor_states("s")).await, [state(2)]);
}

async fn tokens(store: &Store) {
    let token = |id: &str, second| Token {
        id: id.into(),
        name: "laptop".into(),
        hash: "$argon2id$…".into(),
        role: "operator".into(),
        project: None,
        created_at: at(second),
        expires_at: Some(at(90)),
        last_used: None,
    };
    for (id, second) in [("t1", 1), ("t2", 2)] {
        let one = token(id, second);
        write(store, move |tx| tx.insert_token(&one)).await;
    }
    write(store, |tx| tx.touch_token("t1", at(50))).await;
    let used = Token {
        last_used: Some(at(50)),
        ..token("t1", 1)
    };
    assert_eq!(read(store, |tx| tx.token("t1")).await.as_ref(), Some(&used));
    assert_eq!(read(store, |tx| tx.tokens()).await, [token("t2", 2), used]);
    assert!(write(store, |tx| tx.delete_token("t1")).await);
    assert_eq!(
        refused(store, |tx| tx.touch_token("t1", at(51))).await,
        "token `t1` does not exist"
    );
}

async fn idempotency(store: &Store) {
    for answer in [1, 2] {
        write(store, move |tx| {
            tx.remember("key", &json!({"answer": answer}), at(answer))
        })
        .await;
    }
    assert_eq!(
        read(store, |tx| tx.recall("key")).await,
        Some(json!({"answer": 1}))
    );
    assert_eq!(
        write(store, |tx| tx.forget_before(at(1), "alert/")).await,
        0
    );
    assert_eq!(write(store, |tx| tx.forget_before(at(2), "ke")).await, 0);
    assert_eq!(
        write(store, |tx| tx.forget_before(at(2), "alert/")).await,
        1
    );
    write(store, |tx| tx.remember("key", &json!(3), at(3))).await;
    write(store, |tx| tx.forget("key")).await;
    assert_eq!(read(store, |tx| tx.recall("key")).await, None);
}
