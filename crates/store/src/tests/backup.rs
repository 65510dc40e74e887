//! A backup taken while writes go on, and what a restore makes of it.

use super::{at, event, fresh};
use crate::{
    Blobs, Error, EventFilter, Events as _, Priority, StateDir, Store, StoreUrl, restore, verify,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_running_store_comes_back() {
    let (store, dir) = fresh();
    let blobs = Blobs::local(store.state_dir()).unwrap();
    let model = blobs.put("the model").await.unwrap();
    store
        .write(Priority::Normal, |tx| tx.append_event(&event("before", 0)))
        .await
        .unwrap();
    // Somebody writes all the time.
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (busy, stopped) = (store.clone(), std::sync::Arc::clone(&stop));
    let writing = tokio::spawn(async move {
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            busy.write(Priority::Normal, |tx| {
                tx.append_event(&event("meanwhile", 1))
            })
            .await
            .unwrap();
        }
    });
    let to = dir.path().join("backup");
    let manifest = store.backup(&blobs, &to, at(5)).await.unwrap();
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    writing.await.unwrap();
    assert_eq!(manifest.blobs, std::slice::from_ref(&model));
    store
        .write(Priority::Normal, |tx| tx.append_event(&event("after", 2)))
        .await
        .unwrap();
    assert_eq!(verify(&to).await.unwrap(), manifest);
    let full = store.backup(&blobs, &to, at(6)).await.unwrap_err();
    assert!(full.to_string().contains("is not empty"), "{full}");

    let state = StateDir::create(dir.path().join("restored")).unwrap();
    restore(&to, &state).await.unwrap();
    assert!(
        restore(&to, &state)
            .await
            .unwrap_err()
            .to_string()
            .contains("holds a store already")
    );
    assert!(matches!(
        restore(&to, store.state_dir()).await,
        Err(Error::InUse { .. })
    ));
    let back = Store::open(&StoreUrl::Sqlite, &state).unwrap();
    let filter = EventFilter {
        oldest_first: true,
        ..EventFilter::default()
    };
    let kinds: Vec<_> = back
        .read(move |tx| tx.events(&filter))
        .await
        .unwrap()
        .into_iter()
        .map(|e| e.event.kind)
        .collect();
    assert_eq!(kinds.first().map(String::as_str), Some("before"));
    assert!(!kinds.contains(&"after".to_owned()));
    assert_eq!(
        Blobs::local(&state).unwrap().get(&model).await.unwrap(),
        "the model"
    );
}

#[tokio::test]
async fn a_damaged_backup_is_refused() {
    let (store, dir) = fresh();
    let blobs = Blobs::local(store.state_dir()).unwrap();
    let model = blobs.put("the model").await.unwrap();
    let state = StateDir::create(dir.path().join("restored")).unwrap();
    type Damage = fn(&std::path::Path, &crate::Digest);
    let damage: [(&str, Damage); 3] = [
        ("unfinished", |backup, _| {
            std::fs::remove_file(backup.join("manifest.json")).unwrap();
        }),
        ("database", |backup, _| {
            std::fs::write(backup.join("store.db"), "x").unwrap();
        }),
        ("blob", |backup, model| {
            std::fs::remove_file(
                backup
                    .join("blobs")
                    .join(&model.hex()[..2])
                    .join(model.hex()),
            )
            .unwrap();
        }),
    ];
    for (name, break_it) in damage {
        let backup = dir.path().join(name);
        store.backup(&blobs, &backup, at(0)).await.unwrap();
        break_it(&backup, &model);
        assert!(restore(&backup, &state).await.is_err(), "{name}");
        assert!(
            !state.database().exists(),
            "{name}: nothing is half restored"
        );
    }
}
