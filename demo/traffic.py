"""The load client seen from the story: a process of its own, its orders and its status.

Called by story.py. It must not count anything itself: what the story knows about the
traffic is what load.py wrote down.
"""

import json
import subprocess
import sys
from pathlib import Path

from demo import prepare


class Traffic:
    """One replay."""

    def __init__(self, data_url, path, data, status, log):
        host, port = data_url.removeprefix("http://").rsplit(":", 1)
        self.file, self.seen = Path(status), {}
        self.file.unlink(missing_ok=True)
        self.log = open(log, "w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "demo.load", "--flights", str(prepare.STREAM), "--host", host, "--port", port,
             "--path", path, "--data", str(data), "--status", str(status), "--rate", "0"],
            cwd=prepare.ROOT, stdin=subprocess.PIPE, stdout=self.log, stderr=self.log, text=True)

    def order(self, **order):
        """Changes the rate or the name of the phase."""
        print(json.dumps(order), file=self.process.stdin, flush=True)

    def status(self):
        """The newest counts; empty until there are some."""
        if self.process.poll() is not None and not self.seen.get("final"):
            if not (self.file.exists() and json.loads(self.file.read_text()).get("final")):
                raise RuntimeError(f"the load client ended with {self.process.returncode}; see {self.log.name}")
        if self.file.exists():
            self.seen = json.loads(self.file.read_text())
        return self.seen

    def version(self, number):
        """What one version has answered so far; None before its first answer."""
        return self.status().get("versions", {}).get(str(number))

    def stop(self):
        """Lets the last answers come in and returns the final counts."""
        if self.process.poll() is None:
            self.order(stop=True)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.terminate()
                self.process.wait(10)
        self.log.close()
        return self.status()
