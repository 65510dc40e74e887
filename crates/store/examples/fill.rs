//! Fills a fresh store with runs, for `cargo xtask bench growth`: `fill FOLDER RUNS POINTS`. Every run has five parameters,
//! five tags, and POINTS points of each of five metrics. Prints how many bytes of the database a point takes, the series
//! and their indexes included.

use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::path::Path;
use store::{
    Experiments as _, Lifecycle, MetricPoint, NewExperiment, Priority, StateDir, Store, StoreUrl,
    TrackedRun, Tracking as _,
};

/// Runs that one transaction writes.
const BATCH: usize = 500;
const METRICS: usize = 5;

type Failed = Box<dyn std::error::Error>;

fn main() -> Result<(), Failed> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, runs, points] = words.as_slice() else {
        return Err("FOLDER RUNS POINTS are expected".into());
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let per_point = runtime.block_on(fill(Path::new(folder), runs.parse()?, points.parse()?))?;
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{per_point:.2}")?;
    Ok(())
}

async fn fill(folder: &Path, runs: usize, points: usize) -> Result<f64, Failed> {
    let state = StateDir::create(folder)?;
    let store = Store::open(&StoreUrl::Sqlite, &state)?;
    let experiment = NewExperiment {
        project: "default".into(),
        name: "growth".into(),
        artifact_location: "mlflow-artifacts:/{id}".into(),
        created_at: Timestamp::UNIX_EPOCH,
        tags: BTreeMap::new(),
    };
    store
        .write(Priority::Bulk, move |tx| tx.create_experiment(&experiment))
        .await?;
    in_batches(&store, runs, |tx, number| {
        tx.create_tracked_run(&run(number))
    })
    .await?;
    drop(store);
    let before = std::fs::metadata(state.database())?.len();
    let store = Store::open(&StoreUrl::Sqlite, &state)?;
    in_batches(&store, runs, move |tx, number| {
        tx.log_metrics(&id(number), &metrics(number, points))
    })
    .await?;
    drop(store);
    let after = std::fs::metadata(state.database())?.len();
    Ok((after - before) as f64 / (runs * METRICS * points) as f64)
}

async fn in_batches(
    store: &Store,
    runs: usize,
    work: impl Fn(&mut store::Tx<'_>, usize) -> store::Result<()> + Copy + Send + 'static,
) -> Result<(), Failed> {
    for first in (0..runs).step_by(BATCH) {
        let batch = first..(first + BATCH).min(runs);
        let write = move |tx: &mut store::Tx<'_>| batch.clone().try_for_each(|run| work(tx, run));
        store.write(Priority::Bulk, write).await?;
    }
    Ok(())
}

fn id(number: usize) -> String {
    format!("{number:032x}")
}

fn at(number: usize) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_millis(1_700_000_000_000 + number as i64)
}

fn run(number: usize) -> TrackedRun {
    let id = id(number);
    TrackedRun {
        run_id: id.clone(),
        experiment_id: "1".into(),
        project: "default".into(),
        name: format!("run-{number}"),
        user_id: "bench".into(),
        status: "FINISHED".into(),
        start_time: at(number),
        end_time: Some(at(number + 1)),
        artifact_uri: format!("mlflow-artifacts:/1/{id}/artifacts"),
        lifecycle: Lifecycle::Active,
        deleted_at: None,
        parent: None,
        tags: (0..5)
            .map(|key| (format!("t{key}"), format!("value-{}", number % 50)))
            .chain([("rare".to_owned(), format!("value-{}", number % 5000))])
            .collect(),
        params: (0..5)
            .map(|key| (format!("p{key}"), (number % (key + 2)).to_string()))
            .collect(),
        metrics: Vec::new(),
        inputs: Vec::new(),
        outputs: Vec::new(),
    }
}

fn metrics(number: usize, points: usize) -> Vec<MetricPoint> {
    let mixed = |key: usize| {
        let mixed = (number as u64).wrapping_mul(2_654_435_761) + key as u64 * 40_503;
        (mixed % 1_000_003) as f64 / 1_000_003.0
    };
    let mut all = Vec::with_capacity(METRICS * points);
    for key in 0..METRICS {
        for step in 0..points {
            all.push(MetricPoint {
                key: format!("m{key}"),
                value: mixed(key) + (points - 1 - step) as f64,
                at: at(number + step * 1000),
                step: step as i64,
                model_id: None,
                dataset: None,
            });
        }
    }
    all
}
