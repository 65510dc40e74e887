//! The Open Inference Protocol over gRPC: its messages, and what they mean to a model.
//!
//! The field numbers are those of `open_inference_grpc.proto` and of Triton's `grpc_service.proto`,
//! which agree in what is here. The engine reads a `ModelInferRequest` with [`parse`] and its answer
//! is written by [`crate::answer`]; the gateway reads a [`message::RequestHead`] to know where it
//! goes. Framing, status and trailers are the gateway's.

pub mod extensions;
pub mod message;

use bytes::Bytes;
use half::{bf16, f16};
use prost::Message as _;

use super::request::{Content, Gathered, Given, InferRequest, RequestError};
use super::wanted::{Wanted, WantedOutput};
use crate::model::{Inputs, TensorSpec};
use crate::raw;
use crate::tensor::{Data, Datatype};
use message::{InferTensorContents, ModelInferRequest, Parameter};

/// Reads a `ModelInferRequest` for a model with these inputs and outputs.
pub fn parse(
    body: Bytes,
    inputs: &Inputs,
    outputs: &[TensorSpec],
) -> Result<InferRequest, RequestError> {
    let request = ModelInferRequest::decode(body).map_err(RequestError::Message)?;
    let raw = &request.raw_input_contents;
    if !raw.is_empty() && raw.len() != request.inputs.len() {
        return Err(RequestError::RawInputs {
            expect: request.inputs.len(),
            got: raw.len(),
        });
    }
    let mut gathered = Gathered::new(inputs);
    for (index, input) in request.inputs.iter().enumerate() {
        let content = match (raw.get(index), &input.contents) {
            (Some(bytes), _) => Content::Raw(bytes),
            (None, contents) => Content::Typed(typed(&input.datatype, contents.as_ref())),
        };
        let given = Given {
            name: &input.name,
            datatype: &input.datatype,
            shape: &input.shape,
            content,
        };
        gathered.take(index, given)?;
    }
    let wanted = request.outputs.iter().map(|output| {
        let classes = output.parameters.get("classification");
        let classes = classes.and_then(Parameter::whole);
        if inputs.is_any() {
            return Ok(WantedOutput::any(&output.name, None, classes));
        }
        WantedOutput::known(&output.name, outputs, None, classes)
    });
    let wanted: Vec<_> = wanted.collect::<Result<_, _>>()?;
    let (tensors, names) = gathered.finish()?;
    Ok(InferRequest {
        id: Some(request.id).filter(|id| !id.is_empty()),
        tensors,
        names,
        wanted: Wanted {
            outputs: Some(wanted).filter(|wanted| !wanted.is_empty()),
            binary: true,
        },
    })
}

/// The elements of a typed list; `None` when they are not of the datatype, or the datatype has no
/// list (16-bit floats come as raw bytes only).
fn typed(datatype: &str, contents: Option<&InferTensorContents>) -> Option<Data> {
    let datatype = Datatype::from_name(datatype)?;
    let Some(all) = contents else {
        // A list without elements may be left out.
        return Some(Data::empty(datatype));
    };
    macro_rules! narrow {
        ($values:expr, $wrap:ident) => {{
            let narrow: Option<_> = $values.iter().map(|n| (*n).try_into().ok()).collect();
            Data::$wrap(narrow?)
        }};
    }
    Some(match datatype {
        Datatype::Bool => Data::Bool(all.bool_contents.clone()),
        Datatype::Uint8 => narrow!(all.uint_contents, Uint8),
        Datatype::Uint16 => narrow!(all.uint_contents, Uint16),
        Datatype::Uint32 => Data::Uint32(all.uint_contents.clone()),
        Datatype::Uint64 => Data::Uint64(all.uint64_contents.clone()),
        Datatype::Int8 => narrow!(all.int_contents, Int8),
        Datatype::Int16 => narrow!(all.int_contents, Int16),
        Datatype::Int32 => Data::Int32(all.int_contents.clone()),
        Datatype::Int64 => Data::Int64(all.int64_contents.clone()),
        Datatype::Fp32 => Data::Fp32(all.fp32_contents.clone()),
        Datatype::Fp64 => Data::Fp64(all.fp64_contents.clone()),
        Datatype::Bytes => {
            let texts = all.bytes_contents.iter().map(|bytes| raw::text(bytes));
            Data::Bytes(texts.collect::<Option<_>>()?)
        }
        Datatype::Fp16 => Data::Fp16(halves(all, f16::from_f32)),
        Datatype::Bf16 => Data::Bf16(halves(all, bf16::from_f32)),
    })
}

/// Triton takes 16-bit floats raw only; a client that sends them as floats means the same.
fn halves<T>(all: &InferTensorContents, half: impl Fn(f32) -> T) -> Vec<T> {
    all.fp32_contents.iter().map(|x| half(*x)).collect()
}

#[cfg(test)]
mod tests;
