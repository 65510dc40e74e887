//! `ModelProto`: the outermost message, and the types of inputs and outputs.

use super::graph;
use super::wire::{Field, Message};
use super::{
    MAX_ENTRIES, MAX_LENGTH, MAX_METADATA, MAX_RANK, ModelSummary, OnnxError, Value, ValueType,
    Walk,
};
use crate::model::Dim;

pub(super) fn read(file: &[u8]) -> Result<ModelSummary, OnnxError> {
    if file.is_empty() {
        return Err(OnnxError::NotOnnx("it is empty"));
    }
    let mut walk = Walk::default();
    let mut message = Message::whole(file);
    let mut graphs = 0;
    while let Some((number, field)) = message
        .next()
        .map_err(|e| damaged_or_foreign(e, graphs, &walk))?
    {
        match (number, field) {
            (1, Field::Varint(version)) => walk.summary.ir_version = signed(version),
            (2, Field::Bytes(text)) => walk.summary.producer = text.text("the producer's name")?,
            (3, Field::Bytes(text)) => {
                walk.summary.producer_version = text.text("the producer's version")?;
            }
            (7, Field::Bytes(body)) => {
                graphs += 1;
                graph::main(body, &mut walk)?;
            }
            (8, Field::Bytes(body)) => opset(body, &mut walk)?,
            (14, Field::Bytes(body)) => metadata(body, &mut walk)?,
            (20, Field::Bytes(body)) => graph::training(body, &mut walk)?,
            (25, Field::Bytes(body)) => graph::function(body, &mut walk)?,
            _ => {}
        }
    }
    finish(walk, graphs)
}

fn finish(walk: Walk, graphs: usize) -> Result<ModelSummary, OnnxError> {
    let Walk {
        mut summary,
        names_of_initializers,
    } = walk;
    if summary.ir_version < 1 {
        return Err(OnnxError::NotOnnx("it has no format version"));
    }
    if graphs != 1 {
        return Err(OnnxError::NotOnnx(if graphs == 0 {
            "it has no graph"
        } else {
            "it has several graphs"
        }));
    }
    if summary.outputs.is_empty() {
        return Err(OnnxError::NotOnnx("its graph has no output"));
    }
    if summary.opsets.is_empty() {
        return Err(OnnxError::NotOnnx("it names no operator set"));
    }
    summary
        .inputs
        .retain(|input| !names_of_initializers.contains(&input.name));
    Ok(summary)
}

/// Bytes that break before anything of a model was seen are something else, not a damaged model.
fn damaged_or_foreign(error: OnnxError, graphs: usize, walk: &Walk) -> OnnxError {
    let foreign = graphs == 0 && walk.summary.ir_version == 0;
    if foreign {
        OnnxError::NotOnnx("it is no protobuf message")
    } else {
        error
    }
}

fn signed(varint: u64) -> i64 {
    varint.cast_signed()
}

/// `OperatorSetIdProto`.
fn opset(mut message: Message<'_>, walk: &mut Walk) -> Result<(), OnnxError> {
    let (mut domain, mut version) = (String::new(), 0);
    while let Some((number, field)) = message.next()? {
        match (number, field) {
            (1, Field::Bytes(text)) => domain = text.text("the name of a domain")?,
            (2, Field::Varint(n)) => version = signed(n),
            _ => {}
        }
    }
    walk.summary.opsets.insert(domain, version);
    limit(walk.summary.opsets.len(), MAX_ENTRIES, "operator sets")
}

/// `StringStringEntryProto`.
fn metadata(mut message: Message<'_>, walk: &mut Walk) -> Result<(), OnnxError> {
    let (mut key, mut value) = (String::new(), None);
    while let Some((number, field)) = message.next()? {
        match (number, field) {
            (1, Field::Bytes(text)) => key = text.text("a metadata key")?,
            (2, Field::Bytes(text)) if text.len() <= MAX_METADATA => value = text.any_text(),
            _ => {}
        }
    }
    if let Some(value) = value {
        walk.summary.metadata.insert(key, value);
    }
    limit(walk.summary.metadata.len(), MAX_ENTRIES, "metadata entries")
}

pub(super) fn limit(count: usize, limit: usize, what: &'static str) -> Result<(), OnnxError> {
    if count > limit {
        Err(OnnxError::TooLarge { what, limit })
    } else {
        Ok(())
    }
}

