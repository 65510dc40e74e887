"""A data scientist's script: experiments, nested runs, every kind of entry, artifacts up and down, searches."""
import math
import os
import tempfile

import mlflow
import pandas as pd
from mlflow import MlflowClient

client = MlflowClient()

# Before anything was made, there is the default experiment.
default = mlflow.get_experiment("0")
assert default.name == "Default" and default.lifecycle_stage == "active", default
assert mlflow.get_experiment_by_name("Default").experiment_id == default.experiment_id
with mlflow.start_run() as run:
    assert run.info.experiment_id in ("0", default.experiment_id)
assert len(mlflow.search_runs()) == 1

experiment = mlflow.set_experiment("delay")
mlflow.set_experiment_tag("team", "air")
with mlflow.start_run(run_name="parent", description="why", tags={"kind": "test"}) as parent:
    mlflow.log_params({"depth": 3, "name": "x y", "empty": ""})
    mlflow.log_metric("mae", 12.5)
    for step in range(5):
        mlflow.log_metrics({"loss": 1.0 / (step + 1), "lr/a": 0.1}, step=step)
    mlflow.log_metric("bad", float("nan"))
    mlflow.log_metric("far", float("inf"))
    mlflow.set_tags({"a": 1, "b.c": "z"})
    mlflow.log_input(mlflow.data.from_pandas(pd.DataFrame({"a": [1.0, 2.0]}), name="flights"), context="training")
    mlflow.log_text("hello", "notes/hello.txt")
    mlflow.log_dict({"k": [1, 2]}, "notes/deep/d.json")
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(f"{folder}/sub/ü x")
        open(f"{folder}/empty", "w").close()
        with open(f"{folder}/sub/ü x/big +.bin", "wb") as file:
            file.write(os.urandom(5_000_000))
        mlflow.log_artifacts(folder, "tree")
    for depth in (1, 2):
        with mlflow.start_run(run_name=f"child {depth}", nested=True):
            mlflow.log_param("depth", depth)
            mlflow.log_metric("mae", 10 + depth)

run = mlflow.get_run(parent.info.run_id)
assert run.info.status == "FINISHED" and run.info.run_name == "parent" and run.info.end_time, run.info
assert run.data.params == {"depth": "3", "name": "x y", "empty": ""}, run.data.params
assert run.data.metrics["mae"] == 12.5 and run.data.metrics["loss"] == 0.2, run.data.metrics
assert math.isnan(run.data.metrics["bad"]) and run.data.metrics["far"] == math.inf, run.data.metrics
assert run.data.tags["a"] == "1" and run.data.tags["b.c"] == "z" and run.data.tags["kind"] == "test"
assert run.data.tags["mlflow.note.content"] == "why"
[used] = run.inputs.dataset_inputs
assert used.dataset.name == "flights" and [(t.key, t.value) for t in used.tags] == [("mlflow.data.context", "training")]

history = client.get_metric_history(run.info.run_id, "loss")
assert [(p.step, p.value) for p in history] == [(s, 1.0 / (s + 1)) for s in range(5)], history

# Files, folder by folder, and all of them back.
assert sorted((f.path, f.is_dir) for f in client.list_artifacts(run.info.run_id)) == [("notes", True), ("tree", True)]
assert sorted((f.path, f.is_dir, f.file_size) for f in client.list_artifacts(run.info.run_id, "notes")) == [
    ("notes/deep", True, None), ("notes/hello.txt", False, 5)]
assert client.list_artifacts(run.info.run_id, "nothing") == []
assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/notes/hello.txt") == "hello"
assert mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/notes/deep/d.json") == {"k": [1, 2]}
with tempfile.TemporaryDirectory() as folder:
    mlflow.artifacts.download_artifacts(run_id=run.info.run_id, dst_path=folder)
    found = sorted(os.path.relpath(os.path.join(at, f), folder) for at, _, files in os.walk(folder) for f in files)
    assert found == ["notes/deep/d.json", "notes/hello.txt", "tree/empty", "tree/sub/ü x/big +.bin"], found
    assert os.path.getsize(f"{folder}/tree/sub/ü x/big +.bin") == 5_000_000

# Searches.
children = client.search_runs([experiment.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'", order_by=["metrics.mae DESC"])
assert [r.info.run_name for r in children] == ["child 2", "child 1"]
frame = mlflow.search_runs(filter_string="metrics.mae < 12 AND params.depth = '1'")
assert list(frame["tags.mlflow.runName"]) == ["child 1"] and list(frame["metrics.mae"]) == [11.0], frame
assert len(mlflow.search_runs(experiment_names=["delay"])) == 3
assert len(mlflow.search_runs(filter_string="datasets.name = 'flights'")) == 1
assert len(mlflow.search_runs(filter_string="attributes.status = 'FINISHED' AND run_name LIKE 'child%'")) == 2
assert len(mlflow.search_runs(filter_string="params.nothing IS NULL", max_results=2)) == 2
names, token = [], None
while True:
    page = client.search_runs([experiment.experiment_id], max_results=1, order_by=["attributes.run_name ASC"], page_token=token)
    names += [r.info.run_name for r in page]
    token = page.token
    if not token:
        break
assert names == ["child 1", "child 2", "parent"], names

# Going on with a run, deleting, restoring.
with mlflow.start_run(run_id=run.info.run_id):
    mlflow.log_metric("mae", 11.0, step=1)
assert client.get_run(run.info.run_id).data.metrics["mae"] == 11.0
client.delete_run(run.info.run_id)
assert client.get_run(run.info.run_id).info.lifecycle_stage == "deleted"
assert len(mlflow.search_runs()) == 2
client.restore_run(run.info.run_id)
client.set_terminated(run.info.run_id, "FAILED")
assert client.get_run(run.info.run_id).info.status == "FAILED"
client.update_run(run.info.run_id, name="renamed")
assert client.get_run(run.info.run_id).data.tags["mlflow.runName"] == "renamed"
client.delete_tag(run.info.run_id, "a")
assert "a" not in client.get_run(run.info.run_id).data.tags

# Experiments.
other = client.create_experiment("other", tags={"x": "1"})
assert [e.name for e in client.search_experiments(filter_string="tags.x = '1'")] == ["other"]
assert {e.name for e in client.search_experiments()} == {"Default", "delay", "other"}
assert [e.name for e in client.search_experiments(order_by=["name DESC"])] == ["other", "delay", "Default"]
client.rename_experiment(other, "another")
client.delete_experiment(other)
assert client.get_experiment(other).lifecycle_stage == "deleted"
client.restore_experiment(other)
assert client.get_experiment_by_name("another").lifecycle_stage == "active"
assert mlflow.get_experiment(experiment.experiment_id).tags["team"] == "air"
print("fine")
