//! Nodes written by hand, and what is made of broken ones.

use proptest::prelude::*;

use super::*;

fn varint(mut n: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

fn int(number: u64, n: i64) -> Vec<u8> {
    [varint(number << 3), varint(n as u64)].concat()
}

fn bytes(number: u64, body: &[u8]) -> Vec<u8> {
    let head = [varint(number << 3 | 2), varint(body.len() as u64)].concat();
    [head, body.to_vec()].concat()
}

fn float(number: u64, x: f32) -> Vec<u8> {
    [varint(number << 3 | 5), x.to_le_bytes().to_vec()].concat()
}

fn attribute(name: &str, kind: i64, value: &[u8]) -> Vec<u8> {
    bytes(
        5,
        &[bytes(1, name.as_bytes()), value.to_vec(), int(20, kind)].concat(),
    )
}

fn model() -> Vec<u8> {
    let raw: Vec<u8> = [1.5_f32, -2.0]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    let node = [
        bytes(1, b"x"),
        bytes(2, b"y"),
        bytes(4, b"Scaler"),
        attribute("one", 1, &float(2, 0.5)),
        attribute("zero", 2, &[]),
        attribute("word", 3, &bytes(4, b"NONE")),
        attribute("loose", 6, &[float(7, 1.0), float(7, 2.0)].concat()),
        attribute("packed", 6, &bytes(7, &raw)),
        attribute("ints", 7, &[int(8, -1), bytes(8, &varint(300))].concat()),
        attribute("words", 8, &[bytes(9, b"a"), bytes(9, b"")].concat()),
        attribute("body", 5, &bytes(6, b"")),
        bytes(7, b"ai.onnx.ml"),
    ]
    .concat();
    let tensor = |name: &str, element, dims: &[i64], data: Vec<u8>| {
        let dims: Vec<u8> = dims.iter().flat_map(|n| int(1, *n)).collect();
        bytes(
            5,
            &[dims, int(2, element), bytes(8, name.as_bytes()), data].concat(),
        )
    };
    let graph = [
        bytes(1, &node),
        tensor("floats", 1, &[2], bytes(9, &raw)),
        tensor("single", 7, &[], int(7, -7)),
        tensor("short", 1, &[3], bytes(9, &raw)),
        tensor("vast", 1, &[1 << 40, 1 << 40], bytes(9, &raw)),
        bytes(11, &bytes(1, b"x")),
        bytes(12, &bytes(1, b"y")),
    ]
    .concat();
    [int(1, 8), bytes(7, &graph)].concat()
}

#[test]
fn nodes_come_with_their_attributes_and_constants() {
    let file = model();
    let graph = read(&file).unwrap();
    let node = &graph.nodes[0];
    assert_eq!((node.domain, node.operator), ("ai.onnx.ml", "Scaler"));
    assert_eq!((&node.inputs, &node.outputs), (&vec!["x"], &vec!["y"]));
    let expect = [
        ("body", Attribute::Other),
        ("ints", Attribute::Ints(vec![-1, 300])),
        ("loose", Attribute::Floats(vec![1.0, 2.0])),
        ("one", Attribute::Float(0.5)),
        ("packed", Attribute::Floats(vec![1.5, -2.0])),
        ("word", Attribute::Text("NONE")),
        ("words", Attribute::Texts(vec!["a", ""])),
        ("zero", Attribute::Int(0)),
    ];
    assert_eq!(node.attributes, BTreeMap::from(expect));
    let values = |name| &graph.constants[name].values;
    assert_eq!(*values("floats"), Values::Fp32(vec![1.5, -2.0]));
    assert_eq!(*values("single"), Values::Int64(vec![-7]));
    assert_eq!(*values("short"), Values::Other);
    assert_eq!(*values("vast"), Values::Other);
    assert_eq!((graph.inputs, graph.outputs), (vec!["x"], vec!["y"]));
    assert!(!graph.extended);
}

#[test]
fn functions_and_too_many_nodes_are_told() {
    let file = [model(), bytes(25, b"")].concat();
    assert!(read(&file).unwrap().extended);
    let nodes = bytes(1, b"").repeat(MAX_GRAPH_NODES + 1);
    let error = read(&bytes(7, &nodes)).unwrap_err().to_string();
    assert_eq!(
        error,
        "the ONNX model has nodes to compile above the limit of 4096"
    );
}

proptest! {
    /// Whatever the bytes, an answer comes.
    #[test]
    fn broken_files_are_answered(at in 0_usize..400, byte: u8, keep in 0_usize..500) {
        let mut file = model();
        let at = at % file.len();
        file[at] = byte;
        file.truncate(keep);
        let twice = (read(&file), read(&file));
        // NaN differs from itself.
        prop_assert_eq!(format!("{:?}", twice.0), format!("{:?}", twice.1));
    }
}
