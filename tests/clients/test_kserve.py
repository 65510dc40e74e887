"""KServe's own inference clients, over REST (both protocols) and gRPC."""

import asyncio
import tempfile
import unittest
from pathlib import Path

import httpx
import numpy as np
from kserve import InferInput, InferRequest, InferenceGRPCClient, InferenceRESTClient
from kserve.inference_client import RESTConfig

import models
import world


def setUpModule():
    global WORLD, FOLDER, FITTED, ROWS
    FOLDER = tempfile.TemporaryDirectory()
    paths = {name: Path(FOLDER.name, f"{name}.onnx") for name in ("scaled", "iris", "bytes")}
    models.scaled(paths["scaled"])
    models.identity(paths["bytes"], "BYTES")
    FITTED, ROWS = models.classifier(paths["iris"])
    WORLD = world.World(paths)


def tearDownModule():
    WORLD.close()
    FOLDER.cleanup()


class Rest(unittest.IsolatedAsyncioTestCase):
    """Over REST."""

    def client(self, protocol):
        return InferenceRESTClient(config=RESTConfig(protocol=protocol, retries=0, verbose=False))

    async def test_first_protocol(self):
        client = self.client("v1")
        got = await client.infer(WORLD.url, {"instances": ROWS[:3].tolist()}, model_name="iris")
        labels = [one["label"] for one in got["predictions"]]
        self.assertEqual(labels, list(FITTED.predict(ROWS[:3])))
        np.testing.assert_allclose(
            [one["probabilities"] for one in got["predictions"]], FITTED.predict_proba(ROWS[:3]), atol=1e-5
        )
        got = await client.infer(WORLD.url, {"instances": [{"a": 2.5, "b": 2}, {"a": 1, "b": -1}]}, model_name="scaled")
        self.assertEqual(got, {"predictions": [5, -1]})

    async def test_first_protocol_says_what_is_wrong(self):
        client = self.client("v1")
        with self.assertRaises(httpx.HTTPStatusError) as caught:
            await client.infer(WORLD.url, {"instances": [{"a": 2.5}]}, model_name="scaled")
        self.assertIn("input `b` is missing in row 0", str(caught.exception))
        self.assertEqual(caught.exception.response.status_code, 400)
        with self.assertRaises(httpx.HTTPStatusError) as caught:
            await client.infer(WORLD.url, {"instances": [1]}, model_name="none")
        self.assertEqual(caught.exception.response.status_code, 404)

    async def test_second_protocol(self):
        client = self.client("v2")
        for binary in (False, True):
            with self.subTest(binary=binary):
                x = InferInput("X", list(ROWS.shape), "FP32")
                x.set_data_from_numpy(ROWS, binary_data=binary)
                got = await client.infer(WORLD.url, InferRequest("iris", [x], request_id="7"), model_name="iris")
                self.assertEqual((got.id, got.model_name), ("7", "iris"))
                outputs = {output.name: output for output in got.outputs}
                labels = [label if isinstance(label, str) else label.decode() for label in outputs["label"].as_numpy()]
                self.assertEqual(labels, list(FITTED.predict(ROWS)))
                np.testing.assert_allclose(outputs["probabilities"].as_numpy(), FITTED.predict_proba(ROWS), atol=1e-5)

    async def test_health(self):
        for protocol in ("v1", "v2"):
            client = self.client(protocol)
            self.assertTrue(await client.is_model_ready(WORLD.url, "iris"))
        client = self.client("v2")
        self.assertTrue(await client.is_server_live(WORLD.url))
        self.assertTrue(await client.is_server_ready(WORLD.url))

    async def test_models(self):
        async with httpx.AsyncClient() as http:
            got = (await http.get(f"{WORLD.url}/v1/models")).json()
            self.assertEqual(sorted(got["models"]), ["bytes", "iris", "scaled"])
            got = (await http.get(f"{WORLD.url}/v1/models/iris")).json()
            self.assertEqual((got["name"], got["ready"]), ("iris", True))


class Grpc(unittest.IsolatedAsyncioTestCase):
    """Over gRPC."""

    async def asyncSetUp(self):
        self.client = InferenceGRPCClient(url=WORLD.address, retries=0, timeout=30)

    async def asyncTearDown(self):
        await self.client.close()

    async def test_predictions(self):
        x = InferInput("X", list(ROWS.shape), "FP32")
        x.set_data_from_numpy(ROWS)
        got = await self.client.infer(InferRequest("iris", [x], request_id="8"))
        outputs = {output.name: output.as_numpy() for output in got.outputs}
        self.assertEqual(got.id, "8")
        labels = [label if isinstance(label, str) else label.decode() for label in outputs["label"]]
        self.assertEqual(labels, list(FITTED.predict(ROWS)))

    async def test_typed_contents(self):
        a = InferInput("a", [2, 1], "FP32", data=[1.5, 2.0])
        b = InferInput("b", [2, 1], "INT64", data=[2, -3])
        got = await self.client.infer(InferRequest("scaled", [a, b]))
        np.testing.assert_array_equal(got.outputs[0].as_numpy(), [[3.0], [-6.0]])

    async def test_many_at_a_time(self):
        async def ask(number):
            a = InferInput("a", [1, 1], "FP32", data=[float(number)])
            b = InferInput("b", [1, 1], "INT64", data=[2])
            got = await self.client.infer(InferRequest("scaled", [a, b]))
            return got.outputs[0].as_numpy()[0, 0]

        got = await asyncio.gather(*(ask(number) for number in range(100)))
        self.assertEqual(got, [2.0 * number for number in range(100)])

    async def test_health(self):
        self.assertTrue(await self.client.is_server_live())
        self.assertTrue(await self.client.is_server_ready())
        self.assertTrue(await self.client.is_model_ready("iris"))


if __name__ == "__main__":
    unittest.main()
