"""`curl`: both versions of HTTP, and errors in the shape of the protocol that was spoken."""

import json
import subprocess
import tempfile
import unittest
from pathlib import Path

import models
import world


def setUpModule():
    global WORLD, FOLDER
    FOLDER = tempfile.TemporaryDirectory()
    path = Path(FOLDER.name, "scaled.onnx")
    models.scaled(path)
    WORLD = world.World({"scaled": path})


def tearDownModule():
    WORLD.close()
    FOLDER.cleanup()


def curl(path, *words):
    """Status, kind and body of an answer."""
    command = ["curl", "-sS", "-m", "30", "-w", "\n%{http_code} %{content_type}", *words, WORLD.url + path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    body, _, last = done.stdout.rpartition("\n")
    status, _, kind = last.partition(" ")
    return int(status), kind, body


class Curl(unittest.TestCase):
    """By hand."""

    ROW = '{"a": 2.5, "b": 2}'

    def test_both_versions_of_http(self):
        for version in ("--http1.1", "--http2-prior-knowledge"):
            with self.subTest(version):
                status, _, body = curl("/scaled", version, "-d", self.ROW)
                self.assertEqual((status, json.loads(body)), (200, {"prediction": 5.0, "version": 3}))

    def test_a_head_request(self):
        status, _, body = curl("/v2/health/live", "-I")
        self.assertEqual(status, 200)
        self.assertIn("content-length", body.lower())

    def test_errors_have_the_shape_of_their_protocol(self):
        for path, words, expect, key in (
            ("/none", ("-d", "{}"), 404, "error"),
            ("/scaled", ("-d", "{"), 400, "error"),
            ("/scaled", ("-d", '{"a": "x", "b": 2}'), 400, "error"),
            ("/scaled", ("-X", "DELETE"), 405, "error"),
            ("/v2/models/none/infer", ("-d", "{}"), 404, "error"),
            ("/v2/models/scaled/infer", ("-d", "{}"), 400, "error"),
            ("/v2/models/scaled/infer", ("-d", "{}", "-H", "Inference-Header-Content-Length: x"), 400, "error"),
            ("/v2/models/scaled/infer", ("-d", "{}", "-H", "Inference-Header-Content-Length: 99"), 400, "error"),
            ("/v2/models/scaled/infer", ("-d", '{"inputs":' + "[" * 100000), 400, "error"),
            ("/v2/models/scaled/infer", ("-d", '{"inputs":[{"name":"a","shape":[1,1],"datatype":"FP32","data":[NaN]}]}'), 400, "error"),
            ("/v1/models/scaled:predict", ("-d", '{"instances":[]}'), 400, "error"),
            ("/v1/models/none:predict", ("-d", "{}"), 404, "error"),
            ("/invocations", ("-d", '{"inputs":1}', "-H", "content-type: application/json"), 400, "error_code"),
            ("/%2e%2e/etc", (), 400, "error"),
        ):
            with self.subTest((path, words[:2])):
                for version in ("--http1.1", "--http2-prior-knowledge"):
                    status, kind, body = curl(path, version, *words)
                    self.assertEqual((status, kind), (expect, "application/json"), body)
                    answer = json.loads(body)
                    self.assertTrue(answer[key], body)

    def test_a_body_that_is_too_long(self):
        with tempfile.NamedTemporaryFile() as long:
            long.truncate(17 << 20)
            status, _, body = curl("/scaled", "--data-binary", f"@{long.name}")
        self.assertEqual(status, 413)
        self.assertIn("longer than", json.loads(body)["error"])


if __name__ == "__main__":
    unittest.main()
