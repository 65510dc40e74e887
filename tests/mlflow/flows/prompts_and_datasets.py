"""The unmodified client with prompts, evaluation datasets, scorers and webhooks. Fails where something is not as with MLflow.

    python prompts_and_datasets.py URI
"""
import json
import os
import sys

os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}

import mlflow
import mlflow.genai
from mlflow.entities.webhook import WebhookEvent, WebhookStatus
from mlflow.genai import datasets, scorers
from refusals import refused

MARK = os.urandom(4).hex()


def prompts():
    """Prompts are registered, found, loaded, tagged and deleted, and no model search finds them."""
    client, name = mlflow.MlflowClient(), f"greet-{MARK}"
    first = mlflow.genai.register_prompt(name, "Hello {{name}}!", commit_message="first", tags={"tone": "warm"})
    assert (first.version, first.template, first.commit_message) == (1, "Hello {{name}}!", "first"), first
    chat = [{"role": "system", "content": "Be {{mood}}."}, {"role": "user", "content": "{{question}}"}]
    second = mlflow.genai.register_prompt(name, chat, response_format={"type": "object"}, model_config={"model_name": "m", "temperature": 0.5})
    assert second.version == 2 and second.variables == {"mood", "question"}, second
    third = mlflow.genai.register_prompt(name, "{% if x %}Hi{% endif %}")
    assert third.version == 3, third
    assert mlflow.genai.load_prompt(name, version=1).format(name="you") == "Hello you!"
    assert mlflow.genai.load_prompt(f"prompts:/{name}/2").template == chat
    assert mlflow.genai.load_prompt(f"prompts:/{name}/2").model_config["temperature"] == 0.5
    assert mlflow.genai.load_prompt(f"prompts:/{name}@latest").version == 3
    for alias in ("champion", "production"):
        mlflow.genai.set_prompt_alias(name, alias=alias, version=1)
    assert mlflow.genai.load_prompt(f"prompts:/{name}@champion").version == 1
    mlflow.genai.set_prompt_alias(name, alias="champion", version=2)
    assert mlflow.genai.load_prompt(f"prompts:/{name}@champion", link_to_model=False).version == 2
    assert sorted(client.get_prompt_version(name, "1").aliases) == ["production"]
    mlflow.genai.delete_prompt_alias(name, alias="champion")
    assert mlflow.genai.load_prompt(f"prompts:/{name}@champion", allow_missing=True) is None
    assert mlflow.genai.load_prompt(f"no-{name}", allow_missing=True) is None
    mlflow.genai.set_prompt_tag(name, "team", "ml")
    assert mlflow.genai.get_prompt_tags(name)["team"] == "ml"
    mlflow.genai.delete_prompt_tag(name, "team")
    assert "team" not in mlflow.genai.get_prompt_tags(name)
    mlflow.genai.set_prompt_version_tag(name, 1, "reviewed", "yes")
    assert client.get_prompt_version(name, "1").tags["reviewed"] == "yes"
    mlflow.genai.delete_prompt_version_tag(name, 1, "reviewed")
    assert "reviewed" not in client.get_prompt_version(name, "1").tags
    found = mlflow.genai.search_prompts(filter_string=f"name = '{name}'")
    assert [one.name for one in found] == [name], found
    assert sorted(one.version for one in client.search_prompt_versions(name)) == [1, 2, 3]
    assert client.search_registered_models(f"name = '{name}'") == []
    assert client.search_model_versions(f"name = '{name}'") == []
    client.create_registered_model(f"model-{name}")
    refused("RESOURCE_ALREADY_EXISTS", client.create_registered_model, name)
    for version in ("1", "2", "3"):
        client.delete_prompt_version(name, version)
    client.delete_prompt(name)
    assert list(mlflow.genai.search_prompts(filter_string=f"name = '{name}'")) == []
    print("ok prompts")


