"""Compares what a real `mlflow server` and Mainspan tell webhooks of the same changes. Part of `make test-long`.

    target/test-python/bin/python tests/mlflow/deliveries.py target/debug/mainspan

A receiver on loopback takes what both send. Of each change the event, what is said of it and the headers must be the same,
and the signature must be right. Then Mainspan alone: a receiver that fails at first is told again in order, a redirect is
not followed, and what waits survives a kill.
"""
import base64
import collections
import contextlib
import hashlib
import hmac
import http.server
import json
import os
import re
import signal
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import servers

SECRET = "a secret with é"
EVENTS = [
    ("REGISTERED_MODEL", "CREATED"), ("MODEL_VERSION", "CREATED"), ("MODEL_VERSION_TAG", "SET"), ("MODEL_VERSION_TAG", "DELETED"),
    ("MODEL_VERSION_ALIAS", "CREATED"), ("MODEL_VERSION_ALIAS", "DELETED"), ("PROMPT", "CREATED"), ("PROMPT_VERSION", "CREATED"),
    ("PROMPT_TAG", "SET"), ("PROMPT_TAG", "DELETED"), ("PROMPT_VERSION_TAG", "SET"), ("PROMPT_VERSION_TAG", "DELETED"),
    ("PROMPT_ALIAS", "CREATED"), ("PROMPT_ALIAS", "DELETED"), ("BUDGET_POLICY", "EXCEEDED"),
]
PROMPT = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
# Changes that are told, and some that nobody is told of.
CHANGES = [
    ("POST", "registered-models/create", {"name": "delay", "tags": [{"key": "team", "value": "é"}], "description": "d"}),
    ("POST", "registered-models/create", {"name": "bare"}),
    ("POST", "registered-models/create", {"name": "bare"}),
    ("POST", "registered-models/set-tag", {"name": "delay", "key": "a", "value": "b"}),
    ("PATCH", "registered-models/update", {"name": "delay", "description": "e"}),
    ("POST", "model-versions/create", {"name": "delay", "source": "s3://bucket/m", "tags": [{"key": "a", "value": "b"}]}),
    ("POST", "model-versions/create", {"name": "delay", "source": "s3://bucket/n", "description": "second"}),
    ("PATCH", "model-versions/update", {"name": "delay", "version": "1", "description": "e"}),
    ("POST", "model-versions/set-tag", {"name": "delay", "version": "1", "key": "k", "value": "v"}),
    ("DELETE", "model-versions/delete-tag", {"name": "delay", "version": "1", "key": "k"}),
    ("DELETE", "model-versions/delete-tag", {"name": "delay", "version": "1", "key": "never there"}),
    ("POST", "registered-models/alias", {"name": "delay", "alias": "blue", "version": "2"}),
    ("DELETE", "registered-models/alias", {"name": "delay", "alias": "blue"}),
    ("DELETE", "registered-models/alias", {"name": "delay", "alias": "never-there"}),
    ("POST", "registered-models/alias", {"name": "delay", "alias": "blue", "version": "99"}),
    ("POST", "registered-models/create", {"name": "greet", "tags": [*PROMPT, {"key": "team", "value": "ml"}], "description": "p"}),
    ("POST", "model-versions/create", {"name": "greet", "source": "dummy-source", "tags": [
        *PROMPT, {"key": "mlflow.prompt.text", "value": "Hi {{name}}"}, {"key": "_mlflow_prompt_type", "value": "text"}, {"key": "x", "value": "y"},
    ]}),
    ("POST", "registered-models/set-tag", {"name": "greet", "key": "a", "value": "b"}),
    ("DELETE", "registered-models/delete-tag", {"name": "greet", "key": "a"}),
    ("POST", "model-versions/set-tag", {"name": "greet", "version": "1", "key": "k", "value": "v"}),
    ("DELETE", "model-versions/delete-tag", {"name": "greet", "version": "1", "key": "k"}),
    ("POST", "registered-models/alias", {"name": "greet", "alias": "champion", "version": "1"}),
    ("DELETE", "registered-models/alias", {"name": "greet", "alias": "champion"}),
    ("DELETE", "model-versions/delete", {"name": "greet", "version": "1"}),
    ("DELETE", "registered-models/delete", {"name": "delay"}),
]


