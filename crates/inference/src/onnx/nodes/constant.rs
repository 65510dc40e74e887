//! `TensorProto`, as far as its elements are floats, 64-bit integers or text.

use super::{Constant, MAX_CONSTANT, Values, lent};
use crate::onnx::wire::{Field, Message};
use crate::onnx::{MAX_RANK, OnnxError};

const FLOAT: u64 = 1;
const INT64: u64 = 7;
const STRING: u64 = 8;
const DOUBLE: u64 = 11;

/// Elements in whichever field they came.
#[derive(Default)]
struct Seen<'a> {
    name: &'a str,
    element: u64,
    dims: Vec<u64>,
    floats: Vec<f32>,
    doubles: Vec<f64>,
    ints: Vec<i64>,
    texts: Vec<&'a str>,
    raw: Option<Message<'a>>,
    strange: bool,
}

/// Gives the name and the tensor.
pub(super) fn read(mut message: Message<'_>) -> Result<(&str, Constant<'_>), OnnxError> {
    let mut seen = Seen::default();
    while let Some((number, field)) = message.next()? {
        match (number, field) {
            (1, Field::Varint(length)) => seen.dims.push(length),
            (1, Field::Bytes(lengths)) => lengths.packed(|length| {
                seen.dims.push(length);
                Ok(())
            })?,
            (2, Field::Varint(element)) => seen.element = element,
            (4, Field::Fixed32(bits)) => seen.floats.push(f32::from_bits(bits)),
            (4, Field::Bytes(packed)) => seen.floats.extend(packed.numbers(f32::from_le_bytes)),
            (6, Field::Bytes(text)) => match text.lent_text() {
                Some(text) => seen.texts.push(text),
                None => seen.strange = true,
            },
            (7, Field::Varint(n)) => seen.ints.push(n.cast_signed()),
            (7, Field::Bytes(packed)) => packed.packed(|n| {
                seen.ints.push(n.cast_signed());
                Ok(())
            })?,
            (8, Field::Bytes(text)) => seen.name = lent(text)?,
            (9, Field::Bytes(raw)) => seen.raw = Some(raw),
            (10, Field::Bytes(packed)) => seen.doubles.extend(packed.numbers(f64::from_le_bytes)),
            (13, _) => seen.strange = true,
            (14, Field::Varint(location)) => seen.strange |= location != 0,
            _ => {}
        }
    }
    Ok((seen.name, tensor(seen)))
}

fn tensor(seen: Seen<'_>) -> Constant<'_> {
    let dims: Vec<usize> = seen
        .dims
        .iter()
        .map(|length| usize::try_from(*length).unwrap_or(usize::MAX))
        .collect();
    let count = dims
        .iter()
        .try_fold(1_usize, |product, length| product.checked_mul(*length));
    let fits =
        !seen.strange && dims.len() <= MAX_RANK && count.is_some_and(|count| count <= MAX_CONSTANT);
    let values = match (seen.element, seen.raw) {
        _ if !fits => Values::Other,
        (FLOAT, Some(raw)) => Values::Fp32(raw.numbers(f32::from_le_bytes).collect()),
        (FLOAT, None) => Values::Fp32(seen.floats),
        (DOUBLE, Some(raw)) => Values::Fp64(raw.numbers(f64::from_le_bytes).collect()),
        (DOUBLE, None) => Values::Fp64(seen.doubles),
        (INT64, Some(raw)) => Values::Int64(raw.numbers(i64::from_le_bytes).collect()),
        (INT64, None) => Values::Int64(seen.ints),
        (STRING, None) => Values::Text(seen.texts),
        _ => Values::Other,
    };
    let held = match &values {
        Values::Fp32(values) => values.len(),
        Values::Fp64(values) => values.len(),
        Values::Int64(values) => values.len(),
        Values::Text(values) => values.len(),
        Values::Other => return Constant { dims, values },
    };
    let values = if Some(held) == count {
        values
    } else {
        Values::Other
    };
    Constant { dims, values }
}
