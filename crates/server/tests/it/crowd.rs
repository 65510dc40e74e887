//! Many clients at once, on both stores: no call fails, no point is lost, numbers are given once and without gaps.
//!
//! `MAINSPAN_LOAD_SECONDS` makes the mixed load longer.

use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};
use store::StoreUrl;
use testkit::{Postgres, Server, http};

const AT: &str = "/p/crowd/api/2.0/mlflow";
const WRITERS: u64 = 64;
/// Metrics that every writer writes to, and points that it adds to each.
const KEYS: u64 = 10;
const POINTS: u64 = 6;

/// Sends a message, or a question whose text is in the path; any other answer than 200 fails the test.
fn ask(server: SocketAddr, path: &str, body: Option<&Value>) -> Value {
    let (method, bytes) = match body {
        Some(body) => ("POST", body.to_string()),
        None => ("GET", String::new()),
    };
    let answer = http::ask(
        server,
        method,
        &format!("{AT}/{path}"),
        &[],
        bytes.as_bytes(),
    )
    .unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.json()
}

fn experiment(server: SocketAddr, name: &str) -> String {
    let made = ask(server, "experiments/create", Some(&json!({ "name": name })));
    made["experiment_id"].as_str().unwrap().to_owned()
}

fn run(server: SocketAddr, experiment: &str) -> String {
    let body = json!({ "experiment_id": experiment, "start_time": 1 });
    let made = ask(server, "runs/create", Some(&body));
    made["run"]["info"]["run_id"].as_str().unwrap().to_owned()
}

/// Lets `work` be done by so many threads at once, each with its number, half of them at each server.
fn at_once(servers: &[SocketAddr], count: u64, work: impl Fn(SocketAddr, u64) + Sync) {
    std::thread::scope(|scope| {
        for number in 0..count {
            let server = servers[number as usize % servers.len()];
            let work = &work;
            scope.spawn(move || work(server, number));
        }
    });
}

/// Every writer logs to the same metrics of the same run, each in an order of its own.
fn writers_on_one_run(servers: &[SocketAddr]) {
    let experiment = experiment(servers[0], "one-run");
    let run = run(servers[0], &experiment);
    at_once(servers, WRITERS, |server, writer| {
        for turn in 0..POINTS {
            let keys = (0..KEYS).map(|n| (n * 7 + writer) % KEYS);
            let metrics: Vec<Value> = keys
                .map(|key| {
                    let step = writer * POINTS + turn;
                    json!({ "key": format!("m{key}"), "value": step, "timestamp": step, "step": step })
                })
                .collect();
            let tags = json!([{ "key": format!("t{}", writer % 8), "value": writer.to_string() }]);
            let params = json!([{ "key": format!("p{writer}"), "value": "1" }]);
            let body = json!({ "run_id": run, "metrics": metrics, "tags": tags, "params": params });
            ask(server, "runs/log-batch", Some(&body));
        }
    });
    let steps: BTreeSet<u64> = (0..WRITERS * POINTS).collect();
    for key in 0..KEYS {
        let path = format!("metrics/get-history?run_id={run}&metric_key=m{key}");
        let history = ask(servers[0], &path, None);
        let found = history["metrics"].as_array().unwrap().iter();
        let found: BTreeSet<u64> = found.map(|point| point["step"].as_u64().unwrap()).collect();
        assert_eq!(found, steps, "m{key}");
    }
    let whole = ask(servers[0], &format!("runs/get?run_id={run}"), None);
    let data = &whole["run"]["data"];
    assert_eq!(data["params"].as_array().unwrap().len() as u64, WRITERS);
    for point in data["metrics"].as_array().unwrap() {
        assert_eq!(point["step"], WRITERS * POINTS - 1, "the latest of {point}");
    }
}

