//! Checks that counters only grow, survive a restart, and never mix two epochs.

use std::time::Duration;

use super::*;
use crate::table::Route;

fn route(service: &str) -> Route {
    Route {
        project: "flights".into(),
        environment: "prod".into(),
        service: service.into(),
        ..Route::default()
    }
}

#[test]
fn counts_of_all_threads_and_processes_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evidence.json");
    let took = Duration::from_micros(100);
    for process in 1..=3_u64 {
        let at = 1000 + i64::try_from(process).unwrap();
        let ledger = Ledger::open(path.clone(), 2, at).unwrap();
        assert!(!ledger.changed());
        for thread in 0..2 {
            let counters = ledger.counters(thread, &route("delay"), 3);
            counters.attempt(Outcome::Good, took);
            counters.attempt(Outcome::Error, took);
            counters.attempt(Outcome::ClientError, took);
            counters.attempt(Outcome::Abandoned, took);
            counters.reject();
            counters.pin();
            counters.unlogged(2);
            counters.traffic_dropped(3);
        }
        ledger
            .counters(0, &route("other"), 1)
            .attempt(Outcome::Good, took);
        assert!(ledger.changed());
        let evidence = ledger.persist(at).unwrap();
        assert!(!ledger.changed());
        assert_eq!((evidence.epoch, evidence.at), (1001, at));
        let names: Vec<_> = evidence.routes.iter().map(|r| r.service.as_str()).collect();
        assert_eq!(names, ["delay", "other"]);
        let [version] = &evidence.routes[0].versions[..] else {
            panic!("{evidence:?}");
        };
        let expect = VersionEvidence {
            version: 3,
            requests: 8 * process,
            errors: 2 * process,
            client_errors: 2 * process,
            abandoned: 2 * process,
            latency: version.latency.clone(),
            unlogged: 4 * process,
            traffic_dropped: 6 * process,
            rejected: 2 * process,
            pinned: 2 * process,
        };
        assert_eq!(version, &expect);
        assert_eq!(
            version.latency.total(),
            version.requests - version.client_errors
        );
        assert_eq!(version.latency.quantile(1.0).map(|q| q / 10), Some(10));
        let on_disk: Evidence = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(on_disk, evidence);
    }
}

#[test]
fn unreadable_evidence_begins_a_new_epoch_and_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evidence.json");
    std::fs::write(&path, b"{\"epoch\":1,").unwrap();
    let ledger = Ledger::open(path.clone(), 1, 77).unwrap();
    assert_eq!(ledger.persist(78).unwrap().epoch, 77);
    assert!(path.with_extension("damaged").exists());
    assert_eq!(
        Ledger::open(path, 1, 99)
            .unwrap()
            .persist(100)
            .unwrap()
            .epoch,
        77
    );
}
