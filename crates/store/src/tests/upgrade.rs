//! What version 2 kept of tracked runs is there in version 3, whose tables for it are made anew: on both databases.

use super::migrations;
use super::postgres::server::Postgres as Server;
use crate::backend::postgres::Postgres;
use crate::{
    Experiments as _, LoggedModels as _, Priority, Search, StateDir, Store, StoreUrl,
    Tracking as _, TrackingRead as _,
};
use std::time::{Duration, Instant};

/// A run with everything, of which one metric has two series; and one without anything.
const VERSION_2: &str = r#"
INSERT INTO experiments ("id", "project", "name", "artifact_location", "lifecycle", "created_at", "updated_at")
    VALUES (3, 'flights', 'e', 'mlflow-artifacts:/3', 'active', 0, 0);
INSERT INTO tracked_runs ("number", "run_id", "experiment", "project", "name", "user_id", "status", "start_time", "artifact_uri", "lifecycle", "parent")
    VALUES (7, 'full', 3, 'flights', 'f', 'ann', 'RUNNING', 5, 'mlflow-artifacts:/3/full/artifacts', 'active', 'bare'),
           (8, 'bare', 3, 'flights', 'b', 'ann', 'RUNNING', 6, 'mlflow-artifacts:/3/bare/artifacts', 'active', NULL);
INSERT INTO run_params ("run", "key", "value") VALUES (7, 'depth', '4');
INSERT INTO run_tags ("run", "key", "value") VALUES (7, 'mlflow.user', 'ann'), (7, 'team', 'air');
INSERT INTO metric_series ("id", "run", "key", "model_id", "dataset_name", "dataset_digest", "last_value", "last_nan", "last_at", "last_step")
    VALUES (11, 7, 'mae', '', '', '', 2.5, 0, 100, 1), (12, 7, 'mae', '', 'test', 'd', 1.5, 0, 100, 2), (13, 7, 'odd', '', '', '', 0, 1, 100, 0);
INSERT INTO metric_points ("series", "step", "at", "value", "nan")
    VALUES (11, 0, 50, 3.5, 0), (11, 1, 100, 2.5, 0), (12, 2, 100, 1.5, 0), (13, 0, 100, 0, 1);
INSERT INTO run_inputs ("run", "name", "digest", "source_type", "source", "context", "tags")
    VALUES (7, 'rows', 'd', 'local', '{}', 'training', '{"mlflow.data.context":"training"}');
INSERT INTO run_outputs ("run", "model_id", "step") VALUES (7, 'm-1', 4);
"#;

async fn is_there(store: &Store) {
    let run = store
        .read(|tx| tx.tracked_run("full"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (run.params["depth"].as_str(), run.tags["team"].as_str()),
        ("4", "air")
    );
    assert_eq!((run.parent.as_deref(), run.inputs.len()), (Some("bare"), 1));
    assert_eq!(run.outputs[0].step, 4);
    let latest: Vec<_> = run
        .metrics
        .iter()
        .map(|point| (point.key.as_str(), point.step, point.value.to_bits()))
        .collect();
    let expect = [("mae", 2, 1.5_f64), ("odd", 0, f64::NAN)];
    assert_eq!(
        latest,
        expect.map(|(key, step, value)| (key, step, value.to_bits()))
    );
    let by_metric = Search {
        order: vec![crate::Order {
            field: crate::Field::Metric("mae".into()),
            descending: true,
        }],
        ..Search::default()
    };
    let found = store
        .read(move |tx| tx.search_tracked_runs(&["3".into()], crate::RunView::All, &by_metric))
        .await
        .unwrap();
    let found: Vec<_> = found.items.iter().map(|run| run.run_id.as_str()).collect();
    assert_eq!(found, ["full", "bare"]);

    // What comes later gets numbers of its own, and a run still goes with all that was logged to it.
    let next = super::conformance::tracked("next", "3");
    store
        .write(Priority::Normal, move |tx| {
            tx.create_tracked_run(&next)?;
            tx.log_metrics("next", &[super::conformance::point("mae", 9.0, 0)])?;
            tx.purge_tracked_run("full")
        })
        .await
        .unwrap();
    let (experiment, model, history) = store
        .read(|tx| {
            let history = tx.metric_history("next", "mae", None, 10)?.items;
            Ok((
                tx.experiment("flights", "3")?,
                tx.logged_model("m-1")?,
                history,
            ))
        })
        .await
        .unwrap();
    assert!(experiment.is_some() && model.is_none());
    assert_eq!(history.len(), 1);
}

#[tokio::test]
async fn on_sqlite() {
    let (state, _dir) = migrations::database(&format!("{}{VERSION_2}", migrations::FIXTURES[1]));
    is_there(&Store::open(&StoreUrl::Sqlite, &state).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let url = server.url();
    let to = url.clone();
    let _server = std::thread::spawn(move || {
        let mut old = Postgres::connect(&to).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while let Err(error) = old.migrate_to(2) {
            server.lives();
            assert!(Instant::now() < deadline, "{error}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        let mut client = ::postgres::Client::connect(&to, ::postgres::NoTls).unwrap();
        client.batch_execute(VERSION_2).unwrap();
        server
    })
    .join()
    .unwrap();
    let state = StateDir::create(dir.path()).unwrap();
    is_there(&Store::open(&StoreUrl::Postgres(url), &state).unwrap()).await;
}
