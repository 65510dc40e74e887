//! Killing the server while clients log: what was acknowledged is there afterwards, and no half file is to be seen.
//!
//! `MAINSPAN_CRASH_ROUNDS` makes it longer.

use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};
use testkit::{Product, http, product::kill, until};

const CLIENTS: usize = 6;
/// Kills of a plain run.
const ROUNDS: usize = 4;
/// Calls that must be answered between two kills.
const CALLS: usize = 60;
const AT: &str = "/p/crash/api/2.0/mlflow";

/// What clients were told is kept: the last step of each run's metric, and the files.
#[derive(Default)]
struct Kept {
    steps: BTreeMap<String, u64>,
    files: Vec<String>,
}

fn post(server: SocketAddr, path: &str, body: &Value) -> io::Result<Value> {
    let path = format!("{AT}/{path}");
    let answer = http::ask(server, "POST", &path, &[], body.to_string().as_bytes())?;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    Ok(answer.json())
}

fn file(path: &str) -> String {
    format!("/p/crash/api/2.0/mlflow-artifacts/artifacts/{path}")
}

/// Logs one run with a few points and a file; what breaks off was not acknowledged.
fn log_one(
    server: SocketAddr,
    experiment: &str,
    name: &str,
    kept: &Mutex<Kept>,
    answered: &AtomicUsize,
) -> io::Result<()> {
    let body = json!({ "experiment_id": experiment, "start_time": 1, "run_name": name });
    let made = post(server, "runs/create", &body)?;
    let run = made["run"]["info"]["run_id"].as_str().unwrap().to_owned();
    for step in 0..8 {
        let metrics = json!([{ "key": "loss", "value": step, "timestamp": step, "step": step }]);
        post(
            server,
            "runs/log-batch",
            &json!({ "run_id": run, "metrics": metrics }),
        )?;
        kept.lock().unwrap().steps.insert(run.clone(), step);
        answered.fetch_add(1, Ordering::Relaxed);
    }
    let path = format!("crash/{name}.bin");
    let bytes = name.repeat(20_000).into_bytes();
    let put = http::ask(server, "PUT", &file(&path), &[], &bytes)?;
    assert_eq!(put.status, 200, "{}", put.body);
    kept.lock().unwrap().files.push(path);
    answered.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

#[test]
fn what_was_acknowledged_survives_kills_of_the_server() {
    let rounds = std::env::var("MAINSPAN_CRASH_ROUNDS")
        .ok()
        .and_then(|text| text.parse::<usize>().ok());
    let rounds = rounds.map_or(ROUNDS, |rounds| ROUNDS * rounds);
    let product = Product::up(env!("CARGO_BIN_EXE_mainspan"));
    let server = product.control().unwrap();
    let made = post(server, "experiments/create", &json!({ "name": "crash" })).unwrap();
    let experiment = made["experiment_id"].as_str().unwrap();
    let (kept, answered, over) = (
        Mutex::new(Kept::default()),
        AtomicUsize::new(0),
        AtomicBool::new(false),
    );
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (kept, answered, over) = (&kept, &answered, &over);
            scope.spawn(move || {
                let mut turn = 0;
                while !over.load(Ordering::Relaxed) {
                    let name = format!("{client}-{turn}");
                    if log_one(server, experiment, &name, kept, answered).is_err() {
                        std::thread::park_timeout(std::time::Duration::from_millis(10));
                    }
                    turn += 1;
                }
            });
        }
        for _ in 0..rounds {
            let before = answered.load(Ordering::Relaxed);
            until("calls to be answered", || {
                (answered.load(Ordering::Relaxed) > before + CALLS).then_some(())
            });
            let old = until("the server's pid", || product.pid("server"));
            kill(old);
            until("the server to come back", || {
                let new = product.pid("server").filter(|new| *new != old)?;
                http::ask(server, "GET", "/health", &[], b"")
                    .ok()
                    .map(|_| new)
            });
        }
        over.store(true, Ordering::Relaxed);
    });
    check(server, &kept.into_inner().unwrap());
}

fn check(server: SocketAddr, kept: &Kept) {
    assert!(!kept.steps.is_empty() && !kept.files.is_empty());
    for (run, last) in &kept.steps {
        let path = format!("{AT}/metrics/get-history?run_id={run}&metric_key=loss");
        let history = http::ask(server, "GET", &path, &[], b"").unwrap().json();
        let steps: Vec<u64> = history["metrics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|point| point["step"].as_u64().unwrap())
            .collect();
        assert!(
            steps.len() as u64 > *last,
            "{run} has {steps:?}, acknowledged up to {last}"
        );
    }
    // Every file that is listed is whole, whether or not its upload was answered; and all that were are listed.
    let listing = "/p/crash/api/2.0/mlflow-artifacts/artifacts?path=crash";
    let listed = http::ask(server, "GET", listing, &[], b"").unwrap().json();
    let listed: Vec<String> = listed["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["path"].as_str().unwrap().to_owned())
        .collect();
    for name in &listed {
        let whole = name.trim_end_matches(".bin").repeat(20_000);
        let found = http::ask(server, "GET", &file(&format!("crash/{name}")), &[], b"").unwrap();
        assert_eq!(
            (found.status, found.body.len()),
            (200, whole.len()),
            "{name}"
        );
        assert!(found.body == whole, "{name} holds something else");
    }
    for path in &kept.files {
        let name = path.trim_start_matches("crash/");
        assert!(
            listed.iter().any(|listed| listed == name),
            "{path} was acknowledged and is gone"
        );
    }
}
