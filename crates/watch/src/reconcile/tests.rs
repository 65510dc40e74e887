//! The watcher against a store of its own and log files as the gateway writes them: a story of days, not of seconds.

use std::fmt::Write as _;

use jiff::ToSpan as _;
use serde_json::{Value as Json, json};
use stats::rng::Rng;
use store::{
    DatasetVersion, Datasets as _, Digest, EventFilter, GateState, Label, LossFilter, ModelVersion,
    Models as _, Prediction, Project, Projects as _, RegisteredModel, RolloutKind, RolloutState,
    Run, RunState, Runs as _, StateDir, StoreUrl,
};

use super::*;

const ROWS: i64 = 40;

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

struct World {
    dir: tempfile::TempDir,
    store: Store,
    watcher: Watcher,
    rng: Rng,
    day: i64,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::create(dir.path().join("state")).unwrap();
        let store = Store::open(&StoreUrl::Sqlite, &state).unwrap();
        std::fs::create_dir_all(dir.path().join("traffic/join")).unwrap();
        let watcher = Watcher::new(Parts {
            store: store.clone(),
            traffic: dir.path().join("traffic"),
            log: None,
            now,
        });
        let world = Self {
            dir,
            store,
            watcher,
            rng: Rng::new(1),
            day: 0,
        };
        world
            .write(|tx| {
                tx.put_project(&Project {
                    name: "flights".into(),
                    root: None,
                    branch: None,
                    created_at: now(),
                    generation: 1,
                })?;
                let (project, name) = ("flights".to_owned(), "delay".to_owned());
                tx.create_model(&RegisteredModel {
                    project,
                    name,
                    created_at: now(),
                    updated_at: now(),
                    description: String::new(),
                    tags: BTreeMap::new(),
                })?;
                let digest = Digest::of(b"data");
                tx.put_dataset(&DatasetVersion {
                    project: "flights".into(),
                    dataset: "flights".into(),
                    digest: digest.clone(),
                    size: 4,
                    profile: profile(),
                    source: String::new(),
                    ingested_at: now(),
                })?;
                tx.insert_run(&run(&digest))?;
                for champion in [None, Some(1), Some(2)] {
                    tx.create_version(&version(champion))?;
                }
                Ok(())
            })
            .await;
        world.deploy(1, "live.mae", "1 per 90d").await;
        world
    }

    async fn write(&self, work: impl Fn(&mut Tx<'_>) -> store::Result<()> + Send + 'static) {
        self.store.write(Priority::Normal, work).await.unwrap();
    }

    async fn deploy(&self, version: u32, on: &str, budget: &str) {
        let monitor = json!({ "labels": { "join": "request_id", "within": "30d" }, "drift": { "reference": "training" },
                              "alarm": { "on": on, "false_alarms": budget } });
        let shape = json!({ "model": "delay", "monitor": monitor });
        self.write(move |tx| tx.put_deployment(&deployment(version, shape.clone())))
            .await;
    }

    /// So many days with a mean error, each labelled on the next day.
    async fn days(&mut self, days: i64, version: u32, error: f64) {
        let mut text = String::new();
        for _ in 0..days {
            let level = error * (1.0 + 0.05 * self.rng.normal());
            for row in 0..ROWS {
                let (id, y) = (
                    format!("{}-{row}", self.day),
                    level * (0.5 + self.rng.uniform()),
                );
                let t = (self.day * 86_400 + row * 2000) * 1_000_000;
                let a = now().as_microsecond();
                writeln!(text, r#"{{"k":"p","r":"flights/prod/delay","v":{version},"id":"{id}","y":{y},"t":{t},"a":{a}}}"#).unwrap();
                writeln!(
                    text,
                    r#"{{"k":"l","r":"flights/prod/delay","id":"{id}","y":0,"a":{a}}}"#
                )
                .unwrap();
            }
            self.day += 1;
        }
        use std::io::Write as _;
        let path = self
            .dir
            .path()
            .join("traffic/join/join-00000000000000000000.log");
        std::fs::File::options()
            .append(true)
            .create(true)
            .open(path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        self.watcher.turn().await.unwrap();
    }

    async fn alarms(&self) -> Vec<Alarm> {
        let mut alarms = self
            .store
            .read(|tx| tx.alarms(&AlarmFilter::default()))
            .await
            .unwrap();
        alarms.sort_by(|a, b| a.id.cmp(&b.id));
        alarms
    }

    async fn events(&self) -> Vec<String> {
        let filter = EventFilter {
            kind: Some("alarm.".into()),
            oldest_first: true,
            ..EventFilter::default()
        };
        let events = self.store.read(move |tx| tx.events(&filter)).await.unwrap();
        events
            .iter()
            .map(|event| format!("{} {}", event.kind, event.subject))
            .collect()
    }

    async fn memory(&self) -> Memory {
        let state = self
            .store
            .read(|tx| tx.monitor_state("flights", "prod", "delay", crate::alarm::MONITOR))
            .await
            .unwrap();
        Memory::read(&state.unwrap().state).unwrap()
    }
}

fn profile() -> Json {
    let quantiles: Vec<f64> = (0..=20).map(f64::from).collect();
    json!({ "rows": 1000, "columns": { "dep_delay": { "kind": "number", "count": 1000, "nulls": 0, "mean": 10.0, "quantiles": quantiles } } })
}

fn run(digest: &Digest) -> Run {
    Run {
        id: "run-1".into(),
        project: "flights".into(),
        pipeline: "train".into(),
        trigger: json!({ "kind": "manual" }),
        commit: None,
        dirty: false,
        snapshot: None,
        generation: 1,
        params: json!({}),
        datasets: BTreeMap::from([("flights".to_owned(), digest.clone())]),
        lock: None,
        state: RunState::Succeeded,
        reason: String::new(),
        created_at: now(),
        started_at: None,
        ended_at: None,
        mlflow_run_id: None,
        spec: json!({}).into(),
    }
}

/// A version that erred 0.8 times as much as its champion at the gate.
fn version(champion: Option<u32>) -> ModelVersion {
    let figures = json!({ "evaluate": { "mae": 8.0 }, "champion": { "mae": 10.0 } });
    ModelVersion {
        project: "flights".into(),
        model: "delay".into(),
        version: 0,
        created_at: now(),
        updated_at: now(),
        description: String::new(),
        user_id: String::new(),
        source: String::new(),
        mlflow_run_id: None,
        mlflow_model_id: None,
        run_id: Some("run-1".into()),
        artifact: None,
        lineage: json!({}),
        gate: json!({ "champion": champion, "figures": figures }),
        signature: json!({}),
        gate_state: GateState::Passed,
        stage: "None".into(),
        status: "READY".into(),
        status_message: String::new(),
        tags: BTreeMap::new(),
    }
}

fn deployment(version: u32, shape: Json) -> Deployment {
    Deployment {
        project: "flights".into(),
        environment: "prod".into(),
        service: "delay".into(),
        model: "delay".into(),
        version: Some(version),
        previous: None,
        since: now(),
        rollout_id: None,
        reason: String::new(),
        commit: None,
        shape,
        generation: 1,
        keep_previous_until: None,
    }
}

#[tokio::test]
async fn harm_raises_one_alarm_with_its_evidence_and_a_new_version_ends_it() {
    let mut world = World::new().await;
    world.days(40, 1, 10.0).await;
    world.deploy(2, "live.mae", "1 per 90d").await;
    world.days(30, 2, 8.0).await;
    let memory = world.memory().await;
    assert_eq!(
        memory.monitor.scales,
        BTreeMap::from([(1, 1.0), (2, 0.8)]),
        "the gate knew both"
    );
    assert!((memory.monitor.reference_figure().unwrap() - 8.0).abs() < 0.2);
    assert_eq!(memory.live[&1].n, 40 * ROWS as u64);
    assert_eq!(world.alarms().await, []);

    world.days(20, 2, 10.0).await;
    let alarms = world.alarms().await;
    assert_eq!(alarms.len(), 1, "one alarm however long it lasts");
    let evidence = &alarms[0].evidence;
    assert_eq!(
        (
            &evidence["metric"],
            &evidence["version"],
            &evidence["false_alarms"]
        ),
        (&json!("live.mae"), &json!(2), &json!("1 per 90d"))
    );
    assert!(
        (10.0..40.0).contains(&evidence["rise_percent"].as_f64().unwrap()),
        "{evidence}"
    );
    let sentence = evidence["sentence"].as_str().unwrap();
    assert!(
        sentence.starts_with("live.mae of delay in prod was ")
            && sentence.contains("above its reference of "),
        "{sentence}"
    );
    assert_eq!(alarms[0].cleared_at, None);

    world.deploy(3, "live.mae", "1 per 90d").await;
    world.days(5, 3, 9.0).await;
    let alarms = world.alarms().await;
    assert_eq!((alarms.len(), alarms[0].cleared_at), (1, Some(now())));
    assert_eq!(
        world.events().await,
        [
            "alarm.raised service/delay/prod",
            "alarm.cleared service/delay/prod"
        ]
    );
    assert_eq!(
        world.memory().await.monitor.scales,
        BTreeMap::from([(3, 1.0)]),
        "judged by its own first weeks"
    );
}

#[tokio::test]
async fn a_watcher_that_starts_again_at_every_turn_sees_the_same() {
    let (mut steady, mut shaken) = (World::new().await, World::new().await);
    for (days, error) in [(45, 10.0), (3, 14.0), (9, 14.0), (20, 10.0), (20, 10.0)] {
        steady.days(days, 1, error).await;
        shaken.watcher = Watcher::new(Parts {
            store: shaken.store.clone(),
            traffic: shaken.dir.path().join("traffic"),
            log: None,
            now,
        });
        shaken.days(days, 1, error).await;
    }
    assert_eq!(steady.memory().await, shaken.memory().await);
    assert_eq!(
        steady.events().await,
        [
            "alarm.raised service/delay/prod",
            "alarm.cleared service/delay/prod"
        ]
    );
    assert_eq!(steady.events().await, shaken.events().await);
    let all = LossFilter {
        limit: 1_000_000,
        ..LossFilter::default()
    };
    let losses = shaken
        .store
        .read(move |tx| tx.losses("flights/prod/delay", &all))
        .await
        .unwrap();
    assert_eq!(losses.len() as i64, 97 * ROWS, "every pair counts once");
}

#[tokio::test]
async fn an_alarm_ends_when_it_is_not_watched_any_more() {
    for gone in [false, true] {
        let mut world = World::new().await;
        world.days(40, 1, 10.0).await;
        world.days(12, 1, 15.0).await;
        assert_eq!(world.events().await, ["alarm.raised service/delay/prod"]);
        if gone {
            world
                .write(|tx| tx.delete_deployment("flights", "prod", "delay").map(|_| ()))
                .await;
        } else {
            world.deploy(1, "live.mse", "1 per 90d").await;
        }
        world.days(1, 1, 15.0).await;
        assert_eq!(
            world.events().await,
            [
                "alarm.raised service/delay/prod",
                "alarm.cleared service/delay/prod"
            ],
            "gone: {gone}"
        );
    }
}

#[tokio::test]
async fn a_stricter_budget_keeps_the_reference_and_raises_the_threshold() {
    let mut world = World::new().await;
    world.days(40, 1, 10.0).await;
    let before = world.memory().await.monitor;
    world.deploy(1, "live.mae", "1 per 3650d").await;
    world.days(2, 1, 10.0).await;
    let after = world.memory().await.monitor;
    assert!(
        after.threshold > before.threshold,
        "{:?} {:?}",
        after.threshold,
        before.threshold
    );
    assert_eq!(
        after.reference[..before.reference.len()],
        before.reference[..]
    );
}

#[tokio::test]
async fn waiting_halves_go_when_their_window_is_over() {
    let mut world = World::new().await;
    let (old, young) = (now() - (31 * 24).hours(), now() - 1.hours());
    world
        .write(move |tx| {
            let one = |id: &str, at: Timestamp| store::Prediction {
                request_id: id.into(),
                version: 1,
                y: 1.0,
                event_at: at,
                arrived_at: at,
            };
            tx.add_predictions(
                "flights/prod/delay",
                &[one("old", old), one("young", young)],
            )
            .map(|_| ())
        })
        .await;
    world.watcher.turn().await.unwrap();
    let counts = world
        .store
        .read(|tx| tx.join_counts("flights/prod/delay"))
        .await
        .unwrap();
    assert_eq!(counts.waiting_predictions, 1);
    assert!(world.watcher.status().borrow().error.is_none());
}

fn rollout(began: Timestamp, state: RolloutState) -> Rollout {
    Rollout {
        id: "r".into(),
        project: "flights".into(),
        environment: "prod".into(),
        service: "delay".into(),
        model: "delay".into(),
        from: Some(1),
        to: 2,
        kind: RolloutKind::Automatic,
        state,
        stage: 0,
        stage_started_at: None,
        created_at: began,
        ended_at: None,
        by: String::new(),
        reason: String::new(),
        policy: json!({}),
        baseline: json!({}),
        evidence: json!({}),
    }
}

/// More than one small write removes, of last year, and one of yesterday.
#[tokio::test]
async fn old_predictions_and_losses_go_but_not_what_a_roll_out_is_judged_on() {
    const OLD: u64 = 12_000;
    let mut world = World::new().await;
    let ago = |days: i64| now() - SignedDuration::from_hours(24 * days);
    let began = ago(301);
    let paused = rollout(began, RolloutState::Paused);
    world
        .write(move |tx| {
            let answer = |n: u64, days: i64| Prediction {
                request_id: format!("{days}-{n}"),
                version: 1,
                y: 1.0,
                event_at: ago(days),
                arrived_at: ago(days),
            };
            let mut predictions: Vec<_> = (0..OLD).map(|n| answer(n, 300)).collect();
            predictions.push(answer(0, 1));
            let label = |of: &Prediction| Label {
                request_id: of.request_id.clone(),
                label: 2.0,
                event_at: None,
                arrived_at: of.arrived_at,
            };
            let labels: Vec<_> = predictions.iter().map(label).collect();
            // One more of each age without a label.
            predictions.extend([answer(OLD, 300), answer(1, 1)]);
            tx.add_predictions("flights/prod/delay", &predictions)?;
            tx.add_labels("flights/prod/delay", &labels, SignedDuration::from_hours(1))?;
            tx.insert_rollout(&paused)
        })
        .await;
    world.watcher.turn().await.unwrap();
    let counts = async |world: &World| {
        let counts = world
            .store
            .read(|tx| tx.join_counts("flights/prod/delay"))
            .await
            .unwrap();
        (counts.waiting_predictions, counts.losses)
    };
    assert_eq!(
        counts(&world).await,
        (1, OLD + 1),
        "the roll-out is not over"
    );
    world
        .write(move |tx| tx.update_rollout(&rollout(began, RolloutState::Aborted)))
        .await;
    world.watcher.expired = Timestamp::MIN;
    world.watcher.turn().await.unwrap();
    assert_eq!(counts(&world).await, (1, 1));
}
