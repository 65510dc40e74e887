//! Putting a trace into a server, by the protocols that clients use: its head with MLflow's call, its spans with
//! OpenTelemetry's. Ids are kept. Import and export both do it so.

use crate::{
    error::{Error, Result},
    http::Http,
    otlp,
    report::{Kind, Report},
    source::Trace,
};
use mlflow::moving::State;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a server works out by itself.
const OWN_TAGS: [&str; 2] = ["mlflow.artifactLocation", "mlflow.trace.spansLocation"];
const OWN_METADATA: [&str; 3] = [
    "mlflow.trace.sizeStats",
    "mlflow.trace.sizeBytes",
    "mlflow.trace.infoFinalized",
];
/// Metadata that name a run or a logged model.
const NAMING: [&str; 2] = ["mlflow.sourceRun", "mlflow.modelId"];

/// Where traces go.
pub(crate) struct Into<'a> {
    pub(crate) http: &'a Http,
    /// What comes before every path.
    pub(crate) base: &'a str,
    /// The experiment there.
    pub(crate) experiment: &'a str,
    /// Ids of runs and logged models there.
    pub(crate) rename: &'a dyn Fn(&str) -> String,
}

impl Into<'_> {
    /// Puts traces, and counts what became of them.
    pub(crate) fn put_all(&self, traces: &[Trace], report: &mut Report) -> Result<()> {
        for trace in traces {
            let id = text(&trace.info["trace_id"]);
            report.count(Kind::Traces).found += 1;
            let (state, why) = match self.put(trace) {
                Err(error) if error.is_refusal() => (State::Failed, Some(error.to_string())),
                other => other?,
            };
            report.tell(Kind::Traces, &id, state, why.as_deref());
        }
        Ok(())
    }

    /// Puts a trace that is not there, or completes it.
    pub(crate) fn put(&self, trace: &Trace) -> Result<(State, Option<String>)> {
        let id = text(&trace.info["trace_id"]);
        let wanted = self.renamed(trace);
        let before = self.get(&id)?;
        let state = match &before {
            Some(there) if shape(there) == shape(&wanted) => return Ok((State::Same, None)),
            Some(there) if there.spans.len() >= wanted.spans.len() => {
                return Ok((State::Different, Some(differing(there, &wanted))));
            }
            Some(_) => State::Updated,
            None => State::Copied,
        };
        // The head comes last: servers work some of it out of spans, and let the head's own word stand.
        if !wanted.spans.is_empty() {
            let headers = [("x-mlflow-experiment-id", self.experiment)];
            self.http.tell(
                &format!("{}/v1/traces", self.base),
                &headers,
                &otlp::export(&wanted.spans),
            )?;
        }
        self.start(&wanted)?;
        match self.get(&id)? {
            Some(there) if shape(&there) == shape(&wanted) => Ok((state, None)),
            Some(there) => Ok((State::Different, Some(differing(&there, &wanted)))),
            None => Ok((State::Failed, Some("it has not arrived".to_owned()))),
        }
    }

    fn get(&self, id: &str) -> Result<Option<Trace>> {
        let path = format!("{}/api/3.0/mlflow/traces/get", self.base);
        let query = [("trace_id", id), ("allow_partial", "true")];
        match self.http.get::<Value>(&path, &query) {
            Ok(mut answer) => Ok(Some(of_answer(answer["trace"].take()))),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn start(&self, trace: &Trace) -> Result<()> {
        let path = format!("{}/api/3.0/mlflow/traces", self.base);
        let mut info = trace.info.clone();
        if let Some(tags) = info["tags"].as_object_mut() {
            tags.remove(OWN_TAGS[0]);
        }
        let asked = json!({ "trace": { "trace_info": info } });
        match self.http.post::<Value>(&path, &asked) {
            Err(error) if error.is_missing() => Err(Error::Refused {
                address: self.http.address().to_owned(),
                status: 404,
                call: format!("POST {path}"),
                message: "it takes no traces: is it of a version that does?".to_owned(),
            }),
            other => other.map(drop),
        }
    }

    /// The trace with the ids that things have there.
    fn renamed(&self, trace: &Trace) -> Trace {
        let mut trace = trace.clone();
        trace.info["trace_location"] = json!({
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": { "experiment_id": self.experiment },
        });
        for key in NAMING {
            if let Some(id) = trace.info["trace_metadata"].get_mut(key) {
                *id = (self.rename)(&text(id)).into();
            }
        }
        trace
    }
}

/// A trace as `traces/get` answers it.
pub(crate) fn of_answer(mut answer: Value) -> Trace {
    let spans = match answer["spans"].take() {
        Value::Array(spans) => spans,
        _ => Vec::new(),
    };
    Trace {
        info: answer["trace_info"].take(),
        spans,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What of a trace is compared.
fn shape(trace: &Trace) -> BTreeMap<&'static str, Value> {
    let info = &trace.info;
    let kept = |field: &str, own: &[&str]| {
        let map = info[field].as_object().cloned().unwrap_or_default();
        let kept: Map<String, Value> = map
            .into_iter()
            .filter(|(key, _)| !own.contains(&key.as_str()))
            .collect();
        Value::Object(kept)
    };
    let mut said = info["assessments"].as_array().cloned().unwrap_or_default();
    said.sort_by_key(|one| text(&one["assessment_id"]));
    let mut spans: Vec<Value> = trace.spans.iter().map(otlp::plain).collect();
    spans.sort_by_key(|span| text(&span["span_id"]));
    let fields = [
        "trace_id",
        "client_request_id",
        "request_time",
        "execution_duration",
        "state",
        "request_preview",
        "response_preview",
    ];
    let mut shape: BTreeMap<_, _> = fields
        .into_iter()
        .map(|field| (field, info[field].clone()))
        .collect();
    shape.insert("tags", kept("tags", &OWN_TAGS));
    shape.insert("metadata", kept("trace_metadata", &OWN_METADATA));
    shape.insert("assessments", Value::Array(said));
    shape.insert("spans", Value::Array(spans));
    shape
}

fn differing(there: &Trace, wanted: &Trace) -> String {
    let (there, wanted) = (shape(there), shape(wanted));
    let fields = wanted
        .iter()
        .filter(|(field, value)| there.get(*field) != Some(value));
    let fields: Vec<&str> = fields.map(|(field, _)| *field).collect();
    format!("differs in {}", fields.join(", "))
}
