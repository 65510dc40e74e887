"""MLflow models in their own Python: three kinds, every protocol, beside MLflow's own answers."""

import os
import tempfile
import unittest
import warnings

import mlflow
import numpy as np
import pandas as pd
import pyfunc_models
import requests
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
import world


def setUpModule():
    global WORLD, FOLDER, FLOWERS, IRIS, BOOSTED, ROWS, LOADED
    warnings.simplefilter("ignore")
    FOLDER = tempfile.TemporaryDirectory()
    mlflow.set_tracking_uri(f"sqlite:///{FOLDER.name}/mlflow.db")
    mlflow.create_experiment("models", artifact_location=f"file://{FOLDER.name}/files")
    mlflow.set_experiment("models")
    os.mkdir(f"{FOLDER.name}/flowers")
    flowers, FLOWERS, IRIS = pyfunc_models.flowers(f"{FOLDER.name}/flowers")
    boosted, BOOSTED, ROWS = pyfunc_models.boosted(FOLDER.name)
    paths = {"flowers": flowers, "boosted": boosted, "greeter": pyfunc_models.greeter(FOLDER.name)}
    paths["mortal"] = paths["greeter"]
    LOADED = {name: mlflow.pyfunc.load_model(path) for name, path in paths.items()}
    WORLD = world.World(paths, replicas=2)


def tearDownModule():
    WORLD.close()
    FOLDER.cleanup()


def post(path, body, **more):
    return requests.post(WORLD.url + path, json=body, timeout=world.LONG, **more)


class Scoring(unittest.TestCase):
    """MLflow's protocol: what MLflow itself answers."""

    def test_a_frame(self):
        frame = IRIS.iloc[::40]
        expect = list(LOADED["flowers"].predict(frame))
        split = {"dataframe_split": {"columns": list(frame), "data": frame.values.tolist()}}
        self.assertEqual(post("/shop/prod/flowers/invocations", split).json(), {"predictions": expect})
        records = {"dataframe_records": frame.to_dict("records")}
        self.assertEqual(post("/shop/prod/flowers/invocations", records).json(), {"predictions": expect})
        csv = requests.post(
            f"{WORLD.url}/shop/prod/flowers/invocations",
            data=frame.to_csv(index=False),
            headers={"content-type": "text/csv"},
            timeout=world.LONG,
        )
        self.assertEqual(csv.json(), {"predictions": expect})

    def test_a_matrix(self):
        expect = LOADED["boosted"].predict(ROWS[:4]).tolist()
        got = post("/shop/prod/boosted/invocations", {"inputs": ROWS[:4].tolist()})
        self.assertEqual(got.json(), {"predictions": expect})

    def test_parameters(self):
        body = {"dataframe_records": [{"name": "Ann", "age": 7}], "params": {"mark": "?"}}
        got = post("/shop/prod/greeter/invocations", body).json()
        self.assertEqual(got, {"predictions": [{"greeting": "hello Ann?", "length": 3}]})

    def test_the_request_and_the_model_are_told_apart(self):
        got = post("/shop/prod/greeter/invocations", {"dataframe_records": [{"age": 7}]})
        self.assertEqual((got.status_code, got.json()["error_code"]), (400, "BAD_REQUEST"))
        self.assertIn("missing", got.json()["message"])
        got = post("/shop/prod/greeter/invocations", {"dataframe_records": [{"name": "fail", "age": 7}]})
        self.assertEqual((got.status_code, got.json()["error_code"]), (500, "INTERNAL_ERROR"))
        self.assertIn("ValueError: no such name", got.json()["message"])


