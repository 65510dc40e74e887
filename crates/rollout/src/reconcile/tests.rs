//! What the reconciler writes, on a real store; neither replicas nor a gateway are asked for.

use super::*;
use crate::engines::Starting;
use crate::fixtures::{booked, deployment, rollout, store_with_model, version};
use gateway::{Evidence, Health};
use platform::{Capacity, LogChunk, Pending, UnitSpec, UnitStatus};
use serde_json::json;
use std::path::Path;
use store::{
    Aliases as _, Deployments as _, Models as _, Outbox as _, Rollouts as _, Webhooks as _,
};

/// Neither a platform nor a gateway: whoever asks it fails the test.
#[derive(Clone)]
struct Nobody;

impl Engines for Nobody {
    fn start<'a>(&'a self, _: &'a spec::Service, _: &'a store::ModelVersion) -> Starting<'a> {
        unreachable!()
    }
}

impl Platform for Nobody {
    fn start(&self, _: UnitSpec) -> Pending<'_, UnitStatus> {
        unreachable!()
    }
    fn stop<'a>(&'a self, _: &'a str, _: Option<Duration>) -> Pending<'a, ()> {
        unreachable!()
    }
    fn list(&self) -> Pending<'_, Vec<UnitStatus>> {
        unreachable!()
    }
    fn status<'a>(&'a self, _: &'a str) -> Pending<'a, UnitStatus> {
        unreachable!()
    }
    fn logs<'a>(&'a self, _: &'a str, _: u64) -> Pending<'a, LogChunk> {
        unreachable!()
    }
    fn remove<'a>(&'a self, _: &'a str) -> Pending<'a, ()> {
        unreachable!()
    }
    fn put_away<'a>(&'a self, _: &'a str, _: &'a Path) -> Pending<'a, ()> {
        unreachable!()
    }
    fn capacity(&self) -> Capacity {
        unreachable!()
    }
    fn changed(&self) -> watch::Receiver<u64> {
        unreachable!()
    }
}

impl Traffic for Nobody {
    type Error = std::io::Error;

    async fn push(&self, _: &RoutingTable) -> Result<(), Self::Error> {
        unreachable!()
    }
    async fn table(&self) -> Result<RoutingTable, Self::Error> {
        unreachable!()
    }
    async fn evidence(&self) -> Result<Evidence, Self::Error> {
        unreachable!()
    }
    async fn mirrors(&self) -> Result<Vec<gateway::MirrorEvidence>, Self::Error> {
        unreachable!()
    }
    async fn health(&self) -> Result<Health, Self::Error> {
        unreachable!()
    }
    async fn calls(&self, _: u64) -> Result<u64, Self::Error> {
        unreachable!()
    }
}

/// A reconciler whose store has two versions, this deployment and this roll-out.
async fn world(
    serves: store::Deployment,
    going_on: Rollout,
) -> (Reconciler<Nobody>, tempfile::TempDir) {
    let (store, state, dir) = store_with_model().await;
    let seed = store.write(Priority::Normal, move |tx| {
        for number in [1, 2] {
            tx.create_version(&version(number, false))?;
        }
        tx.put_deployment(&serves)?;
        tx.insert_rollout(&going_on)
    });
    seed.await.unwrap();
    let reconciler = Reconciler::new(Parts {
        blobs: Blobs::open("", &state, &[]).unwrap(),
        store,
        platform: Arc::new(Nobody),
        traffic: Nobody,
        engine: Vec::new(),
        engines: Arc::new(Nobody),
        default_environment: "prod".to_owned(),
        now: Timestamp::now,
    });
    (reconciler, dir)
}

/// A roll-out that a person began.
fn by_hand() -> Rollout {
    Rollout {
        by: "user:ann".into(),
        kind: RolloutKind::ManualPromote,
        ..rollout(Some(1), 2)
    }
}

#[tokio::test]
async fn the_judge_is_booked_for_its_verdicts_on_a_persons_rollout() {
    let (reconciler, _dir) = world(deployment(Some(1), None), by_hand()).await;
    let (now, why) = (Timestamp::now(), "it is slower".to_owned());
    let stored = reconciler.step(by_hand(), RolloutState::Starting, now);
    stored.await.unwrap();
    let ended = reconciler.end(by_hand(), RolloutState::RolledBack, why, now);
    ended.await.unwrap();
    assert_eq!(
        booked(&reconciler.parts.store).await,
        [
            "rollout.running by rollout",
            "rollout.rolled_back by rollout"
        ]
    );
}

#[tokio::test]
async fn a_promotion_is_booked_to_whoever_decided_it() {
    for by in [RECONCILER, "user:ann"] {
        let (reconciler, _dir) = world(deployment(Some(1), None), by_hand()).await;
        let (now, why) = (Timestamp::now(), "it is better".to_owned());
        let promoted = reconciler.promote(by_hand(), by.to_owned(), why, true, now);
        promoted.await.unwrap();
        assert_eq!(
            booked(&reconciler.parts.store).await,
            [
                format!("rollout.promoted by {by}"),
                format!("deployment.changed by {by}")
            ]
        );
    }
}

/// Aliases that a promotion moves, and only those, are news.
#[tokio::test]
async fn webhooks_are_told_of_aliases_that_move() {
    let (reconciler, _dir) = world(deployment(Some(1), None), by_hand()).await;
    let store = reconciler.parts.store.clone();
    let listen = store.write(Priority::Normal, |tx| {
        tx.set_alias("flights", "delay", "champion", 2)?;
        tx.create_webhook(&store::Webhook {
            id: "w".into(),
            project: "flights".into(),
            name: "w".into(),
            url: "https://hooks.example".into(),
            description: String::new(),
            events: ["model_version_alias.created".to_owned()].into(),
            secret: None,
            active: true,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        })
    });
    listen.await.unwrap();
    let why = "it is better".to_owned();
    let promoted = reconciler.promote(
        by_hand(),
        "user:ann".to_owned(),
        why,
        true,
        Timestamp::now(),
    );
    promoted.await.unwrap();
    let read = store.read(|tx| Ok((tx.first_deliveries()?, tx.waiting_deliveries()?)));
    let (first, waiting) = read.await.unwrap();
    let told = json!({ "name": "delay", "alias": "prod", "version": "2" });
    assert_eq!((&first[0].0.data, waiting), (&told, 1));
}

/// The clock of this machine is behind that of the one where the file was applied.
#[tokio::test]
async fn a_rollout_is_not_dated_before_its_deployment() {
    let at = |second| Timestamp::from_second(second).unwrap();
    let place = store::Deployment {
        since: at(100),
        ..deployment(None, None)
    };
    let ended = Rollout {
        state: RolloutState::RolledBack,
        ..rollout(None, 1)
    };
    let (reconciler, _dir) = world(place.clone(), ended).await;
    let situation = Situation {
        projects: vec![situation::ProjectView {
            name: "flights".into(),
            environments: vec!["prod".into()],
            deployments: vec![place],
            rollouts: Vec::new(),
            passed: BTreeMap::from([("delay".to_owned(), version(2, false))]),
        }],
    };
    assert!(reconciler.begin_due(&situation, at(90)).await.unwrap());
    let read = reconciler
        .parts
        .store
        .read(|tx| tx.rollouts(&store::RolloutFilter::default()));
    let begun = read.await.unwrap();
    let begun = begun.iter().find(|rollout| rollout.to == 2).unwrap();
    assert_eq!(begun.created_at, at(100));
    assert_eq!(
        booked(&reconciler.parts.store).await,
        ["rollout.begun by rollout"]
    );
}
