//! Traces, with their spans and assessments, in the shape in which the protocol shows them.

use super::{
    Page, Trace, by_owner, pair,
    rows::{Database, Row},
};
use crate::{error::Result, otlp};
use mlflow::{
    tag::Pair,
    traces::{COST, TOKENS},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// How many traces are read at once; each may have thousands of spans.
const TRACES: usize = 50;
pub(super) fn page(database: &mut Database, experiment: i64, after: &str) -> Result<Page<Trace>> {
    let sql = format!(
        "SELECT request_id, timestamp_ms, execution_time_ms, status, client_request_id, request_preview, response_preview, \
         trace_name, session_id, {}, {} FROM trace_info \
         WHERE experiment_id = {experiment} AND request_id > ?1 ORDER BY request_id LIMIT {TRACES}",
        TOKENS.names.join(", "),
        COST.names.join(", ")
    );
    let heads = database.all(&sql, &[after], |row| head(experiment, row))?;
    let ids: Vec<&str> = heads.iter().map(|head| head.id.as_str()).collect();
    let pairs = |database: &mut Database, table: &str| {
        let sql = format!("SELECT request_id, key, value FROM {table} WHERE request_id");
        by_owner(database, &sql, &ids, "ORDER BY key", pair)
    };
    let mut tags = pairs(database, "trace_tags")?;
    let mut metadata = pairs(database, "trace_request_metadata")?;
    let before = "SELECT trace_id, assessment_id, name, assessment_type, value, error, created_timestamp, last_updated_timestamp, \
                  source_type, source_id, span_id, rationale, overrides, valid, assessment_metadata FROM assessments WHERE trace_id";
    let mut said = by_owner(
        database,
        before,
        &ids,
        "ORDER BY created_timestamp, assessment_id",
        assessment,
    )?;
    let before = "SELECT trace_id, content FROM spans WHERE trace_id";
    let mut spans = by_owner(
        database,
        before,
        &ids,
        "ORDER BY start_time_unix_nano, span_id",
        span,
    )?;
    let next = (heads.len() >= TRACES)
        .then(|| heads.last().map(|head| head.id.clone()))
        .flatten();
    let items = heads.into_iter().map(|head| {
        let id = head.id.clone();
        head.trace(
            tags.remove(&id).unwrap_or_default(),
            metadata.remove(&id).unwrap_or_default(),
            said.remove(&id).unwrap_or_default(),
            spans.remove(&id).unwrap_or_default(),
        )
    });
    Ok(Page {
        items: items.collect(),
        next,
    })
}

/// A trace's own row.
struct Head {
    id: String,
    info: Map<String, Value>,
    tags: Vec<Pair>,
    metadata: Vec<Pair>,
}

fn head(experiment: i64, mut row: Row) -> Head {
    let id = row.text();
    let (began, took, state) = (row.int(), row.number(), row.text());
    let texts = [
        ("client_request_id", row.maybe()),
        ("request_preview", row.maybe()),
        ("response_preview", row.maybe()),
    ];
    let mut info = Map::new();
    info.insert("trace_id".into(), json!(id));
    info.insert(
        "trace_location".into(),
        json!({
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": { "experiment_id": experiment.to_string() },
        }),
    );
    info.insert("request_time".into(), json!(timestamp(began)));
    info.extend(took.map(|took| ("execution_duration".to_owned(), json!(duration(took)))));
    info.insert("state".into(), json!(state));
    info.extend(
        texts
            .into_iter()
            .filter_map(|(name, text)| Some((name.to_owned(), json!(text?)))),
    );
    let tags = row.maybe().map(|name| Pair::new("mlflow.traceName", name));
    let mut metadata: Vec<Pair> = Vec::new();
    metadata.extend(
        row.maybe()
            .map(|session| Pair::new("mlflow.trace.session", session)),
    );
    // Counts and sums have a column for each name.
    let tokens = TOKENS.names.iter();
    let tokens = tokens.map(|name| (*name, row.number().map(|count| count.to_string())));
    metadata.extend(object(tokens).map(|text| Pair::new(TOKENS.metadata, text)));
    let costs = COST.names.iter();
    let costs = costs.map(|name| (*name, row.real().map(|cost| format!("{cost:?}"))));
    metadata.extend(object(costs).map(|text| Pair::new(COST.metadata, text)));
    Head {
        id,
        info,
        tags: tags.into_iter().collect(),
        metadata,
    }
}

/// The numbers that are there, as a JSON object with the spaces that Python writes.
fn object<'n>(numbers: impl Iterator<Item = (&'n str, Option<String>)>) -> Option<String> {
    let there = numbers.filter_map(|(name, number)| Some(format!("\"{name}\": {}", number?)));
    let there: Vec<String> = there.collect();
    (!there.is_empty()).then(|| format!("{{{}}}", there.join(", ")))
}

