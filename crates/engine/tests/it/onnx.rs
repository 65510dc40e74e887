//! ONNX models, field by field: just enough of `ModelProto` to write the graphs that tests need.
//!
//! Field numbers are those of onnx/onnx.proto3. Everything is one operator set, 17, plus
//! `ai.onnx.ml` 3.

/// Element types of `TensorProto`.
pub(crate) const FLOAT: u64 = 1;
pub(crate) const INT64: u64 = 7;
pub(crate) const STRING: u64 = 8;
pub(crate) const BOOL: u64 = 9;

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
    [
        varint(number << 3 | 2),
        varint(body.len() as u64),
        body.to_vec(),
    ]
    .concat()
}

fn text(number: u64, text: &str) -> Vec<u8> {
    bytes(number, text.as_bytes())
}

fn float(number: u64, x: f32) -> Vec<u8> {
    [varint(number << 3 | 5), x.to_le_bytes().to_vec()].concat()
}

/// A graph that grows field by field.
#[derive(Default)]
pub(crate) struct Graph {
    body: Vec<u8>,
}

/// An attribute of a node.
#[derive(Clone)]
pub(crate) struct Attribute(Vec<u8>);

impl Attribute {
    fn new(name: &str, kind: i64, value: Vec<u8>) -> Self {
        Self([text(1, name), value, int(20, kind)].concat())
    }

    pub(crate) fn int(name: &str, n: i64) -> Self {
        Self::new(name, 2, int(3, n))
    }

    pub(crate) fn string(name: &str, s: &str) -> Self {
        Self::new(name, 3, text(4, s))
    }

    pub(crate) fn floats(name: &str, values: &[f32]) -> Self {
        Self::new(name, 6, values.iter().flat_map(|x| float(7, *x)).collect())
    }

    pub(crate) fn ints(name: &str, values: &[i64]) -> Self {
        Self::new(name, 7, values.iter().flat_map(|n| int(8, *n)).collect())
    }

    pub(crate) fn strings(name: &str, values: &[&str]) -> Self {
        Self::new(name, 8, values.iter().flat_map(|s| text(9, s)).collect())
    }
}

fn tensor_type(element: u64, dims: &[i64]) -> Vec<u8> {
    let dims = dims
        .iter()
        .map(|n| bytes(1, &if *n < 0 { text(2, "batch") } else { int(1, *n) }));
    bytes(
        1,
        &[
            int(1, element as i64),
            bytes(2, &dims.collect::<Vec<_>>().concat()),
        ]
        .concat(),
    )
}

impl Graph {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn with(mut self, number: u64, body: &[u8]) -> Self {
        self.body.extend(bytes(number, body));
        self
    }

    /// An input tensor; a dimension of -1 is the batch.
    pub(crate) fn input(self, name: &str, element: u64, dims: &[i64]) -> Self {
        self.with(
            11,
            &[text(1, name), bytes(2, &tensor_type(element, dims))].concat(),
        )
    }

    /// An output tensor.
    pub(crate) fn output(self, name: &str, element: u64, dims: &[i64]) -> Self {
        self.with(
            12,
            &[text(1, name), bytes(2, &tensor_type(element, dims))].concat(),
        )
    }

    /// An output that is a list of maps from a class to a probability.
    pub(crate) fn class_maps(self, name: &str, key: u64) -> Self {
        let map = [int(1, key as i64), bytes(2, &tensor_type(FLOAT, &[]))].concat();
        let list = bytes(4, &bytes(1, &bytes(5, &map)));
        self.with(12, &[text(1, name), bytes(2, &list)].concat())
    }

    /// A constant of floats.
    pub(crate) fn constant(self, name: &str, dims: &[i64], values: &[f32]) -> Self {
        let dims: Vec<u8> = dims.iter().flat_map(|n| int(1, *n)).collect();
        let raw: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.with(
            5,
            &[dims, int(2, FLOAT as i64), text(8, name), bytes(9, &raw)].concat(),
        )
    }

    /// A node of ONNX's own operators, or of `ai.onnx.ml` if `ml`.
    fn any_node(
        self,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: &[Attribute],
        ml: bool,
    ) -> Self {
        let mut body: Vec<u8> = inputs.iter().flat_map(|name| text(1, name)).collect();
        body.extend(outputs.iter().flat_map(|name| text(2, name)));
        body.extend(text(4, operator));
        body.extend(
            attributes
                .iter()
                .flat_map(|attribute| bytes(5, &attribute.0)),
        );
        if ml {
            body.extend(text(7, "ai.onnx.ml"));
        }
        self.with(1, &body)
    }

