//! Small ONNX files written by hand, so that a test needs no Python package to have a model.
//!
//! The format is protobuf (onnx/onnx:onnx/onnx.proto); the numbers below are its field numbers. Operator set 17.

/// `delay = dep_delay + constant`, both `float[rows, 1]`.
pub fn adding(constant: f32) -> Vec<u8> {
    taking("dep_delay", constant)
}

/// The same with an input of another name.
pub fn taking(input: &str, constant: f32) -> Vec<u8> {
    let node = node("Add", &[input, "shift"], "delay");
    model(input, "shift", &floats(constant), &[node])
}

/// `delay = dep_delay + table[index]`: fails (500) where `|dep_delay|` reaches `limit`.
///
/// `Gather` refuses an index that its table of `limit` rows does not have.
pub fn failing_from(limit: usize) -> Vec<u8> {
    let table = [
        number(1, limit as u64),
        number(1, 1),
        number(2, 1),
        field(8, b"table"),
        field(9, &vec![0; 4 * limit]),
    ]
    .concat();
    let cast = [
        field(1, b"dep_delay"),
        field(2, b"index"),
        field(4, b"Cast"),
        field(5, &[field(1, b"to"), number(3, 7), number(20, 2)].concat()),
    ]
    .concat();
    // Squeeze without axes would drop a batch of one, too; Reshape to [-1] does not.
    let shape = [
        number(1, 1),
        number(2, 7),
        field(8, b"shape"),
        field(9, &(-1i64).to_le_bytes()),
    ]
    .concat();
    let reshape = node("Reshape", &["index", "shape"], "rows");
    let gather = node("Gather", &["table", "rows"], "looked");
    let add = node("Add", &["dep_delay", "looked"], "delay");
    finish("dep_delay", &[table, shape], &[cast, reshape, gather, add])
}

/// `delay = dep_delay + constant` for one row, after multiplying two matrices of `size` by `size` that only the request
/// makes known, so that nothing of it is done in advance. 1,500 are a tenth of a second and more.
pub fn slow(constant: f32, size: f32) -> Vec<u8> {
    let one = |name: &str, value: f32| {
        [
            number(2, 1),
            field(8, name.as_bytes()),
            field(9, &floats(value)),
        ]
        .concat()
    };
    let shape = [
        number(1, 1),
        number(2, 7),
        field(8, b"flat"),
        field(9, &(-1i64).to_le_bytes()),
    ]
    .concat();
    let with =
        |operator: &str, inputs: &[&str], output: &str, name: &str, value: u64, kind: u64| {
            let attribute = [
                field(1, name.as_bytes()),
                number(3, value),
                number(20, kind),
            ]
            .concat();
            [node(operator, inputs, output), field(5, &attribute)].concat()
        };
    let nodes = [
        node("Mul", &["dep_delay", "nothing"], "zero"),
        node("Add", &["zero", "size"], "length"),
        with("Cast", &["length"], "whole", "to", 7, 2),
        node("Reshape", &["whole", "flat"], "side"),
        with("Concat", &["side", "side"], "square", "axis", 0, 2),
        node("ConstantOfShape", &["square"], "matrix"),
        node("MatMul", &["matrix", "matrix"], "product"),
        node("ReduceMax", &["product"], "most"),
        node("Add", &["dep_delay", "most"], "sum"),
        node("Add", &["sum", "shift"], "delay"),
    ];
    let constants = [
        one("nothing", 0.0),
        one("size", size),
        one("shift", constant),
        shape,
    ];
    finish("dep_delay", &constants, &nodes)
}

fn floats(value: f32) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

fn node(operator: &str, inputs: &[&str], output: &str) -> Vec<u8> {
    let mut out: Vec<u8> = inputs
        .iter()
        .flat_map(|name| field(1, name.as_bytes()))
        .collect();
    out.extend(field(2, output.as_bytes()));
    out.extend(field(4, operator.as_bytes()));
    out
}

fn model(input: &str, constant: &str, value: &[u8], nodes: &[Vec<u8>]) -> Vec<u8> {
    let scalar = [number(2, 1), field(8, constant.as_bytes()), field(9, value)].concat();
    finish(input, &[scalar], nodes)
}

fn finish(input: &str, constants: &[Vec<u8>], nodes: &[Vec<u8>]) -> Vec<u8> {
    let mut graph: Vec<u8> = nodes.iter().flat_map(|node| field(1, node)).collect();
    graph.extend(field(2, b"tiny"));
    graph.extend(constants.iter().flat_map(|constant| field(5, constant)));
    graph.extend(field(11, &tensor(input)));
    graph.extend(field(12, &tensor("delay")));
    let opset = [field(1, b""), number(2, 17)].concat();
    [
        number(1, 8),
        field(2, b"testkit"),
        field(7, &graph),
        field(8, &opset),
    ]
    .concat()
}

/// A ValueInfoProto: `float[rows, 1]`.
fn tensor(name: &str) -> Vec<u8> {
    let shape = [field(1, &field(2, b"rows")), field(1, &number(1, 1))].concat();
    let kind = [number(1, 1), field(2, &shape)].concat();
    [field(1, name.as_bytes()), field(2, &field(1, &kind))].concat()
}

fn number(tag: u64, value: u64) -> Vec<u8> {
    [varint(tag << 3), varint(value)].concat()
}

fn field(tag: u64, bytes: &[u8]) -> Vec<u8> {
    [
        varint(tag << 3 | 2),
        varint(bytes.len() as u64),
        bytes.to_vec(),
    ]
    .concat()
}

fn varint(mut left: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while left > 0x7f {
        out.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
    out
}
