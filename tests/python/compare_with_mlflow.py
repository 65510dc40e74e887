"""Sends the same calls to a real `mlflow server` and to Mainspan, and compares the answers. Run by `make test-long`.

    target/test-python/bin/python tests/python/compare_with_mlflow.py target/release/mainspan

Prints a line per call that differs and ends with 1 when there is one. The calls are `CALLS`: method, path, and the body
or query. `$name` stands for a value that an earlier answer gave (see `SAVE`). Before two answers are compared, ids and
times are replaced by their kind (`normal`), and so are the few fields in `LEFT_OUT`; nothing else may differ but what is
listed, with the reason, in `MEANT`.
"""
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

E = "/api/2.0/mlflow/experiments/"
R = "/api/2.0/mlflow/runs/"
M = "/api/2.0/mlflow/registered-models/"
V = "/api/2.0/mlflow/model-versions/"
L = "/api/2.0/mlflow/logged-models"
A = "/api/2.0/mlflow-artifacts/artifacts"


def point(key="mae", value=1.5, at=1000, step=0, **more):
    return {"key": key, "value": value, "timestamp": at, "step": step, **more}


CALLS = [
    # experiments
    ("POST", E + "create", {"name": "a", "tags": [{"key": "k", "value": "v"}]}),
    ("POST", E + "create", {"name": "a"}),
    ("POST", E + "create", {}),
    ("POST", E + "create", {"name": ""}),
    ("POST", E + "create", {"name": "x" * 501}),
    ("POST", E + "create", {"name": "bad tag", "tags": [{"key": "a;b", "value": "v"}]}),
    ("GET", E + "get", {"experiment_id": "$exp"}),
    ("GET", E + "get", {"experiment_id": "424242"}),
    ("GET", E + "get", {"experiment_id": "abc"}),
    ("GET", E + "get", {}),
    ("GET", E + "get-by-name", {"experiment_name": "a"}),
    ("GET", E + "get-by-name", {"experiment_name": "nothing"}),
    ("POST", E + "set-experiment-tag", {"experiment_id": "$exp", "key": "t", "value": "1"}),
    ("POST", E + "set-experiment-tag", {"experiment_id": "$exp", "value": "1"}),
    ("POST", E + "delete-experiment-tag", {"experiment_id": "$exp", "key": "t"}),
    ("POST", E + "delete-experiment-tag", {"experiment_id": "$exp", "key": "t"}),
    ("POST", E + "search", {"max_results": 10, "filter": "tags.k = 'v'"}),
    ("POST", E + "search", {"max_results": 0}),
    ("POST", E + "search", {"max_results": 10, "filter": "name = 5"}),
    ("POST", E + "search", {"max_results": 10, "filter": "nothing = 'x'"}),
    ("GET", E + "search", {"max_results": 10, "filter": "name LIKE 'a%'"}),
    ("POST", E + "update", {"experiment_id": "$exp", "new_name": "b"}),
    ("POST", E + "update", {"experiment_id": "$exp"}),
    ("POST", E + "delete", {"experiment_id": "424242"}),
    # runs
    ("POST", R + "create", {"experiment_id": "$exp", "user_id": "ann", "run_name": "first", "start_time": 1000, "tags": [{"key": "kind", "value": "x"}]}),
    ("POST", R + "create", {"experiment_id": "424242", "start_time": 1}),
    ("POST", R + "create", {"experiment_id": "$exp", "run_name": "p", "tags": [{"key": "mlflow.runName", "value": "q"}]}),
    ("GET", R + "get", {"run_id": "$run"}),
    ("GET", R + "get", {"run_uuid": "$run"}),
    ("GET", R + "get", {"run_id": "nothing"}),
    ("GET", R + "get", {}),
    ("POST", R + "log-metric", {"run_id": "$run", **point()}),
    ("POST", R + "log-metric", {"run_id": "$run", **point()}),
    ("POST", R + "log-metric", {"run_id": "$run", **point(step=1, value=0.5)}),
    ("POST", R + "log-metric", {"run_id": "$run", **point("nan", "NaN")}),
    ("POST", R + "log-metric", {"run_id": "$run", "key": "mae", "timestamp": 1}),
    ("POST", R + "log-metric", {"run_id": "$run", "value": 1, "timestamp": 1}),
    ("POST", R + "log-metric", {"run_id": "$run", "key": "mae", "value": 1}),
    ("POST", R + "log-metric", {"run_id": "$run", **point("a;b")}),
    ("POST", R + "log-metric", {"run_id": "$run", **point("../b")}),
    ("POST", R + "log-metric", {"run_id": "$run", **point(at=-1)}),
    ("POST", R + "log-metric", {"run_id": "$run", **point("k" * 251)}),
    ("POST", R + "log-metric", {"run_id": "nothing", **point()}),
    ("POST", R + "log-metric", {**point()}),
    ("POST", R + "log-parameter", {"run_id": "$run", "key": "depth", "value": "3"}),
    ("POST", R + "log-parameter", {"run_id": "$run", "key": "depth", "value": "3"}),
    ("POST", R + "log-parameter", {"run_id": "$run", "key": "depth", "value": "5"}),
    ("POST", R + "log-parameter", {"run_id": "$run", "key": "long", "value": "v" * 6001}),
    ("POST", R + "log-parameter", {"run_id": "$run", "key": "", "value": "3"}),
    ("POST", R + "set-tag", {"run_id": "$run", "key": "t", "value": "1"}),
    ("POST", R + "set-tag", {"run_id": "$run", "key": "t", "value": "2"}),
    ("POST", R + "set-tag", {"run_id": "$run", "key": "mlflow.runName", "value": "renamed"}),
    ("POST", R + "delete-tag", {"run_id": "$run", "key": "t"}),
    ("POST", R + "delete-tag", {"run_id": "$run", "key": "t"}),
    ("POST", R + "log-batch", {"run_id": "$run", "metrics": [point("b", n, n, n) for n in range(5)], "params": [{"key": "p", "value": "1"}], "tags": [{"key": "q", "value": "2"}]}),
    ("POST", R + "log-batch", {"run_id": "$run", "metrics": [{"key": "b", "timestamp": 1}]}),
    ("POST", R + "log-batch", {"run_id": "$run", "params": [{"key": "p", "value": "1"}, {"key": "p", "value": "2"}]}),
    ("POST", R + "log-batch", {"run_id": "$run", "params": [{"key": f"p{n}", "value": "1"} for n in range(101)]}),
    ("POST", R + "log-batch", {"run_id": "$run", "metrics": [point("b", n, n, n) for n in range(1001)]}),
    ("POST", R + "log-batch", {"params": []}),
    ("POST", R + "log-inputs", {"run_id": "$run", "datasets": [{"tags": [{"key": "mlflow.data.context", "value": "training"}], "dataset": {"name": "d", "digest": "1", "source_type": "local", "source": "{}", "schema": "{}"}}]}),
    ("POST", R + "log-inputs", {"run_id": "$run", "datasets": [{"dataset": {"name": "d", "digest": "1" * 37, "source_type": "local", "source": "{}"}}]}),
    ("GET", R + "get", {"run_id": "$run"}),
    ("GET", "/api/2.0/mlflow/metrics/get-history", {"run_id": "$run", "metric_key": "b"}),
    ("GET", "/api/2.0/mlflow/metrics/get-history", {"run_id": "$run", "metric_key": "b", "max_results": 2}),
    ("GET", "/api/2.0/mlflow/metrics/get-history", {"run_id": "$run", "metric_key": "b", "max_results": 0}),
    ("GET", "/api/2.0/mlflow/metrics/get-history", {"run_id": "$run", "metric_key": "nothing"}),
    ("GET", "/api/2.0/mlflow/metrics/get-history", {"run_id": "$run"}),
    ("POST", R + "search", {"experiment_ids": ["$exp"], "filter": "metrics.mae < 1 AND params.depth = '3'"}),
    ("POST", R + "search", {"experiment_ids": ["$exp"], "filter": "metrics.mae > 1"}),
    ("POST", R + "search", {"experiment_ids": ["$exp"], "filter": "tags.nothing IS NULL", "order_by": ["metrics.mae DESC"]}),
    ("POST", R + "search", {"experiment_ids": ["$exp"], "filter": "a OR b"}),
    ("POST", R + "search", {"experiment_ids": ["$exp"], "filter": "metrics.mae = 'x'"}),
    ("POST", R + "search", {"experiment_ids": ["$exp"], "filter": "params.p = 1"}),
    ("POST", R + "search", {"experiment_ids": ["$exp"], "filter": "status > 'A'"}),
    ("POST", R + "search", {"experiment_ids": ["$exp"], "filter": "what.a = 'b'"}),
    ("POST", R + "search", {"experiment_ids": ["$exp"], "max_results": 50001}),
    ("POST", R + "search", {"experiment_ids": []}),
    ("POST", R + "update", {"run_id": "$run", "status": "FINISHED", "end_time": 5000, "run_name": "again"}),
    ("POST", R + "update", {"run_id": "nothing", "status": "FINISHED"}),
    ("POST", R + "delete", {"run_id": "$run"}),
    ("POST", R + "log-parameter", {"run_id": "$run", "key": "z", "value": "3"}),
    ("POST", R + "update", {"run_id": "$run", "status": "FINISHED"}),
    ("POST", R + "restore", {"run_id": "$run"}),
    ("POST", R + "delete", {"run_id": "nothing"}),
    ("POST", R + "delete", {}),
    # files
    ("PUT", A + "/$exp/$run/artifacts/notes/a.txt", b"hello"),
    ("GET", "/api/2.0/mlflow/artifacts/list", {"run_id": "$run"}),
    ("GET", "/api/2.0/mlflow/artifacts/list", {"run_id": "$run", "path": "notes"}),
    ("GET", "/api/2.0/mlflow/artifacts/list", {"run_id": "$run", "path": "../.."}),
    ("GET", "/api/2.0/mlflow/artifacts/list", {"run_id": "nothing"}),
    ("GET", A, {"path": "$exp/$run/artifacts"}),
    ("GET", A, {"path": "/etc"}),
    # logged models
    ("POST", L, {"experiment_id": "$exp", "name": "m", "source_run_id": "$run", "params": [{"key": "a", "value": "1"}], "tags": [{"key": "t", "value": "2"}]}),
    ("POST", L, {"experiment_id": "$exp", "name": "m/n"}),
    ("POST", L, {"name": "m"}),
    ("GET", L + "/$model", {}),
    ("GET", L + "/m-nothing", {}),
    ("PATCH", L + "/$model", {"model_id": "$model", "status": "LOGGED_MODEL_READY"}),
    ("PATCH", L + "/$model/tags", {"tags": [{"key": "x", "value": "y"}]}),
    ("DELETE", L + "/$model/tags/x", {}),
    ("DELETE", L + "/$model/tags/x", {}),
    ("POST", R + "log-metric", {"run_id": "$run", **point("acc", 0.5, model_id="$model")}),
    ("POST", R + "outputs", {"run_id": "$run", "models": [{"model_id": "$model", "step": 1}]}),
    ("GET", L + "/$model", {}),
    ("POST", L + "/search", {"experiment_ids": ["$exp"], "filter": "name = 'm'"}),
    ("POST", L + "/search", {"experiment_ids": ["$exp"], "filter": "metrics.acc > 0.9"}),
    ("POST", L + "/search", {}),
    ("GET", R + "get", {"run_id": "$run"}),
    # registry
    ("POST", M + "create", {"name": "delay", "description": "d", "tags": [{"key": "team", "value": "air"}]}),
    ("POST", M + "create", {"name": "delay"}),
    ("POST", M + "create", {"name": "a/b"}),
    ("POST", M + "create", {}),
    ("GET", M + "get", {"name": "delay"}),
    ("GET", M + "get", {"name": "nothing"}),
    ("POST", V + "create", {"name": "delay", "source": "models:/$model", "model_id": "$model", "tags": [{"key": "a", "value": "b"}]}),
    ("POST", V + "create", {"name": "delay", "source": "runs:/$run/notes", "run_id": "$run"}),
    ("POST", V + "create", {"name": "nothing", "source": "runs:/$run/notes", "run_id": "$run"}),
    ("POST", V + "create", {"name": "delay", "source": "/etc"}),
    ("POST", V + "create", {"name": "delay"}),
    ("GET", V + "get", {"name": "delay", "version": "2"}),
    ("GET", V + "get", {"name": "delay", "version": "9"}),
    ("GET", V + "get", {"name": "delay", "version": "x"}),
    ("PATCH", V + "update", {"name": "delay", "version": "2", "description": "two"}),
    ("POST", V + "set-tag", {"name": "delay", "version": "2", "key": "k", "value": "v"}),
    ("DELETE", V + "delete-tag", {"name": "delay", "version": "2", "key": "k"}),
    ("POST", M + "alias", {"name": "delay", "alias": "blue", "version": "1"}),
    ("POST", M + "alias", {"name": "delay", "alias": "v1", "version": "1"}),
    ("POST", M + "alias", {"name": "delay", "alias": "latest", "version": "1"}),
    ("POST", M + "alias", {"name": "delay", "alias": "a b", "version": "1"}),
    ("POST", M + "alias", {"name": "delay", "alias": "blue", "version": "9"}),
    ("GET", M + "alias", {"name": "delay", "alias": "blue"}),
    ("GET", M + "alias", {"name": "delay", "alias": "red"}),
    ("GET", M + "get", {"name": "delay"}),
    ("GET", M + "search", {"filter": "name LIKE 'd%'"}),
    ("GET", M + "search", {"filter": "version = 1"}),
    ("GET", M + "search", {"max_results": 1001}),
    ("GET", V + "search", {"filter": "name = 'delay'", "order_by": "version_number DESC"}),
    ("GET", V + "search", {"filter": "metrics.a > 1"}),
    ("POST", V + "transition-stage", {"name": "delay", "version": "1", "stage": "production", "archive_existing_versions": False}),
    ("POST", V + "transition-stage", {"name": "delay", "version": "1", "stage": "upstage"}),
    ("POST", M + "get-latest-versions", {"name": "delay"}),
    ("POST", M + "get-latest-versions", {"name": "delay", "stages": ["Production"]}),
    ("GET", V + "get-download-uri", {"name": "delay", "version": "2"}),
    ("PATCH", M + "update", {"name": "delay", "description": "e"}),
    ("POST", M + "set-tag", {"name": "delay", "key": "k", "value": "v"}),
    ("DELETE", M + "delete-tag", {"name": "delay", "key": "k"}),
    ("DELETE", M + "alias", {"name": "delay", "alias": "blue"}),
    ("DELETE", M + "alias", {"name": "delay", "alias": "blue"}),
    ("POST", M + "rename", {"name": "delay", "new_name": "late"}),
    ("DELETE", V + "delete", {"name": "late", "version": "2"}),
    ("GET", V + "get", {"name": "late", "version": "2"}),
    ("DELETE", M + "delete", {"name": "late"}),
    ("DELETE", M + "delete", {"name": "late"}),
    ("DELETE", L + "/$model", {}),
    ("POST", E + "delete", {"experiment_id": "$exp"}),
    ("POST", R + "create", {"experiment_id": "$exp", "start_time": 1}),
    ("POST", E + "restore", {"experiment_id": "$exp"}),
    ("GET", "/version", {}),
]

