//! Spans of steps, by OTLP: they go to the experiment of the step's own run, and nowhere else.

use super::asking::{Asking, BASE};
use serde_json::{Value, json};
use testkit::{Server, http::Answer};

/// A step's token, and the place that it sends to.
struct Step<'a> {
    asking: &'a Asking<'a>,
    token: String,
}

impl Step<'_> {
    /// Sends one span of a trace; `more` are further header lines.
    fn send(&self, at: &str, trace: &str, experiment: &str, more: &[String]) -> Answer {
        let span = json!({
            "traceId": trace, "spanId": "00f067aa0ba902b7", "name": "of a step",
            "startTimeUnixNano": "1700000000123456789", "endTimeUnixNano": "1700000001123456789",
        });
        let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] });
        let mut headers = vec![
            format!("authorization: Bearer {}", self.token),
            format!("x-mlflow-experiment-id: {experiment}"),
        ];
        headers.extend_from_slice(more);
        let path = format!("{at}/v1/traces");
        self.asking
            .ask("POST", &path, &headers, body.to_string().as_bytes())
    }
}

/// The trace as the owner sees it; null when there is none.
fn trace(asking: &Asking<'_>, id: &str) -> Value {
    let base = BASE.replace("2.0", "3.0");
    let path = format!("{base}/traces/get?trace_id=tr-{id}&allow_partial=true");
    asking.owner("GET", &path, b"").json()["trace"].take()
}

fn experiment_of(trace: &Value) -> Option<&str> {
    trace["trace_info"]["trace_location"]["mlflow_experiment"]["experiment_id"].as_str()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_sends_spans_to_its_own_experiment_only() {
    let server = Server::start().await;
    let asking = Asking::new(&server);
    let (own, own_run) = asking.run("own");
    let (other, other_run) = asking.run("other");
    let step = Step {
        asking: &asking,
        token: server.unit_token("flights", "run-1", &own_run),
    };
    let here = "/p/flights";
    let first = "0af7651916cd43dd8448eb211c80319c";
    let linked = |run: &str| vec![format!("x-mlflow-run-id: {run}")];
    let sent = step.send(here, first, &own, &linked(&own_run));
    assert_eq!(sent.status, 200, "{}", sent.body);
    let found = trace(&asking, first);
    assert_eq!(experiment_of(&found), Some(own.as_str()), "{found}");
    let names: Vec<_> = found["spans"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 1, "{found}");

    // Each row: where to, and what the step may not do there.
    let owner = Step {
        asking: &asking,
        token: server.owner_token().to_owned(),
    };
    let theirs = "0af7651916cd43dd8448eb211c803100";
    assert_eq!(owner.send(here, theirs, &other, &[]).status, 200);
    let rows: [(&str, &str, &str, &str, Vec<String>); 7] = [
        ("another experiment", here, "a1", &other, vec![]),
        ("the default one", here, "a2", "0", vec![]),
        ("one that is not there", here, "a3", "999999", vec![]),
        ("another project", "/p/other", "a4", &own, vec![]),
        ("another run", here, "a5", &own, linked(&other_run)),
        ("no run", here, "a6", &own, linked("nothing")),
        ("a trace of others", here, "00", &own, vec![]),
    ];
    for (what, at, end, experiment, more) in rows {
        let id = format!("0af7651916cd43dd8448eb211c8031{end}");
        let before = trace(&asking, &id);
        let refused = step.send(at, &id, experiment, &more);
        let expect: &[u16] = match what {
            "one that is not there" => &[403, 404],
            _ => &[403],
        };
        assert!(
            expect.contains(&refused.status),
            "{what}: {} {}",
            refused.status,
            refused.body
        );
        assert_eq!(trace(&asking, &id), before, "{what}");
    }
    assert_eq!(experiment_of(&trace(&asking, theirs)), Some(other.as_str()));
}
