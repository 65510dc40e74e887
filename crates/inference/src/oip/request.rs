//! Infer requests over HTTP: JSON, and raw bytes behind it, checked against the model that is to
//! answer.
//!
//! The engine calls [`InferRequest::parse`]. Requests over gRPC are read by [`super::grpc`] into the
//! same type. Source of the bytes behind the JSON: Triton's binary tensor data extension.

mod error;
mod given;

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::scan;
use super::wanted::{Wanted, WantedOutput};
use crate::model::{Inputs, TensorSpec};
use crate::raw;
use crate::tensor::{Data, Tensor};

pub use error::RequestError;
pub(crate) use given::{Content, Gathered, Given};

/// An infer request that fits the model.
#[derive(Debug, Clone, PartialEq)]
pub struct InferRequest {
    /// To be echoed.
    pub id: Option<String>,
    /// One tensor per input of the model, in the model's order.
    pub tensors: Vec<Tensor>,
    /// Their names, for a model that takes any ([`Inputs::any`]); else none.
    pub names: Vec<String>,
    /// What the answer should hold.
    pub wanted: Wanted,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    inputs: Vec<WireInput<'a>>,
    #[serde(borrow, default)]
    outputs: Option<Vec<WireOutput<'a>>>,
    #[serde(default)]
    parameters: Option<Parameters>,
}

#[derive(Deserialize)]
struct WireInput<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    shape: Vec<i64>,
    #[serde(borrow)]
    datatype: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text")]
    data: Option<&'a str>,
    #[serde(default)]
    parameters: Option<Parameters>,
}

#[derive(Deserialize)]
struct WireOutput<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(default)]
    parameters: Option<Parameters>,
}

/// The parameters that mean something here, wherever they stand; others are for others.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Parameters {
    binary_data_size: Option<u64>,
    binary_data: Option<bool>,
    binary_data_output: Option<bool>,
    classification: Option<u64>,
    shared_memory_region: Option<IgnoredAny>,
}

/// A value as it stands.
fn text<'de, D: Deserializer<'de>>(json: D) -> Result<Option<&'de str>, D::Error> {
    Ok(Option::<&RawValue>::deserialize(json)?.map(RawValue::get))
}

/// The request, if it is written as most are: then its arrays of numbers are passed over once, not
/// twice. `None` leaves it, with whatever may be wrong in it, to the general reader.
fn scanned(json: &[u8]) -> Option<Wire<'_>> {
    let scanned = scan::scan(json)?;
    let inputs = scanned.inputs.into_iter().map(|input| {
        Some(WireInput {
            name: read(input.name)?,
            shape: read(input.shape)?,
            datatype: read(input.datatype)?,
            data: input.data.filter(|data| *data != "null"),
            parameters: optional(input.parameters)?,
        })
    });
    Some(Wire {
        id: optional(scanned.id)?,
        inputs: inputs.collect::<Option<_>>()?,
        outputs: optional(scanned.outputs)?,
        parameters: optional(scanned.parameters)?,
    })
}

/// A short value.
fn read<'a, T: Deserialize<'a>>(json: &'a str) -> Option<T> {
    serde_json::from_str(json).ok()
}

/// One that may be left out; the inner `None` is one that is.
#[expect(
    clippy::option_option,
    reason = "what is there and wrong is not what is left out"
)]
fn optional<'a, T: Deserialize<'a>>(json: Option<&'a str>) -> Option<Option<T>> {
    match json {
        None => Some(None),
        Some(json) => read(json).map(Some),
    }
}

