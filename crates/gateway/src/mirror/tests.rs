//! Checks that what has no room is dropped and counted.

use super::*;
use crate::table::Route;

fn route(salt: &str, version: u32) -> Route {
    Route {
        project: "flights".into(),
        environment: "prod".into(),
        service: "delay".into(),
        salt: salt.into(),
        mirror: Some(Mirror {
            version,
            share: 0.5,
        }),
        ..Route::default()
    }
}

fn pair(seen: &Arc<Seen>, answer: usize) -> Pair {
    let side = |bytes: Vec<u8>| -> Side {
        Ok(Answered {
            status: 200,
            json: 0,
            body: bytes.into(),
        })
    };
    Pair {
        seen: Arc::clone(seen),
        route: Arc::new(route("a", 2)),
        id: "r".into(),
        wire: Wire::Rows,
        body: Bytes::from_static(b"{}"),
        before: side(b"{\"prediction\":1}".to_vec()),
        after: side(vec![b' '; answer]),
    }
}

#[test]
fn a_mirror_is_one_for_all_threads_and_for_one_rollout() {
    let (mirrors, thread) = Mirrors::start().unwrap();
    let first = mirrors.of(&route("a", 2)).unwrap();
    let again = mirrors.of(&route("a", 2)).unwrap();
    assert!(Arc::ptr_eq(&first.seen, &again.seen));
    let other = mirrors.of(&route("b", 3)).unwrap();
    assert!(!Arc::ptr_eq(&first.seen, &other.seen));
    let known = mirrors.known();
    let all: Vec<_> = evidence(&known).into_iter().map(|m| m.salt).collect();
    assert_eq!(all, ["b"]);
    let without = Route {
        mirror: None,
        ..route("c", 3)
    };
    assert!(mirrors.of(&without).is_none());
    assert!(other.wants(2, 0) && !other.wants(2, u64::MAX) && !other.wants(3, 0));
    // The thread ends with the last of those who could send.
    drop((first, again, other, mirrors));
    thread.join().unwrap();
}

#[test]
fn what_has_no_room_is_dropped_and_counted() {
    let (queue, pairs) = sync_channel(2);
    let mirrors = Mirrors {
        queue,
        waiting: Arc::default(),
        known: Known::default(),
    };
    let seen = mirrors.of(&route("a", 2)).unwrap().seen;
    mirrors.hand_on(pair(&seen, LONGEST + 1));
    mirrors.waiting.store(BYTES, Relaxed);
    mirrors.hand_on(pair(&seen, 10));
    assert_eq!((seen.evidence().dropped, pairs.try_iter().count()), (2, 0));
    mirrors.waiting.store(0, Relaxed);
    for _ in 0..5 {
        mirrors.hand_on(pair(&seen, 10));
    }
    assert_eq!(seen.evidence().dropped, 5);
    let kept: usize = pairs.try_iter().map(|pair| pair.len()).sum();
    assert_eq!(kept, mirrors.waiting.load(Relaxed));
    drop(pairs);
    mirrors.hand_on(pair(&seen, 10));
    assert_eq!(seen.evidence().dropped, 6);
    let places: Vec<_> = (0..IN_FLIGHT).map(|_| Place::take(&seen)).collect();
    assert!(places.iter().all(Option::is_some) && Place::take(&seen).is_none());
    drop(places);
    assert!(Place::take(&seen).is_some());
}

#[test]
fn what_is_not_to_be_written_is_not_kept() {
    let (mirrors, thread) = Mirrors::start().unwrap();
    let seen = mirrors.of(&route("a", 2)).unwrap().seen;
    let mut secret = route("a", 2);
    secret.log.redact = vec!["ssn".into()];
    mirrors.hand_on(Pair {
        route: Arc::new(secret),
        body: Bytes::from_static(b"{\"ssn\":\"123-45-6789\",\"dep_delay\":7.5}"),
        after: Ok(Answered {
            status: 200,
            json: 0,
            body: Bytes::from_static(b"{\"prediction\":2}"),
        }),
        ..pair(&seen, 10)
    });
    drop(mirrors);
    thread.join().unwrap();
    let kept = serde_json::to_string(&seen.evidence()).unwrap();
    assert!(kept.contains("7.5"), "{kept}");
    assert!(!kept.contains("123-45-6789"), "{kept}");
}
