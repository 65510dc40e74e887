//! Rounds with passed time.

use super::*;
use pipeline::snapshot::{Entry, Manifest};
use std::collections::BTreeMap;
use store::{
    Artifact, Artifacts as _, CachedStep, Deployment, EventFilter, ModelVersion, RegisteredModel,
    Run, RunState, Runs as _, StateDir, Step, Steps as _, Upload,
};

struct World {
    folder: tempfile::TempDir,
    parts: Parts,
}

fn day(days: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + days * 86_400).unwrap()
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::create(folder.path()).unwrap();
        let parts = Parts {
            store: Store::open(&StoreUrl::Sqlite, &state).unwrap(),
            blobs: Blobs::local(&state).unwrap(),
            logs: folder.path().join("logs"),
            copies: folder.path().join("cache"),
            keep: Keep::USUAL,
        };
        World { folder, parts }
    }

    async fn write(
        &self,
        work: impl Fn(&mut store::Tx<'_>) -> store::Result<()> + Send + Sync + 'static,
    ) {
        self.parts
            .store
            .write(Priority::Normal, work)
            .await
            .unwrap();
    }

    /// Two rounds, for bytes go in the second one.
    async fn rounds(&self, days: i64) -> Gone {
        let first = self.parts.round(day(days)).await.unwrap();
        let second = self.parts.round(day(days)).await.unwrap();
        Gone {
            logs: first.logs + second.logs,
            blobs: first.blobs + second.blobs,
            cached_steps: first.cached_steps + second.cached_steps,
            keys: first.keys + second.keys,
            copies: first.copies + second.copies,
            uploads: first.uploads + second.uploads,
        }
    }

    async fn has(&self, digest: &Digest) -> bool {
        self.parts.blobs.size(digest).await.unwrap().is_some()
    }

    /// A run with a snapshot of one file, a dataset, a step's output, and a log; its bytes.
    async fn run(&self, name: &str, ended: Option<i64>) -> (String, Vec<Digest>) {
        let put = async |what: &str| {
            let text = format!("{what} of {name}");
            let size = text.len() as u64;
            (self.parts.blobs.put(text).await.unwrap(), size)
        };
        let (file, size) = put("file").await;
        let files = |digest: &Digest| {
            Manifest::new(vec![Entry {
                path: "a".into(),
                executable: false,
                digest: digest.clone(),
                size,
            }])
        };
        let snapshot = self.parts.blobs.put(files(&file).to_bytes()).await.unwrap();
        let (data, _) = put("data").await;
        let output = self.folder.path().join("output");
        std::fs::create_dir_all(&output).unwrap();
        std::fs::write(output.join("x"), format!("output of {name}")).unwrap();
        let tree = pipeline::tree::put(&output, &self.parts.blobs)
            .await
            .unwrap();
        let began = day(ended.unwrap_or_default()).as_second() - 60;
        let at = uuid::Timestamp::from_unix(uuid::NoContext, began as u64, 0);
        let id = uuid::Uuid::new_v7(at).to_string();
        let log = pipeline::log_path(&self.parts.logs, &id, "unit");
        std::fs::create_dir_all(log.parent().unwrap()).unwrap();
        std::fs::write(&log, "said").unwrap();
        let run = Run {
            id: id.clone(),
            project: "p".into(),
            pipeline: "train".into(),
            trigger: json!({}),
            commit: None,
            dirty: false,
            snapshot: Some(snapshot.clone()),
            generation: 1,
            params: json!({}),
            datasets: BTreeMap::from([("rows".into(), data.clone())]),
            lock: None,
            state: ended.map_or(RunState::Running, |_| RunState::Succeeded),
            reason: String::new(),
            created_at: day(0),
            started_at: None,
            ended_at: ended.map(day),
            mlflow_run_id: None,
            spec: json!({}).into(),
        };
        let step = Step {
            outputs: BTreeMap::from([("out".into(), tree.clone())]),
            ..Step::new(&id, "fit", 0)
        };
        self.write(move |tx| {
            tx.insert_run(&run)?;
            tx.insert_step(&step)
        })
        .await;
        let inside = Digest::of(format!("output of {name}").as_bytes());
        (id, vec![file, snapshot, data, tree, inside])
    }

    fn has_log(&self, run: &str) -> bool {
        self.parts.logs.join(run).exists()
    }
}

