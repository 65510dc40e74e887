//! Sixteen clients that do everything at once: what the server's memory comes to, and that nothing fails.

use super::{BENCH, Peer};
use crate::bench::{connection::Request, report::Figure};
use serde_json::json;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

const CLIENTS: usize = 16;
const TIME: Duration = Duration::from_secs(30);
const AT: &str = "/api/2.0/mlflow";

/// Loads our server and reads its memory all the while.
pub(super) fn measure(peer: &Peer) -> anyhow::Result<Vec<Figure>> {
    let experiment = peer.experiment("load")?;
    let over = AtomicBool::new(false);
    let (mut most, begun) = (0.0_f64, Instant::now());
    let calls = std::thread::scope(|scope| -> anyhow::Result<usize> {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (experiment, over) = (&experiment, &over);
                scope.spawn(move || work(peer, experiment, client, over))
            })
            .collect();
        while begun.elapsed() < TIME
            && !clients
                .iter()
                .any(std::thread::ScopedJoinHandle::is_finished)
        {
            most = most.max(peer.memory()?.resident);
            super::pause(Duration::from_millis(50));
        }
        over.store(true, Ordering::Relaxed);
        clients
            .into_iter()
            .map(|client| {
                client
                    .join()
                    .unwrap_or_else(|_| anyhow::bail!("a client panicked"))
            })
            .sum()
    })?;
    Ok(vec![
        Figure::told(
            BENCH,
            "mixed_load",
            calls as f64 / begun.elapsed().as_secs_f64(),
            "/s",
        ),
        Figure::at_most(BENCH, "mixed_load_resident", most, "MB", 150.0),
    ])
}

/// What one client does until it is over; how many calls it made.
fn work(peer: &Peer, experiment: &str, client: usize, over: &AtomicBool) -> anyhow::Result<usize> {
    let mut connection = peer.connect()?;
    let mut calls = 0;
    while !over.load(Ordering::Relaxed) {
        let create = json!({ "experiment_id": experiment, "start_time": calls, "run_name": format!("{client}-{calls}") });
        let made = connection.json(&Request::post(format!("{AT}/runs/create"), &create))?;
        let run = made["run"]["info"]["run_id"].as_str().unwrap_or_default();
        for batch in 0..3 {
            let points: Vec<_> = (0..200).map(|n| json!({ "key": format!("m{}", n % 4), "value": n, "timestamp": n, "step": batch * 50 + n / 4 })).collect();
            let body = json!({ "run_id": run, "metrics": points, "params": [{ "key": format!("p{batch}"), "value": "1" }] });
            connection.send(&Request::post(format!("{AT}/runs/log-batch"), &body))?;
        }
        for n in 0..10 {
            let body =
                json!({ "run_id": run, "key": "loss", "value": n, "timestamp": n, "step": n });
            connection.send(&Request::post(format!("{AT}/runs/log-metric"), &body))?;
        }
        let search = json!({ "experiment_ids": [experiment], "filter": "metrics.m0 > 10", "order_by": ["metrics.m0 DESC"], "max_results": 100 });
        connection.send(&Request::post(format!("{AT}/runs/search"), &search))?;
        connection.send(&Request::get(format!(
            "{AT}/metrics/get-history?run_id={run}&metric_key=m0"
        )))?;
        let file = Request {
            method: "PUT",
            path: format!("/api/2.0/mlflow-artifacts/artifacts/load/{client}/{calls}.bin"),
            body: vec![u8::try_from(client).unwrap_or_default(); 100_000],
        };
        connection.send(&file)?;
        connection.send(&Request::get(file.path.clone()))?;
        calls += 18;
    }
    Ok(calls)
}
