//! Between the wire and the store: pure, no request, no transaction.

pub(super) mod assessment;
pub(super) mod evaluation;
pub(super) mod experiment;
pub(super) mod inputs;
pub(super) mod issue;
pub(super) mod label_schema;
pub(super) mod logged_model;
pub(super) mod metric;
pub(super) mod registry;
pub(super) mod run;
pub(super) mod search;
pub(super) mod trace;
pub(super) mod trace_search;
pub(super) mod webhook;

use jiff::Timestamp;
use mlflow::{Error, tag::Pair};
use std::collections::BTreeMap;

/// Milliseconds as a time.
pub(super) fn time(field: &str, millis: i64) -> Result<Timestamp, Error> {
    Timestamp::from_millisecond(millis).map_err(|_| {
        Error::invalid_value(
            field,
            &millis.to_string(),
            "milliseconds since 1970 are expected",
        )
    })
}

/// Pairs as labels; of a key that comes twice the last value counts.
pub(super) fn labels(pairs: &[Pair]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|pair| (pair.key.clone(), pair.value.clone()))
        .collect()
}

/// Labels as pairs.
pub(super) fn pairs(labels: BTreeMap<String, String>) -> Vec<Pair> {
    labels.into_iter().map(Pair::from).collect()
}

/// A text that is none when it is empty.
pub(super) fn filled(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}
