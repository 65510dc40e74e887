//! What went into a run and what came out: datasets, logged models, and the model files of clients before 3.0.

use super::{
    access,
    call::Call,
    convert::inputs,
    failure::{Answer, Refuse as _},
    routes::Table,
};
use axum::{Json, routing::post};
use http::Method;
use mlflow::{
    Error, required,
    runs::{LogInputs, LogModel, LogOutputs},
};
use serde_json::{Value, json};
use store::{Output, TagChange, Tracking as _, TrackingRead as _};

pub(super) fn routes(table: Table) -> Table {
    let at = "/mlflow/runs";
    table
        .write(
            Method::POST,
            &format!("{at}/log-inputs"),
            "MLflow: log datasets and models a run used",
            post(log_inputs),
        )
        .write(
            Method::POST,
            &format!("{at}/outputs"),
            "MLflow: log models a run made",
            post(log_outputs),
        )
        .write(
            Method::POST,
            &format!("{at}/log-model"),
            "MLflow: record a model file of a run",
            post(log_model),
        )
}

/// The tag that lists a run's model files.
const HISTORY_TAG: &str = "mlflow.log-model.history";

async fn log_inputs(call: Call<LogInputs>) -> Answer<Value> {
    let id = required("run_id", &call.message.run_id)?.to_owned();
    let datasets = call.message.datasets.iter().cloned().map(inputs::dataset);
    let mut all = datasets.collect::<Result<Vec<_>, Error>>()?;
    all.extend(call.message.models.iter().map(inputs::model));
    let (project, identity) = (call.project().to_owned(), call.caller.identity.clone());
    call.log(move |tx| {
        access::writable_run(tx, &identity, &project, &id)?;
        tx.log_inputs(&id, &all)
    })
    .await?;
    Ok(Json(json!({})))
}

async fn log_outputs(call: Call<LogOutputs>) -> Answer<Value> {
    let id = required("run_id", &call.message.run_id)?.to_owned();
    let models = call
        .message
        .models
        .as_deref()
        .ok_or_else(|| Error::missing_value("models"))?;
    let outputs = models.iter().map(|model| Output {
        model_id: model.model_id.clone(),
        step: model.step,
    });
    let outputs: Vec<Output> = outputs.collect();
    let (project, identity) = (call.project().to_owned(), call.caller.identity.clone());
    call.log(move |tx| {
        access::writable_run(tx, &identity, &project, &id)?;
        tx.log_outputs(&id, &outputs)
    })
    .await?;
    Ok(Json(json!({})))
}

async fn log_model(call: Call<LogModel>) -> Answer<Value> {
    let id = required("run_id", &call.message.run_id)?.to_owned();
    let model = described(required("model_json", &call.message.model_json)?)?;
    let (project, identity) = (call.project().to_owned(), call.caller.identity.clone());
    call.log(move |tx| {
        access::writable_run(tx, &identity, &project, &id)?;
        let history = tx.run_tag(&id, HISTORY_TAG)?;
        let value = appended(history.as_ref(), &model).refuse()?;
        tx.tag_tracked_run(
            &id,
            &[TagChange {
                key: HISTORY_TAG.to_owned(),
                value: Some(value),
            }],
        )
    })
    .await?;
    Ok(Json(json!({})))
}

/// The model file, checked, and only the fields that the tag shows.
fn described(text: &str) -> Result<Value, Error> {
    let model: Value = serde_json::from_str(text).map_err(|_| {
        Error::invalid(format!(
            "Malformed model info. \n {text} \n is not a valid JSON."
        ))
    })?;
    let mandatory = ["artifact_path", "flavors", "utc_time_created", "run_id"];
    let missing: Vec<_> = mandatory
        .iter()
        .filter(|field| model.get(field).is_none())
        .map(|field| format!("'{field}'"))
        .collect();
    if !missing.is_empty() {
        return Err(Error::invalid(format!(
            "Model json is missing mandatory fields: {{{}}}",
            missing.join(", ")
        )));
    }
    let mut shown = serde_json::Map::new();
    for field in [
        "run_id",
        "artifact_path",
        "utc_time_created",
        "model_uuid",
        "flavors",
    ] {
        shown.extend(
            model
                .get(field)
                .map(|value| (field.to_owned(), value.clone())),
        );
    }
    Ok(Value::Object(shown))
}

/// The list with one more model; the same one again changes nothing.
fn appended(known: Option<&String>, model: &Value) -> Result<String, Error> {
    let mut all: Vec<Value> = known
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    if !all.contains(model) {
        all.push(model.clone());
    }
    Ok(Value::Array(all).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_listed_once() {
        let text = r#"{"artifact_path":"m","flavors":{"onnx":{}},"utc_time_created":"now","run_id":"r","mlflow_version":"2"}"#;
        let model = described(text).unwrap();
        let once = appended(None, &model).unwrap();
        assert_eq!(
            once,
            r#"[{"artifact_path":"m","flavors":{"onnx":{}},"run_id":"r","utc_time_created":"now"}]"#
        );
        assert_eq!(appended(Some(&once), &model).unwrap(), once);
        assert!(
            described("{")
                .unwrap_err()
                .message
                .contains("not a valid JSON")
        );
        assert!(described("{}").unwrap_err().message.contains("'flavors'"));
    }
}
