//! Spans that came for a trace: they are kept, and the trace's record learns from them what its client has not told.

use crate::mlflow::{access, convert, find};
use guard::Identity;
use jiff::Timestamp;
use mlflow::traces::{COST, Node, Rollup, Stored, TOKENS, UsageKind, keys, nodes};
use std::collections::BTreeMap;
use store::{Experiment, Span, Trace, Traces as _, Tx};

/// Spans of one trace that came in one request.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) trace_id: String,
    pub(super) rollup: Rollup,
    pub(super) spans: Vec<Span>,
}

/// Who sends spans, and for which experiment.
pub(super) struct Sender<'s> {
    pub(super) who: &'s Identity,
    pub(super) project: &'s str,
    pub(super) experiment: &'s str,
    pub(super) now: Timestamp,
}

/// A span as the store keeps it.
pub(super) fn kept(span: Stored) -> Span {
    let [input_cost, output_cost, total_cost] = span.costs;
    Span {
        span_id: span.span_id,
        parent_id: span.parent_id,
        name: span.name,
        kind: span.kind,
        status: span.status.to_owned(),
        started: span.started,
        ended: span.ended,
        model: span.model,
        provider: span.provider,
        input_cost,
        output_cost,
        total_cost,
        content: span.content,
    }
}

/// Keeps spans of a trace, which is made when it is not there. Only then is the experiment looked at.
pub(super) fn ingest(tx: &mut Tx<'_>, sender: &Sender<'_>, batch: &Batch) -> store::Result<()> {
    let known = tx.trace(sender.project, &batch.trace_id)?;
    let trace = match known {
        Some(known) => {
            access::trace(tx, sender.who, &known)?;
            let told = sums(tx, &known, batch)?;
            learned(known, &batch.rollup, told)
        }
        None => {
            let trace = begun(&experiment(tx, sender)?, sender.project, batch);
            access::trace(tx, sender.who, &trace)?;
            trace
        }
    };
    tx.put_trace(&trace)?;
    tx.put_spans(sender.project, &batch.trace_id, &batch.spans)
}

fn experiment(tx: &mut Tx<'_>, sender: &Sender<'_>) -> store::Result<Experiment> {
    if find::is_default(sender.experiment) {
        find::ensure_default(tx, sender.project, sender.now)?;
    }
    find::experiment(tx, sender.project, sender.experiment)
}

/// A trace of which spans are all that is known.
fn begun(experiment: &Experiment, project: &str, batch: &Batch) -> Trace {
    let place = convert::trace::place(experiment, &batch.trace_id);
    let trace = Trace {
        trace_id: batch.trace_id.clone(),
        project: project.to_owned(),
        experiment_id: experiment.id.clone(),
        request_time: time(batch.rollup.started),
        duration: None,
        state: "IN_PROGRESS".to_owned(),
        client_request_id: None,
        request_preview: None,
        response_preview: None,
        tags: BTreeMap::from([(keys::ARTIFACT_LOCATION.to_owned(), place)]),
        metadata: BTreeMap::new(),
        assessments: Vec::new(),
    };
    let sum = |kind: UsageKind, nodes: &[Node]| Some((kind, kind.sum(nodes)?));
    let sums = [
        sum(TOKENS, &batch.rollup.tokens),
        sum(COST, &batch.rollup.costs),
    ];
    learned(trace, &batch.rollup, sums.into_iter().flatten().collect())
}

