"""A step that writes the model in one of three ways."""
import os
import shutil
import sys

out = os.environ["MAINSPAN_OUT_MODEL"]
if sys.argv[1] == "bare":
    shutil.copy("model.onnx", out)
    sys.exit()

import mlflow
import onnx

model = onnx.load("model.onnx")
if sys.argv[1] == "folder":
    mlflow.onnx.save_model(model, out, save_as_external_data=False)
else:
    with mlflow.start_run():
        info = mlflow.onnx.log_model(model, name="model", save_as_external_data=False)
    shutil.copy(mlflow.artifacts.download_artifacts(info.model_uri) + "/model.onnx", out)
