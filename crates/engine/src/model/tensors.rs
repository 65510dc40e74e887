//! Tensors into ONNX Runtime's values and back.
//!
//! Inputs are lent, not copied (strings are). Outputs are copied out, for they live only as long as
//! the session's next run is held off.

use inference::answer::Output;
use inference::tensor::{Data, Tensor};
use ort::session::SessionInputValue;
use ort::value::{
    DynMap, DynSequenceValueType, DynValue, PrimitiveTensorElementType, TensorElementType,
    TensorRef, ValueType,
};

/// A value that cannot be answered, or a library that fails on one: the model's fault.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutputError {
    #[error("output `{name}` came as {kind}, which cannot be answered")]
    Kind { name: String, kind: String },
    #[error("output `{0}` names other classes from row to row")]
    Classes(String),
    #[error("output `{name}` cannot be read: {source}")]
    Read { name: String, source: ort::Error },
}

/// Lends a tensor to ONNX Runtime.
pub(super) fn value(tensor: &Tensor) -> ort::Result<SessionInputValue<'_>> {
    let shape = tensor.shape.as_slice();
    macro_rules! lend {
        ($values:expr) => {
            TensorRef::from_array_view((shape, $values.as_slice()))?.into()
        };
    }
    Ok(match &tensor.data {
        Data::Bool(v) => lend!(v),
        Data::Uint8(v) => lend!(v),
        Data::Uint16(v) => lend!(v),
        Data::Uint32(v) => lend!(v),
        Data::Uint64(v) => lend!(v),
        Data::Int8(v) => lend!(v),
        Data::Int16(v) => lend!(v),
        Data::Int32(v) => lend!(v),
        Data::Int64(v) => lend!(v),
        Data::Fp16(v) => lend!(v),
        Data::Bf16(v) => lend!(v),
        Data::Fp32(v) => lend!(v),
        Data::Fp64(v) => lend!(v),
        Data::Bytes(v) => ort::value::Tensor::from_string_array((shape, v.as_slice()))?.into(),
    })
}

/// Copies an output out.
pub(super) fn output(name: &str, value: DynValue) -> Result<Output<'_>, OutputError> {
    let read = |source| OutputError::Read {
        name: name.to_owned(),
        source,
    };
    let strange = |kind: String| OutputError::Kind {
        name: name.to_owned(),
        kind,
    };
    let element = match value.dtype() {
        ValueType::Tensor { ty, .. } => *ty,
        ValueType::Sequence(_) => return class_maps(name, value),
        other => return Err(strange(other.to_string())),
    };
    let (shape, data) = match element {
        TensorElementType::Bool => copy(&value, Data::Bool),
        TensorElementType::Uint8 => copy(&value, Data::Uint8),
        TensorElementType::Uint16 => copy(&value, Data::Uint16),
        TensorElementType::Uint32 => copy(&value, Data::Uint32),
        TensorElementType::Uint64 => copy(&value, Data::Uint64),
        TensorElementType::Int8 => copy(&value, Data::Int8),
        TensorElementType::Int16 => copy(&value, Data::Int16),
        TensorElementType::Int32 => copy(&value, Data::Int32),
        TensorElementType::Int64 => copy(&value, Data::Int64),
        TensorElementType::Float16 => copy(&value, Data::Fp16),
        TensorElementType::Bfloat16 => copy(&value, Data::Bf16),
        TensorElementType::Float32 => copy(&value, Data::Fp32),
        TensorElementType::Float64 => copy(&value, Data::Fp64),
        TensorElementType::String => value
            .try_extract_strings()
            .map(|(shape, values)| (lengths(shape), Data::Bytes(values))),
        other => return Err(strange(format!("a tensor of {other}"))),
    }
    .map_err(read)?;
    Ok(Output {
        name,
        shape,
        data,
        classes: None,
    })
}

fn copy<T: PrimitiveTensorElementType + Clone>(
    value: &DynValue,
    wrap: impl FnOnce(Vec<T>) -> Data,
) -> ort::Result<(Vec<usize>, Data)> {
    let (shape, values) = value.try_extract_tensor::<T>()?;
    Ok((lengths(shape), wrap(values.to_vec())))
}

fn lengths(shape: &[i64]) -> Vec<usize> {
    shape
        .iter()
        .map(|length| usize::try_from(*length).unwrap_or(0))
        .collect()
}

/// A list with a map from class to probability per row, as `ZipMap` gives, into a table of rows by
/// classes.
fn class_maps(name: &str, value: DynValue) -> Result<Output<'_>, OutputError> {
    let read = |source| OutputError::Read {
        name: name.to_owned(),
        source,
    };
    let strange = |kind: String| OutputError::Kind {
        name: name.to_owned(),
        kind,
    };
    let rows = value
        .downcast::<DynSequenceValueType>()
        .and_then(|list| list.try_extract_sequence::<ort::value::DynMapValueType>())
        .map_err(|_| strange("a list without maps".into()))?;
    let mut classes: Option<Vec<String>> = None;
    let mut table = Vec::new();
    for row in &rows {
        let (names, probabilities) = class_map(row)
            .map_err(read)?
            .ok_or_else(|| strange(row.dtype().to_string()))?;
        if *classes.get_or_insert_with(|| names.clone()) != names {
            return Err(OutputError::Classes(name.to_owned()));
        }
        table.extend(probabilities);
    }
    let classes = classes.unwrap_or_default();
    Ok(Output {
        name,
        shape: vec![rows.len(), classes.len()],
        data: Data::Fp32(table),
        classes: Some(classes),
    })
}

/// Classes and probabilities of one row; `None` for maps of other types.
fn class_map(map: &DynMap) -> ort::Result<Option<(Vec<String>, Vec<f32>)>> {
    let pairs: Vec<(String, f32)> = match map.dtype() {
        ValueType::Map {
            key: TensorElementType::String,
            value: TensorElementType::Float32,
        } => map.try_extract_key_values()?,
        ValueType::Map {
            key: TensorElementType::Int64,
            value: TensorElementType::Float32,
        } => {
            let pairs = map.try_extract_key_values::<i64, f32>()?;
            pairs
                .into_iter()
                .map(|(class, probability)| (class.to_string(), probability))
                .collect()
        }
        _ => return Ok(None),
    };
    Ok(Some(pairs.into_iter().unzip()))
}
