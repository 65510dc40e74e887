"""The product as a user meets it: its command line and its HTTP addresses, and nothing else.

Called by story.py. Every change goes through the command line; what is only looked at
many times a second is read over HTTP. It must never open the state directory but for the
owner's token, which is what the command line does too.
"""

import http.client
import json
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path


class Refused(Exception):
    """A command of the product failed; the message is what it said."""


class Product:
    """One server and gateway on one state directory."""

    def __init__(self, binary, state, environment, log):
        self.binary, self.state, self.log = binary, Path(state), log
        self.environment = {**environment, "MAINSPAN_STATE": str(state)}
        self.control = self.data = self.token = None

    def up(self, folder, port, data_port):
        """Starts everything in the background and remembers where it listens."""
        answer = self.json(folder, "up", "--detach", "--port", str(port), "--data-port", str(data_port))
        self.control, self.data = answer["control"].rstrip("/"), answer["data"].rstrip("/")
        self.token = (self.state / "control.token").read_text().strip()
        return answer

    def run(self, folder, *words, allowed=(0,)):
        """Runs a verb in a folder; returns its exit code and what it printed."""
        begun = time.monotonic()
        done = subprocess.run([str(self.binary), *words], cwd=folder, env=self.environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        with open(self.log, "a") as log:
            print(f"$ mainspan {' '.join(words)}\n{done.stdout}{done.stderr}"
                  f"[{done.returncode}, {time.monotonic() - begun:.3f} s]\n", file=log)
        if done.returncode not in allowed:
            raise Refused(f"`mainspan {' '.join(words)}` ended with {done.returncode}: {done.stderr.strip()}")
        return done.returncode, done.stdout

    def json(self, folder, *words):
        return json.loads(self.run(folder, *words, "-o", "json")[1])

    def get(self, project, path):
        """Reads from the product's own API; `path` is what follows the project's name."""
        request = urllib.request.Request(f"{self.control}/api/v1/projects/{project}/{path}",
                                         headers={"authorization": f"Bearer {self.token}"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def params(self, project, mlflow_run):
        """What a step logged as parameters, as any MLflow client reads it."""
        url = f"{self.control}/p/{project}/api/2.0/mlflow/runs/get?run_id={mlflow_run}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            data = json.load(answer)["run"]["data"]
        return {param["key"]: param["value"] for param in data.get("params", [])}

    def ask(self, path, row, connection=None):
        """Asks a service once; returns status, version and body. Errors of the network are status 0."""
        host, port = self.data.removeprefix("http://").rsplit(":", 1)
        own = connection or http.client.HTTPConnection(host, int(port), timeout=10)
        try:
            own.request("POST", path, json.dumps(row), {"content-type": "application/json"})
            answer = own.getresponse()
            body = answer.read()
            version = answer.getheader("mainspan-version")
            return answer.status, int(version) if version else None, body
        except (OSError, http.client.HTTPException) as error:
            own.close()  # the next question opens it again
            return 0, None, str(error).encode()
        finally:
            if connection is None:
                own.close()

    def connection(self):
        """A keep-alive connection for many questions."""
        host, port = self.data.removeprefix("http://").rsplit(":", 1)
        return http.client.HTTPConnection(host, int(port), timeout=10)
