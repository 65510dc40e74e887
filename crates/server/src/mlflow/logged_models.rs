//! Logged models: create, finish, get, search, tags, parameters, delete.

use super::{
    access,
    call::{Call, Nothing},
    convert::{self, filled, labels, logged_model::wire},
    failure::{Answer, Refuse as _},
    find, page,
    routes::Table,
    runs::own,
};
use axum::{
    Json,
    routing::{delete, get, patch, post},
};
use http::Method;
use mlflow::{
    Error, ErrorCode, artifacts,
    logged_models::{Create, Finalize, Found, LogParams, Search, SetTags},
    names, required,
};
use serde_json::{Value, json};
use store::{LoggedModel, LoggedModels as _, Tx};

pub(super) fn routes(table: Table) -> Table {
    let at = "/mlflow/logged-models";
    let one = format!("{at}/{{model_id}}");
    table
        .write(
            Method::POST,
            at,
            "MLflow: begin a logged model",
            post(create),
        )
        .read(
            Method::POST,
            &format!("{at}/search"),
            "MLflow: search logged models",
            post(search),
        )
        .read(Method::GET, &one, "MLflow: one logged model", get(get_one))
        .write(
            Method::PATCH,
            &one,
            "MLflow: finish a logged model",
            patch(finalize),
        )
        .write(
            Method::DELETE,
            &one,
            "MLflow: delete a logged model",
            delete(remove),
        )
        .write(
            Method::PATCH,
            &format!("{one}/tags"),
            "MLflow: tag a logged model",
            patch(set_tags),
        )
        .write(
            Method::DELETE,
            &format!("{one}/tags/{{tag_key}}"),
            "MLflow: untag a logged model",
            delete(delete_tag),
        )
        .write(
            Method::POST,
            &format!("{one}/params"),
            "MLflow: log parameters of a logged model",
            post(log_params),
        )
}

async fn create(call: Call<Create>) -> Answer<Value> {
    let wanted = wanted(&call)?;
    let (identity, now) = (call.caller.identity.clone(), call.app.now());
    let made = call
        .log(move |tx| {
            let mut model = wanted.clone();
            if find::is_default(&model.experiment_id) {
                find::ensure_default(tx, &model.project, now)?;
            }
            access::source_access(
                tx,
                &identity,
                &model.project,
                model.source_run_id.as_deref(),
            )?;
            let experiment = find::active_experiment(tx, &model.project, &model.experiment_id)?;
            access::new_model(tx, &identity, &model, &experiment)?;
            let below = format!("models/{}/artifacts", model.model_id);
            model.artifact_uri = artifacts::below(&experiment.artifact_location, &below);
            model.experiment_id = experiment.id;
            tx.create_logged_model(&model)?;
            Ok(model)
        })
        .await?;
    Ok(Json(json!({ "model": wire(made) })))
}

fn wanted(call: &Call<Create>) -> Result<LoggedModel, Error> {
    let asked = &call.message;
    required("experiment_id", &asked.experiment_id)?;
    let id = uuid::Uuid::now_v7();
    let name = filled(asked.name.as_deref());
    names::logged_model(name.as_deref())?;
    let now = call.app.now();
    Ok(LoggedModel {
        model_id: format!("m-{}", id.simple()),
        experiment_id: asked.experiment_id.clone(),
        project: call.project().to_owned(),
        name: name.unwrap_or_else(|| names::made_up(id.as_u64_pair().1)),
        model_type: asked.model_type.clone().unwrap_or_default(),
        source_run_id: filled(asked.source_run_id.as_deref()),
        artifact_uri: String::new(),
        status: "LOGGED_MODEL_PENDING".to_owned(),
        status_message: String::new(),
        created_at: now,
        updated_at: now,
        tags: labels(&asked.tags),
        params: labels(&asked.params),
        metrics: Vec::new(),
    })
}

async fn get_one(call: Call<Nothing>) -> Answer<Value> {
    let (project, id) = (call.project().to_owned(), call.param("model_id").to_owned());
    let model = call
        .read(move |tx| find::logged_model(tx, &project, &id))
        .await?;
    Ok(Json(json!({ "model": wire(model) })))
}

