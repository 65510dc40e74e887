"""The two lines that most scripts have: autolog, and a fit. And what comes of them."""
import mlflow
import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV

mlflow.set_experiment("autolog")
mlflow.sklearn.autolog()
x = np.arange(40.0).reshape(-1, 2)
y = x[:, 0] * 2 + 1

model = Ridge(alpha=0.5).fit(x, y)
[run] = mlflow.search_runs(output_format="list")
assert run.info.status == "FINISHED", run.info
assert run.data.params["alpha"] == "0.5", run.data.params
assert run.data.metrics["training_score"] > 0.9, run.data.metrics
assert run.data.tags["estimator_name"] == "Ridge", run.data.tags
assert run.inputs.dataset_inputs[0].tags[0].value == "train", run.inputs
model_id = run.outputs.model_outputs[0].model_id
logged = mlflow.get_logged_model(model_id)
assert logged.source_run_id == run.info.run_id and logged.params["alpha"] == "0.5", logged
assert "training_score" in {m.key for m in logged.metrics}, logged.metrics
loaded = mlflow.pyfunc.load_model(f"models:/{model_id}")
assert np.allclose(loaded.predict(x), model.predict(x))

# A search makes a parent and children.
with mlflow.start_run(run_name="search") as parent:
    GridSearchCV(Ridge(), {"alpha": [0.1, 1.0, 10.0]}, cv=2).fit(x, y)
children = mlflow.search_runs(filter_string=f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'", order_by=["params.alpha ASC"])
assert sorted(children["params.alpha"]) == ["0.1", "1.0", "10.0"], children
files = {f.path for f in mlflow.MlflowClient().list_artifacts(parent.info.run_id)}
assert "cv_results.csv" in files, files

# What the evaluation of MLflow logs beside.
frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": y})
with mlflow.start_run():
    result = mlflow.models.evaluate(
        lambda given: model.predict(given.to_numpy()), frame, targets="y", model_type="regressor", evaluator_config={"log_explainer": False})
assert result.metrics["mean_absolute_error"] < 1, result.metrics
print("fine")
