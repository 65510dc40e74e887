"""Fills an MLflow server with one of everything that can be moved, by MLflow's own client.

    target/test-python/bin/python tests/mlflow/populate.py http://127.0.0.1:5000
"""
import logging
import math
import pathlib
import sys
import tempfile
import warnings

import mlflow
from mlflow import MlflowClient
from mlflow.entities import AssessmentSource, Metric, Param, RunTag

# File names as people and tools make them.
NAMES = ["plain.txt", "a folder/with space.txt", "deep/er/and/deeper.bin", "ü mlaut/ñ.json", "per%20cent.txt", "plus+and&and=.txt", "hash#mark.txt"]


def experiments(client):
    """Three experiments: one with tags, one deleted, one with a name that needs quoting."""
    flights = client.create_experiment("flights", tags={"team": "air", "mlflow.note.content": "# Delays\nof *flights*"})
    quoted = client.create_experiment("it's 50% \"quoted\"/π")
    gone = client.create_experiment("gone")
    return flights, quoted, gone


def runs(client, flights, quoted, gone):
    """Runs nested, deleted, failed, with long histories and values that are no numbers."""
    parent = client.create_run(flights, start_time=1_700_000_000_000, run_name="search", tags={"mlflow.user": "ann"})
    client.log_batch(
        parent.info.run_id,
        metrics=[Metric("loss", 1 / (n + 1), 1_700_000_000_000 + n, n) for n in range(1000)],
        params=[Param("depth", "3"), Param("long", "x" * 6000), Param("ünï/code path", "ø")],
        tags=[RunTag("k", "v"), RunTag("empty", "")],
    )
    for part in range(1, 3):
        points = [Metric("loss", 1 / (n + 1), 1_700_000_000_000 + n, n) for n in range(1000 * part, 1000 * part + 1000)]
        client.log_batch(parent.info.run_id, metrics=points)
    odd = [math.nan, math.inf, -math.inf, -0.0, 1e-308, 0.1 + 0.2]
    client.log_batch(parent.info.run_id, metrics=[Metric("odd", value, 1_700_000_000_500, n) for n, value in enumerate(odd)])
    client.log_batch(parent.info.run_id, metrics=[Metric("same step", float(n), 5, 7) for n in range(3)])
    children = []
    for n, status in enumerate(["FINISHED", "FAILED", "KILLED"]):
        child = client.create_run(flights, run_name=f"try {n}", tags={"mlflow.parentRunId": parent.info.run_id})
        client.log_metric(child.info.run_id, "acc", 0.5 + n / 10, timestamp=1_700_000_001_000 + n, step=n)
        client.set_terminated(child.info.run_id, status, end_time=1_700_000_002_000 + n)
        children.append(child.info.run_id)
    client.delete_run(children[2])
    client.set_terminated(parent.info.run_id, "FINISHED", end_time=1_700_000_003_000)
    still = client.create_run(quoted, run_name="still running")
    client.log_param(still.info.run_id, "q", "'\"%")
    lost = client.create_run(gone, run_name="in a deleted experiment")
    client.log_metric(lost.info.run_id, "m", 1.0, timestamp=1, step=0)
    client.delete_experiment(gone)
    return parent.info.run_id, children


def files(client, run_id):
    """Files with odd names, an empty one and one of some megabytes."""
    with tempfile.TemporaryDirectory() as folder:
        for n, name in enumerate(NAMES):
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes([n]) * (100 * n))
        pathlib.Path(folder, "large.bin").write_bytes(bytes(range(256)) * 12_000)
        client.log_artifacts(run_id, folder)


def datasets(run_id):
    """Two datasets that a run used, one of them in a context."""
    import pandas

    frame = pandas.DataFrame({"x": [1, 2, 3], "y": [0.5, 1.5, 2.5]})
    with mlflow.start_run(run_id=run_id):
        mlflow.log_input(mlflow.data.from_pandas(frame, name="train", targets="y"), context="training", tags={"fold": "1"})
        mlflow.log_input(mlflow.data.from_pandas(frame.head(2), name="test"))


class Echo(mlflow.pyfunc.PythonModel):
    """A model of a few lines."""

    def predict(self, context, model_input):
        return model_input


