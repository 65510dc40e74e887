//! Statistics of traces, spans and assessments: which there are, what they may be grouped by, and how they are summed.

mod sum;

pub use sum::{DataPoint, Row, Sum};

use crate::{Error, required, tag::integer};
use serde::Deserialize;
use serde_json::Value;

/// `POST traces/metrics`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Query {
    /// In which experiments.
    pub experiment_ids: Option<Vec<String>>,
    /// `TRACES`, `SPANS` or `ASSESSMENTS`, or its number.
    pub view_type: Value,
    /// What is measured.
    pub metric_name: String,
    /// How it is summed.
    pub aggregations: Option<Vec<Aggregation>>,
    /// What it is grouped by.
    pub dimensions: Vec<String>,
    /// All of these must hold.
    pub filters: Vec<String>,
    /// The length of a bucket of time.
    #[serde(deserialize_with = "integer::deserialize")]
    pub time_interval_seconds: Option<i64>,
    /// From then on: milliseconds since 1970.
    #[serde(deserialize_with = "integer::deserialize")]
    pub start_time_ms: Option<i64>,
    /// Until then, inclusive.
    #[serde(deserialize_with = "integer::deserialize")]
    pub end_time_ms: Option<i64>,
    /// At most so many points.
    #[serde(deserialize_with = "integer::deserialize")]
    pub max_results: Option<i64>,
}

/// One way of summing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Aggregation {
    /// `COUNT`, `SUM`, `AVG`, `PERCENTILE`, `MIN` or `MAX`, or its number.
    pub aggregation_type: Value,
    /// Of a percentile, from 0 to 100.
    pub percentile_value: Option<f64>,
}

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Traces.
    Traces,
    /// Spans.
    Spans,
    /// Assessments.
    Assessments,
}

const SUMS: [&str; 6] = ["COUNT", "SUM", "AVG", "PERCENTILE", "MIN", "MAX"];
const COUNT: &[&str] = &["COUNT"];
const SPREAD: &[&str] = &["AVG", "MIN", "MAX", "PERCENTILE"];
const ALL: &[&str] = &["SUM", "AVG", "MIN", "MAX", "PERCENTILE"];

/// The metrics of a view, how each may be summed and what it may be grouped by.
fn metrics(
    view: View,
) -> &'static [(
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
)] {
    match view {
        View::Traces => &[
            ("trace_count", COUNT, &["trace_name", "trace_status"]),
            ("session_count", COUNT, &[]),
            ("latency", SPREAD, &["trace_name"]),
            ("input_tokens", ALL, &["trace_name"]),
            ("output_tokens", ALL, &["trace_name"]),
            ("total_tokens", ALL, &["trace_name"]),
            ("cache_read_input_tokens", ALL, &["trace_name"]),
            ("cache_creation_input_tokens", ALL, &["trace_name"]),
        ],
        View::Spans => &[
            (
                "span_count",
                COUNT,
                &[
                    "span_name",
                    "span_type",
                    "span_status",
                    "span_model_name",
                    "span_model_provider",
                ],
            ),
            ("latency", SPREAD, &["span_name", "span_status"]),
            (
                "input_cost",
                ALL,
                &["span_model_name", "span_model_provider"],
            ),
            (
                "output_cost",
                ALL,
                &["span_model_name", "span_model_provider"],
            ),
            (
                "total_cost",
                ALL,
                &["span_model_name", "span_model_provider"],
            ),
        ],
        View::Assessments => &[
            (
                "assessment_count",
                COUNT,
                &["assessment_name", "assessment_value"],
            ),
            ("assessment_value", SPREAD, &["assessment_name"]),
        ],
    }
}

/// What a filter is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// The trace's state.
    TraceStatus(String),
    /// A tag of the trace.
    TraceTag(String, String),
    /// Metadata of the trace.
    TraceMetadata(String, String),
    /// The span's name.
    SpanName(String),
    /// The span's status.
    SpanStatus(String),
    /// The span's type.
    SpanType(String),
    /// The assessment's name.
    AssessmentName(String),
    /// The assessment's type.
    AssessmentType(String),
}

/// A checked query.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What is looked at.
    pub view: View,
    /// What is measured.
    pub metric: String,
    /// How it is summed.
    pub sums: Vec<Sum>,
    /// What it is grouped by, after time.
    pub dimensions: Vec<String>,
    /// All of these must hold.
    pub filters: Vec<Filter>,
    /// The length of a bucket, in milliseconds.
    pub bucket: Option<i64>,
    /// At most so many points.
    pub limit: usize,
}

impl Query {
    /// Checks the query.
    ///
    /// # Errors
    /// INVALID_PARAMETER_VALUE.
    pub fn plan(&self) -> Result<Plan, Error> {
        if self.experiment_ids.is_none() {
            return Err(Error::missing_value("experiment_ids"));
        }
        let view = view(&self.view_type)?;
        required("metric_name", &self.metric_name)?;
        let asked = self.aggregations.as_ref();
        let asked = asked.ok_or_else(|| Error::missing_value("aggregations"))?;
        let known = metrics(view);
        let Some((_, ways, groups)) = known.iter().find(|(name, ..)| *name == self.metric_name)
        else {
            let names: Vec<_> = known.iter().map(|(name, ..)| name).collect();
            return Err(Error::invalid(format!(
                "metric_name must be one of {names:?}, got '{}'",
                self.metric_name
            )));
        };
        let sums = asked
            .iter()
            .map(|one| one.sum(ways))
            .collect::<Result<_, _>>()?;
        if let Some(other) = self
            .dimensions
            .iter()
            .find(|one| !groups.contains(&one.as_str()))
        {
            return Err(Error::invalid(format!(
                "Found invalid dimension(s): ['{other}']. Supported dimensions: {groups:?}"
            )));
        }
        let bucket = self.time_interval_seconds.filter(|seconds| *seconds != 0);
        if bucket.is_some() && (self.start_time_ms.is_none() || self.end_time_ms.is_none()) {
            return Err(Error::invalid(
                "start_time_ms and end_time_ms are required if time_interval_seconds is set",
            ));
        }
        let bucket = bucket.map(|seconds| seconds.saturating_mul(1000));
        if bucket.is_some_and(|bucket| bucket <= 0) {
            return Err(Error::invalid("time_interval_seconds must be positive"));
        }
        Ok(Plan {
            view,
            metric: self.metric_name.clone(),
            sums,
            dimensions: self.dimensions.clone(),
            filters: self
                .filters
                .iter()
                .map(|text| filter(view, text))
                .collect::<Result<_, _>>()?,
            bucket,
            limit: usize::try_from(self.max_results.unwrap_or(1000)).unwrap_or(1000),
        })
    }
}