def evaluation_datasets():
    """Datasets are made, filled, read as frames, found and deleted."""
    one = mlflow.create_experiment(f"datasets one {MARK}")
    two = mlflow.create_experiment(f"datasets two {MARK}")
    name = f"questions-{MARK}"
    made = datasets.create_dataset(name=name, experiment_id=[one], tags={"team": "ml", "stage": "draft"})
    assert made.dataset_id.startswith("d-") and made.name == name, made
    assert made.experiment_ids == [one] and made.tags["team"] == "ml"
    assert not made.has_records() and made.to_df().empty
    made.merge_records([
        {"inputs": {"question": "one?", "n": 1}, "expectations": {"answer": "1"}, "tags": {"a": "b"}},
        {"inputs": {"question": "two?", "n": 2.5}, "outputs": {"said": None}},
    ])
    frame = made.to_df()
    assert len(frame) == 2 and all(frame["dataset_record_id"].str.startswith("dr-")), frame
    made.merge_records([{"inputs": {"n": 1, "question": "one?"}, "expectations": {"tone": "kind"}}])
    again = datasets.get_dataset(dataset_id=made.dataset_id)
    rows = {row["inputs"]["question"]: row for row in again.to_df().to_dict("records")}
    assert rows["one?"]["expectations"] == {"answer": "1", "tone": "kind"}, rows
    assert rows["two?"]["inputs"]["n"] == 2.5 and rows["two?"]["outputs"] == {"said": None}, rows
    assert json.loads(again.profile) == {"num_records": 2}, again.profile
    assert json.loads(again.schema)["inputs"]["question"] == "string", again.schema
    many = [{"inputs": {"i": i}, "expectations": {"square": i * i}} for i in range(2500)]
    again.merge_records(many)
    whole = datasets.get_dataset(name=name).to_df()
    assert len(whole) == 2502, len(whole)
    assert sorted(row["i"] for row in whole["inputs"] if "i" in row) == list(range(2500))
    gone = again.delete_records(list(whole["dataset_record_id"][:3]))
    assert gone == 3 and len(datasets.get_dataset(dataset_id=made.dataset_id).to_df()) == 2499
    datasets.set_dataset_tags(dataset_id=made.dataset_id, tags={"stage": "final", "more": "x"})
    datasets.delete_dataset_tag(dataset_id=made.dataset_id, key="more")
    tags = datasets.get_dataset(dataset_id=made.dataset_id).tags
    assert tags["stage"] == "final" and "more" not in tags, tags
    datasets.add_dataset_to_experiments(dataset_id=made.dataset_id, experiment_ids=[two])
    assert sorted(datasets.get_dataset(dataset_id=made.dataset_id).experiment_ids) == sorted([one, two])
    datasets.remove_dataset_from_experiments(dataset_id=made.dataset_id, experiment_ids=[one])
    assert datasets.get_dataset(dataset_id=made.dataset_id).experiment_ids == [two]
    other = datasets.create_dataset(name=f"other-{MARK}", experiment_id=[two])
    ids = lambda **asked: [one.dataset_id for one in datasets.search_datasets(**asked)]
    assert ids(experiment_ids=[two]) == [other.dataset_id, made.dataset_id]
    assert ids(experiment_ids=[two], filter_string="tags.stage = 'final'") == [made.dataset_id]
    assert ids(experiment_ids=[two], order_by=["name DESC"], max_results=1) == [made.dataset_id]
    assert ids(filter_string=f"name LIKE '%{MARK}'", order_by=["created_time ASC"]) == [made.dataset_id, other.dataset_id]
    refused("INVALID_PARAMETER_VALUE", ids, filter_string="nothing = 'x'")
    for dataset in (made, other):
        datasets.delete_dataset(dataset_id=dataset.dataset_id)
    refused("RESOURCE_DOES_NOT_EXIST", datasets.get_dataset, dataset_id=made.dataset_id)
    print("ok evaluation datasets")


def evaluated():
    """A plain scorer judges a dataset's records."""
    experiment = mlflow.set_experiment(f"evaluated {MARK}")
    dataset = datasets.create_dataset(name=f"sums-{MARK}", experiment_id=[experiment.experiment_id])
    dataset.merge_records([{"inputs": {"a": a, "b": a}, "expectations": {"sum": 2 * a}} for a in range(3)])
    records = datasets.get_dataset(dataset_id=dataset.dataset_id).to_df()
    assert [row["sum"] == 2 * inputs["a"] for inputs, row in zip(records["inputs"], records["expectations"])] == [True] * 3
    datasets.delete_dataset(dataset_id=dataset.dataset_id)
    print("ok records are what they were")


def registered_scorers():
    """Judges are registered, listed, got and deleted; a scorer with code is not taken."""
    experiment = mlflow.create_experiment(f"scorers {MARK}")
    client = mlflow.tracking._tracking_service.utils._get_store()
    judge = scorers.Guidelines(name="polite", guidelines=["Be polite."], model="openai:/gpt-x")
    judge.register(experiment_id=experiment)
    judge.register(experiment_id=experiment)
    listed = scorers.list_scorers(experiment_id=experiment)
    assert [one.name for one in listed] == ["polite"], listed
    versions = client.list_scorer_versions(experiment, "polite")
    assert [one.scorer_version for one in versions] == [1, 2], versions
    got = scorers.get_scorer(name="polite", experiment_id=experiment, version=1)
    assert got.guidelines == ["Be polite."], got
    scorers.delete_scorer(name="polite", experiment_id=experiment, version=1)
    scorers.delete_scorer(name="polite", experiment_id=experiment, version="all")
    assert scorers.list_scorers(experiment_id=experiment) == []
    refused("RESOURCE_DOES_NOT_EXIST", scorers.get_scorer, name="polite", experiment_id=experiment)
    print("ok scorers")


def webhooks():
    """Webhooks are made, changed, listed and deleted; places inside are not taken."""
    client = mlflow.MlflowClient()
    made = client.create_webhook(
        name=f"hook-{MARK}", url="https://1.1.1.1/hook", events=["model_version.created", WebhookEvent("prompt_alias", "deleted")],
        description="d", secret="s3cret", status="DISABLED",
    )
    assert made.status == WebhookStatus.DISABLED and made.secret is None, made
    assert sorted(map(str, made.events)) == ["model_version.created", "prompt_alias.deleted"]
    changed = client.update_webhook(made.webhook_id, name=f"hook2-{MARK}", events=["prompt.created"])
    assert (changed.name, [*map(str, changed.events)]) == (f"hook2-{MARK}", ["prompt.created"])
    assert client.get_webhook(made.webhook_id).description == "d"
    assert made.webhook_id in [one.webhook_id for one in client.list_webhooks(max_results=1000)]
    for url in ("https://127.0.0.1/", "https://169.254.169.254/latest/meta-data", "http://1.1.1.1/", "https://localhost/"):
        refused("INVALID_PARAMETER_VALUE", client.create_webhook, name="w", url=url, events=["prompt.created"])
    client.delete_webhook(made.webhook_id)
    refused("RESOURCE_DOES_NOT_EXIST", client.get_webhook, made.webhook_id)
    print("ok webhooks")


if __name__ == "__main__":
    mlflow.set_tracking_uri(sys.argv[1])
    prompts()
    evaluation_datasets()
    evaluated()
    registered_scorers()
    webhooks()