def models(client, experiment):
    """Logged models with metrics on a dataset; versions with gaps, aliases, tags and stages."""
    mlflow.set_experiment(experiment_id=experiment)
    for n in range(4):
        with mlflow.start_run(run_name=f"fit {n}") as run:
            info = mlflow.pyfunc.log_model(name="echo", python_model=Echo(), registered_model_name="delay", params={"depth": n}, pip_requirements=[])
            mlflow.log_metric("mae", 1.0 + n, step=n, model_id=info.model_id)
            mlflow.log_text("notes", "notes.txt")
    client.set_registered_model_tag("delay", "owner", "ann")
    client.update_registered_model("delay", description="how *late*")
    client.update_model_version("delay", "1", description="first")
    client.set_model_version_tag("delay", "1", "checked", "yes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client.transition_model_version_stage("delay", "3", "Archived")
    client.set_registered_model_alias("delay", "best", "3")
    client.set_registered_model_alias("delay", "old", "1")
    client.delete_model_version("delay", "2")
    client.create_registered_model("empty model's name")
    client.create_registered_model("all gone")
    client.create_model_version("all gone", f"runs:/{run.info.run_id}/nothing", run.info.run_id)
    client.delete_model_version("all gone", "1")


def prompts():
    """A prompt of two versions with an alias."""
    mlflow.genai.register_prompt("greeting", "Hello {{name}}", commit_message="first", tags={"tone": "warm"})
    mlflow.genai.register_prompt("greeting", [{"role": "user", "content": "Hi {{name}}"}])
    mlflow.genai.set_prompt_alias("greeting", "live", 1)


def traces(experiment):
    """Traces with nested spans, an error, tags and assessments."""
    mlflow.set_experiment(experiment_id=experiment)
    for n in range(3):
        with mlflow.start_span(name=f"ask {n}", span_type="CHAIN") as root:
            root.set_inputs({"question": f"q{n}", "deep": {"list": [1, 2.5, None, "ü"]}})
            root.set_attribute("number", n)
            with mlflow.start_span(name="look up", span_type="RETRIEVER") as inner:
                inner.set_outputs(["document"])
                inner.add_event(mlflow.entities.SpanEvent("found", attributes={"count": 1}))
                if n == 2:
                    inner.set_status("ERROR")
            root.set_outputs({"answer": n})
    mlflow.flush_trace_async_logging()
    for n, trace in enumerate(mlflow.search_traces(locations=[experiment], return_type="list")):
        mlflow.set_trace_tag(trace.info.trace_id, "number", str(n))
        source = AssessmentSource(source_type="HUMAN", source_id="ann")
        mlflow.log_feedback(trace_id=trace.info.trace_id, name="good", value=n != 1, rationale="looks so", source=source)
        mlflow.log_expectation(trace_id=trace.info.trace_id, name="answer", value={"is": n}, source=source)


def evaluation(client, experiment, other):
    """Evaluation datasets of one experiment, of two and of none, with records of all shapes."""
    from mlflow.genai.datasets import create_dataset

    faq = create_dataset(name="faq", experiment_id=[experiment, other], tags={"team": "air", "mlflow.user": "ann"})
    faq.merge_records([
        {"inputs": {"question": f"q{n}", "deep": {"b": [n, 2.5, None, "ü"], "a": True}}, "expectations": {"answer": n}, "tags": {"n": str(n)}}
        for n in range(250)
    ])
    shapes = [{"inputs": {"x": 1}, "outputs": value} for value in ({"y": 2}, {}, "text", 1.5, [1, {"a": None}])]
    for n, shape in enumerate(shapes):
        shape["inputs"]["n"] = n
    mixed = create_dataset(name="mixed", experiment_id=experiment)
    client._tracking_client.store.upsert_dataset_records(mixed.dataset_id, shapes + [
        {"inputs": {"bare": True}, "outputs": None},
        {"inputs": {"from": "trace"}, "source": {"source_type": "TRACE", "source_data": {"trace_id": "tr-1"}}},
        {"inputs": {}, "expectations": {}},
    ])
    create_dataset(name="empty", experiment_id=[])


def scorers(client, experiment):
    """Scorers with several versions, one of them deleted in between."""
    store = client._tracking_client.store
    for n in range(4):
        store.register_scorer(experiment, "kind", f'{{"name": "kind", "instructions": "v{n} ü"}}')
    store.delete_scorer(experiment, "kind", 1)
    store.delete_scorer(experiment, "kind", 3)
    store.register_scorer(experiment, "short / name", '{"name": "short"}')


def webhooks(client):
    """Webhooks that listen to what never happens, so that nothing leaves this machine; one has a secret."""
    from mlflow.entities.webhook import WebhookEvent

    event = WebhookEvent("budget_policy", "exceeded")
    client.create_webhook("plain", "https://1.1.1.1/hook", [event])
    more = [WebhookEvent("prompt_tag", "set"), WebhookEvent("prompt_tag", "deleted")]
    client.create_webhook("secret", "https://1.1.1.1/other?a=b", more, description="dé\nscribed", secret="s3cret", status="DISABLED")


def populate(url, with_traces=True):
    """Fills the server at the URL."""
    logging.disable(logging.WARNING)
    mlflow.set_tracking_uri(url)
    mlflow.set_registry_uri(url)
    client = MlflowClient(url)
    flights, quoted, gone = experiments(client)
    parent, children = runs(client, flights, quoted, gone)
    files(client, parent)
    files(client, children[1])
    datasets(children[0])
    models(client, flights)
    prompts()
    evaluation(client, flights, quoted)
    scorers(client, flights)
    scorers(client, quoted)
    webhooks(client)
    if with_traces:
        traces(quoted)


if __name__ == "__main__":
    populate(sys.argv[1])
