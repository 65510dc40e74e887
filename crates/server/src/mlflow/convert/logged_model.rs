//! Logged models.

use super::{filled, metric, pairs};
use mlflow::{
    Error,
    filter::{self, Subject},
    limits,
    logged_models::{Data, Info, LoggedModel, OnDataset, OrderBy, Search},
    runs::Metric,
};
use serde_json::{Value, json};
use store::{Clause, Field, Measured, Op, Operand, Order};

/// The tag that lists the versions registered from a model.
pub(in crate::mlflow) const VERSIONS_TAG: &str = "mlflow.modelVersions";

/// A logged model as answers show it.
pub(in crate::mlflow) fn wire(model: store::LoggedModel) -> LoggedModel {
    LoggedModel {
        info: Info {
            model_id: model.model_id,
            experiment_id: model.experiment_id,
            name: model.name,
            creation_timestamp_ms: model.created_at.as_millisecond(),
            last_updated_timestamp_ms: model.updated_at.as_millisecond(),
            artifact_uri: model.artifact_uri,
            status: model.status,
            model_type: model.model_type,
            source_run_id: model.source_run_id.unwrap_or_default(),
            status_message: filled(Some(&model.status_message)),
            tags: pairs(model.tags),
        },
        data: Data {
            params: pairs(model.params),
            metrics: model
                .metrics
                .into_iter()
                .map(|(run_id, point)| Metric {
                    run_id: Some(run_id),
                    ..metric::wire(point)
                })
                .collect(),
        },
    }
}

/// The list of registered versions with one more.
pub(in crate::mlflow) fn with_version(known: Option<&String>, name: &str, version: u32) -> String {
    let mut all: Vec<Value> = known
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    all.push(json!({ "name": name, "version": version }));
    // Spelt as MLflow's Python does, so that the tag is the same text.
    let one = |entry: &Value| {
        format!(
            "{{\"name\": {}, \"version\": {}}}",
            entry["name"], entry["version"]
        )
    };
    format!("[{}]", all.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// A whole search from what a request says.
pub(in crate::mlflow) fn search(asked: &Search) -> Result<store::Search, Error> {
    let datasets = asked
        .datasets
        .iter()
        .map(on)
        .collect::<Result<Vec<_>, Error>>()?;
    let rows = asked.max_results.filter(|rows| *rows != 0);
    let rows =
        rows.map(|rows| rows.min(i64::try_from(limits::LOGGED_MODELS_PAGE.1).unwrap_or(i64::MAX)));
    let text = asked.filter.as_deref();
    let mut search = super::search::search(
        Subject::LoggedModels,
        text,
        &[],
        rows,
        asked.page_token.as_deref(),
    )?;
    search.order = asked
        .order_by
        .iter()
        .map(order)
        .collect::<Result<_, Error>>()?;
    if datasets.is_empty() {
        return Ok(search);
    }
    let mut measured = false;
    for clause in &mut search.clauses {
        if let Field::Metric(key) = &clause.field {
            let metric = Some(key.clone());
            clause.field = Field::Measured(Measured {
                metric,
                datasets: datasets.clone(),
            });
            measured = true;
        }
    }
    // Without a metric's clause, models with any metric on them are wanted.
    if !measured {
        search.clauses.push(Clause {
            field: Field::Measured(Measured {
                metric: None,
                datasets,
            }),
            op: Op::NotNull,
            operand: Operand::Nothing,
        });
    }
    Ok(search)
}

type Dataset = (Option<String>, Option<String>);

fn on(dataset: &OnDataset) -> Result<Dataset, Error> {
    let name = filled(Some(&dataset.dataset_name)).ok_or_else(|| {
        Error::invalid("`dataset_name` in the `datasets` clause must be specified.")
    })?;
    // Without a digest MLflow finds points only whose dataset has none, and there are none.
    Ok((
        Some(name),
        Some(dataset.dataset_digest.clone().unwrap_or_default()),
    ))
}

/// One key of an order: an attribute, or the latest point of a metric.
fn order(key: &OrderBy) -> Result<Order, Error> {
    let name = key.field_name.trim();
    let descending = !key.ascending.unwrap_or(true);
    let field = match name.split_once('.') {
        Some(("metrics", metric)) => {
            let dataset = (
                filled(key.dataset_name.as_deref()),
                filled(key.dataset_digest.as_deref()),
            );
            Field::Measured(Measured {
                metric: Some(metric.to_owned()),
                datasets: Some(dataset)
                    .filter(|both| *both != (None, None))
                    .into_iter()
                    .collect(),
            })
        }
        Some(_) => {
            let message =
                format!("Invalid order by field name: {name}. Only metrics are supported.");
            return Err(Error::invalid(message));
        }
        None => Field::Attribute(filter::order(Subject::LoggedModels, name)?.key),
    };
    Ok(Order { field, descending })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_listed() {
        let once = with_version(None, "delay", 1);
        let twice = with_version(Some(&once), "delay", 2);
        assert_eq!(
            twice,
            r#"[{"name": "delay", "version": 1}, {"name": "delay", "version": 2}]"#
        );
    }

    #[test]
    fn metrics_are_scoped_to_datasets() {
        let asked = |json: &str| search(&serde_json::from_str(json).unwrap());
        let fields = |json: &str| {
            let clauses = asked(json).unwrap().clauses;
            clauses
                .into_iter()
                .map(|clause| clause.field)
                .collect::<Vec<_>>()
        };
        let datasets = vec![(Some("d".to_owned()), Some("1".to_owned()))];
        let on = |metric: Option<&str>| {
            Field::Measured(Measured {
                metric: metric.map(str::to_owned),
                datasets: datasets.clone(),
            })
        };
        let scope = r#""datasets": [{"dataset_name": "d", "dataset_digest": "1"}]"#;
        assert_eq!(
            fields(&format!(r#"{{"filter": "metrics.a > 1", {scope}}}"#)),
            [on(Some("a"))]
        );
        assert_eq!(fields(&format!("{{{scope}}}")), [on(None)]);
        assert_eq!(
            fields(r#"{"filter": "metrics.a > 1"}"#),
            [Field::Metric("a".into())]
        );
        assert!(asked(r#"{"datasets": [{"dataset_digest": "1"}]}"#).is_err());
    }

    #[test]
    fn orders() {
        let check = |json: &str, expect: Option<Order>| {
            assert_eq!(
                order(&serde_json::from_str(json).unwrap()).ok(),
                expect,
                "{json}"
            );
        };
        let measured = |datasets| {
            Field::Measured(Measured {
                metric: Some("mae".into()),
                datasets,
            })
        };
        check(
            r#"{"field_name": "metrics.mae", "ascending": false}"#,
            Some(Order {
                field: measured(vec![]),
                descending: true,
            }),
        );
        check(
            r#"{"field_name": "metrics.mae", "dataset_name": "d"}"#,
            Some(Order {
                field: measured(vec![(Some("d".into()), None)]),
                descending: false,
            }),
        );
        check(
            r#"{"field_name": "creation_time"}"#,
            Some(Order {
                field: Field::Attribute("creation_timestamp".into()),
                descending: false,
            }),
        );
        check(r#"{"field_name": "size"}"#, None);
        check(r#"{"field_name": "params.depth"}"#, None);
        check("{}", None);
    }
}
