//! Registered models: create, get, change, search, tags, delete.

use super::{
    call::Call,
    convert::{
        labels,
        registry::{description, prompt},
    },
    failure::{Answer, Failure},
    grants, page, registered,
    registered::{Change, find},
    routes::Table,
};
use axum::{
    Json,
    routing::{delete, get, patch, post},
};
use http::Method;
use mlflow::{
    Error,
    filter::Subject,
    limits, names,
    registry::{NamedModel, RegistryTag, Rename, Search},
    required,
    tag::Pair,
    webhooks::News,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::{Models as _, RegisteredModel, Roles as _, Tx};

pub(super) fn routes(table: Table) -> Table {
    let at = "/mlflow/registered-models";
    table
        .write(
            Method::POST,
            &format!("{at}/create"),
            "MLflow: register a model",
            post(create),
        )
        .read(
            Method::GET,
            &format!("{at}/get"),
            "MLflow: one registered model",
            get(one),
        )
        .write(
            Method::POST,
            &format!("{at}/rename"),
            "MLflow: rename a registered model",
            post(rename),
        )
        .write(
            Method::PATCH,
            &format!("{at}/update"),
            "MLflow: describe a registered model",
            patch(update),
        )
        .write(
            Method::DELETE,
            &format!("{at}/delete"),
            "MLflow: delete a registered model",
            delete(remove),
        )
        .read(
            Method::GET,
            &format!("{at}/search"),
            "MLflow: search registered models",
            get(search),
        )
        .write(
            Method::POST,
            &format!("{at}/set-tag"),
            "MLflow: tag a registered model",
            post(set_tag),
        )
        .write(
            Method::DELETE,
            &format!("{at}/delete-tag"),
            "MLflow: untag a registered model",
            delete(delete_tag),
        )
}

/// MLflow's type of resources of a model with these tags.
fn kind(tags: &BTreeMap<String, String>) -> &'static str {
    match prompt(tags) {
        true => "prompt",
        false => "registered_model",
    }
}

/// Checks tags of models and versions.
pub(super) fn check_tags(tags: &[Pair]) -> Result<(), Error> {
    for tag in tags {
        names::entry("key", &tag.key)?;
        limits::at_most("key", &tag.key, limits::KEY)?;
        limits::at_most("value", &tag.value, limits::REGISTRY_TAG_VALUE)?;
    }
    Ok(())
}

async fn create(call: Call<NamedModel>) -> Answer<Value> {
    let change = Change::of(&call)?;
    let asked = &call.message;
    names::model(&asked.name)?;
    check_tags(&asked.tags)?;
    let model = RegisteredModel {
        project: change.project.clone(),
        name: asked.name.clone(),
        created_at: change.now,
        updated_at: change.now,
        description: description(asked.description.as_deref()),
        tags: labels(&asked.tags),
    };
    let news = News::created(&asked.name, &asked.tags, &model.description);
    let keep = grants::of_maker(&call, kind(&model.tags));
    let inserted = call.write(move |tx| {
        let made = insert(tx, &change, &model, &news)?;
        keep(tx, &model.name)?;
        Ok(made)
    });
    let made = inserted.await?;
    grants::changed(&call);
    Ok(Json(json!({ "registered_model": made })))
}

fn insert(
    tx: &mut Tx<'_>,
    change: &Change,
    model: &RegisteredModel,
    news: &News,
) -> store::Result<Value> {
    tx.create_model(model).map_err(|error| match error {
        store::Error::Exists { name, .. } => store::Error::caller(Error::exists(format!(
            "Registered Model (name={name}) already exists."
        ))),
        other => other,
    })?;
    change.event(
        tx,
        "model.registered",
        format!("model/{}", model.name),
        json!({}),
    )?;
    change.tell(tx, Some(news))?;
    // Whoever makes it sees it, even before they have a right to change it.
    Ok(json!(tx.reading(|tx| registered::show(tx, model.clone()))?))
}

async fn one(call: Call<NamedModel>) -> Answer<Value> {
    let (project, name) = (
        call.project().to_owned(),
        required("name", &call.message.name)?.to_owned(),
    );
    let shown = call
        .read(move |tx| {
            let model = find(tx, &project, &name)?;
            registered::show(tx, model)
        })
        .await?;
    Ok(Json(json!({ "registered_model": shown })))
}

