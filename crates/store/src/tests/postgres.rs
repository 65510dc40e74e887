//! The conformance suite on a Postgres server of our own, and what only several servers on one database can show.

#[path = "../../../testkit/src/postgres.rs"]
#[expect(unreachable_pub, reason = "public where the file is at home")]
pub(super) mod server;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::conformance::conformance;
use crate::{EventFilter, Events as _, Leases as _, Priority, StateDir, Store, StoreUrl};
use server::Postgres;

/// Opens a store, as soon as the server answers.
fn open(server: &mut Postgres, dir: &Path) -> Store {
    let state = StateDir::create(dir).unwrap();
    let url = StoreUrl::Postgres(server.url());
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match Store::open(&url, &state) {
            Ok(store) => return store,
            Err(error) => {
                server.lives();
                assert!(Instant::now() < deadline, "{error}");
                std::thread::park_timeout(Duration::from_millis(20));
            }
        }
    }
}

/// A machine that is paused in the middle of a write keeps its session, and with it the row of the lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_stands_still_lets_go() {
    let Some(mut server) = Postgres::start() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let paused = open(&mut server, &dir.path().join("one"));
    let other = open(&mut server, &dir.path().join("two"));
    let taken = paused.write(Priority::Normal, |tx| tx.take_lease("l", "a", None));
    let lease = taken.await.unwrap().unwrap();
    let flags = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let [holds, go_on] = flags.clone();
    let seen = lease.clone();
    let write = tokio::spawn(paused.write(Priority::Normal, move |tx| {
        tx.renew_lease(&lease)?;
        holds.store(true, Ordering::Release);
        while !go_on.load(Ordering::Acquire) {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        tx.append_event(&super::event("late", 0))
    }));
    while !flags[0].load(Ordering::Acquire) {
        tokio::task::yield_now().await;
    }
    let take = other.write(Priority::Normal, move |tx| {
        tx.take_lease("l", "b", Some(&seen))
    });
    let taken = tokio::time::timeout(Duration::from_secs(60), take).await;
    flags[1].store(true, Ordering::Release);
    let taken = taken.expect("the lease is held by a session that does nothing");
    assert_eq!(taken.unwrap().unwrap().holder, "b");
    let late = write.await.unwrap();
    assert!(late.is_err(), "{late:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_conforms() {
    let Some(mut server) = Postgres::start() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let store = open(&mut server, &dir.path().join("one"));
    conformance(&store).await;

    // A second server on the same database: both migrate, both write, each hears of the other.
    let other = open(&mut server, &dir.path().join("two"));
    let mut changes = store.subscribe();
    changes.mark_unchanged();
    let seq = other
        .write(Priority::Normal, |tx| {
            tx.append_event(&super::event("elsewhere", 0))
        })
        .await
        .unwrap();
    tokio::time::timeout(Duration::from_secs(20), changes.changed())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        store
            .read(move |tx| tx.event(seq))
            .await
            .unwrap()
            .unwrap()
            .kind,
        "elsewhere"
    );

    // Events of two servers at once become visible in the order of their numbers.
    let jobs = (0..40).map(|n| {
        let store = if n % 2 == 0 { &store } else { &other };
        store.write(Priority::Normal, move |tx| {
            tx.append_event(&super::event("both", n))
        })
    });
    let answers = futures_util::future::join_all(jobs).await;
    let mut given: Vec<u64> = answers.into_iter().map(Result::unwrap).collect();
    given.sort_unstable();
    let filter = EventFilter {
        kind: Some("both".into()),
        oldest_first: true,
        ..EventFilter::default()
    };
    let seen: Vec<u64> = store
        .read(move |tx| tx.events(&filter))
        .await
        .unwrap()
        .iter()
        .map(|e| e.seq)
        .collect();
    assert_eq!(seen, given);

    // When the database goes, errors say so and nothing hangs.
    drop(server);
    let gone = store
        .write(Priority::Normal, |tx| {
            tx.append_event(&super::event("late", 0))
        })
        .await
        .unwrap_err();
    assert!(
        matches!(
            gone,
            crate::Error::Unavailable(_) | crate::Error::Database(_)
        ),
        "{gone:?}"
    );
}
