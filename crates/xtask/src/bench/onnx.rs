//! A small ONNX file written by hand: `delay = dep_delay + constant`.
//!
//! Every commit of the measurement needs another model, and nothing should be installed for it. The format is protobuf
//! (onnx/onnx:onnx/onnx.proto); the numbers below are its field numbers.

/// The model as bytes.
pub(super) fn adding(constant: f32) -> Vec<u8> {
    let shift = [
        number(2, 1),
        field(8, b"shift"),
        field(9, &constant.to_le_bytes()),
    ]
    .concat();
    let node = [
        field(1, b"dep_delay"),
        field(1, b"shift"),
        field(2, b"delay"),
        field(4, b"Add"),
    ]
    .concat();
    let graph = [
        field(1, &node),
        field(2, b"tiny"),
        field(5, &shift),
        field(11, &tensor(b"dep_delay")),
        field(12, &tensor(b"delay")),
    ]
    .concat();
    let opset = [field(1, b""), number(2, 17)].concat();
    [
        number(1, 8),
        field(2, b"bench"),
        field(7, &graph),
        field(8, &opset),
    ]
    .concat()
}

/// A ValueInfoProto: float[rows, 1].
fn tensor(name: &[u8]) -> Vec<u8> {
    let shape = [field(1, &field(2, b"rows")), field(1, &number(1, 1))].concat();
    let kind = [number(1, 1), field(2, &shape)].concat();
    [field(1, name), field(2, &field(1, &kind))].concat()
}

fn number(tag: u8, value: u8) -> Vec<u8> {
    vec![tag << 3, value]
}

fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![tag << 3 | 2];
    let mut left = bytes.len();
    while left > 0x7f {
        out.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
    out.extend(bytes);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_above_one_byte_are_written() {
        let long = field(7, &[0; 300]);
        assert_eq!(&long[..3], [7 << 3 | 2, 0xac, 0x02]);
        assert_eq!(long.len(), 303);
    }

    #[test]
    fn models_differ_by_their_constant_alone() {
        let (one, two) = (adding(1.0), adding(2.0));
        assert_eq!(one.len(), two.len());
        let different = one.iter().zip(&two).filter(|(a, b)| a != b).count();
        assert!((1..=4).contains(&different));
    }
}
