"""The unmodified client with label schemas and issues. Fails where something is not as with MLflow.

    python reviews.py URI
"""
import os
import sys

os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}

import mlflow
from mlflow.entities import AssessmentSource
from mlflow.entities.assessment import IssueReference
from mlflow.entities.issue import IssueSeverity, IssueStatus
from mlflow.genai import label_schemas
from mlflow.genai.label_schemas import InputCategorical, InputNumeric, InputPassFail, InputText
from mlflow.tracing.client import TracingClient
from refusals import refused

MARK = os.urandom(4).hex()


def questions():
    """Questions to reviewers are made, found, changed, listed and deleted; every experiment has one of its own."""
    experiment = mlflow.set_experiment(f"questions {MARK}").experiment_id
    right = InputPassFail(positive_label="right", negative_label="wrong")
    made = label_schemas.create_label_schema("Is it right?", type="feedback", input=right, instruction="Look twice.", enable_comment=True)
    assert (made.experiment_id, made.input, made.enable_comment) == (experiment, right, True), made
    for name, kind, way in [
        ("topics", "expectation", InputCategorical(options=["a", "b"], multi_select=True)),
        ("grade", "feedback", InputNumeric(min_value=0.5, max_value=6)),
        ("answer", "expectation", InputText(max_length=100)),
    ]:
        assert label_schemas.create_label_schema(name, type=kind, input=way).input == way
    refused("RESOURCE_ALREADY_EXISTS", label_schemas.create_label_schema, "grade", type="feedback", input=InputText())
    assert label_schemas.get_label_schema(schema_id=made.schema_id) == made == label_schemas.get_label_schema("Is it right?", experiment_id=experiment)
    changed = label_schemas.update_label_schema(made.schema_id, name="Right?", instruction="")
    assert (changed.name, changed.instruction, changed.input) == ("Right?", "", right), changed
    refused("INVALID_PARAMETER_VALUE", label_schemas.update_label_schema, made.schema_id, input=InputText())
    all_of_them = label_schemas.list_label_schemas()
    assert sorted(one.name for one in all_of_them) == ["Feedback", "Right?", "answer", "grade", "topics"], all_of_them
    first = label_schemas.list_label_schemas(max_results=3)
    rest = label_schemas.list_label_schemas(max_results=3, page_token=first.token)
    assert [*first, *rest] == [*all_of_them] and not rest.token
    [own] = [one for one in all_of_them if one.is_default]
    refused("INVALID_PARAMETER_VALUE", label_schemas.delete_label_schema, schema_id=own.schema_id)
    label_schemas.delete_label_schema(schema_id=made.schema_id)
    refused("RESOURCE_DOES_NOT_EXIST", label_schemas.get_label_schema, schema_id=made.schema_id)
    print("ok questions")


def issues():
    """Issues are told, changed and found, with the traces that show them."""
    client = TracingClient()
    experiment = mlflow.set_experiment(f"issues {MARK}").experiment_id
    with mlflow.start_run() as run, mlflow.start_span("chat") as span:
        span.set_outputs("no")
    mlflow.flush_trace_async_logging()
    rude = client._create_issue(
        experiment, "rude", "It says no.", severity=IssueSeverity.HIGH, root_causes=["a prompt"], source_run_id=run.info.run_id,
        categories=["tone"], created_by="ann",
    )
    slow = client._create_issue(experiment, "slow", "It takes long.")
    assert (rude.status, rude.severity, slow.severity) == (IssueStatus.PENDING, IssueSeverity.HIGH, None), (rude, slow)
    assert client._get_issue(rude.issue_id) == rude
    store = client.store
    seen = IssueReference(rude.issue_id, "rude", source=AssessmentSource("HUMAN", "ann"), trace_id=span.trace_id)
    store.create_assessment(seen)
    found = mlflow.search_traces(locations=[experiment], filter_string=f"issue.id = '{rude.issue_id}'", return_type="list")
    assert [one.info.trace_id for one in found] == [span.trace_id], found
    listed = store.search_issues(experiment_id=experiment, include_trace_count=True)
    assert [(one.name, one.trace_count) for one in listed] == [("rude", 1), ("slow", 0)], listed
    solved = store.update_issue(slow.issue_id, status=IssueStatus.RESOLVED, severity=IssueSeverity.LOW, description="It took long.")
    assert (solved.status, solved.name, solved.description) == (IssueStatus.RESOLVED, "slow", "It took long."), solved
    left = store.search_issues(filter_string=f"source_run_id = '{run.info.run_id}' AND status = 'pending'")
    assert [one.issue_id for one in left] == [rude.issue_id], left
    refused("RESOURCE_DOES_NOT_EXIST", client._get_issue, "iss-none")
    print("ok issues")


if __name__ == "__main__":
    mlflow.set_tracking_uri(sys.argv[1])
    questions()
    issues()
