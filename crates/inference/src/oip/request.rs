//! Infer requests: the JSON body, checked against the model that is to answer it.
//!
//! The engine calls [`InferRequest::parse`]. Binary tensor data (Triton's extension) is not read
//! here: a request that announces it is refused with the way out.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;

use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny};
use serde_json::value::RawValue;

use crate::model::{Dim, Inputs, TensorSpec};
use crate::tensor::{Data, Tensor};
use crate::values::{Array, Element, excerpt};

/// An infer request that fits the model.
#[derive(Debug, Clone, PartialEq)]
pub struct InferRequest {
    /// To be echoed.
    pub id: Option<String>,
    /// One tensor per input of the model, in the model's order.
    pub tensors: Vec<Tensor>,
    /// The outputs asked for; `None` for all.
    pub outputs: Option<Vec<String>>,
}

/// A request that the model cannot take: the client's fault.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the messages say what each is, the fields are named in them"
)]
pub enum RequestError {
    #[error("the body is not an inference request: {0}")]
    Body(serde_json::Error),
    #[error("input `{0}` is missing; the model takes {1}")]
    Missing(String, String),
    #[error("the model has no input `{0}`; it takes {1}")]
    UnknownInput(String, String),
    #[error("input `{0}` is given twice")]
    Twice(String),
    #[error("the model has no output `{0}`; it gives {1}")]
    UnknownOutput(String, String),
    #[error("input `{name}` is {expect}, not {got}")]
    Datatype {
        name: String,
        expect: &'static str,
        got: String,
    },
    #[error("input `{name}` has shape {got:?}, but the model takes {expect:?}")]
    Shape {
        name: String,
        got: Vec<u64>,
        expect: Vec<i64>,
    },
    #[error(
        "input `{name}` is {got} long in dimension `{dim}`, but another input is {expect} long there"
    )]
    Symbol {
        name: String,
        dim: String,
        got: usize,
        expect: usize,
    },
    #[error(
        "input `{name}` has shape {shape:?}, which is {expect} elements, but its data has {got}"
    )]
    Count {
        name: String,
        shape: Vec<usize>,
        expect: usize,
        got: usize,
    },
    #[error(
        "input `{0}` has no `data`; binary tensor data is not supported yet, send JSON (`binary_data=False` in Triton's client)"
    )]
    NoData(String),
    #[error("{0}")]
    Value(serde_json::Error),
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    inputs: Vec<WireInput<'a>>,
    #[serde(borrow, default)]
    outputs: Option<Vec<WireOutput<'a>>>,
    #[serde(default, rename = "parameters")]
    _parameters: Option<HashMap<Cow<'a, str>, IgnoredAny>>,
}

#[derive(Deserialize)]
struct WireInput<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    shape: Vec<u64>,
    #[serde(borrow)]
    datatype: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireOutput<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

impl InferRequest {
    /// Reads `body` for a model with these inputs and outputs.
    pub fn parse(
        body: &[u8],
        inputs: &Inputs,
        outputs: &[TensorSpec],
    ) -> Result<Self, RequestError> {
        let wire: Wire<'_> = serde_json::from_slice(body).map_err(RequestError::Body)?;
        let mut tensors: Vec<Option<Tensor>> = inputs.specs().iter().map(|_| None).collect();
        let mut symbols = HashMap::new();
        for (index, input) in wire.inputs.iter().enumerate() {
            let unknown =
                || RequestError::UnknownInput(excerpt(&input.name).to_owned(), inputs.names());
            let place = inputs.place(&input.name, index).ok_or_else(unknown)?;
            let (Some(spec), Some(slot)) = (inputs.specs().get(place), tensors.get_mut(place))
            else {
                return Err(unknown());
            };
            if slot.is_some() {
                return Err(RequestError::Twice(spec.name.clone()));
            }
            *slot = Some(tensor(input, spec, &mut symbols)?);
        }
        let missing = |spec: &TensorSpec| RequestError::Missing(spec.name.clone(), inputs.names());
        let all = tensors.into_iter().zip(inputs.specs());
        let tensors = all
            .map(|(tensor, spec)| tensor.ok_or_else(|| missing(spec)))
            .collect::<Result<_, _>>()?;
        let wanted = wire.outputs.filter(|wanted| !wanted.is_empty());
        let outputs = wanted
            .map(|wanted| known_outputs(&wanted, outputs))
            .transpose()?;
        Ok(Self {
            id: wire.id.map(Cow::into_owned),
            tensors,
            outputs,
        })
    }
}