# Where the values of `$name` come from: the first answer that has the path.
SAVE = {"exp": ["experiment_id"], "run": ["run", "info", "run_id"], "model": ["model", "info", "model_id"]}
# Fields that are not compared.
LEFT_OUT = {"message", "error_class", "sqlstate", "effective_trace_archival_retention", "workspace", "user_id", "run_link"}
# Calls whose answers are meant to differ, and why.
MEANT = {
    ("GET", L + "/$model"): "MLflow names the run of a model's metric",
    ("POST", L + "/search"): "the same",
}


def normal(value, saved, name=None):
    """The value with ids and times replaced by their kind, and lists of pairs sorted."""
    if isinstance(value, dict):
        return {k: normal(v, saved, k) for k, v in sorted(value.items()) if k not in LEFT_OUT and k != "next_page_token"} | (
            {"next_page_token": "TOKEN"} if value.get("next_page_token") else {})
    if isinstance(value, list):
        items = [normal(v, saved, name) for v in value]
        return sorted(items, key=json.dumps) if name in ("tags", "params", "metrics", "aliases", "latest_versions") else items
    if isinstance(value, (int, float)) and not isinstance(value, bool) and re.search("time", name or "") and value > 100_000_000:
        return "TIME"
    if isinstance(value, str):
        for kind, one in saved.items():
            value = re.sub(rf"(?<![0-9a-z]){re.escape(one)}(?![0-9a-z])", f"${kind}", value)
        value = re.sub(r"\b[0-9a-f]{32}\b", "ID", value)
        if name == "artifact_location" or name == "artifact_uri" or name == "root_uri":
            value = re.sub(r"^mlflow-artifacts:/+", "mlflow-artifacts:/", value)
    return value


