//! One tensor from a JSON array whose shape nobody has said: it follows from the nesting, and from
//! what the model takes where the array is flat.

use std::cell::Cell;

use serde::de::DeserializeSeed as _;
use serde_json::value::RawValue;

use crate::model::{Dim, TensorSpec};
use crate::rows::RowsError;
use crate::tensor::{Data, Tensor};
use crate::values::Array;

/// The tensor of an input that is `json`.
pub(crate) fn array(json: &RawValue, spec: &TensorSpec) -> Result<Tensor, RowsError> {
    let mut data = Data::empty(spec.datatype);
    let lengths: Vec<Cell<Option<usize>>> = spec.dims.iter().map(|_| Cell::new(None)).collect();
    let array = Array {
        name: &spec.name,
        data: &mut data,
        shape: &lengths,
        level: 0,
    };
    let mut deserializer = serde_json::Deserializer::from_str(json.get());
    array
        .deserialize(&mut deserializer)
        .map_err(RowsError::Row)?;
    let nested: Option<Vec<usize>> = lengths.iter().map(Cell::get).collect();
    let shape = match nested {
        Some(shape) => Some(shape).filter(|shape| {
            let mut pairs = spec.dims.iter().zip(shape);
            pairs.all(|(dim, length)| match dim {
                Dim::Fixed(fixed) => fixed == length,
                Dim::Free(_) => true,
            })
        }),
        None => spec.shape_of(data.len()),
    };
    let fits = |shape: &Vec<usize>| shape.iter().product::<usize>() == data.len();
    match shape.filter(fits) {
        Some(shape) => Ok(Tensor { shape, data }),
        None => Err(RowsError::Width {
            name: spec.name.clone(),
            got: data.len(),
            shape: spec.description().shape,
        }),
    }
}