fn version(run: &str, lineage: serde_json::Value) -> ModelVersion {
    ModelVersion {
        project: "p".into(),
        model: "delay".into(),
        version: 0,
        created_at: day(0),
        updated_at: day(0),
        description: String::new(),
        user_id: String::new(),
        source: String::new(),
        mlflow_run_id: None,
        mlflow_model_id: None,
        run_id: Some(run.to_owned()),
        artifact: Some(Digest::of(b"serves")),
        lineage,
        gate: json!({}),
        signature: json!({}),
        gate_state: store::GateState::Passed,
        stage: "None".into(),
        status: "READY".into(),
        status_message: String::new(),
        tags: BTreeMap::new(),
    }
}

#[tokio::test]
async fn old_runs_lose_their_bytes_and_logs_but_not_what_a_version_came_from() {
    let world = World::new();
    let (failed, of_failed) = world.run("failed", Some(1)).await;
    let (open, of_open) = world.run("open", None).await;
    let (shipped, of_shipped) = world.run("shipped", Some(1)).await;
    // A cached result of a run that is gone, as lineage names it.
    let reused = world.parts.blobs.put("reused").await.unwrap();
    let version = version(
        &shipped,
        json!({ "steps": { "split": { "outputs": { "x": reused } } } }),
    );
    let model = RegisteredModel {
        project: "p".into(),
        name: "delay".into(),
        created_at: day(0),
        updated_at: day(0),
        description: String::new(),
        tags: BTreeMap::new(),
    };
    world
        .write(move |tx| {
            tx.create_model(&model)?;
            tx.create_version(&version).map(drop)
        })
        .await;
    // Copies of models, as an object store makes them needed.
    let (serves, retired) = (Digest::of(b"serves"), Digest::of(b"retired"));
    std::fs::create_dir_all(&world.parts.copies).unwrap();
    for digest in [&serves, &retired] {
        std::fs::write(world.parts.copies.join(digest.hex()), "onnx").unwrap();
    }
    let deployed = Deployment {
        project: "p".into(),
        environment: "prod".into(),
        service: "delay".into(),
        model: "delay".into(),
        version: Some(1),
        previous: None,
        since: day(0),
        rollout_id: None,
        reason: String::new(),
        commit: None,
        shape: json!({}),
        generation: 1,
        keep_previous_until: None,
    };
    world.write(move |tx| tx.put_deployment(&deployed)).await;
    let check = async |days: i64, failed_is_kept: bool| {
        world.rounds(days).await;
        assert!(world.parts.copies.join(serves.hex()).exists());
        assert!(!world.parts.copies.join(retired.hex()).exists());
        for (id, bytes, kept) in [
            (&failed, &of_failed, failed_is_kept),
            (&open, &of_open, true),
            (&shipped, &of_shipped, true),
        ] {
            assert_eq!(world.has_log(id), kept, "day {days}: log of {id}");
            for digest in bytes {
                assert_eq!(
                    world.has(digest).await,
                    kept,
                    "day {days}: {digest} of {id}"
                );
            }
        }
        assert!(world.has(&reused).await);
    };
    check(1, true).await;
    check(90, true).await;
    check(92, false).await;
    // The version's end lets go of the rest, years later.
    world
        .write(|tx| tx.delete_version("p", "delay", 1).map(drop))
        .await;
    world.rounds(1000).await;
    assert!(!world.has(&reused).await && !world.has_log(&shipped));
    assert!(world.has_log(&open) && world.has(&of_open[0]).await);
}

