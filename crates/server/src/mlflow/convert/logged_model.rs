//! Logged models.

use super::{filled, metric, pairs};
use mlflow::{
    Error,
    filter::{self, Subject},
    logged_models::{Data, Info, LoggedModel, OrderBy, Registration},
};
use serde_json::Value;

/// The tag that lists the versions registered from a model.
pub(in crate::mlflow) const VERSIONS_TAG: &str = "mlflow.modelVersions";

/// A logged model as answers show it.
pub(in crate::mlflow) fn wire(model: store::LoggedModel) -> LoggedModel {
    let registrations = model
        .tags
        .get(VERSIONS_TAG)
        .map(|text| registrations(text))
        .unwrap_or_default();
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
            source_run_id: filled(model.source_run_id.as_deref()),
            status_message: filled(Some(&model.status_message)),
            tags: pairs(model.tags),
            registrations,
        },
        data: Data {
            params: pairs(model.params),
            metrics: model.metrics.into_iter().map(metric::wire).collect(),
        },
    }
}

fn registrations(text: &str) -> Vec<Registration> {
    let listed: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
    let one = |entry: &Value| {
        let version = &entry["version"];
        Some(Registration {
            name: entry["name"].as_str()?.to_owned(),
            version: version
                .as_str()
                .map_or_else(|| version.to_string(), str::to_owned),
        })
    };
    listed.iter().filter_map(one).collect()
}

/// The list of registered versions with one more.
pub(in crate::mlflow) fn with_version(known: Option<&String>, name: &str, version: u32) -> String {
    let mut all: Vec<Value> = known
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    all.push(serde_json::json!({ "name": name, "version": version }));
    Value::Array(all).to_string()
}

/// Keys of an order as clauses of the grammar.
pub(in crate::mlflow) fn order(keys: &[OrderBy]) -> Result<Vec<String>, Error> {
    let one = |key: &OrderBy| {
        let clause = format!(
            "{} {}",
            key.field_name,
            if key.ascending.unwrap_or(true) {
                "ASC"
            } else {
                "DESC"
            }
        );
        filter::order(Subject::LoggedModels, &clause).map(|_| clause)
    };
    keys.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_listed() {
        let once = with_version(None, "delay", 1);
        let twice = with_version(Some(&once), "delay", 2);
        let listed: Vec<_> = registrations(&twice)
            .into_iter()
            .map(|one| (one.name, one.version))
            .collect();
        assert_eq!(
            listed,
            [("delay".into(), "1".into()), ("delay".into(), "2".into())]
        );
    }

    #[test]
    fn orders_become_clauses() {
        let key = |name: &str, ascending| OrderBy {
            field_name: name.into(),
            ascending,
        };
        let got = order(&[key("metrics.mae", Some(false)), key("name", None)]).unwrap();
        assert_eq!(got, ["metrics.mae DESC", "name ASC"]);
        assert!(order(&[key("size", None)]).is_err());
    }
}