/// Tokens and money over all spans of a known trace, where the batch brings any and the client has not told them.
fn sums(tx: &mut Tx<'_>, known: &Trace, batch: &Batch) -> store::Result<Vec<(UsageKind, String)>> {
    let wanted = [(TOKENS, &batch.rollup.tokens), (COST, &batch.rollup.costs)];
    let told = |kind: &UsageKind| is_final(known) && known.metadata.contains_key(kind.metadata);
    let brings = |nodes: &[Node]| nodes.iter().any(|node| node.data.is_some());
    if !wanted
        .iter()
        .any(|(kind, nodes)| brings(nodes) && !told(kind))
    {
        return Ok(Vec::new());
    }
    let new = |id: &str| batch.spans.iter().any(|span| span.span_id == id);
    let mut stored = tx.spans(&known.project, &known.trace_id)?;
    stored.retain(|span| !new(&span.span_id));
    let sum = |(kind, nodes_now): (UsageKind, &Vec<Node>)| {
        if !brings(nodes_now) || told(&kind) {
            return None;
        }
        let before = stored.iter();
        let before = before.map(|span| {
            nodes(
                kind,
                &span.span_id,
                span.parent_id.as_deref(),
                &span.content,
            )
        });
        let all: Vec<Node> = nodes_now.iter().cloned().chain(before).collect();
        Some((kind, kind.sum(&all)?))
    };
    Ok(wanted.into_iter().filter_map(sum).collect())
}

fn is_final(trace: &Trace) -> bool {
    trace.metadata.contains_key(keys::FINALIZED)
}

/// The trace with what the spans say; what the client has told stays.
fn learned(mut trace: Trace, rollup: &Rollup, sums: Vec<(UsageKind, String)>) -> Trace {
    if !is_final(&trace) {
        let end = trace.duration.map(|duration| trace.request_time + duration);
        let end = rollup.ended.map(time).max(end);
        trace.request_time = trace.request_time.min(time(rollup.started));
        trace.duration = end.map(|end| end.duration_since(trace.request_time));
    }
    if ["IN_PROGRESS", "STATE_UNSPECIFIED"].contains(&trace.state.as_str())
        && let Some(state) = rollup.state
    {
        state.clone_into(&mut trace.state);
    }
    trace.request_preview = trace
        .request_preview
        .or_else(|| rollup.request_preview.clone());
    trace.response_preview = trace
        .response_preview
        .or_else(|| rollup.response_preview.clone());
    for (kind, sum) in sums {
        let known = trace.metadata.get(kind.metadata).map(String::as_str);
        if let Some(merged) = kind.merged(known, &sum) {
            trace.metadata.insert(kind.metadata.to_owned(), merged);
        }
    }
    for (key, value) in [(keys::SESSION, &rollup.session), (keys::USER, &rollup.user)] {
        if let Some(value) = value {
            trace
                .metadata
                .entry(key.to_owned())
                .or_insert_with(|| value.clone());
        }
    }
    trace
        .tags
        .insert(keys::SPANS_LOCATION.to_owned(), keys::IN_STORE.to_owned());
    trace.tags.extend(rollup.tags.clone());
    trace
}

/// Milliseconds since 1970 that are nanoseconds of 64 bits: centuries at the most.
fn time(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    fn trace(state: &str, from: i64, duration: Option<i64>, told: bool) -> Trace {
        let told = told.then(|| (keys::FINALIZED.to_owned(), "true".to_owned()));
        Trace {
            trace_id: "t".into(),
            project: "p".into(),
            experiment_id: "1".into(),
            request_time: time(from),
            duration: duration.map(SignedDuration::from_millis),
            state: state.into(),
            client_request_id: None,
            request_preview: None,
            response_preview: None,
            tags: BTreeMap::new(),
            metadata: told.into_iter().collect(),
            assessments: Vec::new(),
        }
    }

    #[test]
    fn spans_widen_a_trace_until_its_client_has_told() {
        let rollup = Rollup {
            started: 5,
            ended: Some(20),
            state: Some("ERROR"),
            ..Rollup::default()
        };
        let check = |known: Trace, expect: (&str, i64, Option<i64>)| {
            let got = learned(known, &rollup, Vec::new());
            let duration = got.duration.map(convert::trace::millis);
            assert_eq!(
                (
                    got.state.as_str(),
                    got.request_time.as_millisecond(),
                    duration
                ),
                expect
            );
        };
        check(
            trace("IN_PROGRESS", 10, None, false),
            ("ERROR", 5, Some(15)),
        );
        check(trace("OK", 10, Some(30), false), ("OK", 5, Some(35)));
        check(trace("OK", 1, Some(2), false), ("OK", 1, Some(19)));
        check(
            trace("STATE_UNSPECIFIED", 10, Some(30), true),
            ("ERROR", 10, Some(30)),
        );
    }
}
