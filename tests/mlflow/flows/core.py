"""The unmodified MlflowClient over the core of tracking and registry: what it creates, what it repeats, what it is refused.

    python tests/mlflow/flows/core.py URI

Prints a line for each part that holds, and fails at the first that does not. Runs alike against MLflow and Mainspan.
"""
import math
import sys
import time
import uuid

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType
from refusals import refused

WORD = uuid.uuid4().hex[:8]


def experiments(client):
    made = client.create_experiment(f"flow {WORD}", tags={"team": "air"})
    assert client.get_experiment(made).tags["team"] == "air"
    refused("RESOURCE_ALREADY_EXISTS", client.create_experiment, f"flow {WORD}")
    for _ in range(2):
        client.set_experiment_tag(made, "twice", "1")
    assert client.get_experiment_by_name(f"flow {WORD}").tags["twice"] == "1"
    assert client.get_experiment_by_name("nothing of that name") is None
    found = client.search_experiments(filter_string=f"name = 'flow {WORD}' AND tags.team = 'air'")
    assert [one.experiment_id for one in found] == [made]
    client.delete_experiment(made)
    assert client.search_experiments(ViewType.ACTIVE_ONLY, filter_string=f"name = 'flow {WORD}'") == []
    client.restore_experiment(made)
    client.rename_experiment(made, f"flow {WORD} again")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_experiment, "424242424")
    return made


def runs(client, experiment):
    run = client.create_run(experiment, run_name="one", tags={"kind": "x"}).info.run_id
    points = [Metric("mae", 1 / (step + 1), 1000 + step, step) for step in range(250)]
    for _ in range(2):
        client.log_batch(run, points, [Param("depth", "3")], [RunTag("t", "1")])
        client.log_param(run, "rate", 0.5)
        client.log_metric(run, "acc", 0.25, timestamp=5, step=1)
        client.set_tag(run, "t", "1")
    got = client.get_run(run)
    assert got.data.params == {"depth": "3", "rate": "0.5"} and got.data.tags["t"] == "1"
    assert math.isclose(got.data.metrics["mae"], 1 / 250) and got.data.metrics["acc"] == 0.25
    history = client.get_metric_history(run, "mae")
    assert [(one.step, one.timestamp) for one in history] == [(one.step, one.timestamp) for one in points]
    assert len(client.get_metric_history(run, "acc")) == 1
    refused("INVALID_PARAMETER_VALUE", client.log_param, run, "depth", "4")
    refused("INVALID_PARAMETER_VALUE", client.log_metric, run, "bad;name", 1)
    refused("RESOURCE_DOES_NOT_EXIST", client.delete_tag, run, "nothing")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_run, "0" * 32)
    dataset = Dataset(name="d", digest="1", source_type="local", source="{}")
    for _ in range(2):
        client.log_inputs(run, [DatasetInput(dataset, [InputTag("mlflow.data.context", "train")])])
    assert len(client.get_run(run).inputs.dataset_inputs) == 1
    client.set_terminated(run, "FINISHED", end_time=int(time.time() * 1000))
    client.update_run(run, name="renamed")
    info = client.get_run(run).info
    assert (info.status, info.run_name) == ("FINISHED", "renamed") and info.end_time
    client.delete_run(run)
    refused("INVALID_PARAMETER_VALUE", client.log_metric, run, "acc", 1)
    client.restore_run(run)
    return run


def searches(client, experiment):
    for n in range(25):
        run = client.create_run(experiment, run_name=f"s{n:02}", start_time=10_000 + n).info.run_id
        client.log_batch(run, [Metric("score", n % 5, 1, 0)], [Param("n", str(n))])
    names, token = [], None
    while True:
        page = client.search_runs([experiment], "metrics.score >= 1", max_results=7, order_by=["metrics.score DESC", "start_time"], page_token=token)
        names += [run.info.run_name for run in page]
        token = page.token
        if not token:
            break
    wanted = sorted((n for n in range(25) if n % 5 >= 1), key=lambda n: (-(n % 5), n))
    assert names == [f"s{n:02}" for n in wanted], names
    table = mlflow.search_runs([experiment], "params.n = '7' AND metrics.score = 2")
    assert list(table["tags.mlflow.runName"]) == ["s07"] and list(table["params.n"]) == ["7"] and list(table["metrics.score"]) == [2.0]
    refused("INVALID_PARAMETER_VALUE", client.search_runs, [experiment], "metrics.score > 1 OR metrics.score < 0")


def registry(client, run):
    name = f"model {WORD}"
    client.create_registered_model(name, tags={"team": "air"}, description="d")
    refused("RESOURCE_ALREADY_EXISTS", client.create_registered_model, name)
    versions = [client.create_model_version(name, f"runs:/{run}/model", run).version for _ in range(2)]
    assert [int(one) for one in versions] == [1, 2]
    for _ in range(2):
        client.set_registered_model_alias(name, "blue", "1")
        client.set_registered_model_tag(name, "twice", "1")
        client.set_model_version_tag(name, "2", "twice", "1")
    assert int(client.get_model_version_by_alias(name, "blue").version) == 1
    assert client.get_registered_model(name).aliases == {"blue": "1"}
    for _ in range(2):
        client.delete_registered_model_alias(name, "blue")
    refused("INVALID_PARAMETER_VALUE", client.get_model_version_by_alias, name, "blue")
    refused("INVALID_PARAMETER_VALUE", client.set_registered_model_alias, name, "v1", "1")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_model_version, name, "9")
    assert [int(one.version) for one in client.search_model_versions(f"name = '{name}'", order_by=["version_number ASC"])] == [1, 2]
    assert [one.name for one in client.search_registered_models(f"name = '{name}' AND tags.team = 'air'")] == [name]
    client.update_model_version(name, "2", description="two")
    client.rename_registered_model(name, f"{name} 2")
    client.delete_model_version(f"{name} 2", "1")
    client.delete_registered_model(f"{name} 2")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, f"{name} 2")


def main():
    mlflow.set_tracking_uri(sys.argv[1])
    client = MlflowClient()
    experiment = experiments(client)
    print("ok: experiments are made once, tagged twice, found, deleted, restored, renamed")
    run = runs(client, experiment)
    print("ok: a run takes batches, params, points, tags and inputs twice, and no other value of a param")
    searches(client, experiment)
    print("ok: runs are found in pages, in their order, and in a DataFrame")
    registry(client, run)
    print("ok: models and versions are made once, aliased and tagged twice, found, renamed, deleted")


if __name__ == "__main__":
    main()
