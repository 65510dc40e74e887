//! Messages of the Open Inference Protocol's gRPC service, field by field as they stand.
//!
//! Source: kserve/open-inference-protocol, `specification/protocol/open_inference_grpc.proto`; the messages are those of
//! [`inference::oip::grpc::message`]. Raw contents follow each other in the order of the tensors, and a message that
//! has them before its tensors, which no client sends, ends there.

use bytes::BufMut as _;
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};

use super::{Left, Names};

/// `model_name`, `model_version`.
const MODEL: [u32; 2] = [1, 2];
const ID: u32 = 3;
/// A request's and a tensor's.
const PARAMETERS: u32 = 4;
/// `inputs` of a request, `outputs` of a response.
const TENSORS: u32 = 5;
/// The outputs that a request asks for.
const ASKED: u32 = 6;
const RAW_INPUT: u32 = 7;
const RAW_OUTPUT: u32 = 6;

/// Takes the names' values out: contents and parameters go, raw contents become zeros.
pub(super) fn redact(message: &[u8], is_answer: bool, names: Names<'_>) -> Left {
    let mut left = Left {
        bytes: Vec::with_capacity(message.len()),
        json: 0,
        touched: false,
    };
    let raw = if is_answer { RAW_OUTPUT } else { RAW_INPUT };
    // Whether each tensor goes, and how many have had their raw contents.
    let (mut gone, mut taken) = (Vec::new(), 0);
    let mut rest = message;
    while let Some((tag, field)) = next(&mut rest) {
        match tag {
            _ if tag == raw => {
                let Some(goes) = gone.get(taken) else {
                    left.touched = true;
                    break;
                };
                taken += 1;
                if *goes {
                    left.touched = true;
                    put(raw, &vec![0; field.len()], &mut left.bytes);
                } else {
                    put(raw, field, &mut left.bytes);
                }
            }
            TENSORS => {
                let name = text(field, 1);
                // One that has no name is nobody's.
                let goes = name.as_deref().is_none_or(|name| names.has(name));
                gone.push(goes);
                if goes {
                    left.touched = true;
                    put(tag, &described(field), &mut left.bytes);
                } else {
                    put(tag, field, &mut left.bytes);
                }
            }
            PARAMETERS if text(field, 1).is_none_or(|name| names.has(&name)) => left.touched = true,
            ID if names.has("id") => left.touched = true,
            ASKED | PARAMETERS | ID => put(tag, field, &mut left.bytes),
            _ if MODEL.contains(&tag) => put(tag, field, &mut left.bytes),
            _ => {}
        }
    }
    left
}

/// The next field that has a length, which all of these have; `None` at the end, a cut, or anything else.
fn next<'a>(rest: &mut &'a [u8]) -> Option<(u32, &'a [u8])> {
    let (tag, WireType::LengthDelimited) = decode_key(rest).ok()? else {
        return None;
    };
    let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
    let (field, others) = rest.split_at_checked(length)?;
    *rest = others;
    Some((tag, field))
}

/// A text field of a message whose other fields may be of any kind. Of several, the last counts.
fn text(mut message: &[u8], wanted: u32) -> Option<String> {
    let mut found = None;
    while let Some((tag, field)) = any(&mut message) {
        if let Some(field) = field.filter(|_| tag == wanted) {
            found = String::from_utf8(field.to_vec()).ok();
        }
    }
    found
}

/// Name, type and shape of a tensor.
fn described(mut tensor: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let before = tensor;
        let Some((tag, _)) = any(&mut tensor) else {
            return out;
        };
        if tag <= 3 {
            out.put_slice(&before[..before.len() - tensor.len()]);
        }
    }
}

/// The next field, and its bytes if it has a length.
fn any<'a>(rest: &mut &'a [u8]) -> Option<(u32, Option<&'a [u8]>)> {
    let (tag, kind) = decode_key(rest).ok()?;
    let skip = |rest: &mut &'a [u8], length: usize| {
        let (field, others) = rest.split_at_checked(length)?;
        *rest = others;
        Some(field)
    };
    let field = match kind {
        WireType::LengthDelimited => {
            let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
            Some(skip(rest, length)?)
        }
        WireType::Varint => {
            decode_varint(rest).ok()?;
            None
        }
        WireType::SixtyFourBit => skip(rest, 8).map(|_| None)?,
        WireType::ThirtyTwoBit => skip(rest, 4).map(|_| None)?,
        WireType::StartGroup | WireType::EndGroup => return None,
    };
    Some((tag, field))
}

fn put(tag: u32, field: &[u8], out: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(field.len() as u64, out);
    out.put_slice(field);
}
