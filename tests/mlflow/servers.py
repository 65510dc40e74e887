"""Starts a real `mlflow server` and a Mainspan beside it, each on a free port with a folder of its own."""
import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait_for(url, process, seconds):
    """Returns once the URL answers; fails when the process ends or the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"{process.args[0]} ended with {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"{url} did not answer within {seconds} s")


@contextlib.contextmanager
def started(command, folder, more, url, seconds):
    """The process of a server, with its output in a file of the folder, ended at the end."""
    env = {"PATH": os.environ["PATH"], "HOME": folder, **more}
    log = pathlib.Path(folder, f"{pathlib.Path(command[0]).name}.log")
    with open(log, "wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=output, stderr=output, start_new_session=True)
    try:
        wait_for(url, process, seconds)
        yield process
    except SystemExit:
        print(log.read_text(errors="replace")[-4000:], file=sys.stderr)
        raise
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        process.wait()


@contextlib.contextmanager
def mlflow_server(folder, *options, **environment):
    """The address of a real MLflow server with one worker."""
    port = free_port()
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", f"{folder}/artifacts", *options,
    ]
    more = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true", **environment}
    url = f"http://127.0.0.1:{port}"
    with started(command, folder, more, f"{url}/health", 180):
        yield url


@contextlib.contextmanager
def mainspan_server(binary, folder, *options, **environment):
    """The address of a Mainspan server."""
    port = free_port()
    command = [
        os.path.abspath(binary), "--state", f"{folder}/state", "server", "--port", str(port), "--key", f"{folder}/master.key", *options,
    ]
    url = f"http://127.0.0.1:{port}"
    with started(command, folder, {"ORT_DYLIB_PATH": "/dev/null", **environment}, f"{url}/health", 30):
        yield url


# The admin of servers that ask for a password.
ADMIN = ("admin", "correct horse battery staple")


@contextlib.contextmanager
def mlflow_server_with_users(folder, *options):
    """The address of a real MLflow server with basic authentication."""
    config = pathlib.Path(folder, "auth.ini")
    config.write_text(f"""[mlflow]
default_permission = READ
database_uri = sqlite:///{folder}/auth.db
admin_username = {ADMIN[0]}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
""")
    environment = {
        "MLFLOW_AUTH_CONFIG_PATH": str(config),
        "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN[1],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "of a test",
    }
    with mlflow_server(folder, "--app-name", "basic-auth", *options, **environment) as url:
        yield url


@contextlib.contextmanager
def mainspan_server_with_users(binary, folder):
    """The address of a Mainspan server that lets nobody in without a credential, with the same admin."""
    with mainspan_server(binary, folder, "--no-anonymous-tracking") as url:
        make = ["users", "create", ADMIN[0], "--role", "admin", "--all-projects", "--password-stdin"]
        command = [os.path.abspath(binary), "--state", f"{folder}/state", "--server", url, *make]
        subprocess.run(command, input=ADMIN[1] + "\n", text=True, check=True, stdout=subprocess.DEVNULL)
        yield url


@contextlib.contextmanager
def both(binary, kind=""):
    """The addresses of MLflow and of Mainspan: without users, with users (`auth`), or with workspaces, too."""
    with tempfile.TemporaryDirectory() as theirs, tempfile.TemporaryDirectory() as ours:
        options = ["--enable-workspaces"] if kind == "workspaces" else []
        real = mlflow_server_with_users(theirs, *options) if kind else mlflow_server(theirs)
        own = mainspan_server_with_users(binary, ours) if kind else mainspan_server(binary, ours)
        with real as theirs_url, own as ours_url:
            yield theirs_url, ours_url
