"""Mistakes, and what the client is told: the code of MLflow's own server for each. And what is sent twice."""
import json
import os
import urllib.error
import urllib.request

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

client = MlflowClient()
base = os.environ["MLFLOW_TRACKING_URI"]


def refused(code, call, *args, part=None, **kwargs):
    try:
        call(*args, **kwargs)
    except MlflowException as e:
        assert e.error_code == code, f"{call.__name__}{args}: {e.error_code}: {e.message}"
        assert part is None or part in e.message, e.message
        return
    raise AssertionError(f"{call.__name__}{args} was not refused")


def raw(method, path, body=None, content_type="application/json"):
    headers = {"Content-Type": content_type} if content_type else {}
    request = urllib.request.Request(base + path, data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as e:
        return e.code, json.loads(e.read() or b"null")


exp = client.create_experiment("errors")
run = client.create_run(exp).info.run_id

# What is not there.
refused("RESOURCE_DOES_NOT_EXIST", client.get_run, "0" * 32, part="not found")
refused("RESOURCE_DOES_NOT_EXIST", client.log_metric, "0" * 32, "a", 1.0)
refused("RESOURCE_DOES_NOT_EXIST", client.get_experiment, "99999", part="No Experiment with id=99999 exists")
refused("INVALID_PARAMETER_VALUE", client.get_experiment, "abc")
assert client.get_experiment_by_name("nothing") is None
refused("RESOURCE_DOES_NOT_EXIST", client.delete_tag, run, "nothing", part="No tag with name: nothing")
refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, "nothing", part="Registered Model with name=nothing not found")
refused("RESOURCE_DOES_NOT_EXIST", mlflow.get_logged_model, "m-0", part="not found")

# What is there already.
refused("RESOURCE_ALREADY_EXISTS", client.create_experiment, "errors", part="already exists")
client.log_param(run, "depth", 3)
client.log_param(run, "depth", 3)
refused("INVALID_PARAMETER_VALUE", client.log_param, run, "depth", 5, part="Changing param values is not allowed")
refused("INVALID_PARAMETER_VALUE", client.log_batch, run, params=[Param("depth", "5"), Param("new", "1")])
assert client.get_run(run).data.params == {"depth": "3"}, "a refused batch leaves nothing behind"

# Names and limits.
refused("INVALID_PARAMETER_VALUE", client.create_experiment, "x" * 501)
for key in ("a;b", "../b", "a//b", "/a", "."):
    for call in (client.log_metric, client.log_param, client.set_tag):
        refused("INVALID_PARAMETER_VALUE", call, run, key, 1)
refused("INVALID_PARAMETER_VALUE", client.log_metric, run, "k" * 251, 1)
client.log_param(run, "long", "é" * 7000)
assert len(client.get_run(run).data.params["long"]) == 6000
many = [{"key": "m", "value": 1, "timestamp": 1, "step": n} for n in range(1001)]
status, answer = raw("POST", "/api/2.0/mlflow/runs/log-batch", json.dumps({"run_id": run, "metrics": many}).encode())
assert status == 400 and answer["error_code"] == "INVALID_PARAMETER_VALUE", answer
status, answer = raw("POST", "/api/2.0/mlflow/runs/log-batch", json.dumps({"run_id": run, "params": [{"key": "a", "value": "1"}] * 2}).encode())
assert status == 400 and "Duplicate parameter keys" in answer["message"], answer
refused("INVALID_PARAMETER_VALUE", client.search_runs, [exp], max_results=50_001)
refused("INVALID_PARAMETER_VALUE", client.search_runs, [exp], "metrics.a > 1 OR metrics.b > 1")
refused("INVALID_PARAMETER_VALUE", client.search_runs, [exp], "params.a > '1'")
refused("INVALID_PARAMETER_VALUE", client.search_runs, [exp], order_by=["nothing DESC"])
refused("INVALID_PARAMETER_VALUE", client.search_runs, [exp], page_token="%%%")