def filled(value, saved):
    if isinstance(value, str):
        return re.sub(r"\$(exp|run|model)", lambda m: saved.get(m[1], "?"), value)
    if isinstance(value, dict):
        return {k: filled(v, saved) for k, v in value.items()}
    if isinstance(value, list):
        return [filled(v, saved) for v in value]
    return value


def send(base, method, path, body):
    data, headers = None, {}
    if isinstance(body, bytes):
        data, headers = body, {"Content-Type": "application/octet-stream"}
    elif method == "GET":
        path += "?" + urllib.parse.urlencode(body)
    else:
        data, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(base + path, data, headers, method=method), timeout=30) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as e:
        status, text = e.code, e.read()
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text.decode(errors="replace")


def answers(base):
    saved, all_answers = {}, []
    for method, path, body in CALLS:
        status, answer = send(base, method, filled(path, saved), filled(body, saved))
        for name, keys in SAVE.items():
            found = answer
            for key in keys:
                found = found.get(key) if isinstance(found, dict) else None
            if found and name not in saved:
                saved[name] = found
        message = answer.get("message") if isinstance(answer, dict) else None
        all_answers.append((status, normal(answer, saved), message))
    return all_answers


def wait_for(url, process, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"{process.args[0]} ended with {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"{url} did not answer within {seconds} s")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def main():
    binary = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "target/release/mainspan")
    verbose = "-v" in sys.argv
    with tempfile.TemporaryDirectory() as folder:
        ports = free_port(), free_port()
        env = {"PATH": os.environ["PATH"], "HOME": folder, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        mlflow = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(ports[0]), "--workers", "1",
             "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", f"{folder}/artifacts"],
            cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        ours = subprocess.Popen(
            [binary, "--state", f"{folder}/state", "server", "--port", str(ports[1]), "--key", f"{folder}/master.key"],
            cwd=folder, env=env | {"ORT_DYLIB_PATH": "/dev/null"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            wait_for(f"http://127.0.0.1:{ports[1]}/health", ours, 30)
            wait_for(f"http://127.0.0.1:{ports[0]}/health", mlflow, 180)
            pairs = list(zip(CALLS, answers(f"http://127.0.0.1:{ports[0]}"), answers(f"http://127.0.0.1:{ports[1]}")))
        finally:
            for process in (mlflow, ours):
                os.killpg(process.pid, 15)
                process.wait()
    different = 0
    for number, ((method, path, body), theirs, mine) in enumerate(pairs):
        if theirs[:2] != mine[:2] and (method, path) not in MEANT:
            different += 1
            print(f"{number}: {method} {path} {json.dumps(body)[:200] if not isinstance(body, bytes) else ''}\n  mlflow   {theirs[0]} {json.dumps(theirs[1])} {theirs[2] or ''}\n  mainspan {mine[0]} {json.dumps(mine[1])} {mine[2] or ''}")
        elif verbose and theirs[2] != mine[2]:
            print(f"{number}: words differ\n  mlflow   {theirs[2]}\n  mainspan {mine[2]}")
    print(f"{len(pairs)} calls, {different} answered differently")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
