"""Downloads and loads what three pipelines registered, and fails to change it."""
import hashlib
import json
import os
import pathlib

import mlflow
import numpy as np
from mlflow import MlflowClient

client = MlflowClient()


def check(folder, digest):
    """The folder holds the registered ONNX file and says how to load it."""
    files = [path for path in pathlib.Path(folder).rglob("*") if path.is_file()]
    onnx = [path for path in files if path.suffix == ".onnx"]
    assert len(onnx) == 1 and (pathlib.Path(folder) / "MLmodel").exists(), files
    assert "sha256:" + hashlib.sha256(onnx[0].read_bytes()).hexdigest() == digest, files
    return {path.name for path in files}


for name, digest in json.loads(os.environ["DIGESTS"]).items():
    version = client.get_model_version(name, "1")
    uri = f"models:/{name}/1"
    for place in [uri, version.source, client.get_model_version_download_uri(name, "1")]:
        files = check(mlflow.artifacts.download_artifacts(place), digest)
    # What was logged with the model comes with it; a bare file has nothing more.
    assert ("requirements.txt" in files) == (name != "bare"), (name, files)
    x = np.array([[1.0], [4.0]], dtype=np.float32)
    answer = mlflow.pyfunc.load_model(uri).predict({"dep_delay": x})
    assert np.allclose(np.array(list(answer.values())[0]).ravel(), [2.0, 5.0]), (name, answer)
    assert mlflow.onnx.load_model(uri).graph.input[0].name == "dep_delay"
    assert [m.path for m in client.list_artifacts(version.run_id, "mainspan")] == ["mainspan/model"]
    for path in ["mainspan", "mainspan/model"]:
        try:
            client.log_text(version.run_id, "x", f"{path}/x.txt")
        except Exception as refused:
            assert "never change" in str(refused), refused
        else:
            raise AssertionError(f"{path} of {name} was written to")
    client.log_text(version.run_id, "x", "notes/x.txt")