impl Head {
    fn trace(
        self,
        tags: Vec<Pair>,
        metadata: Vec<Pair>,
        said: Vec<Value>,
        spans: Vec<Value>,
    ) -> Trace {
        let map = |pairs: Vec<Pair>, own: Vec<Pair>| -> BTreeMap<String, String> {
            pairs
                .into_iter()
                .chain(own)
                .map(|pair| (pair.key, pair.value))
                .collect()
        };
        let mut info = self.info;
        info.insert("tags".into(), json!(map(tags, self.tags)));
        info.insert("trace_metadata".into(), json!(map(metadata, self.metadata)));
        if !said.is_empty() {
            let of = |mut one: Value| {
                one["trace_id"] = json!(self.id);
                one
            };
            info.insert("assessments".into(), said.into_iter().map(of).collect());
        }
        Trace {
            info: Value::Object(info),
            spans,
        }
    }
}

fn span(mut row: Row) -> Value {
    otlp::answered(&serde_json::from_str(&row.text()).unwrap_or_default())
}

fn assessment(mut row: Row) -> Value {
    let mut one = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        one.extend(value.map(|value| (name.to_owned(), value)));
    };
    put("assessment_id", row.maybe().map(Value::from));
    put("assessment_name", row.maybe().map(Value::from));
    let (kind, value, error) = (row.text(), row.text(), row.maybe());
    put(&kind, Some(said(&kind, &value, error)));
    put("create_time", row.number().map(|at| timestamp(at).into()));
    put(
        "last_update_time",
        row.number().map(|at| timestamp(at).into()),
    );
    let (by, who) = (row.text(), row.maybe());
    put(
        "source",
        Some(match who {
            Some(who) => json!({ "source_type": by, "source_id": who }),
            None => json!({ "source_type": by }),
        }),
    );
    for name in ["span_id", "rationale", "overrides"] {
        put(name, row.maybe().map(Value::from));
    }
    put("valid", Some(row.flag().into()));
    let metadata = row
        .maybe()
        .and_then(|text| serde_json::from_str::<Value>(&text).ok());
    put(
        "metadata",
        metadata.filter(|map| map.as_object().is_some_and(|map| !map.is_empty())),
    );
    Value::Object(one)
}

/// What was said, by the kind of the assessment.
fn said(kind: &str, value: &str, error: Option<String>) -> Value {
    let decoded: Value = serde_json::from_str(value).unwrap_or_default();
    if kind == "expectation" && (decoded.is_object() || decoded.is_array()) {
        return json!({ "serialized_value": { "serialization_format": "JSON_FORMAT", "value": value } });
    }
    if kind == "issue" {
        return decoded;
    }
    let mut said = json!({ "value": decoded });
    if let Some(error) = error.and_then(|text| serde_json::from_str::<Value>(&text).ok()) {
        said["error"] = error;
    }
    said
}

/// Milliseconds as protocol buffers write a point in time: no fraction, or three digits of it.
fn timestamp(millis: i64) -> String {
    let (seconds, rest) = (millis.div_euclid(1000), millis.rem_euclid(1000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(days);
    let fraction = if rest == 0 {
        String::new()
    } else {
        format!(".{rest:03}")
    };
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}{fraction}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// The date of a day since 1970, after Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms".
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// Milliseconds as protocol buffers write how long something took.
fn duration(millis: i64) -> String {
    match millis % 1000 {
        0 => format!("{}s", millis / 1000),
        rest => format!("{}.{rest:03}s", millis / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_protocol_buffers_do() {
        for (millis, expect) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_795_545_044_560, "2026-11-24T18:30:44.560Z"),
            (951_782_400_001, "2000-02-29T00:00:00.001Z"),
        ] {
            assert_eq!(timestamp(millis), expect);
        }
        for (millis, expect) in [(0, "0s"), (1, "0.001s"), (61_500, "61.500s")] {
            assert_eq!(duration(millis), expect);
        }
    }

    #[test]
    fn numbers_become_the_metadata_that_they_were() {
        let usage = [
            ("input_tokens", Some("3".to_owned())),
            ("output_tokens", None),
        ];
        assert_eq!(
            object(usage.into_iter()).as_deref(),
            Some("{\"input_tokens\": 3}")
        );
        assert_eq!(object([("input_cost", None)].into_iter()), None);
    }

    #[test]
    fn what_was_said_depends_on_its_kind() {
        assert_eq!(said("feedback", "true", None), json!({ "value": true }));
        assert_eq!(said("expectation", "2", None), json!({ "value": 2 }));
        let structured = said("expectation", "{\"is\": 0}", None);
        assert_eq!(structured["serialized_value"]["value"], "{\"is\": 0}");
    }
}
