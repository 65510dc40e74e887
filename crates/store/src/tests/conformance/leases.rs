//! Leases, the writes that they guard, and agreements.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{read, refused, write};
use crate::tests::event;
use crate::*;

pub(super) async fn check(store: &Store) {
    taken_renewed_and_given_back(store).await;
    one_of_many(store).await;
    guarded_writes(store).await;
    nobody_takes_it_during_a_guarded_write(store).await;
    renewals_wake_nobody(store).await;
    agreements(store).await;
}

async fn take(
    store: &Store,
    name: &'static str,
    holder: &'static str,
    seen: Option<&Lease>,
) -> Option<Lease> {
    let seen = seen.cloned();
    write(store, move |tx| tx.take_lease(name, holder, seen.as_ref())).await
}

async fn renew(store: &Store, lease: &Lease) -> bool {
    let lease = lease.clone();
    write(store, move |tx| tx.renew_lease(&lease)).await
}

async fn taken_renewed_and_given_back(store: &Store) {
    let stored = async || read(store, |tx| tx.lease("l")).await.unwrap();
    let first = take(store, "l", "a", None).await.unwrap();
    assert_eq!((first.fencing, first.beat), (1, 0));
    assert_eq!(stored().await, first);
    assert_eq!(
        take(store, "l", "b", None).await,
        None,
        "it is not new any more"
    );

    assert!(renew(store, &first).await);
    let renewed = Lease {
        beat: 1,
        ..first.clone()
    };
    assert_eq!(stored().await, renewed);
    assert_eq!(
        take(store, "l", "b", Some(&first)).await,
        None,
        "it was renewed since it was seen"
    );

    let second = take(store, "l", "b", Some(&renewed)).await.unwrap();
    assert_eq!((second.fencing, second.beat), (2, 0));
    assert!(!renew(store, &first).await);
    let old = first.clone();
    write(store, move |tx| tx.release_lease(&old)).await;
    assert_eq!(stored().await, second, "only its holder gives it back");

    // The same holder once more is another holder as well: a copy of it may be alive.
    let third = take(store, "l", "b", Some(&second)).await.unwrap();
    assert_eq!(third.fencing, 3);
    assert!(!renew(store, &second).await);

    write(store, move |tx| tx.release_lease(&third)).await;
    let free = stored().await;
    assert!(free.is_free());
    assert_eq!(take(store, "l", "a", Some(&free)).await.unwrap().fencing, 4);
}

async fn one_of_many(store: &Store) {
    for seen in [None, Some(())] {
        let seen = match seen {
            None => None,
            Some(()) => read(store, |tx| tx.lease("race")).await,
        };
        let takers = (0..20).map(|n| {
            let (holder, seen) = (format!("h{n}"), seen.clone());
            store.write(Priority::Normal, move |tx| {
                tx.take_lease("race", &holder, seen.as_ref())
            })
        });
        let taken = futures_util::future::join_all(takers).await;
        let taken = taken
            .into_iter()
            .filter(|lease| lease.as_ref().unwrap().is_some());
        assert_eq!(taken.count(), 1);
    }
}

async fn guarded_writes(store: &Store) {
    let first = take(store, "guard", "a", None).await.unwrap();
    let guarded = store.fenced(first.clone());
    let before = read(store, |tx| tx.last_event()).await;
    let allowed = write(&guarded, |tx| tx.append_event(&event("guarded", 0))).await;
    assert!(allowed > before);
    assert!(renew(store, &first).await);
    write(&guarded, |tx| tx.append_event(&event("guarded", 1))).await;
    assert_eq!(
        read(&guarded, |tx| tx.lease("none")).await,
        None,
        "reads are free"
    );

    let seen = read(store, |tx| tx.lease("guard")).await;
    take(store, "guard", "b", seen.as_ref()).await.unwrap();
    let before = read(store, |tx| tx.last_event()).await;
    assert_eq!(
        refused(&guarded, |tx| tx.append_event(&event("stale", 0))).await,
        "another server has taken the lease `guard` over: this one writes nothing under it any more"
    );
    let stale = guarded
        .write(Priority::Bulk, |tx| tx.append_event(&event("stale", 1)))
        .await;
    assert!(matches!(stale, Err(Error::Fenced { .. })), "{stale:?}");
    assert_eq!(read(store, |tx| tx.last_event()).await, before);
}

async fn nobody_takes_it_during_a_guarded_write(store: &Store) {
    let first = take(store, "busy", "a", None).await.unwrap();
    let (entered, go) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let (inside, on) = (Arc::clone(&entered), Arc::clone(&go));
    let slow = tokio::spawn(
        store
            .fenced(first.clone())
            .write(Priority::Normal, move |tx| {
                inside.store(true, Ordering::Release);
                while !on.load(Ordering::Acquire) {
                    std::thread::park_timeout(Duration::from_millis(1));
                }
                tx.append_event(&event("slow", 0))
            }),
    );
    while !entered.load(Ordering::Acquire) {
        tokio::task::yield_now().await;
    }
    let seen = first.clone();
    let mut taking = tokio::spawn(store.write(Priority::Normal, move |tx| {
        tx.take_lease("busy", "b", Some(&seen))
    }));
    // However long it is given, it cannot be done; a short while shows a lock that is missing.
    let early = tokio::time::timeout(Duration::from_millis(200), &mut taking).await;
    assert!(early.is_err(), "taken during a guarded write: {early:?}");
    go.store(true, Ordering::Release);
    let written = slow.await.unwrap().unwrap();
    assert_eq!(taking.await.unwrap().unwrap().unwrap().fencing, 2);
    let event = read(store, move |tx| tx.event(written)).await;
    assert_eq!(event.unwrap().kind, "slow");
}

async fn renewals_wake_nobody(store: &Store) {
    let lease = take(store, "quiet", "a", None).await.unwrap();
    let before = *store.subscribe().borrow();
    for _ in 0..3 {
        assert!(renew(store, &lease).await);
    }
    // On Postgres the commits that went before may still be told a second time, by the database.
    if *store.url() == StoreUrl::Sqlite {
        assert_eq!(*store.subscribe().borrow(), before);
    }
    assert_eq!(read(store, |tx| tx.lease("quiet")).await.unwrap().beat, 3);
}

async fn agreements(store: &Store) {
    assert_eq!(read(store, |tx| tx.agreement("colour")).await, None);
    for wish in ["red", "blue"] {
        assert_eq!(
            write(store, move |tx| tx.agree("colour", wish)).await,
            "red"
        );
    }
    assert_eq!(
        read(store, |tx| tx.agreement("colour")).await.unwrap(),
        "red"
    );
}
