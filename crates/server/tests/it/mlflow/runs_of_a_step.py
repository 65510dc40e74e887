"""Makes the runs of a pipeline's run as the executor does, and prints their ids."""
import json

from mlflow import MlflowClient

client = MlflowClient()
experiment = client.create_experiment("train")
ids = {"experiment": experiment, "elsewhere": client.create_experiment("elsewhere")}
tags = {"mainspan.run": "run-1"}
ids["pipeline"] = client.create_run(experiment, tags=tags, run_name="train").info.run_id
for name in ("attempt", "sibling"):
    ids[name] = client.create_run(experiment, tags={**tags, "mlflow.parentRunId": ids["pipeline"]}, run_name=name).info.run_id
ids["foreign"] = client.create_run(experiment, run_name="foreign").info.run_id
print(json.dumps(ids))
