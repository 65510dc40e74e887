//! The calls that training code makes: a run, a metric, a batch of a thousand.

use super::{
    Pair,
    cost::{Kind, compare},
};
use crate::bench::{connection::Request, report::Figure};
use serde_json::json;
use std::collections::BTreeMap;

const RUNS: &str = "/api/2.0/mlflow/runs";

/// Compares them; the goals are for MLflow's fair case, with one worker. Single writes have theirs where eight clients share
/// a commit: of a client alone, most is what the kernel takes to get its bytes onto the disk.
pub(super) fn measure(pair: &Pair, fair: bool) -> anyhow::Result<Vec<Figure>> {
    let mut experiments = BTreeMap::new();
    let mut runs = BTreeMap::new();
    for peer in [&pair.ours, &pair.theirs] {
        let experiment = peer.experiment(if fair { "calls" } else { "calls-default" })?;
        let made = peer.connect()?.json(&create(&experiment, 0))?;
        let run = made["run"]["info"]["run_id"].as_str().unwrap_or_default();
        runs.insert(peer.name, run.to_owned());
        experiments.insert(peer.name, experiment);
    }
    let goal = |least: f64| fair.then_some(least);
    let named = |fair_name, default| if fair { fair_name } else { default };
    let kinds = [
        Kind {
            name: named("create_run", "default_create_run"),
            clients: 1,
            calls: (3000, 150),
            goal: None,
            request: &|peer, number| create(&experiments[peer.name], number),
        },
        Kind {
            name: named("create_run_8", "default_create_run_8"),
            clients: 8,
            calls: (8000, 160),
            goal: goal(60.0),
            request: &|peer, number| create(&experiments[peer.name], number),
        },
        Kind {
            name: named("log_metric_8", "default_log_metric_8"),
            clients: 8,
            calls: (8000, 160),
            goal: goal(100.0),
            request: &|peer, number| log_metric(&runs[peer.name], number),
        },
        Kind {
            name: named("log_batch_1000", "default_log_batch_1000"),
            clients: 1,
            calls: (200, 20),
            goal: goal(40.0),
            request: &|peer, number| log_batch(&runs[peer.name], number),
        },
    ];
    let mut figures = Vec::new();
    for kind in &kinds {
        figures.extend(compare(pair, kind)?);
    }
    Ok(figures)
}

fn create(experiment: &str, number: usize) -> Request {
    let tags = json!([{ "key": "mlflow.user", "value": "bench" }, { "key": "mlflow.source.type", "value": "LOCAL" }]);
    let body = json!({ "experiment_id": experiment, "start_time": 1_700_000_000_000_u64 + number as u64, "run_name": format!("run-{number}"), "tags": tags });
    Request::post(format!("{RUNS}/create"), &body)
}

fn log_metric(run: &str, number: usize) -> Request {
    let body = json!({ "run_id": run, "key": "loss", "value": 1.0 / (number + 1) as f64, "timestamp": 1_700_000_000_000_u64 + number as u64, "step": number });
    Request::post(format!("{RUNS}/log-metric"), &body)
}

/// A thousand points of ten metrics.
fn log_batch(run: &str, number: usize) -> Request {
    let metrics: Vec<_> = (0..1000)
        .map(|n| {
            let step = number * 100 + n / 10;
            json!({ "key": format!("m{}", n % 10), "value": (n * 7919 % 1009) as f64 / 1009.0, "timestamp": 1_700_000_000_000_u64 + step as u64, "step": step })
        })
        .collect();
    Request::post(
        format!("{RUNS}/log-batch"),
        &json!({ "run_id": run, "metrics": metrics }),
    )
}