/// Versions that are made at once get numbers without gaps, none twice.
fn versions_at_once(servers: &[SocketAddr]) {
    let experiment = experiment(servers[0], "versions");
    let run = run(servers[0], &experiment);
    ask(
        servers[0],
        "registered-models/create",
        Some(&json!({ "name": "crowded" })),
    );
    let seen = std::sync::Mutex::new(Vec::new());
    at_once(servers, 32, |server, _| {
        let body =
            json!({ "name": "crowded", "source": format!("runs:/{run}/model"), "run_id": run });
        let made = ask(server, "model-versions/create", Some(&body));
        let number: u64 = made["model_version"]["version"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        seen.lock().unwrap().push(number);
    });
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    assert_eq!(seen, (1..=32).collect::<Vec<u64>>());
}

/// Sixteen clients that log, search and read at once; every point that was answered for is there at the end.
fn mixed_load(servers: &[SocketAddr]) {
    let experiment = experiment(servers[0], "load");
    let time = std::env::var("MAINSPAN_LOAD_SECONDS").ok();
    let time = Duration::from_secs(time.and_then(|text| text.parse().ok()).unwrap_or(3));
    let (begun, logged) = (Instant::now(), AtomicU64::new(0));
    at_once(servers, 16, |server, client| {
        let mut turn = 0;
        // Once at least, however slow the machine is.
        while turn == 0 || begun.elapsed() < time {
            let run = run(server, &experiment);
            for step in 0..5 {
                let point = json!({ "run_id": run, "key": "loss", "value": turn, "timestamp": step, "step": step });
                ask(server, "runs/log-metric", Some(&point));
                logged.fetch_add(1, Ordering::Relaxed);
            }
            let tag = json!({ "run_id": run, "key": "client", "value": client.to_string() });
            ask(server, "runs/set-tag", Some(&tag));
            let search = json!({ "experiment_ids": [experiment], "filter": format!("tags.client = '{client}' AND metrics.loss >= 0"), "order_by": ["metrics.loss DESC"], "max_results": 10 });
            let found = ask(server, "runs/search", Some(&search));
            assert!(
                !found["runs"].as_array().unwrap().is_empty(),
                "a client does not see its own runs"
            );
            let path = format!("metrics/get-history?run_id={run}&metric_key=loss");
            assert_eq!(
                ask(server, &path, None)["metrics"]
                    .as_array()
                    .unwrap()
                    .len(),
                5
            );
            let end = json!({ "run_id": run, "status": "FINISHED", "end_time": 9 });
            ask(server, "runs/update", Some(&end));
            turn += 1;
        }
    });
    let (mut token, mut runs) = (String::new(), 0);
    loop {
        let search = json!({ "experiment_ids": [experiment], "filter": "status = 'FINISHED'", "max_results": 500, "page_token": token });
        let page = ask(servers[0], "runs/search", Some(&search));
        runs += page["runs"].as_array().map_or(0, Vec::len) as u64;
        token = page["next_page_token"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(runs * 5, logged.into_inner());
}

fn everything(servers: &[SocketAddr]) {
    writers_on_one_run(servers);
    versions_at_once(servers);
    mixed_load(servers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_on_sqlite() {
    let server = Server::start().await;
    let address = server.address();
    tokio::task::spawn_blocking(move || everything(&[address]))
        .await
        .unwrap();
}

async fn beside(database: &str, blobs: &Path) -> Server {
    let (url, blobs) = (
        StoreUrl::Postgres(database.to_owned()),
        blobs.display().to_string(),
    );
    Server::start_with(|options| {
        options.store = url;
        options.blobs = Some(blobs);
    })
    .await
}

/// Two servers that start at the same time on a database that nobody has used, and then share it.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_on_two_servers_of_one_postgres() {
    let Some(database) = Postgres::start() else {
        return;
    };
    let blobs = tempfile::tempdir().unwrap();
    let url = database.url();
    let (one, other) = tokio::join!(beside(&url, blobs.path()), beside(&url, blobs.path()));
    let addresses = [one.address(), other.address()];
    tokio::task::spawn_blocking(move || everything(&addresses))
        .await
        .unwrap();
}
