//! A disk that fills up: each write says so, nothing is half done, and with room again
//! everything goes on. Runs in a child with a small tmpfs of its own.

use std::path::Path;
use std::process::Command;

use store::{
    Blobs, Error, EventFilter, Events as _, NewEvent, Priority, StateDir, Store, StoreUrl,
};

/// Tells the child where its small disk is.
const CHILD: &str = "MAINSPAN_TEST_FULL_DIR";

fn event(reason: &str) -> NewEvent {
    NewEvent {
        project: None,
        at: jiff::Timestamp::UNIX_EPOCH,
        actor: "full".into(),
        kind: "test.written".into(),
        subject: "disk".into(),
        reason: reason.into(),
        before: None,
        after: None,
    }
}

async fn write(store: &Store) -> store::Result<u64> {
    let reason = "z".repeat(20_000);
    store
        .write(Priority::Normal, move |tx| tx.append_event(&event(&reason)))
        .await
}

#[tokio::main(flavor = "current_thread")]
async fn child(disk: &Path) {
    let ballast = disk.join("ballast");
    std::fs::write(&ballast, vec![1; 1_000_000]).unwrap();
    let state = StateDir::create(disk.join("state")).unwrap();
    let store = Store::open(&StoreUrl::Sqlite, &state).unwrap();
    let blobs = Blobs::local(&state).unwrap();
    let mut kept = 0;
    let full = loop {
        match write(&store).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 1000, "three megabytes never filled up");
    };
    assert!(matches!(full, Error::Full(_)), "{full:?}");
    let full = blobs.put(vec![7; 4_000_000]).await.unwrap_err();
    assert!(matches!(full, Error::Full(_)), "{full:?}");
    assert_eq!(
        std::fs::read_dir(state.blobs().join("tmp"))
            .unwrap()
            .count(),
        0,
        "half a blob stays"
    );
    assert_eq!(blobs.list().await.unwrap(), []);

    let filter = EventFilter {
        limit: 2000,
        ..EventFilter::default()
    };
    let same = filter.clone();
    assert_eq!(
        store.read(move |tx| tx.events(&same)).await.unwrap().len(),
        kept
    );
    std::fs::remove_file(ballast).unwrap();
    write(&store).await.unwrap();
    blobs.put(vec![7; 100_000]).await.unwrap();
    drop(store);
    let store = Store::open(&StoreUrl::Sqlite, &state).unwrap();
    assert_eq!(
        store
            .read(move |tx| tx.events(&filter))
            .await
            .unwrap()
            .len(),
        kept + 1
    );
}

#[test]
fn a_full_disk_is_told_and_survived() {
    if let Some(disk) = std::env::var_os(CHILD) {
        return child(Path::new(&disk));
    }
    let disk = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=3m tmpfs \"$1\" && shift && exec \"$@\"";
    let child = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(disk.path())
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "full_disk::a_full_disk_is_told_and_survived",
            "--nocapture",
        ])
        .env(CHILD, disk.path())
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&child.stdout),
        String::from_utf8_lossy(&child.stderr),
    );
    assert!(child.status.success(), "{out}\n{err}");
    assert!(out.contains("1 passed"), "{out}\n{err}");
}
