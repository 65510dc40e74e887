"""Logged models, the registry, aliases, and loading what was registered."""
import warnings

import mlflow
import numpy as np
import onnx
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from onnx import TensorProto, helper

warnings.filterwarnings("ignore", category=FutureWarning)  # stages are what is tested
client = MlflowClient()


def refused(code, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except MlflowException as e:
        assert e.error_code == code, f"{call.__name__}{args}: {e.error_code}: {e.message}"
        return e.message
    raise AssertionError(f"{call.__name__}{args} was not refused")


# y = 2 x, as small as a model can be.
graph = helper.make_graph(
    [helper.make_node("Mul", ["x", "two"], ["y"])], "double",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
    [helper.make_tensor("two", TensorProto.FLOAT, [1], [2.0])])
double = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)

mlflow.set_experiment("models")
with mlflow.start_run() as run:
    mlflow.log_param("depth", 3)
    info = mlflow.onnx.log_model(double, name="model", registered_model_name="delay", save_as_external_data=False)
    mlflow.log_metric("mae", 11.5, model_id=info.model_id)

# The logged model.
logged = mlflow.get_logged_model(info.model_id)
assert logged.status.name == "READY" and logged.source_run_id == run.info.run_id and logged.name == "model", logged
assert [(m.key, m.value) for m in logged.metrics] == [("mae", 11.5)], logged.metrics
assert client.get_run(run.info.run_id).outputs.model_outputs[0].model_id == info.model_id
assert [m.model_id for m in mlflow.search_logged_models(output_format="list")] == [info.model_id]
assert mlflow.search_logged_models(filter_string="metrics.mae > 12", output_format="list") == []
mlflow.set_logged_model_tags(info.model_id, {"risk": "low"})
assert mlflow.get_logged_model(info.model_id).tags["risk"] == "low"
client.delete_logged_model_tag(info.model_id, "risk")
refused("RESOURCE_DOES_NOT_EXIST", client.delete_logged_model_tag, info.model_id, "risk")
files = sorted(f.path for f in client.list_logged_model_artifacts(info.model_id))
assert "MLmodel" in files and "model.onnx" in files, files

# The version, and loading it by every address.
version = client.get_model_version("delay", "1")
assert version.run_id == run.info.run_id and version.status == "READY" and version.source == f"models:/{info.model_id}", version
x = np.array([[1.0], [4.0]], dtype=np.float32)


def works(uri):
    loaded = mlflow.pyfunc.load_model(uri)
    out = loaded.predict({"x": x})
    assert np.allclose(out["y"], [[2.0], [8.0]]), out


works(info.model_uri)
works("models:/delay/1")
works("models:/delay/latest")
client.set_registered_model_alias("delay", "candidate", "1")
client.set_registered_model_alias("delay", "candidate", "1")
works("models:/delay@candidate")
assert client.get_model_version_by_alias("delay", "candidate").version == 1 or \
    client.get_model_version_by_alias("delay", "candidate").version == "1"
assert client.get_registered_model("delay").aliases == {"candidate": "1"}
assert client.get_model_version("delay", "1").aliases == ["candidate"]

# What serves is told by deployments, not by clients.
for alias in ("champion",):
    message = refused("PERMISSION_DENIED", client.set_registered_model_alias, "delay", alias, "1")
    assert "mainspan promote delay" in message, message
    refused("PERMISSION_DENIED", client.delete_registered_model_alias, "delay", alias)
client.set_registered_model_alias("delay", "blue", "1")
client.delete_registered_model_alias("delay", "blue")
client.delete_registered_model_alias("delay", "blue")
refused("INVALID_PARAMETER_VALUE", client.get_model_version_by_alias, "delay", "blue")
refused("INVALID_PARAMETER_VALUE", client.set_registered_model_alias, "delay", "v1", "1")
refused("INVALID_PARAMETER_VALUE", client.set_registered_model_alias, "delay", "latest", "1")
refused("RESOURCE_DOES_NOT_EXIST", client.set_registered_model_alias, "delay", "blue", "9")

