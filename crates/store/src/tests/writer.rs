//! Priorities, group commit, errors and panics of the SQLite writer.

use std::future::Future;
use std::sync::{Arc, Barrier, Mutex};

use super::{event, fresh};
use crate::tx::params;
use crate::{
    Error, EventFilter, Events as _, Priority, Projects as _, StateDir, Store, StoreUrl, Tx,
    lend_thread,
};

#[tokio::test]
async fn sqlite_conforms() {
    let (store, _dir) = fresh();
    super::conformance::conformance(&store).await;
    for project in ["d", "flights", "m", "ms", "p-two", "r", "s", "t"] {
        store
            .write(Priority::Normal, move |tx| tx.delete_project(project))
            .await
            .unwrap();
        let left = store.read(move |tx| rows_of(tx, project)).await.unwrap();
        assert_eq!(left, [], "of project {project}");
    }
}

/// The tables, but the events, that still hold something of the project, or of a run of it.
fn rows_of(tx: &mut Tx<'_>, project: &str) -> crate::Result<Vec<(String, u64)>> {
    let sql = "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c \
               WHERE m.type = 'table' AND m.name <> 'events' AND c.name IN ('project', 'run', 'run_id', 'series')";
    let mut left = Vec::new();
    for (table, column) in tx.rows(sql, &[], |cols| {
        Ok((cols.get::<String>()?, cols.get::<String>()?))
    })? {
        let count = match column.as_str() {
            "project" => tx.single(
                &format!("SELECT COUNT(*) FROM {table} WHERE project = ?1"),
                params![project],
            )?,
            "run" => orphans(tx, &table, "run", "tracked_runs", "number")?,
            "series" => orphans(tx, &table, "series", "metric_series", "id")?,
            _ if table == "steps" => orphans(tx, &table, "run_id", "runs", "id")?,
            _ => None,
        };
        left.extend(count.filter(|count| *count > 0).map(|count| (table, count)));
    }
    Ok(left)
}

fn orphans(
    tx: &mut Tx<'_>,
    table: &str,
    column: &str,
    of: &str,
    key: &str,
) -> crate::Result<Option<u64>> {
    tx.single(
        &format!(
            "SELECT COUNT(*) FROM {table} WHERE \"{column}\" NOT IN (SELECT \"{key}\" FROM {of})"
        ),
        &[],
    )
}

#[tokio::test]
async fn what_was_acknowledged_is_read() {
    let (store, _dir) = fresh();
    let seq = store
        .write(Priority::Normal, |tx| tx.append_event(&event("a", 0)))
        .await
        .unwrap();
    let read = store.read(move |tx| tx.event(seq)).await.unwrap().unwrap();
    assert_eq!(read.event, event("a", 0));
}

#[tokio::test]
async fn an_error_undoes_its_own_writes_only() {
    let (store, _dir) = fresh();
    let jobs = (0..20).map(|n| {
        store.write(Priority::Normal, move |tx| {
            tx.append_event(&event(&format!("n{n}"), n))?;
            match n % 3 {
                0 => Err(Error::caller("no")),
                1 => panic!("the closure's own fault"),
                _ => Ok(n),
            }
        })
    });
    let answers = futures_util::future::join_all(jobs).await;
    let kept: Vec<i64> = answers.into_iter().filter_map(Result::ok).collect();
    let events = store
        .read(|tx| {
            tx.events(&EventFilter {
                oldest_first: true,
                ..EventFilter::default()
            })
        })
        .await
        .unwrap();
    let found: Vec<i64> = events
        .iter()
        .map(|e| e.after.as_ref().unwrap().as_i64().unwrap())
        .collect();
    assert_eq!(found, kept);
    assert_eq!(kept, [2, 5, 8, 11, 14, 17]);
}

#[tokio::test]
async fn urgent_overtakes_bulk() {
    let (store, _dir) = fresh();
    let order = Arc::new(Mutex::new(Vec::new()));
    let gate = Arc::new(Barrier::new(2));
    let job = |priority: Priority, wait: bool| {
        let (order, gate) = (Arc::clone(&order), Arc::clone(&gate));
        store.write(priority, move |_| {
            if wait {
                gate.wait();
                gate.wait();
            }
            order.lock().unwrap().push(priority);
            Ok(())
        })
    };
    // The first job holds the writer until all others are in the queue.
    let mut jobs = vec![tokio::spawn(job(Priority::Bulk, true))];
    let started = Arc::clone(&gate);
    tokio::task::spawn_blocking(move || started.wait())
        .await
        .unwrap();
    for priority in [
        Priority::Bulk,
        Priority::Bulk,
        Priority::Quiet,
        Priority::Normal,
        Priority::Urgent,
        Priority::Bulk,
        Priority::Urgent,
    ] {
        jobs.push(tokio::spawn(job(priority, false)));
    }
    while store.waiting() < 7 {
        tokio::task::yield_now().await;
    }
    tokio::task::spawn_blocking(move || gate.wait())
        .await
        .unwrap();
    futures_util::future::join_all(jobs)
        .await
        .into_iter()
        .for_each(|job| job.unwrap().unwrap());
    use Priority::{Bulk, Normal, Quiet, Urgent};
    assert_eq!(
        *order.lock().unwrap(),
        [Bulk, Urgent, Urgent, Normal, Quiet, Bulk, Bulk, Bulk]
    );
}

