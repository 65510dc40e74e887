"""MLflow's roles and grants by the unmodified AuthServiceClient, and what they come to for users of the unmodified client.

    python grants.py URI

The owner's token of a Mainspan in the environment as OWNER, and the names and password of a viewer and of a developer there as
VIEWER, DEVELOPER and PASSWORD.
"""
import contextlib
import os
import sys
import tempfile

os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"

import mlflow
from mlflow.server.auth.client import AuthServiceClient  # Needs flask-wtf, as MLflow's server with users does.
from refusals import refused

OWNER, PASSWORD = os.environ["OWNER"], os.environ["PASSWORD"]
VIEWER, DEVELOPER = os.environ["VIEWER"], os.environ["DEVELOPER"]
WORKSPACE = os.environ.get("WORKSPACE", "flights")


@contextlib.contextmanager
def caller(name=None):
    """Calls are made by that user for a while, or by the owner."""
    names = ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
    for variable in names:
        os.environ.pop(variable, None)
    values = {names[0]: OWNER} if name is None else {names[1]: name, names[2]: PASSWORD}
    os.environ.update(values)
    try:
        yield
    finally:
        for variable in names:
            os.environ.pop(variable, None)


def log(experiment, model):
    """A run with everything that the client logs, and a version of a model."""
    with mlflow.start_run(experiment_id=experiment) as run, tempfile.TemporaryDirectory() as folder:
        mlflow.log_params({"a": 1})
        mlflow.log_metrics({"m": 0.5})
        mlflow.set_tag("t", "u")
        path = os.path.join(folder, "a.txt")
        with open(path, "w") as file:
            file.write("text")
        mlflow.log_artifact(path)
    client = mlflow.MlflowClient()
    client.create_model_version(model, f"runs:/{run.info.run_id}", run.info.run_id)
    return run.info.run_id


def found():
    """The names of what searches show."""
    client = mlflow.MlflowClient()
    experiments = client.search_experiments()
    ids = [one.experiment_id for one in experiments]
    names = {one.name for one in experiments}
    names |= {one.name for one in client.search_registered_models()}
    names |= {one.name for one in client.search_model_versions()}
    return names | {one.info.run_id for one in client.search_runs(ids)}


def roles(admin):
    """Roles are made, changed, held and deleted."""
    role = admin.create_role(WORKSPACE, "loggers", "who log")
    assert (role.name, role.workspace, role.description, role.permissions) == ("loggers", WORKSPACE, "who log", [])
    refused("RESOURCE_ALREADY_EXISTS", admin.create_role, WORKSPACE, "loggers")
    refused("INVALID_PARAMETER_VALUE", admin.create_role, WORKSPACE, "__user_1__")
    assert admin.update_role(role.id, description="who log runs").description == "who log runs"
    assert [one.id for one in admin.list_roles(WORKSPACE)] == [role.id] == [one.id for one in admin.list_all_roles()]
    assert admin.list_roles("another") == []
    permission = admin.add_role_permission(role.id, "experiment", "*", "READ")
    refused("RESOURCE_ALREADY_EXISTS", admin.add_role_permission, role.id, "experiment", "*", "EDIT")
    refused("INVALID_PARAMETER_VALUE", admin.add_role_permission, role.id, "experiments", "*", "EDIT")
    refused("NOT_IMPLEMENTED", admin.add_role_permission, role.id, "trace", "*", "EDIT")
    assert admin.update_role_permission(permission.id, "EDIT").permission == "EDIT"
    assert [one.permission for one in admin.list_role_permissions(role.id)] == ["EDIT"]
    assignment = admin.assign_role(VIEWER, role.id)
    assert [one.id for one in admin.list_role_users(role.id)] == [assignment.id]
    assert [one.name for one in admin.list_user_roles(VIEWER)] == ["loggers"]
    refused("RESOURCE_ALREADY_EXISTS", admin.assign_role, VIEWER, role.id)
    return role, permission


def main():
    uri = sys.argv[1] if len(sys.argv) > 1 else os.environ["MLFLOW_TRACKING_URI"]
    mlflow.set_tracking_uri(uri)
    client, admin = mlflow.MlflowClient(), AuthServiceClient(uri)
    with caller():
        one, other = (client.create_experiment(name) for name in ("granted", "not granted"))
        for name in ("granted model", "other model"):
            client.create_registered_model(name)
        run = log(other, "other model")
        role, permission = roles(admin)
    with caller(VIEWER):
        # By the role: any experiment, and no model.
        with mlflow.start_run(experiment_id=other):
            mlflow.log_metric("m", 1)
        refused("PERMISSION_DENIED", client.create_experiment, "by a viewer")
        refused("PERMISSION_DENIED", client.update_registered_model, "other model", description="x")
        refused("PERMISSION_DENIED", admin.create_role, WORKSPACE, "by a viewer")
        refused("PERMISSION_DENIED", admin.grant_user_permission, VIEWER, "experiment", other, "MANAGE")
        assert [one.id for one in admin.list_user_roles(VIEWER)] == [role.id]
        refused("PERMISSION_DENIED", admin.list_user_roles, DEVELOPER)
    with caller():
        admin.remove_role_permission(permission.id)
        admin.grant_user_permission(VIEWER, "experiment", one, "EDIT")
        admin.grant_user_permission(VIEWER, "registered_model", "granted model", "EDIT")
        refused("RESOURCE_ALREADY_EXISTS", admin.grant_user_permission, VIEWER, "experiment", one, "READ")
        asked = admin.get_user_permission(VIEWER, "experiment", one)
        assert (asked.allowed, asked.permission) == (True, "EDIT")
        admin.grant_user_permission(DEVELOPER, "experiment", other, "DENY")
        admin.grant_user_permission(DEVELOPER, "registered_model", "other model", "DENY")
        asked = admin.get_user_permission(DEVELOPER, "experiment", other)
        assert (asked.allowed, asked.permission) == (False, "DENY")
    with caller(VIEWER):
        log(one, "granted model")
        refused("PERMISSION_DENIED", client.log_metric, run, "m", 2)
        refused("PERMISSION_DENIED", client.create_run, other)
        refused("PERMISSION_DENIED", client.set_registered_model_tag, "other model", "k", "v")
        assert {"granted", "not granted", "other model", run} <= found()
    with caller(DEVELOPER):
        names = found()
        assert {"granted", "granted model"} <= names and not {"not granted", "other model", run} & names, names
        log(one, "granted model")
        client.create_experiment("by a developer")
        for call, *args in [
            (client.get_run, run), (client.get_experiment, other), (client.log_metric, run, "m", 2), (client.create_run, other),
            (client.list_artifacts, run), (client.get_registered_model, "other model"), (client.delete_run, run),
            (client.get_model_version, "other model", "1"), (client.get_metric_history, run, "m"),
            (client.rename_registered_model, "other model", "mine"), (client.rename_registered_model, "granted model", "other model"),
        ]:
            refused("PERMISSION_DENIED", call, *args)
    with caller():
        admin.revoke_user_permission(DEVELOPER, "experiment", other)
        refused("RESOURCE_DOES_NOT_EXIST", admin.revoke_user_permission, DEVELOPER, "experiment", other)
        admin.unassign_role(VIEWER, role.id)
        admin.delete_role(role.id)
        refused("RESOURCE_DOES_NOT_EXIST", admin.get_role, role.id)
    with caller(DEVELOPER):
        assert client.get_run(run).data.metrics == {"m": 0.5}


if __name__ == "__main__":
    main()
