//! Which points of which runs were measured on which model and dataset.
//!
//! MLflow keeps a run's points without that, and a second copy of those measured on a logged model with it; here they are
//! one. So the models are read first, and each point gets its label when it passes by.

use mlflow::{logged_models::LoggedModel, runs::Metric};
use std::collections::HashMap;

/// What tells a point of a run.
type Point = (String, i64, i64);

#[derive(Debug, Default)]
pub(crate) struct Labels(HashMap<String, HashMap<Point, Vec<Metric>>>);

impl Labels {
    /// Learns from the points of a model.
    pub(crate) fn learn(&mut self, model: &LoggedModel) {
        for metric in &model.data.metrics {
            // A server that does not say which run measured a point: it was the one that made the model.
            let run = metric.run_id.as_ref().unwrap_or(&model.info.source_run_id);
            if run.is_empty() {
                continue;
            }
            let point = (metric.key.clone(), metric.timestamp, metric.step);
            let labelled = Metric {
                model_id: Some(model.info.model_id.clone()),
                run_id: None,
                ..metric.clone()
            };
            let of_run = self.0.entry(run.clone()).or_default();
            of_run.entry(point).or_default().push(labelled);
        }
    }

    /// Puts labels on the points of a run. One that was measured on several models becomes several.
    pub(crate) fn put(&self, run: &str, points: Vec<Metric>) -> Vec<Metric> {
        let Some(known) = self.0.get(run) else {
            return points;
        };
        let mut all = Vec::with_capacity(points.len());
        for point in points {
            let key = (point.key.clone(), point.timestamp, point.step);
            let labels = known.get(&key).map_or(&[][..], Vec::as_slice);
            let mut fitting = labels.iter().filter(|label| same(label, &point)).peekable();
            if fitting.peek().is_none() {
                all.push(point);
            } else {
                all.extend(fitting.cloned());
            }
        }
        all
    }
}

fn same(label: &Metric, point: &Metric) -> bool {
    let (a, b) = (label.value.0, point.value.0);
    a == b || (a.is_nan() && b.is_nan())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    #[test]
    fn points_get_the_labels_of_their_own_run() {
        let model = |id: &str, metrics| {
            from_value::<LoggedModel>(json!({
                "info": {
                    "model_id": id, "experiment_id": "1", "name": "m", "creation_timestamp_ms": 1,
                    "last_updated_timestamp_ms": 1, "artifact_uri": "", "status": "LOGGED_MODEL_READY",
                },
                "data": { "metrics": metrics },
            }))
            .unwrap()
        };
        let mut labels = Labels::default();
        labels.learn(&model(
            "m-1",
            json!([
                { "key": "a", "value": 1.0, "timestamp": 5, "step": 0, "run_id": "r", "dataset_name": "d", "dataset_digest": "x" },
                { "key": "n", "value": "NaN", "timestamp": 5, "step": 0, "run_id": "r" },
            ]),
        ));
        labels.learn(&model(
            "m-2",
            json!([{ "key": "a", "value": 1.0, "timestamp": 5, "step": 0, "run_id": "r" }]),
        ));
        let points: Vec<Metric> = from_value(json!([
            { "key": "a", "value": 1.0, "timestamp": 5, "step": 0 },
            { "key": "a", "value": 2.0, "timestamp": 5, "step": 0 },
            { "key": "a", "value": 1.0, "timestamp": 6, "step": 0 },
            { "key": "n", "value": "NaN", "timestamp": 5, "step": 0 },
        ]))
        .unwrap();
        let check = |run: &str, expect: &[(f64, Option<&str>)]| {
            let got = labels.put(run, points.clone());
            let got: Vec<_> = got
                .iter()
                .map(|one| (one.value.0.to_string(), one.model_id.as_deref()))
                .collect();
            let expect: Vec<_> = expect
                .iter()
                .map(|(value, model)| (value.to_string(), *model))
                .collect();
            assert_eq!(got, expect, "{run}");
        };
        check(
            "r",
            &[
                (1.0, Some("m-1")),
                (1.0, Some("m-2")),
                (2.0, None),
                (1.0, None),
                (f64::NAN, Some("m-1")),
            ],
        );
        check(
            "other",
            &[(1.0, None), (2.0, None), (1.0, None), (f64::NAN, None)],
        );
    }
}