class Receiver(http.server.ThreadingHTTPServer):
    """Keeps what it is told under each path; `fail[path]` says with which statuses it answers first."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.told, self.fail = collections.defaultdict(list), collections.defaultdict(list)
        self.base = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def of(self, path, count):
        """What came to a path, once there is so much of it."""
        deadline = time.monotonic() + 60
        while len(self.told[path]) < count:
            if time.monotonic() > deadline:
                raise SystemExit(f"{path}: {len(self.told[path])} of {count} deliveries came")
            time.sleep(0.05)
        return self.told[path]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        failing = self.server.fail[self.path]
        status = failing.pop(0) if failing else 200
        self.server.told[self.path].append((status, dict(self.headers.items()), body))
        self.send_response(status)
        if status in (302, 307):
            self.send_header("Location", self.server.base + "/inside")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


def call(base, method, path, body):
    """The status and the answer."""
    url = f"{base}/api/2.0/mlflow/{path}"
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, None


def hook(base, url, events=EVENTS, **more):
    """The id of a new webhook."""
    events = [{"entity": entity, "action": action} for entity, action in events]
    status, answer = call(base, "POST", "webhooks", {"name": "w", "url": url, "events": events, **more})
    assert status == 200, (status, answer)
    return answer["webhook"]["webhook_id"]


def signed(headers, body, secret):
    content = f"{headers['X-MLflow-Delivery-Id']}.{headers['X-MLflow-Timestamp']}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret.encode(), content, hashlib.sha256).digest()).decode()


def shape(delivery):
    """What of a delivery both must send alike."""
    _, headers, body = delivery
    headers = {name.lower(): value for name, value in headers.items()}
    told = json.loads(body)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", told["timestamp"]), told["timestamp"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", headers["x-mlflow-delivery-id"]), headers
    assert re.fullmatch(r"\d{10}", headers["x-mlflow-timestamp"]), headers
    named = sorted(name for name in headers if name.startswith("x-") or name == "content-type")
    return {**told, "timestamp": "TIME", "headers": named, "type": headers["content-type"]}


def told(base, receiver, path):
    """What a server tells of all changes, in an order of its own: MLflow sends side by side."""
    hook(base, f"{receiver.base}{path}", secret=SECRET)
    hook(base, f"{receiver.base}{path}/plain", events=[("REGISTERED_MODEL", "CREATED")])
    hook(base, f"{receiver.base}{path}/off", status="DISABLED")
    time.sleep(1.5)  # MLflow remembers for a second that nobody listens
    statuses = []
    for method, at, body in CHANGES:
        statuses.append(call(base, method, at, body)[0])
    wanted = 18
    deliveries = receiver.of(path, wanted)
    receiver.of(f"{path}/plain", 2)
    time.sleep(1)
    assert len(deliveries) == wanted, [json.loads(one[2]) for one in deliveries]
    assert not receiver.told[f"{path}/off"]
    for _, headers, body in deliveries:
        headers = {name.title().replace("Mlflow", "MLflow"): value for name, value in headers.items()}
        assert headers["X-MLflow-Signature"] == signed(headers, body, SECRET), headers
    shapes = [shape(one) for one in [*deliveries, *receiver.told[f"{path}/plain"]]]
    return statuses, shapes


def tests(base, receiver, path):
    """What tests of each event answer and tell."""
    answers = []
    one = hook(base, f"{receiver.base}{path}", secret=SECRET, status="DISABLED")
    for entity, action in [("", ""), *EVENTS]:
        event = {"event": {"entity": entity, "action": action}} if entity else {}
        answers.append(call(base, "POST", f"webhooks/{one}/test", event))
    receiver.fail[path] = [404]
    answers.append(call(base, "POST", f"webhooks/{one}/test", {}))
    return answers, [shape(one) for one in receiver.of(path, len(answers))]


def sorted_shapes(shapes):
    return sorted(json.dumps(one, sort_keys=True) for one in shapes)


def same(receiver, theirs, ours):
    a, b = told(theirs, receiver, "/theirs"), told(ours, receiver, "/ours")
    assert a[0] == b[0], (a[0], b[0])
    for one, other in zip(sorted_shapes(a[1]), sorted_shapes(b[1]), strict=True):
        assert one == other, f"\n{one}\n{other}"
    in_order = [json.loads(body) for _, _, body in receiver.told["/ours"]]
    assert [one["timestamp"] for one in in_order] == sorted(one["timestamp"] for one in in_order)
    print(f"ok {len(a[1])} deliveries are alike")
    a, b = tests(theirs, receiver, "/theirs/test"), tests(ours, receiver, "/ours/test")
    assert a == b, (a, b)
    print(f"ok {len(a[0])} tests are alike")


def names(receiver, path):
    return [(status, json.loads(body)["data"]["name"]) for status, _, body in receiver.told[path]]


def persistent(receiver, base):
    """Mainspan tells again, in order, with the same id."""
    receiver.fail["/busy"] = [503, 429]
    hook(base, f"{receiver.base}/busy", events=[("REGISTERED_MODEL", "CREATED")])
    hook(base, f"{receiver.base}/gone", events=[("REGISTERED_MODEL", "CREATED")])
    receiver.fail["/gone"] = [410]
    hook(base, f"{receiver.base}/moved", events=[("REGISTERED_MODEL", "CREATED")])
    receiver.fail["/moved"] = [307, 302]
    for name in ("a", "b"):
        call(base, "POST", "registered-models/create", {"name": name})
    receiver.of("/busy", 4)
    assert names(receiver, "/busy") == [(503, "a"), (429, "a"), (200, "a"), (200, "b")], names(receiver, "/busy")
    ids = [headers.get("x-mlflow-delivery-id") for _, headers, _ in receiver.told["/busy"]]
    assert ids[0] == ids[1] == ids[2] != ids[3], ids
    receiver.of("/gone", 2)
    assert names(receiver, "/gone") == [(410, "a"), (200, "b")], names(receiver, "/gone")
    receiver.of("/moved", 2)
    assert not receiver.told["/inside"], "a redirect was followed"
    print("ok what fails is told again, in order; redirects are not followed")


def kill_and_start(binary, receiver, folder):
    """What was acknowledged is told although the server was killed before it could."""
    started = lambda: servers.mainspan_server(binary, folder, "--webhook-allow", "127.0.0.1")
    receiver.fail["/killed"] = [503] * 3
    with contextlib.ExitStack() as stack:
        base = stack.enter_context(started())
        hook(base, f"{receiver.base}/killed", events=[("REGISTERED_MODEL", "CREATED")], secret=SECRET)
        for n in range(20):
            assert call(base, "POST", "registered-models/create", {"name": f"m{n}"})[0] == 200
        pid = json.loads((open(f"{folder}/state/server.json")).read())["pid"]
        os.kill(pid, signal.SIGKILL)
    before = len(receiver.told["/killed"])
    with started():
        receiver.fail["/killed"] = []
        deadline = time.monotonic() + 60
        while len({name for status, name in names(receiver, "/killed") if status == 200}) < 20:
            assert time.monotonic() < deadline, names(receiver, "/killed")
            time.sleep(0.1)
    heard = [name for status, name in names(receiver, "/killed") if status == 200]
    assert list(dict.fromkeys(heard)) == [f"m{n}" for n in range(20)], heard
    print(f"ok 20 deliveries outlive a kill, of which {before} attempts came before it")


def main(binary):
    receiver = Receiver()
    allow = {"MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true", "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https", "MLFLOW_WEBHOOK_CACHE_TTL": "1"}
    with tempfile.TemporaryDirectory() as theirs, tempfile.TemporaryDirectory() as ours, tempfile.TemporaryDirectory() as third:
        with servers.mlflow_server(theirs, **allow) as a, servers.mainspan_server(binary, ours, "--webhook-allow", "127.0.0.0/8") as b:
            same(receiver, a, b)
            persistent(receiver, b)
        kill_and_start(binary, receiver, third)


if __name__ == "__main__":
    main(sys.argv[1])
