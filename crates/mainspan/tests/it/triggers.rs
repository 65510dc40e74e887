//! What starts runs besides people: an alarm on live error, and commits in a repository whose branches come and go.

use crate::world::World;
use serde_json::{Value, json};
use testkit::{onnx, until};

/// The step takes the model that the data names, and waits for leave.
const WATCHED: &str = r#"mainspan: 1
project: tiny
environments: [prod]
datasets:
  rows: { source: data/rows.csv, format: csv }
pipelines:
  train:
    triggers: { push: [main], alerts: [worse] }
    steps:
      fit: { run: 'sh mark.sh "fit $MAINSPAN_COMMIT"; while [ ! -e LEAVE ]; do sleep 0.02; done; cp "model-$(tail -n 1 "$MAINSPAN_IN_ROWS").onnx" "$MAINSPAN_OUT_MODEL"; python3 log.py mae "$(cat mae)"',
             reads: [rows], writes: [model], metrics: [mae] }
    register: { model: delay, from: fit.model, gate: fit.mae < 10.0 }
services:
  delay:
    model: delay
    engine: onnx
    resources: { cpu: 0.1, memory: 128MiB }
    rollout: { stages: [], sticky: request_id }
    monitor:
      labels: { join: request_id, within: 30d, time: at }
      alarm: { on: live.mae, false_alarms: 1 per 90d }
      drift: { reference: training }
alerts:
  worse: { when: services.delay.prod.alarm }
"#;

