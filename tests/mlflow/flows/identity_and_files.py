"""The unmodified client with files, uploads and downloads in parts, users and tokens. Fails where something is not as with MLflow.

    python identity_and_files.py URI

With the owner's token of a Mainspan in the environment as OWNER, users and tokens are tried, too.
"""
import contextlib
import hashlib
import os
import pathlib
import sys
import tempfile

# Parts are this small, so that a file of some hundred kilobytes has several.
PART = 64 * 1024
os.environ |= {
    "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": str(PART),
    "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE": str(PART),
    "MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE": str(PART),
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository
from refusals import refused


@contextlib.contextmanager
def environment(**values):
    """The variables, for a while; those that are None are not there."""
    before = {name: os.environ.get(name) for name in values}
    for name, value in values.items():
        os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def files(folder):
    """Files are logged, listed, loaded and deleted."""
    client = mlflow.MlflowClient()
    run = client.create_run(client.create_experiment(f"files {os.urandom(4).hex()}"))
    run_id = run.info.run_id
    made = folder / "made"
    (made / "deep" / "er").mkdir(parents=True)
    for name, text in {"a.txt": "a", "100%.txt": "b", "deep/é x.json": "{}", "deep/er/empty": ""}.items():
        (made / name).write_text(text)
    client.log_artifacts(run_id, made, "made")
    client.log_text(run_id, "<script>alert(1)</script>", "page.html")
    listed = {file.path: (file.is_dir, file.file_size) for file in client.list_artifacts(run_id, "made")}
    assert listed == {"made/a.txt": (False, 1), "made/100%.txt": (False, 1), "made/deep": (True, None)}, listed
    assert client.list_artifacts(run_id, "made/a.txt") == []
    loaded = pathlib.Path(client.download_artifacts(run_id, "made", str(folder)))
    assert (loaded / "100%.txt").read_text() == "b"
    assert (loaded / "deep" / "é x.json").read_text() == "{}"
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/page.html").startswith("<script>")
    repository = mlflow.artifacts.get_artifact_repository(run.info.artifact_uri)
    repository.delete_artifacts("made/deep")
    assert [file.path for file in client.list_artifacts(run_id, "made")] == ["made/100%.txt", "made/a.txt"]
    repository.delete_artifacts("made/deep")
    return client, run


def parts(folder, client, run):
    """Parts go up and come down side by side, and make the same file."""
    sent = []
    upload_part = HttpArtifactRepository._upload_part
    HttpArtifactRepository._upload_part = staticmethod(lambda **given: sent.append(given) or upload_part(**given))
    big = folder / "big.bin"
    big.write_bytes(os.urandom(5 * PART + 17))
    with environment(MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD="true", MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD="true"):
        client.log_artifact(run.info.run_id, str(big), "parts")
        assert len(sent) == 6, f"{len(sent)} parts were sent"
        [listed] = client.list_artifacts(run.info.run_id, "parts")
        assert (listed.path, listed.file_size) == ("parts/big.bin", big.stat().st_size)
        loads = []
        load = HttpArtifactRepository._multipart_download
        HttpArtifactRepository._multipart_download = lambda *given, **more: loads.append(1) or load(*given, **more)
        loaded = client.download_artifacts(run.info.run_id, "parts/big.bin", str(folder / "parts"))
        assert loads and digest(loaded) == digest(big)
        # A part that cannot be sent: the client gives up, and nothing is to be seen.
        def broken(**given):
            raise OSError("the network is down")

        HttpArtifactRepository._upload_part = staticmethod(broken)
        try:
            client.log_artifact(run.info.run_id, str(big), "broken")
        except MlflowException:
            assert client.list_artifacts(run.info.run_id, "broken") == []
        else:
            raise AssertionError("an upload without its parts was taken")
    HttpArtifactRepository._upload_part, HttpArtifactRepository._multipart_download = staticmethod(upload_part), load


def users(uri, owner):
    """Users are made, sign in, are kept to what they may do, and go."""
    from mlflow.server.auth.client import AuthServiceClient  # Needs flask-wtf, as MLflow's server with users does.

    name, password = f"ann {os.urandom(4).hex()}", "ann has a password"
    admin = AuthServiceClient(uri)
    with environment(MLFLOW_TRACKING_TOKEN=owner):
        user = admin.create_user(name, password)
        assert (user.username, user.is_admin) == (name, False)
        refused("RESOURCE_ALREADY_EXISTS", admin.create_user, name, password)
        refused("INVALID_PARAMETER_VALUE", admin.create_user, "ben", "short")
    signed_in = {"MLFLOW_TRACKING_TOKEN": None, "MLFLOW_TRACKING_USERNAME": name}
    with environment(**signed_in, MLFLOW_TRACKING_PASSWORD=password):
        assert AuthServiceClient(uri).get_user(name).id == user.id
        with tempfile.TemporaryDirectory() as folder:
            parts(pathlib.Path(folder), *files(pathlib.Path(folder)))
        refused("PERMISSION_DENIED", admin.create_user, "eve", "eve has a password")
        refused("PERMISSION_DENIED", admin.update_user_admin, name, True)
        refused("PERMISSION_DENIED", admin.delete_user, name)
        admin.update_user_password(name, "a new password", current_password=password)
    with environment(**signed_in, MLFLOW_TRACKING_PASSWORD=password):
        refused("UNAUTHENTICATED", mlflow.search_experiments)
    with environment(**signed_in, MLFLOW_TRACKING_PASSWORD="a new password"):
        mlflow.search_experiments()
    # A token goes where a password goes, whatever the name.
    with environment(**signed_in, MLFLOW_TRACKING_PASSWORD=owner):
        admin.update_user_admin(name, True)
    with environment(**signed_in, MLFLOW_TRACKING_PASSWORD="a new password"):
        assert admin.get_user(name).is_admin
    with environment(MLFLOW_TRACKING_TOKEN=owner):
        admin.delete_user(name)
        refused("RESOURCE_DOES_NOT_EXIST", admin.get_user, name)
    with environment(**signed_in, MLFLOW_TRACKING_PASSWORD="a new password"):
        refused("UNAUTHENTICATED", mlflow.search_experiments)


def main():
    uri = sys.argv[1] if len(sys.argv) > 1 else os.environ["MLFLOW_TRACKING_URI"]
    mlflow.set_tracking_uri(uri)
    owner = os.environ.get("OWNER")
    with environment(MLFLOW_TRACKING_TOKEN=owner), tempfile.TemporaryDirectory() as folder:
        parts(pathlib.Path(folder), *files(pathlib.Path(folder)))
    if owner:
        users(uri, owner)


if __name__ == "__main__":
    main()
