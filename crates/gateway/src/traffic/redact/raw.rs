//! JSON with raw bytes behind it: the binary extension of the Open Inference Protocol.
//!
//! Source: triton-inference-server/server, `docs/protocol/extension_binary_data.md`: the bytes of the tensors that have
//! `binary_data_size` follow each other in the order in which the tensors are listed.

use super::{Left, Names, json};

/// Takes the names' values out: JSON becomes null, raw bytes become zeros.
pub(super) fn redact(bytes: &[u8], json: u32, names: Names<'_>) -> Left {
    // Raw bytes alone have no name; of a head that was cut, nobody knows what follows it.
    let Some((head, raw)) = bytes.split_at_checked(json as usize).filter(|_| json > 0) else {
        return Left::nothing();
    };
    let (Some(node), true) = json::read(head, false) else {
        return Left::nothing();
    };
    let mut left = json::redact(head, false, names);
    left.json = u32::try_from(left.bytes.len()).unwrap_or(u32::MAX);
    let mut rest = raw;
    for list in ["inputs", "outputs"] {
        // An `outputs` of a request asks for some and has no bytes.
        for tensor in node.get(list).map_or(&[][..], json::Node::items) {
            let parameters = tensor.get("parameters");
            let Some(size) = parameters.and_then(|all| all.get("binary_data_size")) else {
                continue;
            };
            let (Some(name), Some(size)) =
                (tensor.get("name").and_then(json::Node::text), whole(size))
            else {
                return left;
            };
            let (own, others) = rest.split_at(size.min(rest.len()));
            if names.has(&name) {
                left.touched = true;
                left.bytes.resize(left.bytes.len() + own.len(), 0);
            } else {
                left.bytes.extend_from_slice(own);
            }
            rest = others;
        }
    }
    // Bytes that no tensor claims are left out.
    left
}

fn whole(node: &json::Node<'_>) -> Option<usize> {
    match node {
        json::Node::Scalar(raw) => std::str::from_utf8(raw).ok()?.parse().ok(),
        _ => None,
    }
}
