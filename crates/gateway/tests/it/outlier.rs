//! Replicas that are up and no good: they answer nonsense, fail, take far too long, or hang. Requests
//! go elsewhere, and the administrator hears why.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use gateway::{Options, ReplicaReport};
use inference::frame::Answer;
use tokio::sync::watch;

use crate::engine::{Act, Engine, Script, always, bad, good, plus_one};
use crate::world::{World, arm, delay, until};

/// An answer that is none.
fn nonsense() -> Act {
    Act::Say(Answer {
        body: "<html>it works!</html>".into(),
        ..good(1.0)
    })
}

fn often(options: &mut Options) {
    options.review = Duration::from_millis(20);
}

async fn report(world: &World, path: &Path) -> ReplicaReport {
    let replicas = world.health().await.replicas;
    let mut replicas = replicas.into_iter();
    replicas.find(|replica| replica.path == path).unwrap()
}

/// A world with two replicas, of which the first does as it is told.
async fn beside_a_good_one(change: impl FnOnce(&mut Options), script: Script) -> Beside {
    let world = World::start_with(change).await;
    let (path, works) = (world.socket("no-good"), world.socket("works"));
    let engines = (
        Engine::start(&path, script),
        Engine::start(&works, plus_one()),
    );
    let arms = vec![arm(3, 1.0, &[&path, &works])];
    world.route(1, vec![delay(arms)], &[&path, &works]).await;
    Beside {
        world,
        path,
        no_good: engines.0,
        _works: engines.1,
    }
}

struct Beside {
    world: World,
    path: std::path::PathBuf,
    no_good: Engine,
    _works: Engine,
}

impl Beside {
    async fn post(&self) -> u16 {
        let got = self.world.post("/delay", r#"{"x":1}"#).await;
        if got.status == 200 {
            assert_eq!(got.body["prediction"].as_f64(), Some(2.0));
        }
        got.status
    }

    async fn is_out(&self, threads: usize) -> bool {
        report(&self.world, &self.path).await.ejected == threads
    }

    /// Sends requests until every thread leaves it out; answers how many failed.
    async fn until_out(&self) -> usize {
        let failed = std::cell::Cell::new(0);
        until("it is left out", async || {
            let statuses = futures_util::future::join_all((0..8).map(|_| self.post())).await;
            let bad = statuses.iter().filter(|status| **status != 200).count();
            failed.set(failed.get() + bad);
            self.is_out(2).await
        })
        .await;
        failed.get()
    }

    /// It gets nothing any more, and everything is answered.
    async fn is_left_alone(&self) {
        let seen = self.no_good.seen();
        for _ in 0..20 {
            assert_eq!(self.post().await, 200);
        }
        assert_eq!(self.no_good.seen(), seen);
    }

    async fn reason(&self) -> String {
        report(&self.world, &self.path).await.reason.unwrap()
    }
}

#[tokio::test]
async fn nonsense_is_asked_for_again_elsewhere_and_its_replica_left_out() {
    let beside = beside_a_good_one(|_| {}, always(nonsense)).await;
    assert_eq!(beside.until_out().await, 0);
    beside.is_left_alone().await;
    let reason = beside.reason().await;
    assert!(reason.contains("failed 5 requests in a row"), "{reason}");
}

#[tokio::test]
async fn one_that_fails_is_left_out_and_its_failures_stay_few() {
    let beside = beside_a_good_one(|_| {}, always(|| Act::Say(bad(500)))).await;
    let failed = beside.until_out().await;
    // Five for each thread, more if little was known of the other one so far.
    assert!((10..=64).contains(&failed), "{failed}");
    beside.is_left_alone().await;
}

#[tokio::test]
async fn one_that_takes_far_longer_is_left_out() {
    let slow: Script = Arc::new(|_, _| {
        let (open, gate) = watch::channel(false);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(150)).await;
            open.send_replace(true);
            open.closed().await;
        });
        Act::Hold(gate, good(2.0))
    });
    let beside = beside_a_good_one(often, slow).await;
    assert_eq!(beside.until_out().await, 0);
    beside.is_left_alone().await;
    let reason = beside.reason().await;
    assert!(reason.contains("where the others take"), "{reason}");
}

#[tokio::test]
async fn what_a_replica_that_hangs_has_is_answered_by_another() {
    let beside = beside_a_good_one(often, always(|| Act::Silence)).await;
    // Enough from the other one to know what is usual, on both threads.
    let posts = async || {
        let all = (0..8).map(async |_| {
            for _ in 0..20 {
                assert_eq!(beside.post().await, 200);
            }
        });
        futures_util::future::join_all(all).await;
    };
    posts().await;
    until("it is left out", async || {
        posts().await;
        beside.is_out(2).await
    })
    .await;
    beside.is_left_alone().await;
    let reason = beside.reason().await;
    assert!(reason.contains("it has answered nothing for"), "{reason}");
}

#[tokio::test]
async fn it_may_come_back_and_is_out_for_good_if_it_is_no_better() {
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = Arc::clone(&broken);
    let script = always(move || match is_broken.load(SeqCst) {
        true => nonsense(),
        false => Act::Say(good(2.0)),
    });
    let briefly = |options: &mut Options| {
        often(options);
        options.ejection = Duration::from_millis(300);
    };
    let beside = beside_a_good_one(briefly, script).await;
    beside.until_out().await;
    assert!(!report(&beside.world, &beside.path).await.for_good);
    until("it is out for good", async || {
        assert_eq!(beside.post().await, 200);
        report(&beside.world, &beside.path).await.for_good
    })
    .await;
    broken.store(false, SeqCst);
    until("it is back", async || beside.is_out(0).await).await;
    let seen = beside.no_good.seen();
    until("it takes its share", async || {
        assert_eq!(beside.post().await, 200);
        beside.no_good.seen() > seen + 10
    })
    .await;
    assert!(beside.is_out(0).await);
}

#[tokio::test]
async fn nobody_is_left_out_when_all_are_alike() {
    let world = World::start_with(often).await;
    let (a, b) = (world.socket("a"), world.socket("b"));
    let fails = || always(|| Act::Say(bad(500)));
    let engines = (Engine::start(&a, fails()), Engine::start(&b, fails()));
    let arms = vec![arm(3, 1.0, &[&a, &b])];
    world.route(1, vec![delay(arms)], &[&a, &b]).await;
    until("both failed often", async || {
        assert_eq!(world.post("/delay", "{}").await.status, 500);
        engines.0.seen().min(engines.1.seen()) >= 40
    })
    .await;
    for path in [&a, &b] {
        let report = report(&world, path).await;
        assert_eq!((report.ejected, report.reason), (0, None));
    }
}
