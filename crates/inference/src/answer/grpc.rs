//! The message that answers an Open Inference Protocol request over gRPC.

use bytes::Bytes;
use prost::Message as _;

use super::{Output, classes};
use crate::oip::Wanted;
use crate::oip::grpc::message::{Choice, InferOutputTensor, ModelInferResponse, Parameter};
use crate::raw;

/// A `ModelInferResponse` without `model_name` and `model_version`: the gateway puts these two
/// fields in front of it. Elements come as raw bytes, as Triton sends them.
#[must_use]
pub fn grpc(id: Option<&str>, outputs: &[Output<'_>], wanted: &Wanted) -> Vec<u8> {
    let mut response = ModelInferResponse {
        id: id.unwrap_or_default().to_owned(),
        ..ModelInferResponse::default()
    };
    for picked in classes::picked(outputs, wanted) {
        let output = &picked.output;
        let mut bytes = Vec::with_capacity(raw::length(&output.data));
        raw::write(&output.data, &mut bytes);
        response.raw_output_contents.push(Bytes::from(bytes));
        let classes = output.classes.as_ref().map(|names| {
            let text = serde_json::to_string(names).unwrap_or_default();
            let choice = Some(Choice::String(text));
            ("classes".to_owned(), Parameter { choice })
        });
        response.outputs.push(InferOutputTensor {
            name: output.name.to_owned(),
            datatype: output.data.datatype().name().to_owned(),
            shape: output
                .shape
                .iter()
                .map(|n| i64::try_from(*n).unwrap_or(i64::MAX))
                .collect(),
            parameters: classes.into_iter().collect(),
            contents: None,
        });
    }
    response.encode_to_vec()
}