async fn finalize(call: Call<Finalize>) -> Answer<Value> {
    let status = status(&call.message.status)?;
    let model = change(&call, move |_, model| {
        status.clone_into(&mut model.status);
        Ok(())
    })
    .await?;
    Ok(Json(json!({ "model": wire(model) })))
}

/// By name, or by number as some clients send it.
fn status(asked: &Value) -> Result<&'static str, Error> {
    match (asked.as_str(), asked.as_i64()) {
        (Some("LOGGED_MODEL_PENDING"), _) | (_, Some(1)) => Ok("LOGGED_MODEL_PENDING"),
        (Some("LOGGED_MODEL_READY"), _) | (_, Some(2)) => Ok("LOGGED_MODEL_READY"),
        (Some("LOGGED_MODEL_UPLOAD_FAILED"), _) | (_, Some(3)) => Ok("LOGGED_MODEL_UPLOAD_FAILED"),
        _ if asked.is_null() => Err(Error::missing_value("status")),
        _ => Err(Error::invalid_value(
            "status",
            &asked.to_string(),
            "use LOGGED_MODEL_READY or LOGGED_MODEL_UPLOAD_FAILED",
        )),
    }
}

async fn set_tags(call: Call<SetTags>) -> Answer<Value> {
    let tags = labels(&call.message.tags);
    change(&call, move |_, model| {
        model.tags.extend(tags.clone());
        Ok(())
    })
    .await?;
    Ok(Json(json!({})))
}

async fn delete_tag(call: Call<Nothing>) -> Answer<Value> {
    let key = call.param("tag_key").to_owned();
    change(&call, move |_, model| {
        let missing = || {
            Error::missing(format!(
                "No tag with key '{key}' found for model with ID '{}'.",
                model.model_id
            ))
        };
        model
            .tags
            .remove(&key)
            .map(drop)
            .ok_or_else(missing)
            .refuse()
    })
    .await?;
    Ok(Json(json!({})))
}

async fn log_params(call: Call<LogParams>) -> Answer<Value> {
    let params = labels(&call.message.params);
    change(&call, move |_, model| {
        for (key, value) in &params {
            if model.params.get(key).is_some_and(|known| known != value) {
                let message = format!(
                    "Parameter '{key}' of model '{}' was logged before with another value, and parameters do not change.",
                    model.model_id
                );
                return Err(Error::new(ErrorCode::BadRequest, message)).refuse();
            }
        }
        model.params.extend(params.clone());
        Ok(())
    })
    .await?;
    Ok(Json(json!({})))
}

/// One change to one logged model.
async fn change<M>(
    call: &Call<M>,
    with: impl Fn(&mut Tx<'_>, &mut LoggedModel) -> store::Result<()> + Send + 'static,
) -> Result<LoggedModel, super::failure::Failure> {
    let (project, id) = (call.project().to_owned(), call.param("model_id").to_owned());
    let (identity, now) = (call.caller.identity.clone(), call.app.now());
    call.log(move |tx| {
        let mut model = access::writable_model(tx, &identity, &project, &id)?;
        with(tx, &mut model)?;
        model.updated_at = now;
        tx.update_logged_model(&model)?;
        Ok(model)
    })
    .await
}

async fn remove(call: Call<Nothing>) -> Answer<Value> {
    let (project, id) = (call.project().to_owned(), call.param("model_id").to_owned());
    let identity = call.caller.identity.clone();
    call.log(move |tx| {
        access::writable_model(tx, &identity, &project, &id)?;
        tx.delete_logged_model(&id)
    })
    .await?;
    Ok(Json(json!({})))
}

async fn search(call: Call<Search>) -> Answer<Found> {
    let asked = &call.message;
    let ids = asked
        .experiment_ids
        .clone()
        .ok_or_else(|| Error::missing_value("experiment_ids"))?;
    let search = convert::logged_model::search(asked)?;
    let project = call.project().to_owned();
    let found = call
        .read(move |tx| {
            let experiments = own(tx, &project, &ids)?;
            tx.search_logged_models(&experiments, &search)
        })
        .await?;
    Ok(Json(Found {
        models: found.items.into_iter().map(wire).collect(),
        next_page_token: page::token(found.next),
    }))
}
