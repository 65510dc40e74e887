//! One input as a request gives it, and the tensor that the model gets of it.
//!
//! JSON, raw bytes and gRPC's typed lists meet here: whatever the wire, a name, a datatype and a
//! shape come with the elements, and the model says which of them it takes.

use std::cell::Cell;
use std::collections::HashMap;

use serde::de::DeserializeSeed as _;

use super::error::RequestError;
use crate::model::{Dim, Inputs, TensorSpec};
use crate::raw;
use crate::tensor::{Data, Datatype, Tensor};
use crate::values::{Array, Element, excerpt, flat};

/// An input of a request.
pub(crate) struct Given<'a> {
    pub(crate) name: &'a str,
    pub(crate) datatype: &'a str,
    pub(crate) shape: &'a [i64],
    pub(crate) content: Content<'a>,
}

/// Its elements.
pub(crate) enum Content<'a> {
    /// A flat or nested JSON array.
    Json(&'a str),
    /// Bytes as [`raw`] reads them.
    Raw(&'a [u8]),
    /// Already elements, if they are of the datatype.
    Typed(Option<Data>),
}

/// The tensors that came so far, in the model's order.
pub(crate) struct Gathered<'m> {
    inputs: &'m Inputs,
    tensors: Vec<Option<Tensor>>,
    /// What came for a model that says itself what it takes.
    others: Vec<(String, Tensor)>,
    /// Lengths of named dimensions, from input to input.
    symbols: HashMap<&'m str, usize>,
}

impl<'m> Gathered<'m> {
    pub(crate) fn new(inputs: &'m Inputs) -> Self {
        Self {
            inputs,
            tensors: inputs.specs().iter().map(|_| None).collect(),
            others: Vec::new(),
            symbols: HashMap::new(),
        }
    }

    /// Takes the request's `index`th input.
    pub(crate) fn take(&mut self, index: usize, given: Given<'_>) -> Result<(), RequestError> {
        let inputs = self.inputs;
        if inputs.is_any() {
            return self.take_any(given);
        }
        let unknown = || RequestError::UnknownInput(excerpt(given.name).to_owned(), inputs.names());
        let place = inputs.place(given.name, index).ok_or_else(unknown)?;
        let (Some(spec), Some(slot)) = (inputs.specs().get(place), self.tensors.get_mut(place))
        else {
            return Err(unknown());
        };
        if slot.is_some() {
            return Err(RequestError::Twice(spec.name.clone()));
        }
        *slot = Some(tensor(given, spec, &mut self.symbols)?);
        Ok(())
    }

    fn take_any(&mut self, given: Given<'_>) -> Result<(), RequestError> {
        let name = given.name.to_owned();
        if self.others.iter().any(|(other, _)| *other == name) {
            return Err(RequestError::Twice(name));
        }
        let datatype = Datatype::from_name(given.datatype)
            .ok_or_else(|| RequestError::UnknownDatatype(excerpt(given.datatype).to_owned()))?;
        let spec = TensorSpec {
            name: name.clone(),
            datatype,
            dims: given.shape.iter().map(|_| Dim::Free(None)).collect(),
        };
        let tensor = tensor(given, &spec, &mut HashMap::new())?;
        self.others.push((name, tensor));
        Ok(())
    }

    /// All of them, with their names where the model has none.
    pub(crate) fn finish(self) -> Result<(Vec<Tensor>, Vec<String>), RequestError> {
        let inputs = self.inputs;
        if inputs.is_any() {
            let (names, tensors) = self.others.into_iter().unzip();
            return Ok((tensors, names));
        }
        let missing = |spec: &TensorSpec| RequestError::Missing(spec.name.clone(), inputs.names());
        let all = self.tensors.into_iter().zip(inputs.specs());
        let tensors = all.map(|(tensor, spec)| tensor.ok_or_else(|| missing(spec)));
        Ok((tensors.collect::<Result<_, _>>()?, Vec::new()))
    }
}

/// One input: its datatype, its shape, then its data.
fn tensor<'s>(
    given: Given<'_>,
    spec: &'s TensorSpec,
    symbols: &mut HashMap<&'s str, usize>,
) -> Result<Tensor, RequestError> {
    let name = || spec.name.clone();
    if given.datatype != spec.datatype.name() {
        return Err(RequestError::Datatype {
            name: name(),
            expect: spec.datatype.name(),
            got: excerpt(given.datatype).to_owned(),
        });
    }
    let shape = shape(given.shape, spec, symbols)?;
    let expect = shape
        .iter()
        .fold(1_usize, |product, length| product.saturating_mul(*length));
    let count = |got| RequestError::Count {
        name: name(),
        shape: shape.clone(),
        expect,
        got,
    };
    let data = match given.content {
        Content::Json(json) => {
            let (data, element) = elements(json, spec, &shape, expect)?;
            if element == Element::Scalar && !shape.is_empty() {
                return Err(count(data.len()));
            }
            data
        }
        Content::Raw(bytes) => {
            raw::read(spec.datatype, expect, bytes).map_err(|source| RequestError::Raw {
                name: name(),
                source,
            })?
        }
        Content::Typed(data) => data
            .filter(|data| data.datatype() == spec.datatype)
            .ok_or_else(|| RequestError::NoData(name()))?,
    };
    if data.len() != expect {
        return Err(count(data.len()));
    }
    Ok(Tensor { shape, data })
}

fn elements(
    json: &str,
    spec: &TensorSpec,
    shape: &[usize],
    expect: usize,
) -> Result<(Data, Element), RequestError> {
    // An element and its comma are two characters, so a shape alone makes no room.
    let mut data = Data::with_capacity(spec.datatype, expect.min(json.len() / 2));
    if flat(json.as_bytes(), &mut data) {
        return Ok((data, Element::Array));
    }
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
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let element = array
        .deserialize(&mut deserializer)
        .map_err(RequestError::Value)?;
    Ok((data, element))
}

fn shape<'s>(
    given: &[i64],
    spec: &'s TensorSpec,
    symbols: &mut HashMap<&'s str, usize>,
) -> Result<Vec<usize>, RequestError> {
    let wrong = || RequestError::Shape {
        name: spec.name.clone(),
        got: given.to_vec(),
        expect: spec.description().shape,
    };
    if given.len() != spec.dims.len() {
        return Err(wrong());
    }
    let mut shape = Vec::with_capacity(spec.dims.len());
    for (got, dim) in given.iter().zip(&spec.dims) {
        let length = usize::try_from(*got).map_err(|_| wrong())?;
        match dim {
            Dim::Fixed(expect) if *expect != length => return Err(wrong()),
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
