"""Asks the installed MLflow for every endpoint it has, and whether `crates/mlflow/src/endpoints.txt` lists it. Part of
`make test-long`; needs no server.

    target/test-python/bin/python tests/mlflow/endpoints.py
"""
import os
import pathlib
import re
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
LIST = HERE / "../../crates/mlflow/src/endpoints.txt"
# What its applications have beside the protocol: documents of FastAPI, a path that lacks its slash, and routes that are found
# again with the prefix under which they are mounted.
NOT_OURS = re.compile(r"/(docs|redoc|openapi\.json|api/2\.0mlflow|ajax-api/2\.0mlflow|build/|endpoints$|\{name:path\}|$)|$")


def installed():
    """Method and path of each, as Flask and FastAPI spell it."""
    from mlflow.server import app
    from mlflow.server.fastapi_app import create_fastapi_app
    from mlflow.server.handlers import get_endpoints

    found = {(method, path) for path, _, methods in get_endpoints() for method in methods}
    found |= {(method, str(rule)) for rule in app.url_map.iter_rules() for method in rule.methods}

    def walk(routes):
        for route in routes:
            inside = getattr(route, "original_router", route)
            if getattr(route, "methods", None):
                found.update((method, route.path) for method in route.methods)
            elif getattr(inside, "routes", None):
                walk(inside.routes)

    walk(create_fastapi_app(app).routes)
    return {(method, path) for method, path in found if method not in ("HEAD", "OPTIONS")}


def plain(path):
    """A path without the names of its parameters, under /api whichever twin it is."""
    path = re.sub(r"<path:\w+>|\{\w+:path\}|\{\*\w+\}", "{*}", path)
    path = re.sub(r"<\w+>|\{\w+\}", "{}", path)
    return path.replace("/ajax-api/", "/api/", 1)


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        theirs = {(method, plain(path)) for method, path in installed() if not NOT_OURS.match(path)}
    lines = [line.split(" ", 1) for line in LIST.read_text().splitlines() if line and not line.startswith("#")]
    listed = {(method, plain(path)) for method, path in lines}
    missing = sorted(theirs - listed, key=lambda one: one[::-1])
    for method, path in missing:
        print(f"not listed: {method} {path}")
    print(f"{len(theirs)} endpoints in MLflow, {len(listed)} listed, {len(missing)} missing")
    return 1 if missing or len(theirs) < 200 else 0


if __name__ == "__main__":
    sys.exit(main())
