"""A gateway with engines behind it, by the binary: what the protocol's clients talk to."""

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = os.environ.get("MAINSPAN_BINARY", str(ROOT / "target/debug/mainspan"))
LIBRARY = os.environ.get("ORT_DYLIB_PATH", "")
# Nothing here takes as long unless it is broken.
LONG = 60.0


def library():
    """ONNX Runtime as the Python package brings it: answers can be compared bit for bit."""
    if LIBRARY:
        return LIBRARY
    import onnxruntime

    [found] = Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so.*")
    return str(found)


class Admin(http.client.HTTPConnection):
    """HTTP over the admin socket."""

    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class World:
    """Engines for models by their service's name, in project `shop`, environment `prod`."""

    def __init__(self, models, threads=1, replicas=1):
        self.folder = tempfile.TemporaryDirectory(prefix="ms-clients-")
        self.processes = []
        self.by_name = {}
        routes = []
        for name, model in models.items():
            sockets = [f"{self.folder.name}/{name}-{number}.sock" for number in range(replicas)]
            for number, replica in enumerate(sockets):
                self.start(f"{name}-{number}", ["engine", "--socket", replica, *self.engine(model, threads)])
            arm = {"version": 3, "model": f"{name}-model", "weight": 1.0, "replicas": sockets}
            address = {"project": "shop", "environment": "prod", "service": name}
            speaks = "http" if isinstance(model, list) else "frames"
            routes.append({**address, "root": True, "arms": [arm], "speaks": speaks})
        self.start("gateway", ["gateway", "--state", self.folder.name, "--data-port", "0"])
        card = self.until("the gateway is up", self.card)
        self.address = card["address"]
        self.url = f"http://{self.address}"
        status, answer = self.admin("PUT", "/routes", {"generation": 1, "routes": routes})
        assert status == 200, answer
        # Every thread of the gateway has to reach every engine.
        self.until("the engines answer", self.connected)

    def engine(self, model, threads):
        """A list is a command, a folder an MLflow model for the Python that runs this, else it is ONNX."""
        if isinstance(model, list):
            return ["--", *model]
        words = ["--model", str(model), "--threads", str(threads)]
        return [*words, *(["--python", sys.executable] if Path(model).is_dir() else ["--library", library()])]

    def start(self, name, words):
        with open(f"{self.folder.name}/{name}.log", "w", encoding="utf-8") as log:
            process = subprocess.Popen([BINARY, *words], stdout=log, stderr=log)
            self.processes.append(process)
            self.by_name[name] = process

    def card(self):
        try:
            return json.loads(Path(self.folder.name, "gateway.json").read_text("utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    def admin(self, method, path, body=None):
        connection = Admin(f"{self.folder.name}/gateway.sock")
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        status, body = answer.status, json.loads(answer.read())
        connection.close()
        return status, body

    def connected(self):
        _, health = self.admin("GET", "/health")
        up = [replica["connections"] == health["threads"] for replica in health["replicas"]]
        return all(up)

    def until(self, what, reached, watch=True):
        end = time.monotonic() + LONG
        while time.monotonic() < end:
            got = reached()
            if got:
                return got
            for process in self.processes if watch else ():
                assert process.poll() is None, f"{what}: {self.logs()}"
            time.sleep(0.02)
        raise AssertionError(f"never: {what}: {self.logs()}")

    def logs(self):
        return "\n".join(path.read_text("utf-8") for path in Path(self.folder.name).glob("*.log"))

    def close(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(LONG)
        self.folder.cleanup()
