//! Replicas that get no more than they take, and one that takes requests and does nothing good with
//! them.

use crate::world::{World, project, server};
use serde_json::json;
use std::sync::Barrier;
use testkit::until;

/// A server that says how many requests it had at a time. The first one ever answers all of them
/// with 500.
const SERVER: &str = server!(
    r#"try:
    os.mkdir(sys.argv[1])
    bad = True
except FileExistsError:
    bad = False
lock, now, most = threading.Lock(), 0, 0
"#,
    r#"    def do_GET(self):
        self.answer(200, {})
    def do_POST(self):
        global now, most
        self.rfile.read(int(self.headers["content-length"]))
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.02)
        with lock:
            now -= 1
        self.answer(500 if bad else 200, {"most": most})
"#
);

const FILE: &str = project!(
    "talk",
    r#"mkdir "$MAINSPAN_OUT_MODEL"; cp server.py "$MAINSPAN_OUT_MODEL"; python3 log.py mae 1"#,
    r#"    engine: command
    command: python3 "$MODEL/server.py" FIRST
    resources: { cpu: 0.1, memory: 128MiB }
    scale: SCALE
    queue: { length: 100, wait: 30s }
"#
);

/// A product that serves such a thing. Whether the first server is bad is up to the caller.
fn serving(scale: &str, is_first_bad: bool) -> World {
    let world = World::new("");
    let first = world.product.folder().join("first");
    if !is_first_bad {
        std::fs::create_dir(&first).unwrap();
    }
    let file = FILE.replace("FIRST", &first.display().to_string());
    world
        .project
        .write("mainspan.yaml", file.replace("SCALE", scale));
    world.project.write("server.py", SERVER);
    world.apply();
    world.project.commit("First");
    until("an answer", || {
        let got = world.product.predict("/talk/v1/say", &json!({})).ok()?;
        (got.status == 200).then_some(())
    });
    world
}

#[test]
fn a_replica_gets_no_more_requests_than_it_takes_at_a_time() {
    let world = serving("{ min: 1, max: 1, concurrency: 2 }", false);
    let clients = 12;
    let barrier = Barrier::new(clients);
    let most = std::thread::scope(|scope| {
        let ask = || {
            barrier.wait();
            let got = world.product.predict("/talk/v1/say", &json!({})).unwrap();
            assert_eq!(got.status, 200);
            got.json()["most"].as_u64().unwrap()
        };
        let asked: Vec<_> = (0..clients).map(|_| scope.spawn(ask)).collect();
        asked.into_iter().map(|one| one.join().unwrap()).max()
    });
    assert_eq!(most, Some(2));
}

#[test]
fn a_replica_that_only_fails_is_replaced() {
    let world = serving("{ min: 2, max: 2 }", true);
    let event = until("the replica to be ended", || {
        for _ in 0..10 {
            let got = world.product.predict("/talk/v1/say", &json!({})).unwrap();
            assert!(matches!(got.status, 200 | 500), "{}", got.status);
        }
        let events = "projects/tiny/events?kind=replica.ended";
        world.product.read(events).as_array()?.first().cloned()
    });
    let reason = event["reason"].as_str().unwrap();
    assert!(reason.contains("failed 5 requests in a row"), "{event}");
    assert_eq!(event["subject"], "service/talk@prod");
    // Both that are there now are good.
    until("two good replicas", || {
        let health = world.product.gateway("/health");
        let replicas = health["replicas"].as_array()?;
        let is_good = |replica: &serde_json::Value| {
            replica["connections"] == health["threads"] && replica["ejected"] == 0
        };
        (replicas.len() == 2 && replicas.iter().all(is_good)).then_some(())
    });
    for _ in 0..40 {
        let got = world.product.predict("/talk/v1/say", &json!({})).unwrap();
        assert_eq!(got.status, 200);
    }
}