# More versions: from a run, from another version, from elsewhere.
second = client.create_model_version("delay", f"runs:/{run.info.run_id}/model", run.info.run_id, tags={"a": "b"}, description="two")
older = client.create_model_version("delay", f"runs:/{run.info.run_id}/model")
assert older.run_id == run.info.run_id, older
client.delete_model_version("delay", older.version)
assert second.version in (2, "2") and second.tags["a"] == "b" and second.description == "two"
third = mlflow.register_model("models:/delay/1", "delay")
assert str(third.version) == "4", third
refused("INVALID_PARAMETER_VALUE", client.create_model_version, "delay", "file:///etc/passwd")
refused("INVALID_PARAMETER_VALUE", client.create_model_version, "delay", "/etc")
refused("INVALID_PARAMETER_VALUE", client.create_model_version, "delay", "mlflow-artifacts:/x/../../etc", run.info.run_id)
refused("INVALID_PARAMETER_VALUE", client.create_model_version, "delay", "mlflow-artifacts:/other/place", run.info.run_id)
refused("RESOURCE_DOES_NOT_EXIST", client.create_model_version, "nothing", "s3://a/b")

# Descriptions, tags, stages, searches.
client.update_model_version("delay", "2", "about it")
client.set_model_version_tag("delay", "2", "k", "v")
client.delete_model_version_tag("delay", "2", "a")
found = client.get_model_version("delay", "2")
assert (found.description, found.tags) == ("about it", {"k": "v"}), found
client.update_registered_model("delay", "predicts delays")
client.set_registered_model_tag("delay", "team", "air")
found = client.get_registered_model("delay")
assert (found.description, found.tags) == ("predicts delays", {"team": "air"}), found
client.transition_model_version_stage("delay", "2", "production")
client.transition_model_version_stage("delay", "4", "Production", archive_existing_versions=True)
assert client.get_model_version("delay", "2").current_stage == "Archived"
assert sorted((v.current_stage, str(v.version)) for v in client.get_latest_versions("delay")) == [
    ("Archived", "2"), ("None", "1"), ("Production", "4")]
assert [str(v.version) for v in client.get_latest_versions("delay", ["Production"])] == ["4"]
refused("INVALID_PARAMETER_VALUE", client.transition_model_version_stage, "delay", "2", "upstage")
assert [str(v.version) for v in client.search_model_versions("name = 'delay'", order_by=["version_number DESC"])] == ["4", "2", "1"]
assert [str(v.version) for v in client.search_model_versions(f"run_id = '{run.info.run_id}' AND tags.k = 'v'")] == ["2"]
client.create_registered_model("other", tags={"x": "y"}, description="d")
refused("RESOURCE_ALREADY_EXISTS", client.create_registered_model, "other")
refused("INVALID_PARAMETER_VALUE", client.create_registered_model, "a/b")
assert [m.name for m in client.search_registered_models("name LIKE 'o%'")] == ["other"]
assert [m.name for m in client.search_registered_models("tags.team = 'air'")] == ["delay"]
assert [m.name for m in client.search_registered_models(order_by=["name DESC"])] == ["other", "delay"]
first = client.search_registered_models(max_results=1)
assert [m.name for m in client.search_registered_models(max_results=1, page_token=first.token)] == ["other"]
client.rename_registered_model("other", "another")
refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, "other")
client.delete_registered_model("another")
refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, "another")

# Deleting: the number is never given again.
client.delete_model_version("delay", "4")
refused("RESOURCE_DOES_NOT_EXIST", client.get_model_version, "delay", "4")
fifth = client.create_model_version("delay", f"models:/{info.model_id}", model_id=info.model_id)
assert str(fifth.version) == "5", fifth
assert client.get_model_version_download_uri("delay", "5").startswith("mlflow-artifacts:/")
client.delete_logged_model(info.model_id)
refused("RESOURCE_DOES_NOT_EXIST", mlflow.get_logged_model, info.model_id)
print("fine")
