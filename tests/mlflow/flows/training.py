"""Training as people write it: autolog of XGBoost, evaluation, registering and loading again. Takes the tracking URI."""
import sys

import mlflow
import numpy as np
import pandas as pd
import xgboost
from mlflow import MlflowClient
from sklearn.linear_model import LinearRegression

mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment("training")
client = MlflowClient()
draw = np.random.default_rng(7)
rows = pd.DataFrame(draw.normal(size=(80, 3)), columns=["a", "b", "c"])
target = rows.a * 2 - rows.b + draw.normal(scale=0.1, size=80)


def autolog_of_xgboost():
    mlflow.xgboost.autolog()
    with mlflow.start_run() as run:
        data = xgboost.DMatrix(rows, target)
        xgboost.train({"max_depth": 2, "nthread": 1}, data, num_boost_round=6, evals=[(data, "train")], verbose_eval=False)
    mlflow.xgboost.autolog(disable=True)
    found = client.get_run(run.info.run_id)
    assert found.data.params["max_depth"] == "2", found.data.params
    history = client.get_metric_history(run.info.run_id, "train-rmse")
    assert [point.step for point in history] == list(range(6)), history
    assert found.outputs.model_outputs, "autolog logged no model"
    model = mlflow.get_logged_model(found.outputs.model_outputs[0].model_id)
    loaded = mlflow.xgboost.load_model(model.model_uri)
    assert np.isfinite(loaded.predict(xgboost.DMatrix(rows))).all()
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert any(path.startswith("feature_importance") for path in files), files


def evaluation():
    with mlflow.start_run() as run:
        model = LinearRegression().fit(rows, target)
        logged = mlflow.sklearn.log_model(model, name="line", input_example=rows[:3])
        result = mlflow.models.evaluate(
            logged.model_uri, rows.assign(y=target), targets="y", model_type="regressor", evaluators="default",
            evaluator_config={"log_explainer": False},
        )
    assert result.metrics["mean_absolute_error"] < 0.2, result.metrics
    kept = client.get_run(run.info.run_id).data.metrics
    assert abs(kept["mean_absolute_error"] - result.metrics["mean_absolute_error"]) < 1e-9
    return logged


def registry(logged):
    version = mlflow.register_model(logged.model_uri, "line")
    client.set_registered_model_alias("line", "blue", version.version)
    client.set_model_version_tag("line", version.version, "checked", "yes")
    loaded = mlflow.pyfunc.load_model("models:/line@blue")
    assert np.allclose(loaded.predict(rows), mlflow.pyfunc.load_model(logged.model_uri).predict(rows))
    found = client.search_model_versions("name = 'line' AND tags.checked = 'yes'")
    assert [one.version for one in found] == [version.version], found
    assert client.get_model_version_by_alias("line", "blue").version == version.version
    # The way to what serves is a roll-out: its alias cannot be taken.
    try:
        client.set_registered_model_alias("line", "champion", version.version)
    except mlflow.MlflowException as error:
        assert error.error_code == "PERMISSION_DENIED" and "promote" in error.message, error
    else:
        raise AssertionError("the alias champion was set")


def frames():
    found = mlflow.search_runs(order_by=["metrics.`train-rmse` ASC"])
    assert len(found) == 2 and found["metrics.train-rmse"].notna().sum() == 1, found
    filtered = mlflow.search_runs(filter_string="metrics.mean_absolute_error < 0.2")
    assert len(filtered) == 1, filtered


autolog_of_xgboost()
print("ok autolog of XGBoost")
registry(evaluation())
print("ok evaluate, register, alias, load")
frames()
print("ok runs as a frame")