/// `ValueInfoProto`.
pub(super) fn value(mut message: Message<'_>) -> Result<Value, OnnxError> {
    let mut name = String::new();
    let mut kind = ValueType::Other("of no type");
    while let Some((number, field)) = message.next()? {
        match (number, field) {
            (1, Field::Bytes(text)) => name = text.text("the name of an input or output")?,
            (2, Field::Bytes(body)) => kind = value_type(body)?,
            _ => {}
        }
    }
    Ok(Value { name, kind })
}

/// `TypeProto`.
fn value_type(mut message: Message<'_>) -> Result<ValueType, OnnxError> {
    let mut kind = ValueType::Other("of no type");
    while let Some((number, field)) = message.next()? {
        let Field::Bytes(body) = field else { continue };
        kind = match number {
            1 => tensor_type(body)?,
            4 => sequence_type(body)?,
            5 => ValueType::Other("a map"),
            8 => ValueType::Other("a sparse tensor"),
            9 => ValueType::Other("an optional"),
            _ => continue,
        };
    }
    Ok(kind)
}

fn tensor_type(mut message: Message<'_>) -> Result<ValueType, OnnxError> {
    let (mut element, mut dims) = (0, None);
    while let Some((number, field)) = message.next()? {
        match (number, field) {
            (1, Field::Varint(n)) => element = i32::try_from(n).unwrap_or(i32::MAX),
            (2, Field::Bytes(body)) => dims = Some(shape(body)?),
            _ => {}
        }
    }
    Ok(ValueType::Tensor { element, dims })
}

/// `TypeProto.Sequence`. A list of maps is what `ZipMap` gives; no other list is served.
fn sequence_type(mut message: Message<'_>) -> Result<ValueType, OnnxError> {
    let mut kind = ValueType::Other("a list");
    while let Some((number, field)) = message.next()? {
        let (1, Field::Bytes(mut element)) = (number, field) else {
            continue;
        };
        while let Some((number, field)) = element.next()? {
            if let (5, Field::Bytes(body)) = (number, field) {
                kind = map_type(body)?;
            }
        }
    }
    Ok(kind)
}

/// `TypeProto.Map`, from a class to a tensor's element.
fn map_type(mut message: Message<'_>) -> Result<ValueType, OnnxError> {
    let (mut key, mut probability) = (0, None);
    while let Some((number, field)) = message.next()? {
        match (number, field) {
            (1, Field::Varint(n)) => key = i32::try_from(n).unwrap_or(i32::MAX),
            (2, Field::Bytes(mut element)) => {
                while let Some((number, field)) = element.next()? {
                    if let (1, Field::Bytes(body)) = (number, field)
                        && let ValueType::Tensor { element, .. } = tensor_type(body)?
                    {
                        probability = Some(element);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(
        probability.map_or(ValueType::Other("a list of maps"), |value| {
            ValueType::ClassMaps { key, value }
        }),
    )
}

/// `TensorShapeProto`.
fn shape(mut message: Message<'_>) -> Result<Vec<Dim>, OnnxError> {
    let mut dims = Vec::new();
    let mut product = 1_usize;
    while let Some((number, field)) = message.next()? {
        let (1, Field::Bytes(body)) = (number, field) else {
            continue;
        };
        let dim = dim(body)?;
        if let Dim::Fixed(length) = dim {
            product = product.saturating_mul(length.max(1));
        }
        dims.push(dim);
        limit(dims.len(), MAX_RANK, "the rank of a tensor")?;
        limit(product, MAX_LENGTH, "the size of an input or output")?;
    }
    Ok(dims)
}

fn dim(mut message: Message<'_>) -> Result<Dim, OnnxError> {
    let mut dim = Dim::Free(None);
    while let Some((number, field)) = message.next()? {
        match (number, field) {
            // Some exporters write -1 or 0 for an open dimension.
            (1, Field::Varint(n)) => {
                dim = usize::try_from(signed(n))
                    .ok()
                    .filter(|n| *n > 0)
                    .map_or(Dim::Free(None), Dim::Fixed);
            }
            (2, Field::Bytes(text)) => {
                let name = text.text("the name of a dimension")?;
                dim = Dim::Free(Some(name).filter(|name| !name.is_empty()));
            }
            _ => {}
        }
    }
    Ok(dim)
}
