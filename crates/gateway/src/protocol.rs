//! What the Open Inference Protocol asks besides predictions: metadata and health.
//!
//! Called by [`crate::edge`]. A model's inputs and outputs are its replica's own words.

use http::StatusCode;
use inference::frame::Request;
use serde_json::{Value, json};

use crate::live::{Live, LiveArm, LiveRoute};
use crate::replica;
use crate::respond::{self, Answer};
use crate::worker::Worker;

/// `GET v2`.
pub(crate) fn server() -> Answer {
    let body = json!({
        "name": "mainspan",
        "version": env!("CARGO_PKG_VERSION"),
        "extensions": [],
    });
    respond::json(StatusCode::OK, body.to_string())
}

/// `GET v2/health/live`.
pub(crate) fn live() -> Answer {
    respond::json(StatusCode::OK, json!({ "live": true }).to_string())
}

/// `GET v2/health/ready`, of one service or of all. The protocol specifies the answer's field as
/// `live`; clients look at the status.
pub(crate) fn ready(live: &Live, at: Option<usize>) -> Answer {
    let ready = match at {
        Some(at) => live.routes[at].is_ready(),
        None => live.routes.iter().all(LiveRoute::is_ready),
    };
    let body = json!({ "live": true, "ready": ready });
    respond::json(health(ready), body.to_string())
}

/// `v2/repository/index`.
pub(crate) fn repository(live: &Live, at: Option<usize>) -> Answer {
    let models = |route: &LiveRoute| -> Vec<Value> {
        let state = |arm: &LiveArm| {
            if arm.is_ready() {
                "READY"
            } else {
                "UNAVAILABLE"
            }
        };
        let model = |arm| {
            let version = LiveArm::version_text(arm);
            json!({ "name": route.route.service, "version": version, "state": state(arm) })
        };
        route.arms.iter().map(model).collect()
    };
    let all: Vec<Value> = match at {
        Some(at) => models(&live.routes[at]),
        None => live.routes.iter().flat_map(models).collect(),
    };
    respond::json(StatusCode::OK, Value::from(all).to_string())
}

/// `GET v2/models/M[/versions/V]/ready`.
pub(crate) fn model_ready(live: &Live, at: usize, version: Option<u32>) -> Answer {
    let route = &live.routes[at];
    let (ready, arm) = match version {
        None => (route.is_ready(), route.main()),
        Some(version) => match route.version(version) {
            Some(arm) => (arm.is_ready(), arm),
            None => return no_version(route, version),
        },
    };
    let body = json!({ "name": route.route.service, "ready": ready });
    let answer = respond::json(health(ready), body.to_string());
    respond::from_version(answer, &arm.header)
}

/// `GET v2/models/M[/versions/V]`: the inputs and outputs of the version, or of the one with most
/// of the traffic.
pub(crate) async fn metadata(
    worker: &Worker,
    live: &Live,
    at: usize,
    version: Option<u32>,
) -> Answer {
    let route = &live.routes[at];
    let arm = match version {
        None => route.main(),
        Some(version) => match route.version(version) {
            Some(arm) => arm,
            None => return no_version(route, version),
        },
    };
    let answer = match describe(worker, arm).await {
        Some(description) => {
            let versions: Vec<String> = route.arms.iter().map(LiveArm::version_text).collect();
            let body = json!({
                "name": route.route.service,
                "versions": versions,
                "platform": "onnx_onnxv1",
                "inputs": description["inputs"],
                "outputs": description["outputs"],
            });
            respond::json(StatusCode::OK, body.to_string())
        }
        None => {
            let message = "this version has no replica at the moment; try again soon";
            respond::error(StatusCode::SERVICE_UNAVAILABLE, message)
        }
    };
    respond::from_version(answer, &arm.header)
}

async fn describe(worker: &Worker, arm: &LiveArm) -> Option<Value> {
    let replica = arm.least_loaded(None, 0)?;
    let asked = replica.call(&Request::Describe);
    let reply = tokio::time::timeout(worker.options.replica_wait, asked)
        .await
        .ok()?
        .ok()?;
    serde_json::from_slice(&replica::description(reply)?).ok()
}

fn health(ready: bool) -> StatusCode {
    if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

fn no_version(route: &LiveRoute, version: u32) -> Answer {
    let message = format!("{} does not serve version {version}", route.key);
    respond::error(StatusCode::NOT_FOUND, &message)
}