#[tokio::test]
async fn bytes_go_in_the_second_round_unless_somebody_names_or_puts_them_again() {
    let world = World::new();
    let put = async |text: &'static str| world.parts.blobs.put(text).await.unwrap();
    let (idle, again, named) = (put("idle").await, put("again").await, put("named").await);
    assert_eq!(world.parts.round(day(0)).await.unwrap(), Gone::default());
    put("again").await;
    let artifact = Artifact {
        project: "p".into(),
        path: "1/r/artifacts/x".into(),
        digest: named.clone(),
        size: 5,
        created_at: day(0),
    };
    world.write(move |tx| tx.put_artifact(&artifact)).await;
    let gone = world.parts.round(day(0)).await.unwrap();
    assert_eq!(gone.blobs, 1);
    assert!(!world.has(&idle).await && world.has(&again).await && world.has(&named).await);
    // Put again and still unneeded: two rounds more.
    world.rounds(0).await;
    assert!(!world.has(&again).await && world.has(&named).await);
}

#[tokio::test]
async fn results_and_keys_are_forgotten_and_it_is_said_once() {
    let world = World::new();
    let output = world.parts.blobs.put("result").await.unwrap();
    let cached = CachedStep {
        project: "p".into(),
        key: "k".into(),
        run_id: "r".into(),
        step_key: "fit".into(),
        mlflow_run_id: None,
        outputs: BTreeMap::from([("out".into(), output.clone())]),
        metrics: BTreeMap::new(),
        created_at: day(0),
    };
    world
        .write(move |tx| {
            tx.put_cached_step(&cached)?;
            tx.remember("push/p/train/abc", &json!({}), day(0))?;
            tx.remember("alert/p/train/worse/a", &json!({}), day(0))
        })
        .await;
    let check = async |days: i64, expect: (u64, u64, u64)| {
        let gone = world.rounds(days).await;
        assert_eq!(
            (gone.cached_steps, gone.blobs, gone.keys),
            expect,
            "day {days}"
        );
    };
    check(30, (0, 0, 0)).await;
    // The result is forgotten first; its bytes go when two rounds have found nobody.
    check(31, (1, 0, 0)).await;
    check(31, (0, 1, 0)).await;
    check(91, (0, 0, 1)).await;
    check(1000, (0, 0, 0)).await;
    let alert = world
        .parts
        .store
        .read(|tx| tx.recall("alert/p/train/worse/a"))
        .await;
    assert!(alert.unwrap().is_some());
    let events = world
        .parts
        .store
        .read(|tx| tx.events(&EventFilter::default()))
        .await
        .unwrap();
    let said: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(said, ["retention.removed"; 3]);
}

#[tokio::test]
async fn uploads_that_nobody_completes_go_with_their_parts() {
    let world = World::new();
    for (id, begun) in [("old", 0), ("done", 0), ("new", 5)] {
        let upload = Upload {
            id: id.into(),
            project: "p".into(),
            path: "1/r/artifacts/x".into(),
            parts: 1,
            created_at: day(begun),
            digest: None,
        };
        world.write(move |tx| tx.insert_upload(&upload)).await;
        let pieces = futures_util::stream::iter([Ok("part".into())]);
        world.parts.blobs.put_part(id, 1, pieces).await.unwrap();
    }
    // A server that was killed leaves parts of which nothing is recorded, and those of a file that is complete.
    let done = Digest::of(b"part");
    world
        .write(move |tx| tx.complete_upload("done", &done))
        .await;
    for id in ["old", "done"] {
        let pieces = futures_util::stream::iter([Ok("unrecorded".into())]);
        world.parts.blobs.put_part(id, 1, pieces).await.unwrap();
    }
    let part = [(1, Digest::of(b"part"))];
    assert_eq!(world.rounds(7).await, Gone::default());
    assert_eq!(world.rounds(8).await.uploads, 2);
    let parts = world.folder.path().join("blobs/parts");
    let kept: Vec<_> = std::fs::read_dir(parts).unwrap().flatten().collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(world.parts.blobs.join_parts("old", &part).await.is_err());
    assert!(world.parts.blobs.join_parts("new", &part).await.is_ok());
}
