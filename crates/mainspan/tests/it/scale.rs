//! Services whose replicas follow their requests: from none to several and back, while nobody is sent away.

use crate::{
    traffic::while_asking,
    world::{PROJECT, World, project, server, talk},
};
use serde_json::{Value, json};
use std::{
    sync::Mutex,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use testkit::until;

/// A server that takes a quarter of a second for an answer.
const SERVER: &str = server!(
    "",
    r#"    def do_GET(self):
        self.answer(200, b"{}")
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        time.sleep(0.25)
        self.answer(200, body)
"#
);

const FILE: &str = talk!("{ min: 0, max: 3, concurrency: 2, window: 2s }");

/// Replicas of production that run.
fn replicas(world: &World) -> usize {
    world.engines("-prod-").len()
}

fn until_there_are(world: &World, count: usize) {
    until(&format!("{count} replicas"), || {
        (replicas(world) == count).then_some(())
    });
}

/// Replica counts of the version, oldest first.
fn counts(world: &World) -> Vec<u64> {
    let events = world
        .product
        .read("projects/tiny/events?kind=replicas.changed");
    let mut counts: Vec<u64> = events
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["subject"].as_str().unwrap().ends_with("@prod"))
        .map(|event| event["after"]["replicas"].as_u64().unwrap())
        .collect();
    counts.reverse();
    counts
}

fn scale(world: &World) -> Value {
    let status = world.product.read("projects/tiny/status");
    status["scales"][0].clone()
}

#[test]
fn replicas_come_with_the_requests_and_go_without_a_failure() {
    let world = World::talking(FILE, SERVER);
    until("version 1", || {
        (world.deployment("prod")["version"] == 1).then_some(())
    });
    until_there_are(&world, 0);

    let (answered, failures) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let ask = |client: u64, number: u64| {
        let asked = json!({ "client": client, "number": number });
        match world.product.predict("/talk/v1/say", &asked) {
            Ok(answer) if answer.status == 200 && answer.json() == asked => {
                answered.fetch_add(1, Ordering::SeqCst);
            }
            other => failures.lock().unwrap().push(format!("{other:?}")),
        }
    };
    // The first one waits for the first replica.
    ask(0, 0);
    assert_eq!(answered.load(Ordering::SeqCst), 1, "{failures:?}");
    assert!(counts(&world).ends_with(&[0, 1]), "{:?}", counts(&world));

    let pause = Duration::from_millis(1);
    while_asking(8, pause, ask, || {
        until_there_are(&world, 3);
        let shown = scale(&world);
        assert_eq!(
            (&shown["service"], &shown["replicas"]),
            (&json!("talk"), &json!(3))
        );
        assert_ne!(shown["reason"], "");
    });
    let said = world.say(&["status"]);
    assert!(said.stdout.contains("Replicas"), "{said:?}");
    // Two of them go while one client goes on.
    while_asking(1, pause, ask, || until_there_are(&world, 1));
    until_there_are(&world, 0);
    ask(0, 0);

    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{failures:?} of {answered:?}");
    let idle = scale(&world);
    assert_eq!(idle["version"], 1, "{idle}");
}

#[test]
fn all_that_come_while_the_first_replica_starts_are_answered() {
    let file = PROJECT.replace(
        "engine: onnx",
        "engine: onnx\n    scale: { min: 0, max: 1, window: 2s, hold: 20 }",
    );
    let world = World::applied(&file);
    world.ship(1.0);
    until("version 1", || {
        (world.deployment("prod")["version"] == 1).then_some(())
    });
    until_there_are(&world, 0);
    let ask = |number: u32| {
        let row = json!({ "request_id": number.to_string(), "dep_delay": number });
        world.product.predict("/delay", &row).unwrap()
    };
    let answers: Vec<_> = std::thread::scope(|scope| {
        let ask = &ask;
        let threads: Vec<_> = (0..20)
            .map(|number| scope.spawn(move || ask(number)))
            .collect();
        let answers = threads.into_iter().map(|thread| thread.join().unwrap());
        answers.collect()
    });
    for (number, answer) in (0..).zip(&answers) {
        assert_eq!(answer.status, 200, "{:?}", answer.json());
        assert_eq!(answer.json()["prediction"], f64::from(number) + 1.0);
    }
    assert!(counts(&world).ends_with(&[0, 1]), "{:?}", counts(&world));
}