# Life cycle.
client.delete_run(run)
refused("INVALID_PARAMETER_VALUE", client.log_metric, run, "a", 1.0, part="must be in the 'active' state")
refused("INVALID_PARAMETER_VALUE", client.set_terminated, run)
client.restore_run(run)
gone = client.create_experiment("gone")
client.create_run(gone)
client.delete_experiment(gone)
refused("RESOURCE_DOES_NOT_EXIST", client.delete_experiment, gone)
refused("INVALID_PARAMETER_VALUE", client.create_run, gone, part="must be in the 'active' state")
assert client.search_runs([gone]) == []
client.restore_experiment(gone)
assert len(client.search_runs([gone])) == 1

# Bodies that are none.
create = "/api/2.0/mlflow/experiments/create"
for body, kind in ((b"{", "application/json"), (b"[1]", "application/json"), (b"\xff", "application/json"), (b"{}", "text/plain"), (b"{}", None)):
    if kind is None:
        continue  # urllib sends a type of its own
    status, answer = raw("POST", create, body, kind)
    assert status == 400 and answer["error_code"] == "INVALID_PARAMETER_VALUE", (body, kind, answer)
status, answer = raw("POST", create, b"{}")
assert answer["message"].startswith("Missing value for required parameter 'name'"), answer
status, answer = raw("POST", create, b'{"name": 5}')
assert status == 400 and answer["error_code"] == "INVALID_PARAMETER_VALUE", answer
status, answer = raw("GET", "/api/2.0/mlflow/nothing")
assert status == 404 and answer["error_code"] == "ENDPOINT_NOT_FOUND", answer
status, answer = raw("POST", create, b'{"name": "unknown fields are ignored", "colour": "red"}')
assert status == 200, answer
# The twin for pages.
status, answer = raw("GET", f"/ajax-api/2.0/mlflow/runs/get?run_id={run}")
assert status == 200 and answer["run"]["info"]["run_uuid"] == run, answer

# Sent twice, kept once.
for _ in range(2):
    client.log_batch(run, [Metric("acc", 0.5, 1000, 1)], [Param("p", "1")], [RunTag("t", "1")])
assert len(client.get_metric_history(run, "acc")) == 1
client.set_tag(run, "t", "2")
client.set_tag(run, "t", "2")
assert client.get_run(run).data.tags["t"] == "2"

# Paths that would lead out.
artifacts = "/api/2.0/mlflow-artifacts/artifacts"
for path in ("../x", "%2e%2e/x", "a/%2e%2e/%2e%2e/x", "%252e%252e/x", "a%5c..%5cb", "%2fetc/passwd", "a%00b", "a%23b", "a%3fb"):
    for method in ("PUT", "GET", "DELETE"):
        status, answer = raw(method, f"{artifacts}/{path}", b"x" if method == "PUT" else None, "application/octet-stream")
        assert status in (400, 404), (method, path, status, answer)
        assert answer["error_code"] in ("INVALID_PARAMETER_VALUE", "ENDPOINT_NOT_FOUND"), (method, path, answer)
for path in (".", "%2e", "./."):
    status, answer = raw("DELETE", f"{artifacts}/{path}")
    assert status in (400, 404, 405), (path, status, answer)
for path in ("..%2fx", "%2e%2e%2fx", "%252e%252e", "/etc", "a%5cb"):
    status, answer = raw("GET", f"{artifacts}?path={path}")
    assert status == 400 and answer["error_code"] == "INVALID_PARAMETER_VALUE", (path, answer)
    status, answer = raw("GET", f"/api/2.0/mlflow/artifacts/list?run_id={run}&path={path}")
    assert status == 400 and answer["error_code"] == "INVALID_PARAMETER_VALUE", (path, answer)
refused("INVALID_PARAMETER_VALUE", client.create_experiment, "climbs", artifact_location="mlflow-artifacts:/a/../../b")
status, answer = raw("GET", f"{artifacts}/nothing/here")
assert status == 404 and answer["error_code"] == "RESOURCE_DOES_NOT_EXIST", answer
print("fine")