impl InferRequest {
    /// Reads `body` for a model with these inputs and outputs. `json` is how many of its bytes are
    /// JSON, if raw bytes may follow it; 0 when all of them are the one input of the model.
    pub fn parse(
        body: &[u8],
        json: Option<usize>,
        inputs: &Inputs,
        outputs: &[TensorSpec],
    ) -> Result<Self, RequestError> {
        let (json, mut rest) = match json {
            None => (body, &[][..]),
            Some(0) => return Self::bare(body, inputs),
            Some(said) => body.split_at_checked(said).ok_or(RequestError::Head {
                said,
                got: body.len(),
            })?,
        };
        let wire = match scanned(json) {
            Some(wire) => wire,
            None => serde_json::from_slice(json).map_err(RequestError::Body)?,
        };
        let mut gathered = Gathered::new(inputs);
        for (index, input) in wire.inputs.iter().enumerate() {
            let given = Given {
                name: &input.name,
                datatype: &input.datatype,
                shape: &input.shape,
                content: content(input, &mut rest)?,
            };
            gathered.take(index, given)?;
        }
        let (tensors, names) = gathered.finish()?;
        if !rest.is_empty() {
            return Err(RequestError::Left(rest.len()));
        }
        Ok(Self {
            id: wire.id.map(Cow::into_owned),
            tensors,
            names,
            wanted: wanted(wire.outputs, wire.parameters.as_ref(), inputs, outputs)?,
        })
    }

    /// A body that is nothing but the elements of the model's one input, whose shape follows from
    /// how many there are. One string is the whole body, without its length.
    fn bare(body: &[u8], inputs: &Inputs) -> Result<Self, RequestError> {
        let [spec] = inputs.specs() else {
            return Err(RequestError::NoJson);
        };
        let raw_error = |source| RequestError::Raw {
            name: spec.name.clone(),
            source,
        };
        let (shape, data) = match spec.datatype.size() {
            None => {
                let text = raw::text(body).ok_or_else(|| raw_error(raw::RawError::Text(0)))?;
                let shape = spec.shape_of(1).ok_or(RequestError::NoJson)?;
                (shape, Data::Bytes(vec![text]))
            }
            Some(size) => {
                let elements = body.len() / size;
                let data = raw::read(spec.datatype, elements, body).map_err(raw_error)?;
                let shape = spec.shape_of(elements).ok_or(RequestError::NoJson)?;
                (shape, data)
            }
        };
        Ok(Self {
            id: None,
            tensors: vec![Tensor { shape, data }],
            names: Vec::new(),
            wanted: Wanted {
                outputs: None,
                binary: true,
            },
        })
    }
}

/// Where an input's elements are; raw bytes are taken off the front of `rest`.
fn content<'a>(input: &WireInput<'a>, rest: &mut &'a [u8]) -> Result<Content<'a>, RequestError> {
    let name = || input.name.clone().into_owned();
    let parameters = input.parameters.as_ref();
    if parameters.is_some_and(|p| p.shared_memory_region.is_some()) {
        return Err(RequestError::SharedMemory(name()));
    }
    match (input.data, parameters.and_then(|p| p.binary_data_size)) {
        (Some(_), Some(_)) => Err(RequestError::TwoData(name())),
        (Some(json), None) => Ok(Content::Json(json)),
        (None, None) => Err(RequestError::NoData(name())),
        (None, Some(said)) => {
            let cut = || RequestError::Cut {
                name: name(),
                said,
                left: rest.len(),
            };
            let size = usize::try_from(said).map_err(|_| cut())?;
            let (bytes, left) = rest.split_at_checked(size).ok_or_else(cut)?;
            *rest = left;
            Ok(Content::Raw(bytes))
        }
    }
}

fn wanted(
    outputs: Option<Vec<WireOutput<'_>>>,
    parameters: Option<&Parameters>,
    inputs: &Inputs,
    known: &[TensorSpec],
) -> Result<Wanted, RequestError> {
    let wanted = |output: &WireOutput<'_>| {
        let said = output.parameters.as_ref();
        if said.is_some_and(|p| p.shared_memory_region.is_some()) {
            let name = output.name.clone().into_owned();
            return Err(RequestError::SharedMemory(name));
        }
        let (binary, classes) = said.map_or((None, None), |p| (p.binary_data, p.classification));
        if inputs.is_any() {
            return Ok(WantedOutput::any(&output.name, binary, classes));
        }
        WantedOutput::known(&output.name, known, binary, classes)
    };
    let outputs = outputs.filter(|outputs| !outputs.is_empty());
    let outputs = outputs.map(|outputs| outputs.iter().map(wanted).collect());
    Ok(Wanted {
        outputs: outputs.transpose()?,
        binary: parameters
            .and_then(|p| p.binary_data_output)
            .unwrap_or(false),
    })
}

#[cfg(test)]
mod tests;
