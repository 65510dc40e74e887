//! `GET v2/models/M[/versions/V]/config`: what Triton's clients read of a model's configuration.
//!
//! Source: Triton's `model_config.proto`. Batches are an open first dimension here, so that
//! `max_batch_size` is 0 and all dimensions are told.

use inference::model::TensorDescription;
use inference::oip::ModelMetadata;
use inference::tensor::Datatype;
use serde::Serialize;

use super::metadata;
use crate::live::LiveRoute;
use crate::respond::{self, Answer};
use crate::worker::Worker;

/// What Triton calls a model that ONNX Runtime runs.
pub(crate) const PLATFORM: &str = "onnxruntime_onnx";
/// What Triton calls that runtime.
pub(crate) const BACKEND: &str = "onnxruntime";

#[derive(Serialize)]
struct Config<'a> {
    name: &'a str,
    platform: &'static str,
    backend: &'static str,
    version_policy: serde_json::Value,
    max_batch_size: u32,
    input: Vec<Tensor<'a>>,
    output: Vec<Tensor<'a>>,
}

#[derive(Serialize)]
struct Tensor<'a> {
    name: &'a str,
    data_type: String,
    dims: &'a [i64],
}

/// Answers.
pub(crate) async fn config(worker: &Worker, route: &LiveRoute, version: Option<u32>) -> Answer {
    match metadata(worker, route, version).await {
        Ok((metadata, arm)) => respond::from_version(super::ok(&of(&metadata)), &arm.header),
        Err(refused) => refused.answer(),
    }
}

fn of(metadata: &ModelMetadata) -> Config<'_> {
    Config {
        name: &metadata.name,
        platform: PLATFORM,
        backend: BACKEND,
        version_policy: serde_json::json!({ "latest": { "num_versions": 1 } }),
        max_batch_size: 0,
        input: metadata.inputs.iter().map(tensor).collect(),
        output: metadata.outputs.iter().map(tensor).collect(),
    }
}

fn tensor(described: &TensorDescription) -> Tensor<'_> {
    // The configuration has another word for strings than the protocol.
    let name = match described.datatype {
        Datatype::Bytes => "STRING",
        other => other.name(),
    };
    Tensor {
        name: &described.name,
        data_type: format!("TYPE_{name}"),
        dims: &described.shape,
    }
}
