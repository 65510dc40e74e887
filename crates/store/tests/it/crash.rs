//! A child writes records and blobs from many tasks and tells each acknowledgement on its
//! standard output; it is killed at seeded random points, again and again on one state
//! directory. Whatever it told must be there, whole, each time.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use store::{
    Blobs, Digest, EventFilter, Events as _, Models as _, NewEvent, Priority, RegisteredModel,
    StateDir, Store, StoreUrl,
};

/// Tells the child where to write; the same test is the child then.
const CHILD: &str = "MAINSPAN_TEST_CRASH_DIR";
const ROUNDS: u64 = 20;

fn open(dir: &Path) -> (Store, Blobs) {
    let state = StateDir::create(dir).unwrap();
    let store = Store::open(&StoreUrl::Sqlite, &state).unwrap();
    let blobs = Blobs::local(&state).unwrap();
    (store, blobs)
}

fn event(subject: String) -> NewEvent {
    NewEvent {
        project: None,
        at: jiff::Timestamp::UNIX_EPOCH,
        actor: "crash".into(),
        kind: "test.written".into(),
        subject,
        reason: "y".repeat(200),
        before: None,
        after: None,
    }
}

/// Writes until it is killed.
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn child(dir: &Path) {
    let (store, blobs) = open(dir);
    let first = store.read(|tx| tx.last_event()).await.unwrap();
    let tasks = (0..8u64).map(|task| {
        let (store, blobs) = (store.clone(), blobs.clone());
        tokio::spawn(async move {
            let priority = [Priority::Urgent, Priority::Normal, Priority::Bulk][task as usize % 3];
            for n in 0..u64::MAX {
                let name = format!("{first}-{task}-{n}");
                let digest = blobs.put(name.repeat(5000)).await.unwrap();
                let subject = digest.as_str().to_owned();
                // Two records in one transaction: both or none.
                store
                    .write(priority, move |tx| {
                        let model = RegisteredModel {
                            project: "crash".into(),
                            name: subject.clone(),
                            created_at: jiff::Timestamp::UNIX_EPOCH,
                            updated_at: jiff::Timestamp::UNIX_EPOCH,
                            description: String::new(),
                            tags: std::collections::BTreeMap::new(),
                        };
                        tx.create_model(&model)?;
                        tx.append_event(&event(subject.clone()))
                    })
                    .await
                    .unwrap();
                std::io::stdout()
                    .write_all(format!("\nack {digest}\n").as_bytes())
                    .unwrap();
            }
        })
    });
    futures_util::future::join_all(tasks).await;
}

/// Runs the child until it has told `count` acknowledgements, kills it, and returns all it told.
fn run_and_kill(dir: &Path, count: usize) -> Vec<Digest> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "crash::killing_loses_nothing_acknowledged",
            "--nocapture",
        ])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut told = Vec::new();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines {
        if let Some(digest) = line.unwrap().strip_prefix("ack ") {
            // A line that the kill cut short was not told.
            told.extend(digest.parse::<Digest>());
        }
        if told.len() == count {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    told
}

#[test]
fn killing_loses_nothing_acknowledged() {
    if let Some(dir) = std::env::var_os(CHILD) {
        return child(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let mut told = BTreeSet::new();
    let mut seed = 20_261_124_u64;
    for round in 0..ROUNDS {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let count = 1 + (seed >> 33) as usize % 60;
        let new = run_and_kill(&state, count);
        assert!(
            new.len() >= count,
            "round {round}: the child ended by itself"
        );
        told.extend(new);
        verify(&state, &told, round);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn verify(dir: &Path, told: &BTreeSet<Digest>, round: u64) {
    let (store, blobs) = open(dir);
    let filter = EventFilter {
        limit: 1_000_000,
        ..EventFilter::default()
    };
    let (events, models) = store
        .read(move |tx| Ok((tx.events(&filter)?, tx.models("crash")?)))
        .await
        .unwrap();
    let events: BTreeSet<_> = events
        .into_iter()
        .map(|event| event.event.subject)
        .collect();
    let models: BTreeSet<_> = models.into_iter().map(|model| model.name).collect();
    assert_eq!(events, models, "round {round}: half a transaction");
    for digest in told {
        assert!(
            events.contains(digest.as_str()),
            "round {round}: the record of {digest} is lost"
        );
    }
    for digest in blobs.list().await.unwrap() {
        blobs
            .get(&digest)
            .await
            .unwrap_or_else(|e| panic!("round {round}: {e}"));
    }
    for digest in told {
        assert!(
            blobs.size(digest).await.unwrap().is_some(),
            "round {round}: {digest} is lost"
        );
    }
}
