//! Schedules on a server whose clock the test sets: missed occurrences, summer time, clocks that jump.

use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicI64, Ordering};
use testkit::{Repository, Server, http::ask, until};

/// Microseconds since 1970; it goes on by one with each look, so that looks can be told apart.
static CLOCK: AtomicI64 = AtomicI64::new(0);

fn clock() -> Timestamp {
    Timestamp::from_microsecond(CLOCK.fetch_add(1, Ordering::SeqCst)).unwrap()
}

struct World {
    server: Server,
    project: Repository,
    _folder: tempfile::TempDir,
}

impl World {
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let headers = [format!(
            "authorization: Bearer {}",
            self.server.owner_token()
        )];
        let (address, body) = (self.server.address(), body.to_string());
        let path = format!("/api/v1/{path}");
        let answer = ask(address, method, &path, &headers, body.as_bytes()).unwrap();
        assert!(answer.status < 300, "{method} {path}: {}", answer.body);
        answer.json()
    }

    /// Writes, commits and applies a file with this schedule.
    fn apply(&self, schedule: &str, zone: &str) {
        let file = format!(
            "mainspan: 1\nproject: p\nenvironments: [prod]\ntimezone: {zone}\npipelines:\n  train:\n    triggers: {{ schedule: \"{schedule}\" }}\n    steps:\n      a: {{ run: 'true' }}\n"
        );
        self.project.write("mainspan.yaml", &file);
        self.project.commit(schedule);
        let root = self.project.folder().display().to_string();
        let mut body = json!({ "text": file, "root": root });
        let plan = self.call("POST", "projects/p/plan", &body);
        body["plan"] = plan["digest"].clone();
        // The commit is applied by the push as well; whoever comes first.
        let headers = [format!(
            "authorization: Bearer {}",
            self.server.owner_token()
        )];
        let path = "/api/v1/projects/p/apply";
        let body = body.to_string();
        ask(
            self.server.address(),
            "POST",
            path,
            &headers,
            body.as_bytes(),
        )
        .unwrap();
        until("the schedule", || {
            let events = self.call("GET", "projects/p/events?limit=100", &json!({}));
            events.to_string().contains(schedule).then_some(())
        });
    }

    /// Sets the clock, and waits until the triggers have looked at everything at least once since.
    fn at(&self, time: &str) -> &Self {
        let time: Timestamp = time.parse().unwrap();
        CLOCK.store(time.as_microsecond(), Ordering::SeqCst);
        // A write makes them look at schedules with the next beat.
        self.call(
            "POST",
            "tokens/create",
            &json!({ "name": "beat", "role": "viewer", "project": "p" }),
        );
        let looked = || self.call("GET", "reconcilers", &json!({}))["triggers"]["at"].clone();
        for _ in 0..3 {
            let before = looked();
            until("a look", || (looked() != before).then_some(()));
        }
        self
    }

    fn expect(&self, runs: usize) {
        let all = self.call("GET", "projects/p/runs?limit=100", &json!({}));
        let all = all.as_array().unwrap();
        assert_eq!(all.len(), runs, "{all:#?}");
        assert!(
            all.iter().all(|run| run["trigger"]["kind"] == "schedule"),
            "{all:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_fires_once_whatever_the_clock_does() {
    let start: Timestamp = "2026-03-28T12:00:00Z".parse().unwrap();
    CLOCK.store(start.as_microsecond(), Ordering::SeqCst);
    let server = Server::start_with(|options| options.now = clock).await;
    let folder = tempfile::tempdir().unwrap();
    let world = World {
        server,
        project: Repository::new(&folder.path().join("p")),
        _folder: folder,
    };
    tokio::task::spawn_blocking(move || scenario(&world))
        .await
        .unwrap();
}

fn scenario(world: &World) {
    world.apply("30 2 * * *", "Europe/Berlin");
    world.at("2026-03-28T12:00:01Z").expect(0);
    // Summer time begins: 02:30 does not exist and comes right after the gap.
    world.at("2026-03-29T00:59:59Z").expect(0);
    world.at("2026-03-29T01:00:01Z").expect(1);
    world.at("2026-03-29T12:00:00Z").expect(1);
    // The clock is set back a little, and the same moment comes again.
    world.at("2026-03-29T00:30:00Z").expect(1);
    world.at("2026-03-29T01:00:10Z").expect(1);
    // Three nights without a server are made up for once.
    world.at("2026-04-01T12:00:00Z").expect(2);
    world.at("2026-04-01T12:00:05Z").expect(2);
    // A clock that is wrong by a year fires once, and set right again goes on as ever.
    world.at("2027-04-01T12:00:00Z").expect(3);
    world.at("2026-04-02T12:00:00Z").expect(3);
    world.at("2026-04-03T00:29:59Z").expect(3);
    world.at("2026-04-03T00:30:01Z").expect(4);
    // Summer time ends: 02:30 comes twice, and fires the first time.
    world.at("2026-10-24T12:00:00Z").expect(5);
    world.at("2026-10-25T00:30:01Z").expect(6);
    world.at("2026-10-25T01:30:01Z").expect(6);
    // A schedule that is changed, or read in another zone, counts from then.
    world.apply("15 11 * * *", "Europe/Berlin");
    world.at("2026-10-25T12:00:00Z").expect(7);
    world.apply("0 11 * * *", "UTC");
    world.at("2026-10-25T12:00:01Z").expect(7);
    world.apply("0 11 * * *", "America/New_York");
    world.at("2026-10-25T15:00:01Z").expect(8);
}
