//! The methods that ask about models: health, metadata, configuration, statistics, the index.

use bytes::Bytes;
use http::HeaderMap;
use inference::model::TensorDescription;
use inference::oip::ModelMetadata;
use inference::oip::grpc::extensions::{
    InferStatistics, ModelConfig, ModelConfigResponse, ModelInput, ModelOutput, ModelStatistics,
    ModelStatisticsResponse, StatisticDuration, data_type,
};
use inference::oip::grpc::message::{
    ModelIndex, ModelMetadataResponse, ModelRequest, RepositoryIndexResponse,
    ServerMetadataResponse, TensorMetadata, Yes,
};
use prost::Message;

use super::status::Status;
use super::{HEALTH, route, version};
use crate::protocol::{self, Refused};
use crate::worker::Worker;

/// What gRPC's own health service calls a server that serves, and one that does not.
const SERVING: u64 = 1;
const NOT_SERVING: u64 = 2;

/// Answers a method.
pub(super) async fn answer(
    worker: &Worker,
    headers: &HeaderMap,
    method: &str,
    body: &Bytes,
) -> Result<Bytes, Status> {
    let live = worker.live();
    let yes = |yes| Ok(encode(&Yes { yes }));
    match method {
        "ServerLive" => return yes(true),
        "ServerReady" => return yes(protocol::is_ready(&live, None)),
        "ServerMetadata" => return Ok(encode(&server())),
        "RepositoryIndex" => return Ok(encode(&index(worker))),
        HEALTH => {
            let serving = match protocol::is_ready(&live, None) {
                true => SERVING,
                false => NOT_SERVING,
            };
            // An enumeration is a number on the wire.
            return Ok(encode(&Serving { status: serving }));
        }
        _ => {}
    }
    let asked = ModelRequest::decode(&body[..]).map_err(|e| Status::invalid(&e.to_string()))?;
    if method == "ModelStatistics" && asked.name.is_empty() {
        return Ok(encode(&statistics(protocol::of_all(worker, &live, None))));
    }
    match method {
        "ModelReady" | "ModelMetadata" | "ModelConfig" | "ModelStatistics" => {}
        unknown => return Err(Status::unknown(unknown)),
    }
    let version = version(&asked.version)?;
    let route = &live.routes[route(&live, headers, &asked.name)?];
    match method {
        "ModelReady" => yes(protocol::is_model_ready(route, version)?.0),
        "ModelMetadata" => {
            let (metadata, _) = protocol::metadata(worker, route, version).await?;
            Ok(encode(&ModelMetadataResponse {
                name: metadata.name,
                versions: metadata.versions,
                platform: metadata.platform,
                inputs: metadata.inputs.into_iter().map(tensor).collect(),
                outputs: metadata.outputs.into_iter().map(tensor).collect(),
            }))
        }
        "ModelConfig" => {
            let (metadata, _) = protocol::metadata(worker, route, version).await?;
            Ok(encode(&config(metadata)))
        }
        "ModelStatistics" => {
            let counted = protocol::of_model(worker, route, version)?;
            Ok(encode(&statistics(counted)))
        }
        _ => Err(Status::unknown(method)),
    }
}

#[derive(Clone, PartialEq, Message)]
struct Serving {
    #[prost(uint64, tag = "1")]
    status: u64,
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        Self::of(refused.status, &refused.message)
    }
}

fn encode(message: &impl Message) -> Bytes {
    message.encode_to_vec().into()
}

fn server() -> ServerMetadataResponse {
    let server = protocol::server();
    ServerMetadataResponse {
        name: server.name,
        version: server.version,
        extensions: server.extensions,
    }
}

fn index(worker: &Worker) -> RepositoryIndexResponse {
    let models = protocol::index(&worker.live(), None).into_iter();
    let models = models.map(|listed| ModelIndex {
        name: listed.name,
        version: listed.version,
        state: listed.state.to_owned(),
        reason: listed.reason,
    });
    RepositoryIndexResponse {
        models: models.collect(),
    }
}

fn tensor(described: TensorDescription) -> TensorMetadata {
    TensorMetadata {
        name: described.name,
        datatype: described.datatype.name().to_owned(),
        shape: described.shape,
    }
}

fn config(metadata: ModelMetadata) -> ModelConfigResponse {
    let input = metadata.inputs.into_iter().map(|input| ModelInput {
        name: input.name,
        data_type: data_type(input.datatype),
        dims: input.shape,
    });
    let output = metadata.outputs.into_iter().map(|output| ModelOutput {
        name: output.name,
        data_type: data_type(output.datatype),
        dims: output.shape,
    });
    ModelConfigResponse {
        config: Some(ModelConfig {
            name: metadata.name,
            platform: protocol::PLATFORM.to_owned(),
            backend: protocol::BACKEND.to_owned(),
            max_batch_size: 0,
            input: input.collect(),
            output: output.collect(),
        }),
    }
}

fn statistics(counted: Vec<protocol::ModelStatistics>) -> ModelStatisticsResponse {
    let duration = |from: protocol::Duration| {
        Some(StatisticDuration {
            count: from.count,
            ns: from.ns,
        })
    };
    let model = |counted: protocol::ModelStatistics| {
        let times = counted.inference_stats;
        ModelStatistics {
            name: counted.name,
            version: counted.version,
            last_inference: counted.last_inference,
            inference_count: counted.inference_count,
            execution_count: counted.execution_count,
            inference_stats: Some(InferStatistics {
                success: duration(times.success),
                fail: duration(times.fail),
                queue: duration(times.queue),
                compute_input: duration(times.compute_input),
                compute_infer: duration(times.compute_infer),
                compute_output: duration(times.compute_output),
                cache_hit: duration(times.cache_hit),
                cache_miss: duration(times.cache_miss),
            }),
        }
    };
    ModelStatisticsResponse {
        model_stats: counted.into_iter().map(model).collect(),
    }
}
