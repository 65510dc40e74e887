"""What a person with a token does, and what callers without one cannot."""
import json
import os
import urllib.request

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

client = MlflowClient()
base, project = os.environ["MLFLOW_TRACKING_URI"].rsplit("/p/", 1)


def refused(code, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except MlflowException as e:
        assert e.error_code == code, f"{call.__name__}{args}: {e.error_code}: {e.message}"
        return e.message
    raise AssertionError(f"{call.__name__}{args} was not refused")


def api(method, path, body=None):
    headers = {"Authorization": f"Bearer {os.environ['OWNER']}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{base}/api/v1{path}", data, headers, method=method)) as answer:
        return json.load(answer)


# Without a token, and with the owner's.
refused("UNAUTHENTICATED", client.search_experiments)
os.environ["MLFLOW_TRACKING_TOKEN"] = "ms_000000000000_wrong"
refused("UNAUTHENTICATED", client.search_experiments)
os.environ["MLFLOW_TRACKING_TOKEN"] = os.environ["OWNER"]
experiment = client.create_experiment("e")

# Names of the project's environments are aliases that roll-outs set.
text = f"mainspan: 1\nproject: {project}\nenvironments: [staging, prod]\n"
api("POST", f"/projects/{project}/apply", {"text": text})
run = client.create_run(experiment).info.run_id
with open("model.onnx", "wb") as file:
    file.write(bytes.fromhex(os.environ["ONNX"]))
client.log_artifact(run, "model.onnx", "model")
client.create_registered_model("delay")
version = client.create_model_version("delay", f"runs:/{run}/model/model.onnx", run)
for alias in ("staging", "prod", "champion"):
    message = refused("PERMISSION_DENIED", client.set_registered_model_alias, "delay", alias, "1")
    assert "mainspan promote delay" in message, message
    refused("PERMISSION_DENIED", client.delete_registered_model_alias, "delay", alias)
client.set_registered_model_alias("delay", "dev", "1")

# The file that would serve was found and looked into.
[one] = api("GET", f"/projects/{project}/models/delay")["versions"]
assert one["artifact"].startswith("sha256:"), one
assert [i["name"] for i in one["signature"]["inputs"]] == ["x"], one
events = [e["kind"] for e in api("GET", f"/projects/{project}/events")]
assert {"model.registered", "version.registered", "alias.set"} <= set(events), events
print("fine")
