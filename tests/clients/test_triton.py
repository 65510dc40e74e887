"""`tritonclient`, over HTTP and gRPC: every datatype, in bytes and in JSON, and what else it asks."""

import queue
import tempfile
import unittest
from pathlib import Path

import ml_dtypes
import numpy as np
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from tritonclient.utils import InferenceServerException

import models
import world

# What each datatype is asked with.
VALUES = {
    "BOOL": np.array([[True, False]]),
    "UINT8": np.array([[0, 255]], np.uint8),
    "UINT16": np.array([[0, 65535]], np.uint16),
    "UINT32": np.array([[0, 2**32 - 1]], np.uint32),
    "UINT64": np.array([[0, 2**64 - 1]], np.uint64),
    "INT8": np.array([[-128, 127]], np.int8),
    "INT16": np.array([[-(2**15), 1]], np.int16),
    "INT32": np.array([[-(2**31), 1]], np.int32),
    "INT64": np.array([[-(2**63), 1]], np.int64),
    "FP16": np.array([[0.5, -65504.0]], np.float16),
    "FP32": np.array([[0.1, -3.5e38 + 1e37]], np.float32),
    "FP64": np.array([[0.1, 1e300]]),
    "BF16": np.array([[0.5, -2.0]], ml_dtypes.bfloat16),
    "BYTES": np.array([["é", ""]], np.object_),
}
# The client refuses to write these as JSON, as Triton refuses to read them.
ONLY_BINARY = ("FP16", "BF16")


def setUpModule():
    global WORLD, FOLDER, FITTED, ROWS
    FOLDER = tempfile.TemporaryDirectory()
    paths = {kind.lower(): Path(FOLDER.name, f"{kind}.onnx") for kind in VALUES}
    for kind in VALUES:
        models.identity(paths[kind.lower()], kind)
    for name, make in (("scaled", models.scaled), ("fails", models.fails)):
        paths[name] = Path(FOLDER.name, f"{name}.onnx")
        make(paths[name])
    paths["iris"] = Path(FOLDER.name, "iris.onnx")
    FITTED, ROWS = models.classifier(paths["iris"])
    WORLD = world.World(paths)


def tearDownModule():
    WORLD.close()
    FOLDER.cleanup()