async fn rename(call: Call<Rename>) -> Answer<Value> {
    let change = Change::of(&call)?;
    let (name, to) = (
        required("name", &call.message.name)?.to_owned(),
        required("new_name", &call.message.new_name)?.to_owned(),
    );
    names::model(&to)?;
    let shown = call
        .write(move |tx| {
            find(tx, &change.project, &name)?;
            if name != to {
                registered::not_serving(tx, &change.project, &name, None)?;
                tx.rename_model(&change.project, &name, &to)?;
            }
            // What was granted on the old name is about the new one from here on.
            tx.unguarded(|tx| {
                for kind in ["registered_model", "prompt"] {
                    tx.rename_grants(&change.project, kind, &name, &to)?;
                }
                change.touch(tx, &to)?;
                change.event(
                    tx,
                    "model.renamed",
                    format!("model/{to}"),
                    json!({ "from": name }),
                )?;
                let model = find(tx, &change.project, &to)?;
                registered::show(tx, model)
            })
        })
        .await?;
    grants::changed(&call);
    Ok(Json(json!({ "registered_model": shown })))
}

async fn update(call: Call<NamedModel>) -> Answer<Value> {
    let text = description(call.message.description.as_deref());
    let describe = move |model: &mut RegisteredModel| {
        model.description.clone_from(&text);
        None
    };
    let shown = alter(&call, &call.message.name, describe).await?;
    Ok(Json(json!({ "registered_model": shown })))
}

async fn set_tag(call: Call<RegistryTag>) -> Answer<Value> {
    let RegistryTag {
        name, key, value, ..
    } = call.message.clone();
    check_tags(&[Pair::new(required("key", &key)?, &value)])?;
    alter(&call, &name, move |model| {
        model.tags.insert(key.clone(), value.clone());
        prompt(&model.tags).then(|| News::prompt_tag(&model.name, &key, Some(&value)))
    })
    .await?;
    Ok(Json(json!({})))
}

async fn delete_tag(call: Call<RegistryTag>) -> Answer<Value> {
    let RegistryTag { name, key, .. } = call.message.clone();
    required("key", &key)?;
    alter(&call, &name, move |model| {
        model.tags.remove(&key);
        prompt(&model.tags).then(|| News::prompt_tag(&model.name, &key, None))
    })
    .await?;
    Ok(Json(json!({})))
}

/// One change to one model, which says what there is to tell of it.
async fn alter<M>(
    call: &Call<M>,
    name: &str,
    with: impl Fn(&mut RegisteredModel) -> Option<News> + Send + 'static,
) -> Result<Value, Failure> {
    let change = Change::of(call)?;
    let name = required("name", name)?.to_owned();
    let shown = call
        .write(move |tx| {
            let mut model = find(tx, &change.project, &name)?;
            let news = with(&mut model);
            model.updated_at = change.now;
            tx.update_model(&model)?;
            change.tell(tx, news.as_ref())?;
            registered::show(tx, model)
        })
        .await?;
    Ok(json!(shown))
}

async fn remove(call: Call<NamedModel>) -> Answer<Value> {
    let change = Change::of(&call)?;
    let name = required("name", &call.message.name)?.to_owned();
    call.write(move |tx| {
        find(tx, &change.project, &name)?;
        registered::not_serving(tx, &change.project, &name, None)?;
        tx.delete_model(&change.project, &name)?;
        for kind in ["registered_model", "prompt"] {
            tx.forget_grants(&change.project, kind, &name)?;
        }
        change.event(tx, "model.deleted", format!("model/{name}"), json!({}))
    })
    .await?;
    grants::changed(&call);
    Ok(Json(json!({})))
}

async fn search(call: Call<Search>) -> Answer<Value> {
    let search = registered::search(Subject::Models, &call.message)?;
    let project = call.project().to_owned();
    let (models, next) = call
        .read(move |tx| {
            let found = tx.search_models(&project, &search)?;
            let shown = found
                .items
                .into_iter()
                .map(|model| registered::show(tx, model));
            Ok((shown.collect::<store::Result<Vec<_>>>()?, found.next))
        })
        .await?;
    Ok(Json(page::answer("registered_models", &models, next)))
}
