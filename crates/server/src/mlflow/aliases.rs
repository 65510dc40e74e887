//! Aliases of versions. Those named like an environment, and `champion`, show what serves and are set by roll-outs only;
//! those of prompts are all free.

use super::{
    call::Call,
    convert::registry::prompt,
    failure::{Answer, Refuse as _},
    registered::{self, Change, find, find_version},
    routes::Table,
};
use axum::{
    Json,
    routing::{delete, get, post},
};
use http::Method;
use mlflow::{
    Error, names,
    registry::{AliasRequest, version_number},
    required,
    webhooks::News,
};
use serde_json::{Value, json};
use store::{Aliases as _, Models as _, RegisteredModel, Tx};

pub(super) fn routes(table: Table) -> Table {
    let at = "/mlflow/registered-models/alias";
    table
        .write(
            Method::POST,
            at,
            "MLflow: point an alias at a version",
            post(set),
        )
        .write(
            Method::DELETE,
            at,
            "MLflow: remove an alias",
            delete(remove),
        )
        .read(
            Method::GET,
            at,
            "MLflow: the version an alias points at",
            get(version),
        )
}

async fn set(call: Call<AliasRequest>) -> Answer<Value> {
    let change = Change::of(&call)?;
    let AliasRequest {
        name,
        alias,
        version,
    } = call.message.clone();
    names::model(&name)?;
    names::alias(required("alias", &alias)?)?;
    let number = version_number(required("version", &version)?)?;
    call.write(move |tx| {
        find_version(tx, &change.project, &name, number)?;
        let model = find(tx, &change.project, &name)?;
        free(tx, &model, &alias, Some(number))?;
        tx.set_alias(&change.project, &name, &alias, number)?;
        let news = News::alias(prompt(&model.tags), &name, &alias, Some(number));
        change.tell(tx, Some(&news))?;
        change.event(
            tx,
            "alias.set",
            format!("model/{name}/{number}"),
            json!({ "alias": alias }),
        )
    })
    .await?;
    Ok(Json(json!({})))
}

async fn remove(call: Call<AliasRequest>) -> Answer<Value> {
    let change = Change::of(&call)?;
    let AliasRequest { name, alias, .. } = call.message.clone();
    names::model(&name)?;
    required("alias", &alias)?;
    call.write(move |tx| {
        let model = find(tx, &change.project, &name)?;
        free(tx, &model, &alias, None)?;
        let news = News::alias(prompt(&model.tags), &name, &alias, None);
        change.tell(tx, Some(&news))?;
        match tx.delete_alias(&change.project, &name, &alias)? {
            Some(number) => change.event(
                tx,
                "alias.deleted",
                format!("model/{name}/{number}"),
                json!({ "alias": alias }),
            ),
            None => Ok(()),
        }
    })
    .await?;
    Ok(Json(json!({})))
}

/// Refuses an alias that is a projection of a deployment, and says how to move it. Prompts never serve, so theirs are
/// free.
fn free(
    tx: &mut Tx<'_>,
    model: &RegisteredModel,
    alias: &str,
    version: Option<u32>,
) -> store::Result<()> {
    let shows = registered::reserved_aliases(tx, &model.project)?.contains(alias);
    if !shows || registered::only_prompt(tx, model)? {
        return Ok(());
    }
    let model = &model.name;
    let wanted = version
        .map(|number| format!(" --version {number}"))
        .unwrap_or_default();
    Err(Error::denied(format!(
        "alias '{alias}' of model {model} shows what serves and cannot be set or deleted: promote with `mainspan promote {model}{wanted}`"
    )))
    .refuse()
}

async fn version(call: Call<AliasRequest>) -> Answer<Value> {
    let (name, alias) = (
        required("name", &call.message.name)?.to_owned(),
        required("alias", &call.message.alias)?.to_owned(),
    );
    let project = call.project().to_owned();
    let shown = call
        .read(move |tx| {
            find(tx, &project, &name)?;
            let number = pointed(tx, &project, &name, &alias)?;
            let version = find_version(tx, &project, &name, number)?;
            registered::show_version(tx, version)
        })
        .await?;
    Ok(Json(json!({ "model_version": shown })))
}

/// `latest` is the newest version, whatever else it is.
fn pointed(tx: &mut Tx<'_>, project: &str, name: &str, alias: &str) -> store::Result<u32> {
    if alias.eq_ignore_ascii_case("latest") {
        let newest = tx
            .versions(project, name)?
            .first()
            .map(|version| version.version);
        return newest
            .ok_or_else(|| Error::missing(format!("Latest version not found for model {name}.")))
            .refuse();
    }
    tx.alias(project, name, alias)?
        .ok_or_else(|| Error::invalid(format!("Registered model alias {alias} not found.")))
        .refuse()
}
