//! Traces, with protobuf's texts for times and durations.

use super::{assessment, filled, pairs};
use jiff::{SignedDuration, Timestamp};
use mlflow::{
    Error, artifacts, limits,
    traces::{COST, Location, SHOWN_METADATA, SHOWN_TAG, TOKENS, TraceInfo, cut, keys, state, v2},
};
use std::collections::BTreeMap;
use store::{Experiment, Trace};

/// Characters of an id; MLflow's own have 35.
const ID: usize = 250;

/// Characters of a tag's or metadata entry's key and value that are kept, as in MLflow's columns.
pub(in crate::mlflow) const KEPT: (usize, usize) = (limits::KEY, limits::RUN_TAG_VALUE);

/// A trace as answers of the third version show it.
pub(in crate::mlflow) fn wire(trace: Trace) -> TraceInfo {
    TraceInfo {
        trace_id: trace.trace_id,
        client_request_id: trace.client_request_id,
        trace_location: Location::experiment(trace.experiment_id),
        request_preview: trace.request_preview,
        response_preview: trace.response_preview,
        request_time: time(trace.request_time),
        execution_duration: trace.duration.map(duration),
        state: trace.state.into(),
        trace_metadata: cut(&trace.metadata, SHOWN_METADATA).collect(),
        assessments: trace
            .assessments
            .into_iter()
            .map(assessment::wire)
            .collect(),
        tags: cut(&trace.tags, SHOWN_TAG).collect(),
    }
}

/// A trace as answers of the second version show it.
pub(in crate::mlflow) fn wire_v2(trace: Trace) -> v2::TraceInfo {
    let status = match trace.state.as_str() {
        "STATE_UNSPECIFIED" => "TRACE_STATUS_UNSPECIFIED",
        other => other,
    };
    v2::TraceInfo {
        request_id: trace.trace_id,
        experiment_id: trace.experiment_id,
        timestamp_ms: trace.request_time.as_millisecond(),
        execution_time_ms: trace.duration.map_or(0, millis),
        status: status.to_owned(),
        request_metadata: pairs(cut(&trace.metadata, SHOWN_METADATA).collect()),
        tags: pairs(cut(&trace.tags, SHOWN_TAG).collect()),
    }
}

/// What a client tells of a trace, on top of what is known of it.
pub(in crate::mlflow) fn told(
    project: &str,
    info: &TraceInfo,
    known: Option<&Trace>,
) -> Result<Trace, Error> {
    id(&info.trace_id)?;
    let state = state(&info.state).ok_or_else(|| {
        let hint = "use OK, ERROR, IN_PROGRESS or STATE_UNSPECIFIED";
        Error::invalid_value("state", &info.state.to_string(), hint)
    })?;
    let name = info.tags.get(keys::NAME).map_or("", String::as_str);
    limits::at_most("Trace name", name, SHOWN_TAG.1)?;
    let mut metadata = metadata(&info.trace_metadata, known)?;
    metadata.insert(keys::FINALIZED.to_owned(), "true".to_owned());
    let preview = |new: &Option<String>, old: fn(&Trace) -> &Option<String>| {
        new.clone()
            .or_else(|| known.and_then(|known| old(known).clone()))
    };
    let place = info.trace_location.mlflow_experiment.as_ref();
    if place.is_some()
        && !["MLFLOW_EXPERIMENT".into(), 1.into()].contains(&info.trace_location.kind)
    {
        return Err(Error::invalid(format!(
            "Trace location type {} does not match the provided location: it must be MLFLOW_EXPERIMENT",
            info.trace_location.kind
        )));
    }
    Ok(Trace {
        trace_id: info.trace_id.clone(),
        project: project.to_owned(),
        experiment_id: place
            .map(|place| place.experiment_id.clone())
            .unwrap_or_default(),
        request_time: read_time("request_time", &info.request_time)?
            .unwrap_or(Timestamp::UNIX_EPOCH),
        duration: info
            .execution_duration
            .as_deref()
            .map(read_duration)
            .transpose()?,
        state: state.to_owned(),
        client_request_id: info.client_request_id.clone(),
        request_preview: preview(&info.request_preview, |known| &known.request_preview),
        response_preview: preview(&info.response_preview, |known| &known.response_preview),
        tags: cut(&info.tags, KEPT).collect(),
        metadata,
        assessments: Vec::new(),
    })
}

/// Checks the id of a trace that a client makes up.
pub(in crate::mlflow) fn id(id: &str) -> Result<(), Error> {
    mlflow::required("trace_id", id)?;
    limits::at_most("trace_id", id, ID)
}