class Others(unittest.TestCase):
    """The other protocols."""

    def test_rows(self):
        row = {**IRIS.iloc[0].to_dict(), "request_id": "a", "more": None}
        got = post("/flowers", row).json()
        self.assertEqual(got, {"prediction": "setosa", "version": 3, "request_id": "a"})
        got = post("/greeter", [{"name": "Ann", "age": 7}, {"name": "Bo", "age": 8}]).json()
        self.assertEqual(got["predictions"], ["hello Ann!", "hello Bo!"])
        self.assertEqual(got["outputs"][1], {"greeting": "hello Bo!", "length": 2})
        # JSON does not tell whole numbers from others.
        whole = dict.fromkeys(IRIS, 5)
        self.assertEqual(post("/flowers", whole).status_code, 200)

    def test_first_protocol(self):
        frame = IRIS.iloc[::40]
        expect = list(LOADED["flowers"].predict(frame))
        for instances in (frame.to_dict("records"), frame.values.tolist()):
            got = post("/v1/models/flowers:predict", {"instances": instances})
            self.assertEqual(got.json(), {"predictions": expect})
        got = post("/v1/models/boosted:predict", {"instances": ROWS[:2].tolist()})
        np.testing.assert_array_equal(got.json()["predictions"], LOADED["boosted"].predict(ROWS[:2]))

    def ask(self, client, module, name, given):
        inputs = []
        for column, values in given.items():
            inputs.append(module.InferInput(column, values.shape, kind(values)))
            inputs[-1].set_data_from_numpy(values)
        return client.infer(name, inputs)

    def test_second_protocol(self):
        for module in (over_http, over_grpc):
            client = module.InferenceServerClient(WORLD.address)
            given = {column: IRIS[column].to_numpy() for column in IRIS}
            got = self.ask(client, module, "flowers", given)
            [output] = [o["name"] if isinstance(o, dict) else o.name for o in outputs(got)]
            labels = [label.decode() for label in got.as_numpy(output)]
            self.assertEqual(labels, list(FLOWERS.predict(IRIS)))
            got = self.ask(client, module, "boosted", {"inputs": ROWS})
            [output] = [o["name"] if isinstance(o, dict) else o.name for o in outputs(got)]
            np.testing.assert_array_equal(got.as_numpy(output), BOOSTED.predict(ROWS))
            given = {"name": np.array(["Ann", "Bo"], object), "age": np.array([7, 8])}
            got = self.ask(client, module, "greeter", given)
            self.assertEqual([text.decode() for text in got.as_numpy("greeting")], ["hello Ann!", "hello Bo!"])
            np.testing.assert_array_equal(got.as_numpy("length"), [3, 2])
            client.close()

    def test_second_protocol_in_json(self):
        x = {"name": "inputs", "datatype": "FP32", "shape": [1, 3], "data": ROWS[0].tolist()}
        got = post("/v2/models/boosted/infer", {"id": "7", "inputs": [x]}).json()
        np.testing.assert_array_equal(np.float32(got["outputs"][0]["data"]), BOOSTED.predict(ROWS[:1]))
        self.assertEqual((got["id"], got["model_name"]), ("7", "boosted"))
        got = post("/v2/models/greeter/infer", {"inputs": [{**x, "name": "age"}]})
        self.assertEqual(got.status_code, 400)
        self.assertIn("input `name` is missing", got.json()["error"])

    def test_metadata(self):
        got = requests.get(f"{WORLD.url}/v2/models/flowers", timeout=world.LONG).json()
        self.assertEqual([one["name"] for one in got["inputs"]], list(IRIS))
        self.assertEqual({one["datatype"] for one in got["inputs"]}, {"FP64"})


class Breaking(unittest.TestCase):
    """A process that dies takes its replica along; whoever is under way there is asked elsewhere."""

    def test_a_request_that_kills_is_tried_once_more(self):
        got = post("/mortal", {"name": "die", "age": 1})
        self.assertIn(got.status_code, (502, 503), got.text)
        WORLD.until("both replicas have ended", lambda: self.ended() == {"mortal-0", "mortal-1"}, watch=False)
        # The others go on.
        self.assertEqual(post("/flowers", IRIS.iloc[0].to_dict()).status_code, 200)

    def ended(self):
        return {name for name, process in WORLD.by_name.items() if process.poll() is not None}


def kind(values):
    return {"f": f"FP{values.dtype.itemsize * 8}", "i": f"INT{values.dtype.itemsize * 8}", "O": "BYTES"}[values.dtype.kind]


def outputs(got):
    answer = got.get_response()
    return answer["outputs"] if isinstance(answer, dict) else answer.outputs


if __name__ == "__main__":
    unittest.main()
