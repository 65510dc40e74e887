"""The unmodified client with workspaces, at the bare root. Fails where something is not as with MLflow. The caller is an admin
by MLFLOW_TRACKING_TOKEN.

    python workspaces.py URI
"""
import os
import sys
import tempfile

os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}

import mlflow
from refusals import refused

MARK = os.urandom(4).hex()


def named(name):
    """The workspaces of that name that a list shows."""
    return [one for one in mlflow.list_workspaces() if one.name == name]


def administration(name):
    """Workspaces are made, found, described and deleted."""
    made = mlflow.create_workspace(name, description="Züge")
    assert (made.name, made.description, made.default_artifact_root) == (name, "Züge", None), made
    assert named(name) == [made] == [mlflow.get_workspace(name)]
    assert len(named("default")) == 1
    refused("RESOURCE_ALREADY_EXISTS", mlflow.create_workspace, name)
    refused("INVALID_PARAMETER_VALUE", mlflow.create_workspace, f"{name}-x", default_artifact_root="s3://bucket/x")
    assert named(f"{name}-x") == []
    assert mlflow.update_workspace(name, description="").description == ""
    assert mlflow.MlflowClient().update_workspace(name, description="Flüge").description == "Flüge"
    mlflow.delete_workspace(name)
    refused("RESOURCE_DOES_NOT_EXIST", mlflow.get_workspace, name)
    refused("RESOURCE_DOES_NOT_EXIST", mlflow.delete_workspace, name)
    refused("INVALID_PARAMETER_VALUE", mlflow.delete_workspace, "default")
    print("ok administration")


def work(name):
    """Everything that is written while a workspace is set is in it, and nowhere else."""
    mlflow.create_workspace(name)
    mlflow.set_workspace(name)
    experiment = mlflow.set_experiment("delays")
    with mlflow.start_run() as run, tempfile.TemporaryDirectory() as folder:
        mlflow.log_metric("mae", 1.5)
        file = os.path.join(folder, "notes.txt")
        with open(file, "w") as notes:
            notes.write("late")
        mlflow.log_artifact(file)
        with mlflow.start_span("ask") as span:
            span.set_outputs("an answer")
    mlflow.flush_trace_async_logging()
    client = mlflow.MlflowClient()
    client.create_registered_model("delay")
    assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/notes.txt") == "late"
    assert len(mlflow.search_traces(locations=[experiment.experiment_id], return_type="list")) == 1
    assert client.get_registered_model("delay").name == "delay"
    mlflow.set_workspace("default")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_run, run.info.run_id)
    refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, "delay")
    mlflow.set_workspace(None)
    refused("RESOURCE_DOES_NOT_EXIST", client.get_run, run.info.run_id)
    mlflow.set_workspace(name)
    assert client.get_run(run.info.run_id).data.metrics == {"mae": 1.5}
    mlflow.set_workspace(None)
    refused("RESOURCE_CONFLICT", mlflow.delete_workspace, name)
    refused("INVALID_PARAMETER_VALUE", mlflow.delete_workspace, name, mode="SET_DEFAULT")
    mlflow.delete_workspace(name, mode="CASCADE")
    assert named(name) == []
    mlflow.set_workspace(name)
    refused("RESOURCE_DOES_NOT_EXIST", client.get_run, run.info.run_id)
    mlflow.set_workspace(None)
    print("ok work")


def own_address(uri, name):
    """At the address of a project, that project is the workspace; another one is refused rather than mixed up with it."""
    mlflow.create_workspace(name)
    mlflow.set_tracking_uri(f"{uri}/p/{name}")
    made = mlflow.create_experiment("here")
    mlflow.set_workspace(name)
    assert mlflow.get_experiment(made).name == "here"
    mlflow.set_workspace("default")
    refused("INVALID_PARAMETER_VALUE", mlflow.get_experiment_by_name, "here")
    mlflow.set_workspace(None)
    mlflow.set_tracking_uri(uri)
    mlflow.delete_workspace(name, mode="CASCADE")
    print("ok own address")


def main(uri):
    mlflow.set_tracking_uri(uri)
    administration(f"trains-{MARK}")
    work(f"flights-{MARK}")
    own_address(uri, f"ships-{MARK}")


if __name__ == "__main__":
    main(sys.argv[1])
