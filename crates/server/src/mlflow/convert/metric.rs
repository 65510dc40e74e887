//! Metric points.

use super::{filled, time};
use mlflow::{
    Error,
    runs::{Metric, NewMetric},
    tag::Double,
};
use std::fmt::Display;
use store::MetricPoint;

/// A checked point as the store keeps it; `at` is what comes before the names of its fields in errors.
pub(in crate::mlflow) fn point(
    metric: &NewMetric,
    at: impl Display + Copy,
) -> Result<MetricPoint, Error> {
    metric.check(at)?;
    let dataset = filled(metric.dataset_name.as_deref())
        .map(|name| (name, metric.dataset_digest.clone().unwrap_or_default()));
    Ok(MetricPoint {
        key: metric.key.clone(),
        value: metric.value.map_or(f64::NAN, |Double(value)| value),
        at: time("timestamp", metric.timestamp.unwrap_or_default())?,
        step: metric.step.unwrap_or_default(),
        model_id: filled(metric.model_id.as_deref()),
        dataset,
    })
}

/// A point of a run as answers show it: MLflow keeps models and datasets of points with the models only.
pub(in crate::mlflow) fn plain(point: MetricPoint) -> Metric {
    Metric {
        dataset_name: None,
        dataset_digest: None,
        model_id: None,
        ..wire(point)
    }
}

/// The same, with the run that it belongs to.
pub(in crate::mlflow) fn of_run(point: MetricPoint, run_id: &str) -> Metric {
    Metric {
        run_id: Some(run_id.to_owned()),
        ..plain(point)
    }
}

/// A point of a logged model as answers show it.
pub(in crate::mlflow) fn wire(point: MetricPoint) -> Metric {
    let (dataset_name, dataset_digest) = point.dataset.unzip();
    Metric {
        key: point.key,
        value: Double(point.value),
        timestamp: point.at.as_millisecond(),
        step: point.step,
        dataset_name,
        dataset_digest: dataset_digest.filter(|digest| !digest.is_empty()),
        model_id: point.model_id,
        run_id: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_come_back_as_they_were_sent() {
        let check = |sent: &str, shown: &str| {
            let metric: NewMetric = serde_json::from_str(sent).unwrap();
            let point = point(&metric, "").unwrap();
            assert_eq!(serde_json::to_string(&wire(point)).unwrap(), shown);
        };
        check(
            r#"{"key":"mae","value":1.5,"timestamp":7,"step":"2"}"#,
            r#"{"key":"mae","value":1.5,"timestamp":7,"step":2}"#,
        );
        check(
            r#"{"key":"a/b","value":"NaN","timestamp":0,"dataset_name":"d","dataset_digest":"1","model_id":"m-1"}"#,
            r#"{"key":"a/b","value":"NaN","timestamp":0,"step":0,"dataset_name":"d","dataset_digest":"1","model_id":"m-1"}"#,
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let check = |sent: &str, at: &str, part: &str| {
            let metric: NewMetric = serde_json::from_str(sent).unwrap();
            let error = point(&metric, at).unwrap_err();
            assert!(error.message.contains(part), "{}", error.message);
        };
        check(r#"{"value":1,"timestamp":1}"#, "", "'key'");
        check(
            r#"{"key":"a","timestamp":1}"#,
            "metrics[3].",
            "'metrics[3].value'",
        );
        check(r#"{"key":"a","value":1}"#, "", "'timestamp'");
        check(r#"{"key":"a","value":1,"timestamp":-1}"#, "", "nonnegative");
        check(r#"{"key":"a;b","value":1,"timestamp":1}"#, "", "\"a;b\"");
        check(r#"{"key":"../b","value":1,"timestamp":1}"#, "", "resolve");
    }
}
