//! Searches over 10,000 runs with five metrics, parameters and tags each, and a history of 100,000 points. Both servers
//! hold the same: MLflow's are written into its database, ours logged through the API.

use super::{
    Pair, Peer,
    cost::{Cost, Kind, compare, figures},
    peer::fill,
};
use crate::bench::{
    connection::Request,
    report::{Figure, median},
};
use anyhow::ensure;
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path, time::Instant};

const RUNS: usize = 10_000;
const POINTS: usize = 100_000;
const AT: &str = "/api/2.0/mlflow";

/// Fills both and compares.
pub(super) fn measure(pair: &Pair, python: &Path, folder: &Path) -> anyhow::Result<Vec<Figure>> {
    let theirs = pair.theirs.experiment("searches")?;
    let numbers = [RUNS.to_string(), POINTS.to_string()];
    fill(python, folder, &[&theirs, &numbers[0], &numbers[1]])?;
    let ours = pair.ours.experiment("searches")?;
    let history = fill_ours(&pair.ours, &ours)?;
    let experiments = BTreeMap::from([(pair.ours.name, ours), (pair.theirs.name, theirs)]);
    let histories = BTreeMap::from([
        (pair.ours.name, history),
        (pair.theirs.name, "f".repeat(32)),
    ]);
    let page = |filter: &'static str, order: &'static str| {
        let experiments = &experiments;
        move |peer: &Peer, _: usize| search(&experiments[peer.name], filter, order, 100, None)
    };
    let kinds: [(&'static str, f64, (&'static str, &'static str)); 4] = [
        (
            "page_by_metric",
            100.0,
            ("metrics.m0 > 0.9", "metrics.m0 DESC"),
        ),
        ("page_plain", 0.0, ("", "")),
        (
            "page_by_tag_and_param",
            0.0,
            ("tags.t0 = 'value-7' AND params.p1 = '1'", ""),
        ),
        ("page_by_name", 0.0, ("run_name ILIKE '%7ab%'", "")),
    ];
    let mut figures = Vec::new();
    for (name, goal, (filter, order)) in kinds {
        let request = page(filter, order);
        let kind = Kind {
            name,
            clients: 1,
            calls: (60, 4),
            goal: (goal > 0.0).then_some(goal),
            request: &request,
        };
        figures.extend(compare(pair, &kind)?);
    }
    figures.extend(compare_whole(
        pair,
        "all_pages_by_metric",
        150.0,
        (5, 1),
        |peer| all_pages(peer, &experiments[peer.name]),
    )?);
    figures.extend(compare_whole(pair, "history_100k", 50.0, (5, 1), |peer| {
        whole_history(peer, &histories[peer.name])
    })?);
    Ok(figures)
}

fn value(run: usize, key: usize) -> f64 {
    ((run as u64 * 2_654_435_761 + key as u64 * 40_503) % 1_000_003) as f64 / 1_000_003.0
}

/// The same runs as `fill.py` writes; gives the run of the history.
fn fill_ours(peer: &Peer, experiment: &str) -> anyhow::Result<String> {
    let mut connection = peer.connect()?;
    let mut begin = |name: String, at: u64| -> anyhow::Result<String> {
        let body = json!({ "experiment_id": experiment, "start_time": at, "run_name": name, "user_id": "bench" });
        let made = connection.json(&Request::post(format!("{AT}/runs/create"), &body))?;
        let id = made["run"]["info"]["run_id"].as_str().unwrap_or_default();
        Ok(id.to_owned())
    };
    let mut ids = Vec::with_capacity(RUNS);
    for run in 0..RUNS {
        ids.push(begin(
            format!("{run:032x}"),
            1_700_000_000_000 + run as u64,
        )?);
    }
    let history = begin("f".repeat(32), 1_600_000_000_000)?;
    for (run, id) in ids.iter().enumerate() {
        let at = 1_700_000_000_000 + run as u64;
        let metrics: Vec<_> = (0..5).map(|key| json!({ "key": format!("m{key}"), "value": value(run, key), "timestamp": at, "step": 0 })).collect();
        let params: Vec<_> = (0..5)
            .map(|key| json!({ "key": format!("p{key}"), "value": (run % (key + 2)).to_string() }))
            .collect();
        let tags: Vec<_> = (0..5)
            .map(
                |key| json!({ "key": format!("t{key}"), "value": format!("value-{}", run % 1000) }),
            )
            .collect();
        let body = json!({ "run_id": id, "metrics": metrics, "params": params, "tags": tags });
        connection.send(&Request::post(format!("{AT}/runs/log-batch"), &body))?;
    }
    for batch in 0..POINTS / 1000 {
        let points: Vec<_> = (batch * 1000..(batch + 1) * 1000)
            .map(|step| json!({ "key": "loss", "value": 1.0 / (step + 1) as f64, "timestamp": 1_700_000_000_000 + step as u64, "step": step }))
            .collect();
        let body = json!({ "run_id": history, "metrics": points });
        connection.send(&Request::post(format!("{AT}/runs/log-batch"), &body))?;
    }
    Ok(history)
}

fn search(
    experiment: &str,
    filter: &str,
    order: &str,
    rows: usize,
    token: Option<&str>,
) -> Request {
    let mut body = json!({ "experiment_ids": [experiment], "max_results": rows, "filter": filter });
    if !order.is_empty() {
        body["order_by"] = json!([order]);
    }
    if let Some(token) = token {
        body["page_token"] = json!(token);
    }
    Request::post(format!("{AT}/runs/search"), &body)
}

/// All runs in pages of 1000, ordered by a metric.
fn all_pages(peer: &Peer, experiment: &str) -> anyhow::Result<()> {
    let mut connection = peer.connect()?;
    let (mut token, mut seen) = (None, 0);
    loop {
        let request = search(experiment, "", "metrics.m1 ASC", 1000, token.as_deref());
        let page = connection.json(&request)?;
        seen += page["runs"].as_array().map_or(0, Vec::len);
        token = page["next_page_token"]
            .as_str()
            .filter(|token| !token.is_empty())
            .map(str::to_owned);
        if token.is_none() {
            ensure!(seen > RUNS, "{} gave {seen} runs", peer.name);
            return Ok(());
        }
    }
}

/// All points of a metric, in the largest pages that MLflow gives.
fn whole_history(peer: &Peer, run: &str) -> anyhow::Result<()> {
    let mut connection = peer.connect()?;
    let (mut token, mut seen) = (String::new(), 0);
    loop {
        let path = format!(
            "{AT}/metrics/get-history?run_id={run}&metric_key=loss&max_results=25000&page_token={token}"
        );
        let page: Value = connection.json(&Request::get(path))?;
        seen += page["metrics"].as_array().map_or(0, Vec::len);
        token = page["next_page_token"]
            .as_str()
            .unwrap_or_default()
            .replace('=', "%3D");
        if token.is_empty() {
            ensure!(seen == POINTS, "{} gave {seen} points", peer.name);
            return Ok(());
        }
    }
}

/// Compares work of many calls. MLflow, which takes minutes for some of it, is asked once.
fn compare_whole(
    pair: &Pair,
    name: &'static str,
    goal: f64,
    times: (usize, usize),
    work: impl Fn(&Peer) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Figure>> {
    let once = |peer: &Peer, times: usize| -> anyhow::Result<Cost> {
        let (before, begun) = (peer.cpu()?, Instant::now());
        (0..times).try_for_each(|_| work(peer))?;
        let each = 1e3 / times as f64;
        Ok(Cost {
            cpu: (peer.cpu()? - before).as_secs_f64() * each,
            wall: begun.elapsed().as_secs_f64() * each,
        })
    };
    let theirs = once(&pair.theirs, times.1)?;
    let ours = [
        once(&pair.ours, times.0)?,
        once(&pair.ours, times.0)?,
        once(&pair.ours, times.0)?,
    ];
    let own = Cost {
        cpu: median(ours.iter().map(|one| one.cpu).collect()),
        wall: median(ours.iter().map(|one| one.wall).collect()),
    };
    let ratios = Cost {
        cpu: theirs.cpu / own.cpu,
        wall: theirs.wall / own.wall,
    };
    Ok(figures(name, &own, &ratios, Some(goal)))
}