class Http(unittest.TestCase):
    """Over HTTP."""

    module = over_http

    def setUp(self):
        self.client = self.module.InferenceServerClient(WORLD.address)
        self.addCleanup(self.client.close)

    def given(self, name, values, kind, binary=True):
        given = over_http.InferInput(name, values.shape, kind)
        given.set_data_from_numpy(values, binary_data=binary)
        return given

    def same(self, got, expect):
        if expect.dtype == np.object_:
            got = np.array([[text.decode() if isinstance(text, bytes) else text for text in row] for row in got], np.object_)
        np.testing.assert_array_equal(got, expect)

    def test_every_datatype_in_bytes(self):
        for kind, values in VALUES.items():
            with self.subTest(kind):
                got = self.client.infer(kind.lower(), [self.given("x", values, kind)], request_id="r-1")
                self.same(got.as_numpy("y"), values)
                answer = got.get_response()
                self.assertEqual((answer["id"], answer["model_name"], answer["model_version"]), ("r-1", kind.lower(), "3"))

    def test_every_datatype_in_json(self):
        for kind, values in VALUES.items():
            if kind in ONLY_BINARY:
                continue
            with self.subTest(kind):
                given = self.given("x", values, kind, binary=False)
                wanted = over_http.InferRequestedOutput("y", binary_data=False)
                got = self.client.infer(kind.lower(), [given], outputs=[wanted])
                self.same(got.as_numpy("y"), values)

    def test_bytes_in_and_json_out(self):
        given = self.given("x", VALUES["FP32"], "FP32")
        wanted = over_http.InferRequestedOutput("y", binary_data=False)
        got = self.client.infer("fp32", [given], outputs=[wanted])
        self.same(got.as_numpy("y"), VALUES["FP32"])

    def test_compressed_answers_are_not_needed(self):
        given = self.given("x", VALUES["INT8"], "INT8")
        got = self.client.infer("int8", [given], response_compression_algorithm="gzip")
        self.same(got.as_numpy("y"), VALUES["INT8"])

    def test_many_rows(self):
        values = np.random.default_rng(1).normal(size=(2000, 2)).astype(np.float32)
        got = self.client.infer("fp32", [self.given("x", values, "FP32")])
        self.same(got.as_numpy("y"), values)

    def test_the_address_of_a_base_path(self):
        client = self.module.InferenceServerClient(f"{WORLD.address}/shop/prod/fp32")
        self.addCleanup(client.close)
        got = client.infer("fp32", [self.given("x", VALUES["FP32"], "FP32")])
        self.same(got.as_numpy("y"), VALUES["FP32"])

    def test_the_repository_and_server(self):
        index = self.client.get_model_repository_index()
        self.assertIn({"name": "iris", "version": "3", "state": "READY", "reason": ""}, index)
        self.assertEqual(self.client.get_server_metadata()["name"], "mainspan")
        self.assertIn("binary_tensor_data", self.client.get_server_metadata()["extensions"])

    def test_metadata_and_configuration(self):
        metadata = self.client.get_model_metadata("iris")
        self.assertEqual(metadata["inputs"], [{"name": "X", "datatype": "FP32", "shape": [-1, 4]}])
        self.assertEqual(metadata["versions"], ["3"])
        config = self.client.get_model_config("bytes", "3")
        self.assertEqual(config["input"], [{"name": "x", "data_type": "TYPE_STRING", "dims": [-1, 2]}])
        self.assertEqual((config["name"], config["max_batch_size"]), ("bytes", 0))

    def statistics(self, name):
        return self.client.get_inference_statistics(name)["model_stats"][0]

    def test_raw_body(self):
        body = VALUES["FP32"].tobytes()
        connection = world.http.client.HTTPConnection(WORLD.address)
        connection.request("POST", "/v2/models/fp32/infer", body, {"Inference-Header-Content-Length": "0"})
        answer = connection.getresponse()
        length = int(answer.headers["Inference-Header-Content-Length"])
        self.assertEqual(answer.read()[length:], body)
        connection.close()

    # What follows is the same over gRPC.

    def test_several_inputs_in_any_order(self):
        a = self.given("a", np.array([[1.5], [2.0]], np.float32), "FP32")
        b = self.given("b", np.array([[2], [-3]]), "INT64")
        got = self.client.infer("scaled", [b, a])
        np.testing.assert_array_equal(got.as_numpy("y"), [[3.0], [-6.0]])

    def test_labels_that_are_strings(self):
        got = self.client.infer("iris", [self.given("X", ROWS, "FP32")])
        labels = [label.decode() for label in got.as_numpy("label")]
        self.assertEqual(labels, list(FITTED.predict(ROWS)))
        np.testing.assert_allclose(got.as_numpy("probabilities"), FITTED.predict_proba(ROWS), atol=1e-5)

    def test_the_highest_classes(self):
        wanted = self.module.InferRequestedOutput("probabilities", class_count=2)
        got = self.client.infer("iris", [self.given("X", ROWS[:2], "FP32")], outputs=[wanted])
        for row in got.as_numpy("probabilities"):
            (first, place), (second, _) = [text.decode().split(":") for text in row]
            self.assertGreater(float(first), float(second))
            self.assertEqual(place, "0")

    def test_no_rows(self):
        none = np.zeros((0, 2), np.float32)
        got = self.client.infer("fp32", [self.given("x", none, "FP32")])
        self.assertEqual(got.as_numpy("y").shape, (0, 2))

    def test_health(self):
        self.assertTrue(self.client.is_server_live())
        self.assertTrue(self.client.is_server_ready())
        self.assertTrue(self.client.is_model_ready("iris"))
        self.assertTrue(self.client.is_model_ready("iris", "3"))
        self.assertFalse(self.ready_or_none("iris", "4"))

    def ready_or_none(self, *words):
        try:
            return self.client.is_model_ready(*words)
        except InferenceServerException:
            return False

    def test_a_version(self):
        got = self.client.infer("int8", [self.given("x", VALUES["INT8"], "INT8")], model_version="3")
        self.same(got.as_numpy("y"), VALUES["INT8"])
        self.refused("does not serve version 9", "int8", [self.given("x", VALUES["INT8"], "INT8")], model_version="9")

    def refused(self, words, *arguments, **named):
        with self.assertRaises(InferenceServerException) as caught:
            self.client.infer(*arguments, **named)
        self.assertIn(words, caught.exception.message())
        return caught.exception

    def test_what_is_wrong_is_said(self):
        x = self.given("x", VALUES["FP32"], "FP32")
        self.refused("is served", "none", [x])
        self.refused("input `x` is INT8, not FP32", "int8", [x])
        self.refused("the model has no input `z`", "fp32", [self.given("z", VALUES["FP32"], "FP32")])
        wide = self.given("x", np.zeros((1, 3), np.float32), "FP32")
        self.refused("input `x` has shape [1, 3], but the model takes [-1, 2]", "fp32", [wide])
        self.refused("no output `z`", "fp32", [x], outputs=[self.module.InferRequestedOutput("z")])
        self.refused("the model failed", "fails", [self.given("x", np.array([99]), "INT64")])

    def test_bytes_that_are_no_text(self):
        broken = np.array([[b"\xff", b"a"]], np.object_)
        self.refused("string 0 is not UTF-8", "bytes", [self.given("x", broken, "BYTES")])

    def test_another_order_of_bytes(self):
        """The client converts, or refuses: a number never becomes another one."""
        big = VALUES["INT32"].astype(">i4")
        try:
            got = self.client.infer("int32", [self.given("x", big, "INT32")])
        except InferenceServerException:
            return
        self.same(got.as_numpy("y"), VALUES["INT32"])

    def test_statistics(self):
        def count():
            return int(self.statistics("uint16")["inference_count"])

        before = count()
        for _ in range(3):
            self.client.infer("uint16", [self.given("x", VALUES["UINT16"], "UINT16")])
        self.assertEqual(count() - before, 3)
        self.assertGreater(int(self.statistics("uint16")["inference_stats"]["success"]["ns"]), 0)

    def test_many_at_a_time(self):
        """Each gets its own answer."""
        rows = [np.full((1, 2), number, np.float32) for number in range(64)]
        for number, got in enumerate(self.at_once(rows)):
            np.testing.assert_array_equal(got.as_numpy("y"), rows[number])

    def at_once(self, rows):
        client = over_http.InferenceServerClient(WORLD.address, concurrency=8)
        asked = [client.async_infer("fp32", [self.given("x", row, "FP32")]) for row in rows]
        answers = [one.get_result() for one in asked]
        client.close()
        return answers


