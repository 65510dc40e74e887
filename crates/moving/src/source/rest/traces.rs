//! Traces of a server.

use crate::{
    error::Result,
    http::Http,
    otlp,
    source::{Page, Trace},
    traces,
};
use serde_json::{Value, json};

/// How many traces are read at once; each may have thousands of spans.
const TRACES: usize = 50;

pub(super) fn page(http: &Http, experiment: &str, after: Option<&str>) -> Result<Page<Trace>> {
    let asked = json!({
        "locations": [{ "type": "MLFLOW_EXPERIMENT", "mlflow_experiment": { "experiment_id": experiment } }],
        "max_results": TRACES,
        "order_by": ["timestamp ASC"],
        "page_token": after,
    });
    let found = match http.post::<Value>("/api/3.0/mlflow/traces/search", &asked) {
        // A server of before traces, or one that keeps none.
        Err(error) if error.is_missing() => Value::Null,
        other => other?,
    };
    let mut items = Vec::new();
    for info in found["traces"].as_array().into_iter().flatten() {
        let id = info["trace_id"].as_str().unwrap_or_default();
        items.push(whole(http, id)?);
    }
    let next = found["next_page_token"]
        .as_str()
        .filter(|token| !token.is_empty());
    Ok(Page {
        items,
        next: next.map(str::to_owned),
    })
}

fn whole(http: &Http, id: &str) -> Result<Trace> {
    let query = [("trace_id", id), ("allow_partial", "true")];
    let mut answer: Value = http.get("/api/3.0/mlflow/traces/get", &query)?;
    let mut trace = traces::of_answer(answer["trace"].take());
    if trace.spans.is_empty() {
        trace.spans = of_file(http, id);
    }
    Ok(trace)
}

/// The spans of a trace that an older client kept in a file.
fn of_file(http: &Http, id: &str) -> Vec<Value> {
    let path = "/ajax-api/2.0/mlflow/get-trace-artifact";
    let kept: Value = http.get(path, &[("request_id", id)]).unwrap_or_default();
    let spans = kept["spans"].as_array().into_iter().flatten();
    spans.map(otlp::answered).collect()
}
