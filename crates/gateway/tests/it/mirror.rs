//! Copies for a version that serves nobody yet: what clients get is the other version's, whatever becomes of the copies.

use gateway::{Mirror, MirrorEvidence};
use tokio::sync::watch;

use crate::engine::{Act, Engine, Script, always, bad, good, plus_one};
use crate::world::{World, arm, delay, until};

const ROW: &str = r#"{"request_id":"r1","x":1}"#;

/// Version 3 serves by `plus_one`; version 4 gets a share of copies and does as its script says.
async fn world(script: Script, share: f64) -> (World, [Engine; 2]) {
    let world = World::start().await;
    let (serves, new) = (world.socket("serves"), world.socket("new"));
    let engines = [
        Engine::start(&serves, plus_one()),
        Engine::start(&new, script),
    ];
    let mut route = delay(vec![arm(3, 1.0, &[&serves]), arm(4, 0.0, &[&new])]);
    route.mirror = Some(Mirror { version: 4, share });
    world.route(1, vec![route], &[&serves, &new]).await;
    (world, engines)
}

async fn ask(world: &World, requests: usize) {
    for _ in 0..requests {
        let got = world.post("/delay", ROW).await;
        assert_eq!((got.status, got.version), (200, Some(3)));
        assert_eq!(got.body["prediction"], 2.0);
    }
}

async fn seen(world: &World) -> MirrorEvidence {
    let got = world.admin("GET", "/mirrors", "").await;
    let mut all: Vec<MirrorEvidence> = serde_json::from_value(got.body).unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

async fn compared(world: &World, requests: u64) -> MirrorEvidence {
    until("the copies are compared", async || {
        seen(world).await.report.requests >= requests
    })
    .await;
    seen(world).await
}

#[tokio::test]
async fn answers_of_copies_are_compared_and_never_given() {
    // Every other one is another answer.
    let script: Script = std::sync::Arc::new(|nth, _| Act::Say(good(2.0 + (nth % 2) as f64)));
    let (world, [_old, new]) = world(script, 1.0).await;
    ask(&world, 40).await;
    let found = compared(&world, 40).await;
    assert_eq!((found.copies, found.dropped), (40, 0));
    assert_eq!((found.report.rows, found.report.changed), (40, 20));
    assert_eq!(found.report.worst[0].request, "r1");
    assert_eq!(found.report.worst[0].inputs["x"], 1.0);
    assert_eq!(
        (found.route.as_str(), found.salt.as_str(), found.version),
        ("flights/prod/delay", "rollout-1", 4)
    );
    assert_eq!(new.seen(), 40);
    // Copies are no evidence: nobody was answered by that version.
    assert_eq!(world.counted(3).await.requests, 40);
    assert_eq!(world.counted(4).await.requests, 0);
}

#[tokio::test]
async fn a_share_is_copied() {
    let (world, [_old, new]) = world(always(|| Act::Say(good(2.0))), 0.25).await;
    ask(&world, 400).await;
    let found = seen(&world).await;
    until("they came", async || new.seen() as u64 == found.copies).await;
    // Five standard deviations to either side.
    assert!((57..=143).contains(&found.copies), "{found:?}");
}

#[tokio::test]
async fn failures_of_copies_are_theirs_alone() {
    let script: Script = std::sync::Arc::new(|nth, _| match nth % 2 {
        0 => Act::Say(bad(500)),
        _ => Act::Break,
    });
    let (world, _engines) = world(script, 1.0).await;
    ask(&world, 1).await;
    let found = compared(&world, 1).await;
    assert_eq!(found.report.failures.after, 1, "{found:?}");
    // The connection breaks on the next one, which the thread that holds the other one does not see.
    ask(&world, 20).await;
    until("a replica that goes away is told", async || {
        let failures = seen(&world).await.report.failures;
        failures
            .messages
            .iter()
            .any(|m| m.message.contains("went away"))
    })
    .await;
    assert_eq!(world.counted(3).await.errors, 0);
}

#[tokio::test]
async fn copies_that_are_not_answered_hold_nobody_up() {
    let (open, gate) = watch::channel(false);
    let script = always(move || Act::Hold(gate.clone(), good(2.0)));
    let (world, [_old, new]) = world(script, 1.0).await;
    ask(&world, 200).await;
    let found = seen(&world).await;
    // As many as may be under way; the others were dropped.
    assert_eq!((found.copies, found.dropped), (64, 136));
    assert_eq!(found.report.requests, 0);
    until("they came", async || new.seen() == 64).await;
    open.send(true).unwrap();
    assert_eq!(compared(&world, 64).await.report.changed, 0);
    ask(&world, 5).await;
    assert_eq!(compared(&world, 69).await.dropped, 136);
}

#[tokio::test]
async fn another_rollout_begins_anew_and_none_stops() {
    let (world, [_old, new]) = world(always(|| Act::Say(good(2.0))), 1.0).await;
    ask(&world, 3).await;
    compared(&world, 3).await;
    let (serves, socket) = (world.socket("serves"), world.socket("new"));
    let mut route = delay(vec![arm(3, 1.0, &[&serves]), arm(4, 0.0, &[&socket])]);
    let mut next = route.clone();
    next.mirror = Some(Mirror {
        version: 4,
        share: 1.0,
    });
    next.salt = "rollout-2".into();
    world.route(2, vec![next], &[]).await;
    ask(&world, 2).await;
    let found = compared(&world, 2).await;
    assert_eq!((found.salt.as_str(), found.copies), ("rollout-2", 2));
    // Without a mirror nothing is copied; what was seen stays.
    route.salt = "rollout-2".into();
    world.route(3, vec![route], &[]).await;
    ask(&world, 5).await;
    assert_eq!((seen(&world).await.copies, new.seen()), (2, 5));
}
