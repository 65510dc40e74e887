//! Several servers on one Postgres: one of them reconciles, all of them answer, and another one takes over.

use crate::world::{BINARY, PROJECT, World};
use serde_json::{Value, json};
use std::process::Command;
use testkit::{Postgres, Product, until_or};

/// Sends a signal to a process.
fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status();
    assert!(sent.unwrap().success(), "kill {name} {pid}");
}

/// What a server says of the lease; waits until it leads, or does not, by its own word.
#[track_caller]
fn standing(product: &Product, leads: bool) -> Value {
    let mut last = Value::Null;
    let what = format!("a server whose `leads` is {leads}");
    until_or(
        || what.clone(),
        || {
            last = product.read("reconcilers");
            let lease = &last["lease"];
            // One that stands by knows who leads; reconcilers are those of the server that does.
            let others = last.as_object()?.len() > 1;
            let settled = lease["leads"] == leads && others == leads;
            (settled && lease["holder"].is_string()).then(|| lease.clone())
        },
    )
}

#[test]
fn one_of_two_servers_reconciles_and_the_other_takes_over() {
    let Some(postgres) = Postgres::start() else {
        return;
    };
    let (first, second) = (Product::new(BINARY), Product::new(BINARY));
    let blobs = first.folder().join("blobs").display().to_string();
    let url = postgres.url();
    let options = ["--store", url.as_str(), "--blobs", blobs.as_str()];
    first.start(&options);
    let lease = standing(&first, true);
    assert_eq!(lease["why"], "nobody has ever had it", "{lease}");

    // Bytes elsewhere: refused.
    let words = ["server", "--port", "0", "--store", url.as_str()];
    let refused = second.run(second.folder(), &words);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("same --blobs"), "{refused:?}");

    second.start(&options);
    let other = standing(&second, false);
    assert_eq!(other["holder"], lease["server"], "{other}");

    // The first one does the work, and both tell of it.
    let world = World::on(first, PROJECT);
    let first = &world.product;
    world.apply();
    assert_eq!(world.run_of(&world.ship(1.0))["state"], "succeeded");
    world.answers("/delay", 1);
    let runs = |product: &Product| product.read("projects/tiny/runs")[0]["state"].clone();
    assert_eq!(runs(&second), "succeeded");
    // What is asked of the second is done by the first.
    let asked = second.run(
        world.project.folder(),
        &["run", "train", "--detach", "-o", "json"],
    );
    let id = asked.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(world.ended(&id)["state"], "succeeded");
    let units = second.state().join("units");
    assert_eq!(std::fs::read_dir(units).unwrap().count(), 0);
    standing(&second, false);

    // A holder that stands still loses the lease, and knows it when it goes on. The step that it had begun is begun
    // again by the other one, where it can run.
    let leave = first.folder().join("leave");
    let waiting = PROJECT.replace(
        "sh mark.sh evaluate;",
        &format!(
            "sh mark.sh evaluate; while [ ! -e {} ]; do sleep 0.02; done;",
            leave.display()
        ),
    );
    world.project.write("mainspan.yaml", waiting);
    let under_way = world.ship(5.0);
    until_or(
        || "the step to begin".to_owned(),
        || {
            (world
                .marks()
                .iter()
                .filter(|mark| *mark == "evaluate")
                .count()
                == 2)
                .then_some(())
        },
    );
    let stopped = first.pid("server").unwrap();
    signal("-STOP", stopped);
    let lease = standing(&second, true);
    assert_eq!(lease["why"], "its holder did not renew it", "{lease}");
    signal("-CONT", stopped);
    until_or(
        || "the first to know who leads".to_owned(),
        || (standing(first, false)["holder"] == lease["server"]).then_some(()),
    );
    assert_eq!(
        first.pid("server"),
        Some(stopped),
        "it was not started again"
    );
    // It ends the step, which the other one has begun again by now.
    let begun = || {
        world
            .marks()
            .iter()
            .filter(|mark| *mark == "evaluate")
            .count()
    };
    let waiting = || {
        let words = first
            .processes()
            .into_iter()
            .map(|(_, words)| words.concat());
        words.filter(|line| line.contains("/leave ]")).count()
    };
    until_or(
        || format!("one step of two, not {} of {}", waiting(), begun()),
        || (begun() == 3 && waiting() == 1).then_some(()),
    );
    std::fs::write(&leave, "").unwrap();
    let run = world.run_of(&under_way);
    assert_eq!(run["state"], "succeeded", "{run}");
    let step = world.step(&run, "evaluate");
    assert_eq!(
        (&step["attempt"], &step["infra_attempts"]),
        (&json!(1), &json!(1)),
        "{step}"
    );
    // What served at the first one does so still, and now at the second one as well.
    let row = json!({ "request_id": "r", "dep_delay": 1.0 });
    for product in [first, &second] {
        until_or(
            || format!("an answer: {}", product.log()),
            || {
                let answer = product.predict("/delay", &row).ok()?;
                (answer.status == 200).then_some(())
            },
        );
    }

    // The same at once with one that is killed, and with all that would start it again.
    for role in ["up", "server"] {
        signal(
            if role == "up" { "-STOP" } else { "-KILL" },
            second.pid(role).unwrap(),
        );
    }
    let lease = standing(first, true);
    assert_eq!(lease["why"], "its holder did not renew it", "{lease}");
    signal("-CONT", second.pid("up").unwrap());
    standing(&second, false);

    // It works on where the other one was.
    assert_eq!(world.run_of(&world.ship(10.0))["state"], "succeeded");
    until_or(
        || "the new version at the first".to_owned(),
        || {
            let answer = first.predict("/delay", &row).ok()?;
            (answer.json()["prediction"] == 11.0).then_some(())
        },
    );

    // One that is started again goes on, and one that stops hands over.
    signal("-KILL", first.pid("server").unwrap());
    let again = until_or(
        || "the first to lead again".to_owned(),
        || {
            let now = standing(first, true);
            (now["fencing"] != lease["fencing"]).then_some(now)
        },
    );
    assert_eq!(again["why"], "this server had it before", "{again}");
    let down = world.say(&["down"]);
    assert_eq!(down.code, 0, "{down:?}");
    let lease = standing(&second, true);
    assert_eq!(lease["why"], "the server before gave it back", "{lease}");
}
