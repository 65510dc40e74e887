"""ONNX models to ask: every datatype as it came, two inputs, labels that are strings, a model that fails."""

import numpy as np
from onnx import TensorProto, helper, save

# The protocol's names of datatypes, with ONNX's.
TYPES = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BF16": TensorProto.BFLOAT16,
    "BYTES": TensorProto.STRING,
}


def write(path, nodes, inputs, outputs, initializers=()):
    """Writes a graph as a model that the pinned runtime takes."""
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(initializers))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def identity(path, datatype):
    """`y` is `x`, of any length, two wide."""
    kind = TYPES[datatype]
    node = helper.make_node("Identity", ["x"], ["y"])
    write(path, [node], [value("x", kind, ["n", 2])], [value("y", kind, ["n", 2])])


def scaled(path):
    """`y` is `a` times `b`, for a float and a whole number of each row."""
    nodes = [
        helper.make_node("Cast", ["b"], ["c"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["a", "c"], ["y"]),
    ]
    inputs = [value("a", TensorProto.FLOAT, ["n", 1]), value("b", TensorProto.INT64, ["n", 1])]
    write(path, nodes, inputs, [value("y", TensorProto.FLOAT, ["n", 1])])


def fails(path):
    """Takes any row, and fails on one that is 0: there is no such element of its table."""
    nodes = [
        helper.make_node("Sub", ["x", "one"], ["at"]),
        helper.make_node("Gather", ["table", "at"], ["y"], axis=0),
    ]
    table = helper.make_tensor("table", TensorProto.FLOAT, [2], [10.0, 20.0])
    one = helper.make_tensor("one", TensorProto.INT64, [], [3])
    inputs = [value("x", TensorProto.INT64, ["n"])]
    write(path, nodes, inputs, [value("y", TensorProto.FLOAT, ["n"])], [table, one])


def classifier(path):
    """Flowers by four measurements, with their names as labels and a probability for each."""
    from skl2onnx import to_onnx
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    iris = load_iris()
    names = np.array(iris.target_names)[iris.target]
    fitted = LogisticRegression(max_iter=500).fit(iris.data, names)
    rows = iris.data.astype(np.float32)
    model = to_onnx(fitted, rows[:1], options={"zipmap": False}, target_opset=17)
    with open(path, "wb") as file:
        file.write(model.SerializeToString())
    return fitted, rows
