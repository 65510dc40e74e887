//! What it costs to say who one is: the same calls without a credential, and with a user's name and password.

use super::{
    BENCH, Peer,
    cost::{Kind, cost},
};
use crate::bench::{
    connection::Request,
    product::Product,
    report::{Figure, median},
};
use anyhow::Context as _;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;
use std::{path::Path, sync::atomic::AtomicUsize};

/// How often each way is measured, in turn.
const ROUNDS: usize = 7;
const RUNS: &str = "/api/2.0/mlflow/runs";
/// How much more CPU time a signed call may take than one without a credential, in percent.
const GOAL: f64 = 10.0;

/// Measures our server.
pub(super) fn measure(
    product: &Product,
    folder: &Path,
    peer: &Peer,
) -> anyhow::Result<Vec<Figure>> {
    let made = product.verb(folder, &["users", "create", "bench", "--all-projects"])?;
    let password = made["password"].as_str().context("no password was made")?;
    let signed = peer.signed(format!(
        "Basic {}",
        BASE64_STANDARD.encode(format!("bench:{password}"))
    ));
    let experiment = peer.experiment("auth")?;
    let body = json!({ "experiment_id": experiment, "start_time": 1 });
    let run = peer
        .connect()?
        .json(&Request::post(format!("{RUNS}/create"), &body))?;
    let run = run["run"]["info"]["run_id"]
        .as_str()
        .context("no run was made")?;
    let get = |_: &Peer, _: usize| Request::get(format!("{RUNS}/get?run_id={run}"));
    let log = |_: &Peer, number: usize| {
        let body = json!({ "run_id": run, "key": "loss", "value": 0.5, "timestamp": number, "step": number });
        Request::post(format!("{RUNS}/log-metric"), &body)
    };
    let kinds = [
        Kind {
            name: "auth_get_run",
            clients: 1,
            calls: (6000, 0),
            goal: None,
            request: &get,
        },
        Kind {
            name: "auth_log_metric_8",
            clients: 8,
            calls: (6000, 0),
            goal: None,
            request: &log,
        },
    ];
    kinds
        .iter()
        .map(|kind| {
            let count = AtomicUsize::new(0);
            let mut more = Vec::new();
            for _ in 0..ROUNDS {
                let without = cost(peer, kind, kind.calls.0, &count)?;
                let with = cost(&signed, kind, kind.calls.0, &count)?;
                more.push((with.cpu / without.cpu - 1.0) * 100.0);
            }
            let name = format!("{}_more_cpu", kind.name);
            Ok(Figure::at_most(BENCH, name, median(more), "%", GOAL))
        })
        .collect()
}
