"""MLflow's scoring protocol: asked as its own clients ask, answered as its own server answers."""

import json
import math
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import mlflow.onnx
import onnx
import requests
from mlflow.deployments import get_deploy_client
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

import models
import world

# What a real server says of ONNX models is compared with what ours says.
JSON = "application/json"


def setUpModule():
    global WORLD, FOLDER, ROWS, REAL, REAL_URL
    FOLDER = tempfile.TemporaryDirectory()
    paths = {name: Path(FOLDER.name, f"{name}.onnx") for name in ("iris", "scaled")}
    _, ROWS = models.classifier(paths["iris"])
    models.scaled(paths["scaled"])
    WORLD = world.World(paths)
    saved = Path(FOLDER.name, "saved")
    mlflow.onnx.save_model(onnx.load(paths["iris"]), saved, onnx_execution_providers=["CPUExecutionProvider"])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    REAL_URL = f"http://127.0.0.1:{port}"
    serve = (
        "import sys, uvicorn, mlflow.pyfunc; from mlflow.pyfunc import scoring_server;"
        "uvicorn.run(scoring_server.init(mlflow.pyfunc.load_model(sys.argv[1])), port=int(sys.argv[2]), log_level='error')"
    )
    REAL = subprocess.Popen([sys.executable, "-c", serve, str(saved), str(port)])
    end = time.monotonic() + world.LONG
    while True:
        try:
            requests.get(f"{REAL_URL}/ping", timeout=5)
            return
        except requests.ConnectionError:
            assert time.monotonic() < end and REAL.poll() is None, "MLflow's server does not start"
            time.sleep(0.1)


def tearDownModule():
    REAL.terminate()
    REAL.wait(world.LONG)
    WORLD.close()
    FOLDER.cleanup()


def close(one, other):
    """Equal, but for the digits beyond those of a 32-bit float."""
    if isinstance(one, float) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(close, one, other))
    return one == other


class Beside(unittest.TestCase):
    """Beside the real server."""

    def ask(self, body, kind=JSON):
        def post(base):
            body_bytes = body if isinstance(body, str) else json.dumps(body)
            return requests.post(f"{base}/invocations", data=body_bytes, headers={"content-type": kind}, timeout=30)

        return post(REAL_URL), post(f"{WORLD.url}/shop/prod/iris")

    def test_tensors(self):
        rows = ROWS[:3].tolist()
        for body in (
            {"inputs": rows},
            {"instances": rows},
            {"inputs": {"X": rows}},
            {"instances": [{"X": row} for row in rows]},
        ):
            with self.subTest(list(body)):
                real, ours = self.ask(body)
                self.assertEqual((real.status_code, ours.status_code), (200, 200), ours.text)
                self.assertTrue(close(real.json(), ours.json()), (real.text, ours.text))
                self.assertEqual(real.headers["content-type"], ours.headers["content-type"])

    def test_what_is_refused(self):
        rows = ROWS[:1].tolist()
        for body, kind in (
            ({"rows": rows}, JSON),
            ({"inputs": rows, "instances": rows}, JSON),
            ([], JSON),
            ('{"inputs":', JSON),
            ({"inputs": {"Y": rows}}, JSON),
            ("x", "text/plain"),
        ):
            with self.subTest(body):
                real, ours = self.ask(body, kind)
                self.assertEqual(real.status_code, ours.status_code, ours.text)
                if real.status_code == 400:
                    self.assertEqual(real.json()["error_code"], ours.json()["error_code"])
                    self.assertTrue(ours.json()["message"])

    def test_health(self):
        for path in ("/ping", "/health", "/version"):
            real, ours = (requests.get(base + path, timeout=30) for base in (REAL_URL, f"{WORLD.url}/shop/prod/iris"))
            self.assertEqual((real.status_code, real.text), (ours.status_code, ours.text))


class Clients(unittest.TestCase):
    """MLflow's clients."""

    def test_the_scoring_client(self):
        import pandas

        client = ScoringServerClient("127.0.0.1", WORLD.address.split(":")[1] + "/shop/prod/scaled")
        client.wait_server_ready(timeout=30)
        frame = pandas.DataFrame({"b": [2, -1], "a": [2.5, 1.0]})
        self.assertEqual(client.invoke(frame).get_predictions().to_dict("records"), [{"y": 5.0}, {"y": -1.0}])

    def test_the_deployments_client(self):
        client = get_deploy_client(WORLD.url)
        self.assertEqual(sorted(one.name for one in client.list_endpoints()), ["iris", "scaled"])
        self.assertEqual(client.get_endpoint("iris").model.name, "iris-model")
        got = client.predict(endpoint="scaled", inputs={"dataframe_records": [{"a": 2.5, "b": 2}]})
        self.assertEqual(got, {"predictions": [{"y": 5.0}]})

    def test_data_frames(self):
        url = f"{WORLD.url}/shop/prod/scaled/invocations"
        expect = {"predictions": [{"y": 5.0}, {"y": -1.0}]}
        split = {"dataframe_split": {"columns": ["a", "b"], "data": [[2.5, 2], [1, -1]]}}
        self.assertEqual(requests.post(url, json=split, timeout=30).json(), expect)
        csv = requests.post(url, data="b,a\n2,2.5\n-1,1\n", headers={"content-type": "text/csv; charset=utf-8"}, timeout=30)
        self.assertEqual(csv.json(), expect)
        # A model with one wide input takes the columns of a frame as it.
        frame = {"columns": ["a", "b", "c", "d"], "data": ROWS[:2].tolist()}
        got = requests.post(f"{WORLD.url}/shop/prod/iris/invocations", json={"dataframe_split": frame}, timeout=30)
        self.assertEqual([row["label"] for row in got.json()["predictions"]], ["setosa", "setosa"])


if __name__ == "__main__":
    unittest.main()
