"""Unmodified code in a step: everything works in its own run, and nothing else can be written."""
import os

import mlflow
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

client = MlflowClient()
ids = {name: os.environ[f"IDS_{name.upper()}"] for name in ("experiment", "elsewhere", "pipeline", "attempt", "sibling", "foreign")}


def refused(call, *args, code="PERMISSION_DENIED", **kwargs):
    try:
        call(*args, **kwargs)
    except MlflowException as e:
        assert e.error_code == code, f"{call.__name__}{args}: {e.error_code}: {e.message}"
        return
    except requests.HTTPError as e:  # what the client raises for files
        assert e.response.json()["error_code"] == code, e
        return
    raise AssertionError(f"{call.__name__}{args} was not refused")


# `start_run` takes MLFLOW_RUN_ID and MLFLOW_EXPERIMENT_ID out of the environment.
with mlflow.start_run() as run:
    assert run.info.run_id == ids["attempt"], run.info
    mlflow.log_param("depth", 4)
    mlflow.log_metric("mae", 11.0)
    mlflow.log_text("x", "notes/a.txt")
    mlflow.log_input(mlflow.data.from_numpy(__import__("numpy").zeros((2, 2)), name="d"))
    with mlflow.start_run(nested=True) as child:
        mlflow.log_metric("mae", 12.0)
        mlflow.log_text("y", "b.txt")
    model = mlflow.create_external_model("model", source_run_id=run.info.run_id)
    mlflow.set_logged_model_tags(model.model_id, {"a": "b"})
assert mlflow.artifacts.load_text(f"runs:/{ids['attempt']}/notes/a.txt") == "x"

# What it starts belongs to the pipeline's run, whatever the step says.
alone = client.create_run(ids["experiment"], tags={"mainspan.run": "another"})
assert alone.data.tags["mainspan.run"] == "run-1", alone.data.tags
client.log_metric(alone.info.run_id, "a", 1.0)
refused(client.set_tag, alone.info.run_id, "mainspan.run", "another")
refused(client.delete_tag, alone.info.run_id, "mainspan.run")

# Reading within the project is free.
for name in ("pipeline", "sibling", "foreign"):
    client.get_run(ids[name])
assert len(client.search_runs([ids["experiment"]])) == 6

# Writing elsewhere is not.
for name in ("pipeline", "sibling", "foreign"):
    run_id = ids[name]
    refused(client.log_metric, run_id, "mae", 0.0)
    refused(client.log_param, run_id, "a", "b")
    refused(client.log_batch, run_id, params=[mlflow.entities.Param("a", "b")])
    refused(client.set_tag, run_id, "a", "b")
    refused(client.set_terminated, run_id)
    refused(client.delete_run, run_id)
    refused(client.log_inputs, run_id, [])
    refused(client.log_text, run_id, "x", "x.txt")
refused(client.create_run, ids["elsewhere"])
refused(client.create_run, ids["experiment"], tags={"mlflow.parentRunId": ids["sibling"]})
refused(client.create_experiment, "new")
refused(client.set_experiment_tag, ids["experiment"], "a", "b")
refused(client.rename_experiment, ids["experiment"], "b")
refused(client.delete_experiment, ids["experiment"])
refused(client.create_registered_model, "delay")
refused(client.create_model_version, "delay", f"runs:/{ids['attempt']}/notes", ids["attempt"])
refused(mlflow.create_external_model, "model", source_run_id=ids["sibling"])
refused(mlflow.create_external_model, "model", source_run_id=ids["attempt"], experiment_id=ids["elsewhere"])
refused(mlflow.create_external_model, "model")

# Another project is none of its business.
elsewhere = MlflowClient(os.environ["MLFLOW_TRACKING_URI"].replace("/p/flights", "/p/other"))
refused(elsewhere.search_experiments)
print("fine")
