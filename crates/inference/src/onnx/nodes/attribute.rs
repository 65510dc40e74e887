//! `AttributeProto`: one value, or a list of one type.

use super::{Attribute, constant, lent};
use crate::onnx::OnnxError;
use crate::onnx::wire::{Field, Message};

/// What has been seen of one attribute. Files of old versions do not say the type, so it follows from
/// what is there.
#[derive(Default)]
struct Seen<'a> {
    name: &'a str,
    kind: u64,
    one: Option<Attribute<'a>>,
    floats: Vec<f32>,
    ints: Vec<i64>,
    texts: Vec<&'a str>,
    strange: bool,
}

/// Gives the name and the value.
pub(super) fn read(mut message: Message<'_>) -> Result<(&str, Attribute<'_>), OnnxError> {
    let mut seen = Seen::default();
    while let Some((number, field)) = message.next()? {
        match (number, field) {
            (1, Field::Bytes(text)) => seen.name = lent(text)?,
            (2, Field::Fixed32(bits)) => seen.one = Some(Attribute::Float(f32::from_bits(bits))),
            (3, Field::Varint(n)) => seen.one = Some(Attribute::Int(n.cast_signed())),
            (4, Field::Bytes(text)) => {
                seen.one = Some(text.lent_text().map_or(Attribute::Other, Attribute::Text));
            }
            (5, Field::Bytes(body)) => {
                seen.one = Some(Attribute::Tensor(constant::read(body)?.1));
            }
            (7, Field::Fixed32(bits)) => seen.floats.push(f32::from_bits(bits)),
            (7, Field::Bytes(packed)) => seen.floats.extend(packed.numbers(f32::from_le_bytes)),
            (8, Field::Varint(n)) => seen.ints.push(n.cast_signed()),
            (8, Field::Bytes(packed)) => packed.packed(|n| {
                seen.ints.push(n.cast_signed());
                Ok(())
            })?,
            (9, Field::Bytes(text)) => match text.lent_text() {
                Some(text) => seen.texts.push(text),
                None => seen.strange = true,
            },
            (20, Field::Varint(kind)) => seen.kind = kind,
            (6 | 10 | 11 | 14 | 15 | 22 | 23, _) => seen.strange = true,
            _ => {}
        }
    }
    Ok((seen.name, value(seen)))
}

/// `AttributeProto.AttributeType` tells an empty list from none, and a zero that was left out.
fn value(seen: Seen<'_>) -> Attribute<'_> {
    if seen.strange {
        return Attribute::Other;
    }
    match (seen.kind, seen.one) {
        (6, _) => Attribute::Floats(seen.floats),
        (7, _) => Attribute::Ints(seen.ints),
        (8, _) => Attribute::Texts(seen.texts),
        (_, Some(one)) => one,
        (1, None) => Attribute::Float(0.0),
        (2, None) => Attribute::Int(0),
        (3, None) => Attribute::Text(""),
        (0, None) if !seen.floats.is_empty() => Attribute::Floats(seen.floats),
        (0, None) if !seen.ints.is_empty() => Attribute::Ints(seen.ints),
        (0, None) if !seen.texts.is_empty() => Attribute::Texts(seen.texts),
        _ => Attribute::Other,
    }
}
