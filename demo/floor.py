"""The floor: the example's steps bare, and its traffic through a plain server, without the product.

Run by hand: `python3 -m demo.floor`. It says what five minutes on this machine can hold,
and what the product's own share of the story is to be measured against. Preparation must
have been done (`make demo` does it).
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from demo import prepare

WORK = prepare.HERE / "floor"
PYTHON = prepare.PYTHON / "bin" / "python"
SECONDS = 10


class Tracking(BaseHTTPRequestHandler):
    """As much of a tracking server as the steps need: it takes everything and keeps nothing."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        info = {"run_id": "0" * 32, "run_uuid": "0" * 32, "experiment_id": "0", "status": "RUNNING", "start_time": 0,
                "lifecycle_stage": "active", "artifact_uri": str(WORK / "artifacts"), "run_name": "floor"}
        body = json.dumps({"run": {"info": info, "data": {}}, "run_info": info}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = answer

    def log_message(self, *_):
        """Says nothing."""


def main():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    prepare.write_history(WORK / "flights.csv")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Tracking)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment = {
        **inherited, "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{server.server_port}", "MLFLOW_RUN_ID": "0" * 32,
        "MAINSPAN_IN_FLIGHTS": "flights.csv", "MAINSPAN_OUT_TRAIN": "train.csv", "MAINSPAN_OUT_TEST": "test.csv",
        "MAINSPAN_PARAM_TEST_DAYS": "14", "MAINSPAN_IN_TRAIN": "train.csv", "MAINSPAN_IN_TEST": "test.csv",
        "MAINSPAN_OUT_MODEL": "model.onnx", "MAINSPAN_IN_MODEL": "model.onnx",
        "MAINSPAN_PARAM_TREES": "60", "MAINSPAN_PARAM_DEPTH": "4"}
    print(f"{'step':10} {'wall s':>7} {'CPU s':>7}   (the second of two runs)")
    for step in ("split", "fit", "evaluate"):
        for _ in range(2):
            wall, cpu = timed([PYTHON, prepare.ROOT / "examples" / "flights" / f"{step}.py"], environment)
        print(f"{step:10} {wall:7.2f} {cpu:7.2f}")
    server.shutdown()
    traffic()


def timed(command, environment):
    """Runs a command in WORK; returns its wall and CPU seconds."""
    before, begun = os.times(), time.monotonic()
    done = subprocess.run([str(word) for word in command], cwd=WORK, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - begun, cpu


def traffic():
    """Replays SECONDS of flights at several rates through floor_server.py."""
    print(f"\n{'asked/s':>8} {'answered/s':>10} {'p50 ms':>7} {'p99 ms':>7} {'server CPU µs':>13} {'client CPU µs':>13}")
    for rate in (450, 900, 100_000):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = subprocess.Popen([PYTHON, "-m", "demo.floor_server", WORK / "model.onnx", str(port)], cwd=prepare.ROOT)
        time.sleep(2)
        used = cpu_seconds(server.pid)
        client = subprocess.Popen(
            [sys.executable, "-m", "demo.load", "--flights", prepare.STREAM, "--port", str(port), "--rate", str(rate),
             "--status", WORK / "status.json"], cwd=prepare.ROOT, stdin=subprocess.PIPE)
        while not (WORK / "status.json").exists():
            time.sleep(0.05)
        spent, begun = cpu_seconds(client.pid), time.monotonic()
        time.sleep(SECONDS)
        spent, used = cpu_seconds(client.pid) - spent, cpu_seconds(server.pid) - used
        elapsed = time.monotonic() - begun
        now = json.loads((WORK / "status.json").read_text())
        client.stdin.close()
        client.wait()
        server.terminate()
        server.wait()
        done = max(1, now["answered"])
        print(f"{rate:8} {done / elapsed:10.0f} {now['p50_ms']:7.2f} {now['p99_ms']:7.2f} "
              f"{used / done * 1e6:13.0f} {spent / done * 1e6:13.0f}")
        (WORK / "status.json").unlink()


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