fn known_outputs(
    wanted: &[WireOutput<'_>],
    outputs: &[TensorSpec],
) -> Result<Vec<String>, RequestError> {
    let names = wanted.iter().map(|output| {
        if outputs.iter().any(|known| known.name == output.name) {
            return Ok(output.name.clone().into_owned());
        }
        let known: Vec<_> = outputs
            .iter()
            .take(10)
            .map(|o| format!("`{}`", o.name))
            .collect();
        Err(RequestError::UnknownOutput(
            excerpt(&output.name).to_owned(),
            known.join(", "),
        ))
    });
    names.collect()
}

/// One input: its datatype, its shape, then its data. `symbols` remembers the lengths of named
/// dimensions from input to input.
fn tensor<'s>(
    input: &WireInput<'_>,
    spec: &'s TensorSpec,
    symbols: &mut HashMap<&'s str, usize>,
) -> Result<Tensor, RequestError> {
    let name = || spec.name.clone();
    let wrong = || RequestError::Datatype {
        name: name(),
        expect: spec.datatype.name(),
        got: excerpt(&input.datatype).to_owned(),
    };
    if input.datatype != spec.datatype.name() {
        return Err(wrong());
    }
    let shape = shape(input, spec, symbols)?;
    let raw = input.data.ok_or_else(|| RequestError::NoData(name()))?;
    let mut data = Data::empty(spec.datatype).ok_or_else(wrong)?;
    let lengths: Vec<_> = shape
        .iter()
        .map(|length| Cell::new(Some(*length)))
        .collect();
    let array = Array {
        name: &spec.name,
        data: &mut data,
        shape: &lengths,
        level: 0,
    };
    let mut deserializer = serde_json::Deserializer::from_str(raw.get());
    let element = array
        .deserialize(&mut deserializer)
        .map_err(RequestError::Value)?;
    let expect = shape
        .iter()
        .fold(1_usize, |product, length| product.saturating_mul(*length));
    let got = data.len();
    if got != expect || (element == Element::Scalar && !shape.is_empty()) {
        return Err(RequestError::Count {
            name: name(),
            shape,
            expect,
            got,
        });
    }
    Ok(Tensor { shape, data })
}

fn shape<'s>(
    input: &WireInput<'_>,
    spec: &'s TensorSpec,
    symbols: &mut HashMap<&'s str, usize>,
) -> Result<Vec<usize>, RequestError> {
    let wrong = || RequestError::Shape {
        name: spec.name.clone(),
        got: input.shape.clone(),
        expect: spec.description().shape,
    };
    if input.shape.len() != spec.dims.len() {
        return Err(wrong());
    }
    let mut shape = Vec::with_capacity(spec.dims.len());
    for (got, dim) in input.shape.iter().zip(&spec.dims) {
        let length = usize::try_from(*got).map_err(|_| wrong())?;
        match dim {
            Dim::Fixed(expect) if *expect != length => return Err(wrong()),
            Dim::Free(_) if length == 0 => return Err(wrong()),
            Dim::Free(Some(symbol)) => {
                let expect = *symbols.entry(symbol).or_insert(length);
                if expect != length {
                    let (name, dim) = (spec.name.clone(), symbol.clone());
                    return Err(RequestError::Symbol {
                        name,
                        dim,
                        got: length,
                        expect,
                    });
                }
            }
            Dim::Fixed(_) | Dim::Free(None) => {}
        }
        shape.push(length);
    }
    Ok(shape)
}

#[cfg(test)]
mod tests;