class Grpc(Http):
    """Over gRPC, on the same port."""

    module = over_grpc
    # HTTP's own: JSON, raw bodies, base paths, compression of HTTP.
    test_every_datatype_in_json = None
    test_bytes_in_and_json_out = None
    test_raw_body = None
    test_the_address_of_a_base_path = None
    test_compressed_answers_are_not_needed = None

    def given(self, name, values, kind, binary=True):
        given = over_grpc.InferInput(name, values.shape, kind)
        given.set_data_from_numpy(values)
        return given

    def test_every_datatype_in_bytes(self):
        for kind, values in VALUES.items():
            with self.subTest(kind):
                got = self.client.infer(kind.lower(), [self.given("x", values, kind)], request_id="r-1")
                self.same(got.as_numpy("y"), values)
                answer = got.get_response()
                self.assertEqual((answer.id, answer.model_name, answer.model_version), ("r-1", kind.lower(), "3"))

    def test_the_repository_and_server(self):
        index = self.client.get_model_repository_index(as_json=True)["models"]
        self.assertIn({"name": "iris", "version": "3", "state": "READY"}, index)
        self.assertEqual(self.client.get_server_metadata().name, "mainspan")

    def test_metadata_and_configuration(self):
        metadata = self.client.get_model_metadata("iris")
        [given] = metadata.inputs
        self.assertEqual((given.name, given.datatype, list(given.shape)), ("X", "FP32", [-1, 4]))
        config = self.client.get_model_config("bytes", as_json=True)["config"]
        self.assertEqual(config["input"], [{"name": "x", "data_type": "TYPE_STRING", "dims": ["-1", "2"]}])

    def statistics(self, name):
        return self.client.get_inference_statistics(name, as_json=True)["model_stats"][0]

    def at_once(self, rows):
        got = [queue.Queue() for _ in rows]
        for row, place in zip(rows, got):
            self.client.async_infer("fp32", [self.given("x", row, "FP32")], lambda result, error, place=place: place.put((result, error)))
        answers = [place.get(timeout=world.LONG) for place in got]
        self.assertEqual([error for _, error in answers if error], [])
        return [result for result, _ in answers]

    def test_a_stream_is_answered_in_turn(self):
        got = queue.Queue()
        self.client.start_stream(callback=lambda result, error: got.put((result, error)))
        for number in range(20):
            row = np.full((1, 2), number, np.float32)
            self.client.async_stream_infer("fp32", [self.given("x", row, "FP32")], request_id=str(number))
        wrong = self.given("x", np.zeros((1, 3), np.float32), "FP32")
        self.client.async_stream_infer("fp32", [wrong])
        row = np.full((1, 2), 20.0, np.float32)
        self.client.async_stream_infer("fp32", [self.given("x", row, "FP32")], request_id="20")
        for number in range(20):
            result, error = got.get(timeout=world.LONG)
            self.assertIsNone(error)
            self.assertEqual(result.get_response().id, str(number))
            self.assertEqual(result.as_numpy("y")[0, 0], number)
        _, error = got.get(timeout=world.LONG)
        self.assertIn("has shape [1, 3]", str(error))
        result, error = got.get(timeout=world.LONG)
        self.assertEqual((error, result.as_numpy("y")[0, 0]), (None, 20.0))
        self.client.stop_stream()

    def test_a_deadline(self):
        refused = self.refused("", "fp32", [self.given("x", VALUES["FP32"], "FP32")], client_timeout=1e-9)
        self.assertIn("DEADLINE_EXCEEDED", str(refused))

    def test_metadata_addresses_a_service(self):
        given = self.given("x", VALUES["FP32"], "FP32")
        for name, headers in (("shop/prod/fp32", None), ("", {"mainspan-service": "shop/prod/fp32"})):
            got = self.client.infer(name, [given], headers=headers)
            self.same(got.as_numpy("y"), VALUES["FP32"])


if __name__ == "__main__":
    unittest.main()