/// Sends a day's requests and what really happened, `error` minutes away from the answers on average.
fn live_a_day(world: &World, day: i64, error: f64) {
    let at = jiff_day(day);
    let rows: Vec<Value> = (0..40)
        .map(|n| json!({ "request_id": format!("{day}-{n}"), "dep_delay": n, "at": at }))
        .collect();
    let answer = world.product.predict("/delay", &json!(rows)).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let told = answer.json();
    let labels: Vec<Value> = told["predictions"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
        .map(|(n, said)| {
            // Days differ by a tenth, as days do, and errors within a day by more.
            let of_day = 1.0 + 0.1 * ((day * 7 % 5) as f64 - 2.0) / 2.0;
            let off = error * of_day * (0.5 + (n % 5) as f64 / 4.0);
            json!({ "request_id": format!("{day}-{n}"), "label": said.as_f64().unwrap() + off })
        })
        .collect();
    let sent = world.product.predict("/delay/labels", &json!(labels));
    let sent = sent.unwrap();
    assert_eq!(sent.status, 200, "{}", sent.body);
}

fn jiff_day(day: i64) -> String {
    format!("2026-{:02}-{:02}T12:00:00Z", 1 + day / 28, 1 + day % 28)
}

fn alarms(world: &World) -> Vec<Value> {
    let all = world.product.read("projects/tiny/alarms");
    all.as_array().cloned().unwrap_or_default()
}

#[test]
fn an_alarm_retrains_the_champion_on_todays_data() {
    let world = World::new(WATCHED);
    let leave = world.product.folder().join("leave");
    let file = WATCHED.replace("LEAVE", &leave.display().to_string());
    world.project.write("mainspan.yaml", &file);
    world.project.write(".gitignore", "data/\n");
    world
        .project
        .git(&["rm", "--quiet", "--cached", "-r", "data"]);
    for name in ["2", "7"] {
        let model = onnx::adding(name.parse().unwrap());
        world.project.write(&format!("model-{name}.onnx"), model);
    }
    world.project.write("data/rows.csv", "a\n1\n2\n");
    std::fs::write(&leave, "").unwrap();
    world.apply();
    let champion = world.project.commit("Good");
    assert_eq!(world.run_of(&champion)["state"], "succeeded");
    assert!((world.answers("/delay", 1) - 3.0).abs() < 1e-6);
    // The last commit is no good: its model does not pass.
    world.project.write("mae", "99.0");
    let bad = world.project.commit("Bad");
    let run = world.run_of(&bad);
    assert_eq!(run["state"], "failed", "{run}");
    // The data goes on growing, and nobody commits it.
    world.project.write("data/rows.csv", "a\n1\n2\n7\n");

    // A month and more in which nothing happens: no alarm.
    for day in 0..34 {
        live_a_day(&world, day, 10.0);
    }
    let judged = until("the quiet days to be counted", || {
        let monitors = world.product.read("reconcilers");
        (monitors["monitors"]["joined"].as_u64()? >= 34 * 40).then_some(monitors)
    });
    assert_eq!(alarms(&world), Vec::<Value>::new(), "{judged}");
    assert_eq!(world.marks().len(), 2, "{:?}", world.marks());

    // The world moves.
    std::fs::remove_file(&leave).unwrap();
    for day in 34..42 {
        live_a_day(&world, day, 25.0);
    }
    let alarm = until("the alarm", || alarms(&world).into_iter().next());
    let evidence = &alarm["evidence"];
    assert_eq!(alarm["service"], "delay", "{alarm}");
    let sentence = evidence["sentence"].as_str().unwrap();
    for part in [
        "live.mae of delay in prod",
        "above its reference of",
        "1 per 90d",
    ] {
        assert!(sentence.contains(part), "no `{part}` in `{sentence}`");
    }
    assert!(evidence["statistic"].as_f64() > evidence["threshold"].as_f64());
    // It is seen where people look, while the run goes on.
    let status = world.say(&["status"]);
    assert!(status.stdout.contains(sentence), "{status:?}");
    let events = world.say(&["events", "--kind", "alarm."]);
    assert!(events.stdout.contains("alarm.raised"), "{events:?}");
    assert!(events.stdout.contains(sentence), "{events:?}");
    let run = until("the run that the alert starts", || {
        let runs = world.product.read("projects/tiny/runs");
        runs.as_array()?
            .iter()
            .find(|run| run["trigger"]["kind"] == "alert")
            .cloned()
    });
    assert_eq!(run["commit"], champion.as_str(), "{run}");
    until("the step", || (world.marks().len() == 3).then_some(()));
    assert_eq!(world.marks()[2], format!("fit {champion}"));
    std::fs::write(&leave, "").unwrap();
    let run = world.ended(run["id"].as_str().unwrap());
    assert_eq!(run["state"], "succeeded", "{run}");
    // Its model is that of today's data, and serves.
    let version: u32 = newest(&world)["version"].as_u64().unwrap() as u32;
    assert!((world.answers("/delay", version) - 8.0).abs() < 1e-6);
    assert_eq!(newest(&world)["lineage"]["commit"], champion.as_str());
    // One alarm, one run, and it is over.
    let over = until("the alarm's end", || {
        alarms(&world)
            .into_iter()
            .find(|alarm| !alarm["cleared_at"].is_null())
    });
    assert_eq!(over["run_id"], run["id"], "{over}");
    assert_eq!(alarms(&world).len(), 1);
    assert_eq!(world.marks().len(), 3, "{:?}", world.marks());
}

fn newest(world: &World) -> Value {
    world.product.read("projects/tiny/models/delay")["versions"][0].clone()
}

/// Two branches start the pipeline.
const BRANCHES: &str = r#"mainspan: 1
project: tiny
environments: [prod]
pipelines:
  train:
    triggers: { push: [main, release] }
    steps:
      note: { run: 'true' }
"#;

#[test]
fn branches_that_are_rewritten_deleted_and_left_are_followed() {
    let world = World::new(BRANCHES);
    // A name that is not there yet is said, not refused.
    let planned = world.say(&["plan"]);
    assert!(planned.stderr.contains("branch `release`"), "{planned:?}");
    world.apply();
    let git = |words: &[&str]| world.project.git(words);
    let commit = |message: &str| world.project.commit(message);
    let ran = |commit: &str| assert_eq!(world.run_of(commit)["state"], "succeeded");
    let event = |kind: &str, branch: &str| {
        until(&format!("{kind} of {branch}"), || {
            let events = world
                .product
                .read(&format!("projects/tiny/events?kind={kind}&limit=100"));
            let mut events = events.as_array()?.clone().into_iter();
            events.find(|event| event["subject"] == format!("branch/{branch}"))
        })
    };
    let commits = || {
        let runs = world.product.read("projects/tiny/runs?limit=50");
        let runs = runs.as_array().unwrap().iter();
        runs.map(|run| run["commit"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let first = commit("First");
    ran(&first);

    // Force-pushed: the branch now has a commit that does not follow the last one.
    git(&[
        "commit",
        "--amend",
        "--quiet",
        "--allow-empty",
        "-m",
        "Instead",
    ]);
    let instead = git(&["rev-parse", "HEAD"]);
    ran(&instead);
    let said = event("branch.rewritten", "main");
    assert_eq!(said["before"]["commit"], first.as_str(), "{said}");
    assert_eq!(said["after"]["commit"], instead.as_str(), "{said}");

    // Commits that are on no branch start nothing; once a branch has them, they do.
    git(&["checkout", "--quiet", "--detach"]);
    let lost = commit("On no branch");
    git(&["checkout", "--quiet", "-b", "release", &instead]);
    let release = commit("A release");
    ran(&release);
    assert!(!commits().contains(&lost), "{:?}", commits());
    git(&["branch", "--force", "main", &lost]);
    ran(&lost);

    // Deleted, as after a merge, and back again at a commit that has run: it does not run twice.
    git(&["checkout", "--quiet", "main"]);
    git(&["branch", "--quiet", "-D", "release"]);
    let said = event("branch.gone", "release");
    assert!(
        said["reason"].as_str().unwrap().contains("deleted"),
        "{said}"
    );
    git(&["branch", "release", &release]);
    let newest = commit("And on");
    ran(&newest);
    // References may be packed into one file.
    git(&["pack-refs", "--all", "--prune"]);
    git(&["branch", "--force", "release", &newest]);
    let last = commit("The last");
    ran(&last);
    // The same commit on the same pipeline runs once, on however many branches.
    let expect = [&last, &newest, &lost, &release, &instead, &first].map(String::as_str);
    assert_eq!(commits(), expect);
    let gone = world
        .product
        .read("projects/tiny/events?kind=branch.gone&limit=100");
    assert_eq!(gone.as_array().unwrap().len(), 1, "{gone}");
}
