"""The engine's answers beside Python's own onnxruntime, the same library with one thread: every bit."""

import tempfile
import unittest
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import tritonclient.http as over_http
import world
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

RNG = np.random.default_rng(20261130)
BATCHES = (1, 2, 7, 32, 100)
FEATURES = 12


def graph(nodes, inputs, outputs, weights=()):
    value = lambda name, kind, shape: helper.make_tensor_value_info(name, kind, shape)
    initial = [numpy_helper.from_array(array, name) for name, array in dict(weights).items()]
    made = helper.make_graph(nodes, "g", [value(*i) for i in inputs], [value(*o) for o in outputs], initial)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def fitted():
    """Models as scikit-learn exports them."""
    rows = RNG.normal(size=(600, FEATURES)).astype(np.float32)
    y = rows[:, 0] * 3 + np.sin(rows[:, 1] * 4) + rows[:, 2] * rows[:, 3]
    labels = np.array(["low", "middle", "high"])[np.digitize(y, [-1, 1])]
    models = {
        "boosting": GradientBoostingClassifier(n_estimators=30, random_state=1).fit(rows, labels),
        "histogram": HistGradientBoostingRegressor(max_iter=40, random_state=1).fit(rows, y),
        "forest": RandomForestRegressor(n_estimators=30, random_state=1).fit(rows, y),
        "scaled": make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(rows, labels),
        "layers": make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(64, 32), max_iter=60, random_state=1)).fit(rows, y),
    }
    classifies = lambda model: {"zipmap": False} if hasattr(model, "predict_proba") else None
    return {name: to_onnx(m, rows[:1], options=classifies(m)).SerializeToString() for name, m in models.items()}


def convolution():
    weights = {
        "w1": RNG.normal(size=(8, 3, 3, 3)).astype(np.float32),
        "w2": RNG.normal(size=(8 * 7 * 7, 10)).astype(np.float32),
        "b2": RNG.normal(size=10).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w2", "b2"], ["g"]),
        helper.make_node("Softmax", ["g"], ["y"], axis=1),
    ]
    inputs = [("x", TensorProto.FLOAT, ["n", 3, 14, 14])]
    return graph(nodes, inputs, [("y", TensorProto.FLOAT, ["n", 10])], weights)


def functions(kind):
    """What is computed by series and tables in the library, in one width of floats."""
    names = ["Exp", "Tanh", "Sigmoid", "Erf", "Sqrt", "Log"] if kind == TensorProto.FLOAT else ["Exp", "Tanh", "Sqrt"]
    nodes = [helper.make_node(name, ["x"], [name.lower()]) for name in names]
    nodes.append(helper.make_node("ReduceSum", ["x", "axis"], ["sum"], keepdims=1))
    outputs = [(name.lower(), kind, ["n", 9]) for name in names] + [("sum", kind, ["n", 1])]
    return graph(nodes, [("x", kind, ["n", 9])], outputs, {"axis": np.array([1])})


def several():
    """Inputs and outputs of several kinds."""
    nodes = [
        helper.make_node("Cast", ["i"], ["fi"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["x", "w"], ["m"]),
        helper.make_node("Add", ["m", "fi"], ["a"]),
        helper.make_node("Where", ["b", "a", "x"], ["y"]),
        helper.make_node("ArgMax", ["a"], ["best"], axis=1, keepdims=0),
    ]
    inputs = [
        ("x", TensorProto.FLOAT, ["n", 6]),
        ("i", TensorProto.INT32, ["n", 6]),
        ("b", TensorProto.BOOL, ["n", 6]),
    ]
    outputs = [("y", TensorProto.FLOAT, ["n", 6]), ("best", TensorProto.INT64, ["n"])]
    return graph(nodes, inputs, outputs, {"w": RNG.normal(size=(6, 6)).astype(np.float32)})


# The type of each input, as onnxruntime names it: numpy's, and the protocol's.
KINDS = {
    "tensor(float)": (np.float32, "FP32"),
    "tensor(double)": (np.float64, "FP64"),
    "tensor(int32)": (np.int32, "INT32"),
    "tensor(bool)": (np.bool_, "BOOL"),
}


def values(given, count):
    """Usual numbers, and those at the edges of what a float can be."""
    dtype, _ = KINDS[given.type]
    shape = [count, *given.shape[1:]]
    if dtype is np.bool_:
        return RNG.random(shape) < 0.5
    if dtype is np.int32:
        return RNG.integers(-(2**31), 2**31, shape).astype(dtype)
    usual = RNG.normal(size=shape) * 10.0 ** RNG.integers(-3, 4, shape)
    tiny, huge = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    edges = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, tiny, -tiny, huge, -huge], dtype)
    return np.where(RNG.random(shape) < 0.1, RNG.choice(edges, shape), usual).astype(dtype)


class World(world.World):
    """Models in a folder `plain` are ONNX Runtime's, whatever they are."""

    def engine(self, model, threads):
        words = super().engine(model, threads)
        return [*words, "--evaluator", "onnxruntime"] if Path(model).parent.name == "plain" else words


def setUpModule():
    global WORLD, FOLDER, SESSIONS
    FOLDER = tempfile.TemporaryDirectory()
    files = fitted()
    files.update(convolution=convolution(), several=several())
    files.update(single=functions(TensorProto.FLOAT), double=functions(TensorProto.DOUBLE))
    paths, SESSIONS = {}, {}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    for folder in ("usual", "plain"):
        Path(FOLDER.name, folder).mkdir()
        for name, file in files.items():
            paths[f"{folder}-{name}"] = path = Path(FOLDER.name, folder, f"{name}.onnx")
            path.write_bytes(file)
            session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
            SESSIONS[f"{folder}-{name}"] = session
    WORLD = World(paths)


def tearDownModule():
    WORLD.close()
    FOLDER.cleanup()


class Exact(unittest.TestCase):
    def check(self, name, client):
        session = SESSIONS[name]
        for count in (count for count in BATCHES for _ in range(4)):
            given = {one.name: values(one, count) for one in session.get_inputs()}
            expect = dict(zip((one.name for one in session.get_outputs()), session.run(None, given)))
            inputs = []
            for one in session.get_inputs():
                array = given[one.name]
                inputs.append(over_http.InferInput(one.name, array.shape, KINDS[one.type][1]))
                inputs[-1].set_data_from_numpy(array)
            wanted = [over_http.InferRequestedOutput(output) for output in expect]
            got = client.infer(name, inputs, outputs=wanted)
            for output, array in expect.items():
                answer = got.as_numpy(output)
                if array.dtype == object:
                    self.assertEqual([text.decode() for text in answer], list(array))
                    continue
                self.assertEqual((answer.dtype, answer.shape), (array.dtype, array.shape), (name, output))
                same = answer.tobytes() == array.tobytes()
                self.assertTrue(same, f"{name}, {count} rows, {output}:\n{answer}\n{array}")

    def test_every_bit(self):
        with over_http.InferenceServerClient(WORLD.address) as client:
            for name in SESSIONS:
                with self.subTest(name):
                    self.check(name, client)

    def test_trees_are_compiled_unless_told_otherwise(self):
        for name in ("boosting", "histogram", "forest"):
            for folder in ("usual", "plain"):
                log = Path(WORLD.folder.name, f"{folder}-{name}-0.log").read_text("utf-8")
                self.assertEqual("trees" in log, folder == "usual", log)


if __name__ == "__main__":
    unittest.main()