    pub(crate) fn node(
        self,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: &[Attribute],
    ) -> Self {
        self.any_node(operator, inputs, outputs, attributes, false)
    }

    pub(crate) fn ml_node(
        self,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: &[Attribute],
    ) -> Self {
        self.any_node(operator, inputs, outputs, attributes, true)
    }

    /// The finished file.
    pub(crate) fn model(self) -> Vec<u8> {
        let opset = |domain: &str, version| bytes(8, &[text(1, domain), int(2, version)].concat());
        let graph = [text(2, "test"), self.body].concat();
        [
            int(1, 8),
            text(2, "mainspan tests"),
            bytes(7, &graph),
            opset("", 17),
            opset("ai.onnx.ml", 3),
        ]
        .concat()
    }
}

/// `y = a + 10 b`, from columns `a` (FP32) and `b` (INT64) of shape `[batch, 1]`.
pub(crate) fn columns() -> Vec<u8> {
    Graph::new()
        .input("a", FLOAT, &[-1, 1])
        .input("b", INT64, &[-1, 1])
        .constant("ten", &[1], &[10.0])
        .node(
            "Cast",
            &["b"],
            &["bf"],
            &[Attribute::int("to", FLOAT as i64)],
        )
        .node("Mul", &["bf", "ten"], &["b10"], &[])
        .node("Add", &["a", "b10"], &["y"], &[])
        .output("y", FLOAT, &[-1, 1])
        .model()
}

