//! What the protocols ask besides predictions: metadata, health, configuration, statistics.
//!
//! Called by [`crate::edge`] for HTTP and by [`crate::grpc`]; here are the facts, and HTTP's bodies
//! of them. A model's inputs and outputs are its replica's own words.

mod config;
mod legacy;
mod statistics;

use http::StatusCode;
use inference::frame::Request;
use inference::model::ModelDescription;
use inference::oip::{ModelMetadata, ModelReady, ServerMetadata};
use serde::Serialize;
use serde_json::json;

use crate::live::{Live, LiveArm, LiveRoute};
use crate::replica;
use crate::respond::{self, Answer};
use crate::worker::Worker;

pub(crate) use config::{BACKEND, PLATFORM, config};
pub(crate) use legacy::{endpoint, endpoints, ping, v1_model, v1_models, version};
pub(crate) use statistics::{Duration, ModelStatistics, of_all, of_model, statistics};

/// A question that has no answer.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

impl Refused {
    fn no_version(route: &LiveRoute, version: u32) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            message: format!("{} does not serve version {version}", route.key),
        }
    }

    /// The answer over HTTP.
    pub(crate) fn answer(&self) -> Answer {
        respond::error(self.status, &self.message)
    }
}

/// An entry of the repository's index.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) state: &'static str,
    pub(crate) reason: String,
}

/// What this server is.
pub(crate) fn server() -> ServerMetadata {
    let extensions = [
        "binary_tensor_data",
        "classification",
        "model_configuration",
        "model_repository",
        "statistics",
    ];
    ServerMetadata {
        name: "mainspan".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        extensions: extensions.map(str::to_owned).to_vec(),
    }
}

/// Whether one service, or all, can answer.
pub(crate) fn is_ready(live: &Live, at: Option<usize>) -> bool {
    match at {
        Some(at) => live.routes[at].is_ready(),
        None => live.routes.iter().all(LiveRoute::is_ready),
    }
}

/// The versions at one service, or at all.
pub(crate) fn index(live: &Live, at: Option<usize>) -> Vec<Listed> {
    let models = |route: &LiveRoute| -> Vec<Listed> {
        let model = |arm: &LiveArm| {
            let (state, reason) = match arm.is_ready() {
                true => ("READY", ""),
                false => ("UNAVAILABLE", "no replica answers"),
            };
            Listed {
                name: route.route.service.clone(),
                version: arm.version_text(),
                state,
                reason: reason.to_owned(),
            }
        };
        route.arms.iter().map(model).collect()
    };
    match at {
        Some(at) => models(&live.routes[at]),
        None => live.routes.iter().flat_map(models).collect(),
    }
}

/// The arm of a version, or the one with most of the traffic.
fn arm(route: &LiveRoute, version: Option<u32>) -> Result<&LiveArm, Refused> {
    match version {
        None => Ok(route.main()),
        Some(version) => route
            .version(version)
            .ok_or_else(|| Refused::no_version(route, version)),
    }
}

/// Whether a version, or whatever takes traffic, can answer; and the arm that was looked at.
pub(crate) fn is_model_ready(
    route: &LiveRoute,
    version: Option<u32>,
) -> Result<(bool, &LiveArm), Refused> {
    let arm = arm(route, version)?;
    let ready = match version {
        None => route.is_ready(),
        Some(_) => arm.is_ready(),
    };
    Ok((ready, arm))
}

/// The inputs and outputs of a version, or of the one with most of the traffic.
pub(crate) async fn metadata<'l>(
    worker: &Worker,
    route: &'l LiveRoute,
    version: Option<u32>,
) -> Result<(ModelMetadata, &'l LiveArm), Refused> {
    let arm = arm(route, version)?;
    let described = describe(worker, arm).await.ok_or_else(|| Refused {
        status: StatusCode::SERVICE_UNAVAILABLE,
        message: "this version has no replica at the moment; try again soon".to_owned(),
    })?;
    let versions = route.arms.iter().map(LiveArm::version_text).collect();
    let name = route.route.service.clone();
    Ok((ModelMetadata::onnx(name, versions, described), arm))
}

async fn describe(worker: &Worker, arm: &LiveArm) -> Option<ModelDescription> {
    let replica = arm.least_loaded(None, 0)?;
    let asked = replica.call(&Request::Describe);
    let reply = tokio::time::timeout(worker.options.replica_wait, asked)
        .await
        .ok()?
        .ok()?;
    serde_json::from_slice(&replica::description(reply)?).ok()
}

/// A body that always serialises.
pub(crate) fn ok(body: &impl Serialize) -> Answer {
    json(StatusCode::OK, body)
}

fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    match serde_json::to_vec(body) {
        Ok(body) => respond::json(status, body),
        Err(error) => respond::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// `GET v2/health/ready`. The protocol specifies the answer's field as `live`; clients look at the
/// status.
pub(crate) fn ready(live: &Live, at: Option<usize>) -> Answer {
    let ready = is_ready(live, at);
    json(health(ready), &json!({ "live": true, "ready": ready }))
}

/// `GET v2/models/M[/versions/V]/ready`.
pub(crate) fn model_ready(route: &LiveRoute, version: Option<u32>) -> Answer {
    match is_model_ready(route, version) {
        Ok((ready, arm)) => {
            let name = route.route.service.clone();
            let answer = json(health(ready), &ModelReady { name, ready });
            respond::from_version(answer, &arm.header)
        }
        Err(refused) => refused.answer(),
    }
}

/// `GET v2/models/M[/versions/V]`.
pub(crate) async fn model(worker: &Worker, route: &LiveRoute, version: Option<u32>) -> Answer {
    match metadata(worker, route, version).await {
        Ok((metadata, arm)) => respond::from_version(ok(&metadata), &arm.header),
        Err(refused) => refused.answer(),
    }
}

pub(crate) fn health(ready: bool) -> StatusCode {
    if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}