#[tokio::test]
async fn subscribers_hear_of_commits_that_matter() {
    let (store, _dir) = fresh();
    let changes = store.subscribe();
    for priority in [Priority::Bulk, Priority::Quiet] {
        store
            .write(priority, |tx| tx.append_event(&event("quiet", 0)))
            .await
            .unwrap();
    }
    store
        .write(Priority::Normal, |tx| tx.last_event())
        .await
        .unwrap();
    assert!(!changes.has_changed().unwrap());
    store
        .write(Priority::Normal, |tx| tx.append_event(&event("normal", 0)))
        .await
        .unwrap();
    assert!(changes.has_changed().unwrap());
}

#[test]
fn a_state_directory_in_use_is_refused() {
    let (store, dir) = fresh();
    let state = StateDir::create(dir.path().join("state")).unwrap();
    let error = Store::open(&StoreUrl::Sqlite, &state).unwrap_err();
    let me = std::process::id();
    assert!(
        error
            .to_string()
            .contains(&format!("in use by another server (process {me})")),
        "{error}"
    );
    drop(store);
    Store::open(&StoreUrl::Sqlite, &state).unwrap();
}

/// Who does a quick write: the name of the thread.
fn named(store: &Store) -> impl Future<Output = crate::Result<String>> + use<> {
    store.write_quickly(Priority::Normal, |tx| {
        tx.append_event(&event("who", 0))?;
        Ok(std::thread::current().name().unwrap_or_default().to_owned())
    })
}

#[tokio::test]
async fn a_lent_thread_writes_quickly_while_nobody_else_wants_to() {
    let (store, _dir) = fresh();
    let me = std::thread::current().name().unwrap().to_owned();
    let changes = store.subscribe();
    lend_thread(true);
    assert_eq!(named(&store).await.unwrap(), me);
    assert!(changes.has_changed().unwrap());
    let failed: crate::Result<()> = store
        .write_quickly(Priority::Normal, |tx| {
            tx.append_event(&event("undone", 1))?;
            Err(Error::caller("no"))
        })
        .await;
    assert!(failed.is_err());

    // The first job holds the connection, the second waits for it, and the third does not go before that.
    let (gate, order) = (Arc::new(Barrier::new(2)), Arc::new(Mutex::new(Vec::new())));
    let job = |number: usize, wait: bool| {
        let (gate, order) = (Arc::clone(&gate), Arc::clone(&order));
        store.write_quickly(Priority::Bulk, move |_| {
            if wait {
                gate.wait();
                gate.wait();
            }
            order.lock().unwrap().push(number);
            Ok(())
        })
    };
    lend_thread(false);
    let first = tokio::spawn(job(1, true));
    let held = Arc::clone(&gate);
    tokio::task::spawn_blocking(move || held.wait())
        .await
        .unwrap();
    let second = tokio::spawn(job(2, false));
    while store.waiting() < 1 {
        tokio::task::yield_now().await;
    }
    lend_thread(true);
    let third = tokio::spawn(job(3, false));
    while store.waiting() < 2 {
        tokio::task::yield_now().await;
    }
    tokio::task::spawn_blocking(move || gate.wait())
        .await
        .unwrap();
    for job in [first, second, third] {
        job.await.unwrap().unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [1, 2, 3]);

    let name = |_: &mut Tx<'_>| Ok(std::thread::current().name().unwrap_or_default().to_owned());
    let long = store.write(Priority::Normal, name).await.unwrap();
    assert_eq!(long, "store-write", "what may take long");
    lend_thread(false);
    assert_eq!(named(&store).await.unwrap(), "store-write");
    let kept = store
        .read(|tx| tx.events(&EventFilter::default()))
        .await
        .unwrap();
    assert_eq!(kept.len(), 2, "the two of `named`");
}

#[tokio::test]
async fn a_lent_thread_does_not_write_to_what_is_closed() {
    let (store, dir) = fresh();
    lend_thread(true);
    let late = named(&store);
    drop(store);
    assert!(matches!(late.await, Err(Error::Stopped(_))));
    let state = StateDir::create(dir.path().join("state")).unwrap();
    let store = Store::open(&StoreUrl::Sqlite, &state).unwrap();
    assert_eq!(store.read(|tx| tx.last_event()).await.unwrap(), 0);
}

#[tokio::test]
async fn what_waits_behind_the_last_hand_on_the_store_is_done() {
    let (store, dir) = fresh();
    let (go, held) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (first, second) = (store.clone(), (Arc::clone(&go), Arc::clone(&held)));
    // Urgent, so that the next one is not of its transaction.
    let last = store.write(Priority::Urgent, move |_| {
        let _held = &first;
        second.0.wait();
        second.1.wait();
        Ok(())
    });
    let last = tokio::spawn(last);
    tokio::task::spawn_blocking(move || go.wait())
        .await
        .unwrap();
    let behind = tokio::spawn(store.write(Priority::Normal, |tx| tx.append_event(&event("b", 0))));
    while store.waiting() < 1 {
        tokio::task::yield_now().await;
    }
    drop(store);
    tokio::task::spawn_blocking(move || held.wait())
        .await
        .unwrap();
    last.await.unwrap().unwrap();
    let behind = tokio::time::timeout(std::time::Duration::from_secs(60), behind).await;
    assert_eq!(behind.expect("the writer goes on").unwrap().unwrap(), 1);
    let state = StateDir::create(dir.path().join("state")).unwrap();
    let opened = || Store::open(&StoreUrl::Sqlite, &state).ok();
    while opened().is_none() {
        tokio::task::yield_now().await;
    }
}