/// One tree over `x` of shape `[batch, 2]`: `x0 <= 0.5` gives 1, else `x1 <= 3` gives 20, else 300.
pub(crate) fn tree() -> Vec<u8> {
    Graph::new()
        .input("x", FLOAT, &[-1, 2])
        .ml_node(
            "TreeEnsembleRegressor",
            &["x"],
            &["y"],
            &[
                Attribute::int("n_targets", 1),
                Attribute::ints("nodes_treeids", &[0; 5]),
                Attribute::ints("nodes_nodeids", &[0, 1, 2, 3, 4]),
                Attribute::ints("nodes_featureids", &[0, 0, 1, 0, 0]),
                Attribute::floats("nodes_values", &[0.5, 0.0, 3.0, 0.0, 0.0]),
                Attribute::strings(
                    "nodes_modes",
                    &["BRANCH_LEQ", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF"],
                ),
                Attribute::ints("nodes_truenodeids", &[1, 0, 3, 0, 0]),
                Attribute::ints("nodes_falsenodeids", &[2, 0, 4, 0, 0]),
                Attribute::ints("target_treeids", &[0; 3]),
                Attribute::ints("target_nodeids", &[1, 3, 4]),
                Attribute::ints("target_ids", &[0; 3]),
                Attribute::floats("target_weights", &[1.0, 20.0, 300.0]),
            ],
        )
        .output("y", FLOAT, &[-1, 1])
        .model()
}

/// Hands `x` of any element type through, shape `[batch, 2]`.
pub(crate) fn identity(element: u64) -> Vec<u8> {
    Graph::new()
        .input("x", element, &[-1, 2])
        .node("Identity", &["x"], &["y"], &[])
        .output("y", element, &[-1, 2])
        .model()
}

/// Looks `i` up in a table of three numbers; fails at run time outside 0..3.
pub(crate) fn gather() -> Vec<u8> {
    Graph::new()
        .input("i", INT64, &[-1])
        .constant("table", &[3], &[0.5, f32::NAN, 2.5])
        .node("Gather", &["table", "i"], &["y"], &[])
        .output("y", FLOAT, &[-1])
        .model()
}

/// A linear classifier of `x` into `no` and `yes`, as scikit-learn's converter writes one: a label
/// and a list of maps.
pub(crate) fn classifier() -> Vec<u8> {
    Graph::new()
        .input("x", FLOAT, &[-1, 1])
        .ml_node(
            "LinearClassifier",
            &["x"],
            &["label", "scores"],
            &[
                Attribute::floats("coefficients", &[-1.0, 1.0]),
                Attribute::floats("intercepts", &[0.0, 0.0]),
                Attribute::strings("classlabels_strings", &["no", "yes"]),
                Attribute::string("post_transform", "NONE"),
            ],
        )
        .ml_node(
            "ZipMap",
            &["scores"],
            &["probabilities"],
            &[Attribute::strings("classlabels_strings", &["no", "yes"])],
        )
        .output("label", STRING, &[-1])
        .class_maps("probabilities", STRING)
        .model()
}

/// Multiplies `rounds` times a `[512, 512]` matrix: slow on purpose, and the answer is `x`'s sum.
pub(crate) fn slow(rounds: usize) -> Vec<u8> {
    let mut graph = Graph::new().input("x", FLOAT, &[-1, 1]);
    graph = graph.constant("one", &[1, 512], &[1.0; 512]).constant(
        "half",
        &[512, 512],
        &[1.0 / 512.0; 512 * 512],
    );
    graph = graph
        .constant("column", &[512, 1], &[1.0 / 512.0; 512])
        .node("MatMul", &["x", "one"], &["m0"], &[]);
    for round in 0..rounds {
        let (from, to) = (format!("m{round}"), format!("m{}", round + 1));
        graph = graph.node("MatMul", &[&from, "half"], &[&to], &[]);
    }
    let last = format!("m{rounds}");
    graph
        .node("MatMul", &[&last, "column"], &["y"], &[])
        .output("y", FLOAT, &[-1, 1])
        .model()
}

/// A forest of full trees of this depth over `features` numbers, which come as one input `x` of
/// shape `[batch, features]`, or, if `columns`, as inputs `c0`, `c1`, … of shape `[batch, 1]`.
pub(crate) fn forest(features: usize, trees: i64, depth: u32, columns: bool) -> Vec<u8> {
    let names: Vec<_> = (0..features).map(|n| format!("c{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let mut graph = Graph::new();
    if columns {
        for name in &names {
            graph = graph.input(name, FLOAT, &[-1, 1]);
        }
        graph = graph.node("Concat", &names, &["x"], &[Attribute::int("axis", 1)]);
    } else {
        graph = graph.input("x", FLOAT, &[-1, features as i64]);
    }
    // Node n of a full tree has the children 2n + 1 and 2n + 2; thresholds and leaves are arbitrary.
    let nodes = (1_i64 << (depth + 1)) - 1;
    let inner = (1_i64 << depth) - 1;
    let all = (0..trees).flat_map(|tree| (0..nodes).map(move |node| (tree, node)));
    let pick = |f: &dyn Fn(i64, i64) -> i64| {
        all.clone()
            .map(|(tree, node)| f(tree, node))
            .collect::<Vec<_>>()
    };
    let leaves: Vec<_> = all.clone().filter(|(_, node)| *node >= inner).collect();
    let values: Vec<_> = all
        .clone()
        .map(|(t, n)| ((t * 31 + n * 17) % 100) as f32 / 100.0)
        .collect();
    let modes: Vec<_> = all
        .clone()
        .map(|(_, n)| if n < inner { "BRANCH_LEQ" } else { "LEAF" })
        .collect();
    let weights: Vec<_> = leaves
        .iter()
        .map(|(t, n)| ((t * 7 + n) % 11) as f32 / 10.0)
        .collect();
    let child = |offset: i64| pick(&|_, n| if n < inner { 2 * n + offset } else { 0 });
    graph
        .ml_node(
            "TreeEnsembleRegressor",
            &["x"],
            &["y"],
            &[
                Attribute::int("n_targets", 1),
                Attribute::ints("nodes_treeids", &pick(&|t, _| t)),
                Attribute::ints("nodes_nodeids", &pick(&|_, n| n)),
                Attribute::ints(
                    "nodes_featureids",
                    &pick(&|t, n| (t * 13 + n * 5) % features as i64),
                ),
                Attribute::floats("nodes_values", &values),
                Attribute::strings("nodes_modes", &modes),
                Attribute::ints("nodes_truenodeids", &child(1)),
                Attribute::ints("nodes_falsenodeids", &child(2)),
                Attribute::ints(
                    "target_treeids",
                    &leaves.iter().map(|(t, _)| *t).collect::<Vec<_>>(),
                ),
                Attribute::ints(
                    "target_nodeids",
                    &leaves.iter().map(|(_, n)| *n).collect::<Vec<_>>(),
                ),
                Attribute::ints("target_ids", &vec![0; leaves.len()]),
                Attribute::floats("target_weights", &weights),
            ],
        )
        .output("y", FLOAT, &[-1, 1])
        .model()
}
