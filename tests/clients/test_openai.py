"""The `openai` SDK against a server of its own behind the gateway: whole answers, streams, what breaks, what is given up."""

import json
import sys
import time
import unittest
from pathlib import Path

import openai
import requests
import world
from mlflow.deployments import get_deploy_client

TALKER = str(Path(__file__).with_name("talker.py"))


def setUpModule():
    global WORLD
    WORLD = world.World({"chat": [sys.executable, TALKER], "mortal": [sys.executable, TALKER]})


def tearDownModule():
    WORLD.close()


def seen():
    return requests.get(f"{WORLD.url}/shop/prod/chat/seen", timeout=world.LONG).json()


def counted(service="chat"):
    _, evidence = WORLD.admin("GET", "/evidence")
    [route] = [route for route in evidence["routes"] if route["service"] == service]
    return route["versions"][0]


class OpenAi(unittest.TestCase):
    """At the root, where the body names the model, and at the service's own address."""

    def client(self, path="/v1"):
        client = openai.OpenAI(base_url=WORLD.url + path, api_key="none", max_retries=0, timeout=world.LONG)
        self.addCleanup(client.close)
        return client

    def test_whole_answers(self):
        for path in ("/v1", "/shop/prod/chat/v1", "/chat/v1"):
            client = self.client(path)
            got = client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "good day"}])
            self.assertEqual(got.choices[0].message.content, "good day")
            self.assertEqual(got.usage.total_tokens, 4)
            got = client.completions.create(model="chat", prompt="once upon")
            self.assertEqual(got.choices[0].text, "once upon")
            got = client.embeddings.create(model="chat", input=["a", "bcd"], encoding_format="float")
            self.assertEqual([one.embedding for one in got.data], [[1.0], [3.0]])

    def test_streams(self):
        text = "the quick brown fox"
        for path in ("/v1", "/shop/prod/chat/v1"):
            stream = self.client(path).chat.completions.create(
                model="chat", messages=[{"role": "user", "content": text}], stream=True
            )
            self.assertEqual("".join(piece.choices[0].delta.content for piece in stream).split(), text.split())
        stream = self.client().completions.create(model="chat", prompt=text, stream=True)
        self.assertEqual("".join(piece.choices[0].text for piece in stream).split(), text.split())

    def test_pieces_come_as_they_are_made(self):
        stream = self.client().chat.completions.create(
            model="chat", messages=[{"role": "user", "content": "a b c"}], stream=True, temperature=0.2
        )
        times = [time.monotonic() for _ in stream]
        # The server sleeps between the pieces: they did not come all at once at the end.
        self.assertGreater(times[-1] - times[0], 0.2)

    def test_models(self):
        self.assertEqual(sorted(one.id for one in self.client().models.list()), ["chat", "mortal"])
        self.assertEqual(self.client().models.retrieve("chat").id, "chat")

    def test_what_is_refused(self):
        client = self.client()
        with self.assertRaises(openai.NotFoundError) as caught:
            client.chat.completions.create(model="none", messages=[{"role": "user", "content": "x"}])
        self.assertIn("there is no model", caught.exception.message)
        with self.assertRaises(openai.NotFoundError) as caught:
            self.client("/shop/prod/chat/v2").completions.create(model="chat", prompt="x")
        self.assertIn("nothing at /v2/completions", caught.exception.message)
        for body in (b"", b"{", b"[]", b"{}", b'{"model": 1}', b"\xff\xfe", b'{"model": "chat"' + b"," * 1000):
            got = requests.post(f"{WORLD.url}/v1/chat/completions", data=body, timeout=world.LONG)
            self.assertEqual(got.status_code, 400)
            self.assertEqual(got.json()["error"]["type"], "invalid_request_error")
        self.assertEqual(requests.get(f"{WORLD.url}/v1/completions", timeout=world.LONG).status_code, 405)

    def test_a_client_that_goes_away_is_heard_of(self):
        before, abandoned = seen()["broken"], counted()["abandoned"]
        stream = self.client().chat.completions.create(
            model="chat", messages=[{"role": "user", "content": "word " * 5000}], stream=True, temperature=0.01
        )
        next(iter(stream))
        stream.close()
        WORLD.until("the server notices", lambda: seen()["broken"] == before + 1)
        WORLD.until("it is counted", lambda: counted()["abandoned"] == abandoned + 1)

    def test_a_stream_that_breaks_is_no_end(self):
        errors = counted()["errors"]
        stream = self.client().chat.completions.create(
            model="chat", messages=[{"role": "user", "content": "one break two"}], stream=True
        )
        with self.assertRaises(Exception):
            list(stream)
        WORLD.until("it is counted", lambda: counted()["errors"] == errors + 1)

    def test_connections_are_used_again(self):
        client = self.client()
        for number in range(50):
            got = client.completions.create(model="chat", prompt=f"number {number}")
            self.assertEqual(got.choices[0].text, f"number {number}")
        self.assertEqual(seen()["headers"].get("Host", seen()["headers"].get("host")), "localhost")

    def test_the_deployments_client(self):
        client = get_deploy_client(WORLD.url)
        got = client.predict(endpoint="chat", inputs={"model": "chat", "messages": [{"role": "user", "content": "hello"}]})
        self.assertEqual(got["choices"][0]["message"]["content"], "hello")
        self.assertEqual(client.get_endpoint("chat").endpoint_type, "llm/v1/chat")

    def test_a_server_that_dies_takes_its_replica_along(self):
        got = requests.post(
            f"{WORLD.url}/mortal/v1/completions", json={"model": "m", "prompt": "exit"}, timeout=world.LONG
        )
        self.assertIn(got.status_code, (502, 503))
        self.assertIn("error", got.json())
        WORLD.until("the replica has ended", lambda: WORLD.by_name["mortal-0"].poll() is not None, watch=False)


if __name__ == "__main__":
    unittest.main()
