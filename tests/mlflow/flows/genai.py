"""GenAI with the unmodified client: tracing, assessments, search, links, evaluation, deletion.

    python tests/mlflow/flows/genai.py TRACKING_URI

Prints an "ok" line for each part; ends with an error at the first thing that is not as MLflow's documentation says.
"""
import asyncio
import os
import sys
import time

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] = os.environ.get("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "true")

import mlflow
from mlflow.client import MlflowClient
from mlflow.entities import AssessmentSource, Feedback, SpanType
from mlflow.exceptions import MlflowException
from mlflow.genai import scorer


def ok(what):
    print(f"ok {what}", flush=True)


@mlflow.trace(span_type=SpanType.CHAIN, attributes={"team": "birds"})
def answer(question):
    return combine(look_up(question), question)


@mlflow.trace(span_type=SpanType.RETRIEVER)
def look_up(question):
    return [f"{question} is a bird", "naïve ü"]


@mlflow.trace(name="combine", span_type=SpanType.LLM)
def combine(documents, question):
    span = mlflow.get_current_active_span()
    if span:  # tracing is off while evaluate looks whether the function can be called
        span.set_attribute("mlflow.chat.tokenUsage", {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12})
        span.add_event(mlflow.entities.SpanEvent("thought", attributes={"count": len(documents)}))
    return {"answer": f"{question}: {len(documents)}", "score": 0.25}


@mlflow.trace
async def slow(n):
    return sum(await asyncio.gather(*(part(i) for i in range(n))))


@mlflow.trace
async def part(i):
    await asyncio.sleep(0)
    return i


@mlflow.trace
def broken():
    raise ValueError("on purpose")


def last_trace():
    mlflow.flush_trace_async_logging()
    return mlflow.get_last_active_trace_id()


def nested(experiment):
    answer("a finch")
    trace_id = last_trace()
    trace = mlflow.get_trace(trace_id)
    assert trace.info.experiment_id == experiment, trace.info.experiment_id
    assert trace.info.state == "OK" and trace.info.execution_duration >= 0
    assert [span.name for span in trace.data.spans] == ["answer", "look_up", "combine"], trace.data.spans
    root, look, llm = trace.data.spans
    assert root.parent_id is None and look.parent_id == root.span_id == llm.parent_id
    assert root.inputs == {"question": "a finch"} and root.outputs == {"answer": "a finch: 2", "score": 0.25}
    assert look.outputs == ["a finch is a bird", "naïve ü"] and look.span_type == "RETRIEVER"
    assert root.attributes["team"] == "birds"
    assert llm.events[0].name == "thought" and llm.events[0].attributes == {"count": 2}
    assert trace.info.request_preview == '{"question": "a finch"}', trace.info.request_preview
    assert trace.info.tags["mlflow.traceName"] == "answer"
    assert trace.info.token_usage == {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}, trace.info.token_usage
    again = MlflowClient().get_trace(trace_id)
    assert again.to_dict() == trace.to_dict()
    ok("nested functions")
    return trace_id


def asynchronous():
    assert asyncio.run(slow(3)) == 3
    trace = mlflow.get_trace(last_trace())
    assert sorted(span.name for span in trace.data.spans) == ["part", "part", "part", "slow"]
    assert trace.data.spans[0].name == "slow" and trace.data.spans[0].outputs == 3
    ok("async functions")


def failing():
    try:
        broken()
    except ValueError:
        pass
    trace = mlflow.get_trace(last_trace())
    assert trace.info.state == "ERROR" and trace.data.spans[0].status.status_code == "ERROR"
    assert "on purpose" in trace.data.spans[0].status.description
    assert any(event.name == "exception" for event in trace.data.spans[0].events)
    ok("an exception")
    return trace.info.trace_id


def by_hand(experiment):
    client = MlflowClient()
    root = client.start_trace("by hand", inputs={"x": 1}, tags={"kind": "manual"}, experiment_id=experiment)
    child = client.start_span("step", trace_id=root.trace_id, parent_id=root.span_id, inputs={"y": 2})
    client.end_span(root.trace_id, child.span_id, outputs={"z": 3})
    client.end_trace(root.trace_id, outputs={"done": True})
    mlflow.flush_trace_async_logging()
    trace = client.get_trace(root.trace_id)
    assert [span.name for span in trace.data.spans] == ["by hand", "step"]
    assert trace.info.tags["kind"] == "manual" and trace.data.spans[1].outputs == {"z": 3}
    ok("a trace by hand")


def assessed(trace_id):
    source = AssessmentSource(source_type="HUMAN", source_id="ann")
    good = mlflow.log_feedback(trace_id=trace_id, name="good", value=True, source=source, rationale="it is")
    score = mlflow.log_feedback(trace_id=trace_id, name="score", value=0.75, metadata={"by": "hand"})
    mlflow.log_expectation(trace_id=trace_id, name="expected", value={"facts": ["a", 1]}, source=source)
    plain = mlflow.log_expectation(trace_id=trace_id, name="plain", value="a bird", source=source)
    listed = {a.name: a for a in mlflow.get_trace(trace_id).info.assessments}
    assert sorted(listed) == ["expected", "good", "plain", "score"], listed
    assert listed["expected"].value == {"facts": ["a", 1]} and listed["good"].value is True
    assert listed["good"].rationale == "it is" and listed["score"].metadata["by"] == "hand"
    changed = mlflow.update_assessment(trace_id, good.assessment_id, Feedback(name="good", value=False, rationale="no"))
    assert changed.value is False
    found = mlflow.get_assessment(trace_id, good.assessment_id)
    assert found.value is False and found.rationale == "no" and found.source.source_id == "ann"
    other = mlflow.override_feedback(trace_id=trace_id, assessment_id=score.assessment_id, value=0.5)
    assert mlflow.get_assessment(trace_id, score.assessment_id).valid is False
    mlflow.delete_assessment(trace_id, other.assessment_id)
    assert mlflow.get_assessment(trace_id, score.assessment_id).valid is True
    mlflow.delete_assessment(trace_id, plain.assessment_id)
    try:
        mlflow.get_assessment(trace_id, plain.assessment_id)
        raise AssertionError("it is still there")
    except MlflowException as error:
        assert error.error_code == "RESOURCE_DOES_NOT_EXIST", error.error_code
    ok("feedback and expectations")


def searched(experiment, trace_id, failed):
    def find(text=None, **more):
        found = mlflow.search_traces(locations=[experiment], filter_string=text, return_type="list", **more)
        return [trace.info.trace_id for trace in found]

    everything = find()
    assert len(everything) == 4 and trace_id in everything, everything
    for text, expect in [
        ("trace.status = 'ERROR'", [failed]),
        ("attributes.name = 'answer'", [trace_id]),
        ("tags.kind = 'manual'", 1),
        ("tags.kind IS NULL", 3),
        ("span.type = 'RETRIEVER'", [trace_id]),
        ("span.name LIKE 'comb%' AND span.type = 'LLM'", [trace_id]),
        ("span.name = 'combine' AND span.type = 'RETRIEVER'", []),
        ("span.attributes.team LIKE '%birds%'", [trace_id]),
        ("span.attributes.team RLIKE '^b.rds$'", [trace_id]),
        ("trace.text LIKE '%naïve ü%'", [trace_id]),
        ("feedback.good = 'false'", [trace_id]),
        ("feedback.score > 0.7", [trace_id]),
        ("feedback.score > 0.8", []),
        ("expectation.expected IS NOT NULL", [trace_id]),
        ("feedback.good IS NULL AND trace.status = 'OK'", 2),
        ("timestamp_ms > 0 AND execution_time_ms >= 0", 4),
        ("request_id = '%s'" % trace_id, [trace_id]),
        ("name RLIKE '^(answer|slow)$'", 2),
    ]:
        got = find(text)
        assert (len(got) if isinstance(expect, int) else got) == expect, (text, got)
    assert find(order_by=["timestamp ASC"]) == everything[::-1]
    assert find(max_results=3) == everything[:3]
    page = MlflowClient().search_traces(locations=[experiment], max_results=3)
    rest = MlflowClient().search_traces(locations=[experiment], max_results=3, page_token=page.token)
    assert [trace.info.trace_id for trace in [*page, *rest]] == everything
    table = mlflow.search_traces(locations=[experiment])
    assert len(table) == 4 and table[table.trace_id == trace_id].response.iloc[0]["score"] == 0.25
    try:
        find("trace.colour = 'red'")
        raise AssertionError("it was taken")
    except MlflowException as error:
        assert error.error_code == "INVALID_PARAMETER_VALUE", error.error_code
    ok("searches")


def labelled(trace_id, experiment):
    client = MlflowClient()
    mlflow.set_trace_tag(trace_id, "stage", "one")
    client.set_trace_tag(trace_id, "stage", "two")
    assert client.get_trace(trace_id).info.tags["stage"] == "two"
    mlflow.delete_trace_tag(trace_id, "stage")
    assert "stage" not in client.get_trace(trace_id).info.tags
    try:
        client.delete_trace_tag(trace_id, "stage")
        raise AssertionError("it was there twice")
    except MlflowException as error:
        assert error.error_code == "RESOURCE_DOES_NOT_EXIST", error.error_code
    with mlflow.start_run() as run:
        answer("within")
        inside = last_trace()
    client.link_traces_to_run([trace_id], run.info.run_id)
    found = client.search_traces(locations=[experiment], run_id=run.info.run_id)
    assert {trace.info.trace_id for trace in found} == {inside, trace_id}, found
    ok("tags and runs")


@scorer
def says_bird(outputs, expectations):
    return expectations["bird"] in str(outputs)


@scorer
def length(outputs):
    return Feedback(value=len(str(outputs)), rationale="counted")


def evaluated():
    data = [
        {"inputs": {"question": "wren"}, "expectations": {"bird": "wren"}},
        {"inputs": {"question": "owl"}, "expectations": {"bird": "eagle"}},
    ]
    result = mlflow.genai.evaluate(data=data, predict_fn=lambda question: answer(question), scorers=[says_bird, length])
    assert result.metrics["says_bird/mean"] == 0.5, result.metrics
    traces = mlflow.search_traces(run_id=result.run_id, return_type="list")
    assert len(traces) == 2, traces
    for trace in traces:
        names = sorted(assessment.name for assessment in trace.info.assessments)
        assert names == ["bird", "length", "says_bird"], names
    assert mlflow.get_run(result.run_id).data.metrics["says_bird/mean"] == 0.5
    static = [{"inputs": {"q": 1}, "outputs": "a wren", "expectations": {"bird": "wren"}}]
    result = mlflow.genai.evaluate(data=static, scorers=[says_bird])
    assert result.metrics["says_bird/mean"] == 1.0, result.metrics
    ok("mlflow.genai.evaluate")


def deleted(experiment, trace_id):
    client = MlflowClient()
    assert client.delete_traces(experiment_id=experiment, trace_ids=[trace_id]) == 1
    try:
        client.get_trace(trace_id)
        raise AssertionError("it is still there")
    except MlflowException as error:
        assert error.error_code == "RESOURCE_DOES_NOT_EXIST", error.error_code
    assert client.delete_traces(experiment_id=experiment, max_timestamp_millis=2**45, max_traces=1) == 1
    assert client.delete_traces(experiment_id=experiment, max_timestamp_millis=2**45) > 1
    assert len(client.search_traces(locations=[experiment])) == 0
    ok("deletion")


def main():
    mlflow.set_tracking_uri(sys.argv[1])
    experiment = mlflow.set_experiment(f"genai flow {time.time()}").experiment_id
    trace_id = nested(experiment)
    asynchronous()
    failed = failing()
    by_hand(experiment)
    assessed(trace_id)
    searched(experiment, trace_id, failed)
    labelled(trace_id, experiment)
    evaluated()
    deleted(experiment, trace_id)


if __name__ == "__main__":
    main()