/// Metadata as it is stored: tokens and costs in their one form.
pub(in crate::mlflow) fn metadata(
    told: &BTreeMap<String, String>,
    known: Option<&Trace>,
) -> Result<BTreeMap<String, String>, Error> {
    let mut kept: BTreeMap<_, _> = cut(told, KEPT).collect();
    let session = told.get(keys::SESSION).map_or("", String::as_str);
    limits::at_most("Session ID", session, SHOWN_METADATA.1)?;
    for kind in [TOKENS, COST] {
        let Some(new) = kept.remove(kind.metadata) else {
            continue;
        };
        let old = known.and_then(|known| known.metadata.get(kind.metadata));
        if let Some(merged) = kind.merged(old.map(String::as_str), &new) {
            kept.insert(kind.metadata.to_owned(), merged);
        }
    }
    Ok(kept)
}

/// Where files of a trace go.
pub(in crate::mlflow) fn place(experiment: &Experiment, trace_id: &str) -> String {
    let below = format!("traces/{trace_id}/artifacts");
    artifacts::below(&experiment.artifact_location, &below)
}

/// Milliseconds of a duration.
pub(in crate::mlflow) fn millis(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A time as protobuf's JSON writes it: to the second, or with three digits more.
pub(in crate::mlflow) fn time(time: Timestamp) -> String {
    let millis = time.as_millisecond().rem_euclid(1000);
    let second = time.strftime("%Y-%m-%dT%H:%M:%S");
    match millis {
        0 => format!("{second}Z"),
        _ => format!("{second}.{millis:03}Z"),
    }
}

/// Reads such a time, to the millisecond; none when it is empty.
pub(in crate::mlflow) fn read_time(field: &str, text: &str) -> Result<Option<Timestamp>, Error> {
    let Some(text) = filled(Some(text)) else {
        return Ok(None);
    };
    let read = text.parse::<Timestamp>().ok();
    read.and_then(|time| Timestamp::from_millisecond(time.as_millisecond()).ok())
        .map(Some)
        .ok_or_else(|| {
            Error::invalid_value(
                field,
                &text,
                "a time such as 2026-01-31T12:00:00Z is expected",
            )
        })
}

/// A duration as protobuf's JSON writes it.
fn duration(duration: SignedDuration) -> String {
    let all = millis(duration);
    let sign = if all < 0 { "-" } else { "" };
    let (seconds, rest) = (all.unsigned_abs() / 1000, all.unsigned_abs() % 1000);
    match rest {
        0 => format!("{sign}{seconds}s"),
        _ => format!("{sign}{seconds}.{rest:03}s"),
    }
}

/// Reads `1.5s`, to the millisecond.
fn read_duration(text: &str) -> Result<SignedDuration, Error> {
    let read = || {
        let number = text.strip_suffix('s')?;
        let (sign, number) = match number.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, number),
        };
        let (seconds, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(seconds) || !digits(fraction) {
            return None;
        }
        let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
        let seconds: i64 = seconds.parse().ok()?;
        let all = seconds.checked_mul(1000)?.checked_add(millis)?;
        // As long as MLflow's protocol allows.
        (seconds <= 315_576_000_000).then(|| SignedDuration::from_millis(sign * all))
    };
    read().ok_or_else(|| {
        Error::invalid_value(
            "execution_duration",
            text,
            "seconds such as 1.5s are expected",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_both_ways() {
        for (text, shown) in [
            ("1.5s", Some("1.500s")),
            ("1s", Some("1s")),
            ("0.001999s", Some("0.001s")),
            ("-2.25s", Some("-2.250s")),
            ("1", None),
            ("s", None),
            ("1.s", None),
            ("9999999999999s", None),
        ] {
            let got = read_duration(text).ok().map(duration);
            assert_eq!(got.as_deref(), shown, "{text}");
        }
    }

    #[test]
    fn times_both_ways() {
        for (text, shown) in [
            (
                "2024-01-01T00:00:00.123456Z",
                Some("2024-01-01T00:00:00.123Z"),
            ),
            ("2024-01-01T01:00:00+01:00", Some("2024-01-01T00:00:00Z")),
            ("yesterday", None),
        ] {
            let got = read_time("t", text).ok().flatten().map(time);
            assert_eq!(got.as_deref(), shown, "{text}");
        }
        assert_eq!(read_time("t", ""), Ok(None));
    }
}