fn view(given: &Value) -> Result<View, Error> {
    match (given.as_str(), given.as_u64()) {
        (Some("TRACES"), _) | (_, Some(1)) => Ok(View::Traces),
        (Some("SPANS"), _) | (_, Some(2)) => Ok(View::Spans),
        (Some("ASSESSMENTS"), _) | (_, Some(3)) => Ok(View::Assessments),
        _ if given.is_null() => Err(Error::missing_value("view_type")),
        _ => {
            let hint = "use TRACES, SPANS or ASSESSMENTS";
            Err(Error::invalid_value("view_type", &given.to_string(), hint))
        }
    }
}

impl Aggregation {
    fn sum(&self, allowed: &[&str]) -> Result<Sum, Error> {
        let by_number = |number: u64| {
            let place = usize::try_from(number).ok()?.checked_sub(1)?;
            SUMS.get(place).copied()
        };
        let named = self.aggregation_type.as_str();
        let named = named.or_else(|| self.aggregation_type.as_u64().and_then(by_number));
        let name = named.filter(|name| allowed.contains(name)).ok_or_else(|| {
            Error::invalid(format!(
                "Found invalid aggregation_type(s): [{}]. Supported aggregation types: {allowed:?}",
                self.aggregation_type
            ))
        })?;
        Ok(match name {
            "COUNT" => Sum::Count,
            "SUM" => Sum::Total,
            "AVG" => Sum::Mean,
            "MIN" => Sum::Least,
            "MAX" => Sum::Most,
            _ => match self.percentile_value {
                Some(place) if (0.0..=100.0).contains(&place) => Sum::Percentile(place),
                _ => {
                    return Err(Error::invalid("Percentile value must be between 0 and 100"));
                }
            },
        })
    }
}

/// Reads `view.entity[.key] = 'value'`.
fn filter(view: View, text: &str) -> Result<Filter, Error> {
    let bad = || Error::invalid(format!("Invalid filter: '{text}'"));
    let (left, value) = text.split_once('=').ok_or_else(bad)?;
    let value = value.trim();
    let quoted = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    let value = quoted('\'')
        .or_else(|| quoted('"'))
        .ok_or_else(bad)?
        .to_owned();
    if value.contains(['\'', '"']) {
        return Err(bad());
    }
    let mut parts = left.trim().splitn(3, '.');
    let (of, entity) = (
        parts.next().unwrap_or_default(),
        parts.next().ok_or_else(bad)?,
    );
    let key = parts
        .next()
        .map(|key| key.trim_matches(['`', '"', '\'']).to_owned());
    let filter = match (of, entity, key) {
        ("trace", "status", None) => Filter::TraceStatus(value),
        ("trace", "tag", Some(key)) => Filter::TraceTag(key, value),
        ("trace", "metadata", Some(key)) => Filter::TraceMetadata(key, value),
        ("span", "name", None) => Filter::SpanName(value),
        ("span", "status", None) => Filter::SpanStatus(value),
        ("span", "type", None) => Filter::SpanType(value),
        ("assessment", "name", None) => Filter::AssessmentName(value),
        ("assessment", "type", None) => Filter::AssessmentType(value),
        _ => return Err(bad()),
    };
    match (of, view) {
        ("trace", _) | ("span", View::Spans) | ("assessment", View::Assessments) => Ok(filter),
        _ => Err(Error::invalid(format!(
            "Filtering by {of} is not supported for this view type"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn query(change: &Value) -> Result<Plan, Error> {
        let mut query = json!({ "experiment_ids": ["1"], "view_type": "TRACES", "metric_name": "latency", "aggregations": [{ "aggregation_type": "AVG" }] });
        for (name, value) in change.as_object().unwrap() {
            query[name] = value.clone();
        }
        serde_json::from_value::<Query>(query).unwrap().plan()
    }

    #[test]
    fn what_is_refused() {
        for change in [
            json!({ "view_type": "NONE" }),
            json!({ "metric_name": "span_count" }),
            json!({ "aggregations": [{ "aggregation_type": "SUM" }] }),
            json!({ "aggregations": [{ "aggregation_type": "PERCENTILE" }] }),
            json!({ "dimensions": ["trace_status"] }),
            json!({ "time_interval_seconds": 60 }),
            json!({ "filters": ["span.name = 'x'"] }),
            json!({ "filters": ["trace.status"] }),
            json!({ "filters": ["trace.tag = 'x'"] }),
            json!({ "filters": ["trace.status = 'a' AND trace.status = 'b'"] }),
        ] {
            assert!(query(&change).is_err(), "{change}");
        }
        let fine = query(&json!({ "filters": ["trace.tag.`a.b` = \"x\""] })).unwrap();
        assert_eq!(fine.filters, [Filter::TraceTag("a.b".into(), "x".into())]);
    }
}
