//! Versions of registered models: create, get, change, search, tags, delete, download URI.

use super::{
    call::Call,
    convert::{
        self, filled, labels,
        registry::{RUN_LINK, description, prompt, version},
    },
    failure::{Answer, Failure},
    models::check_tags,
    page,
    registered::{self, Change, find, find_version},
    routes::Table,
    source::{self, Source},
};
use axum::{
    Json,
    routing::{delete, get, patch, post},
};
use http::Method;
use mlflow::{
    filter::Subject,
    names,
    registry::{CreateVersion, OneVersion, RegistryTag, Search, version_number},
    required,
    tag::Pair,
    webhooks::{self, News},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::{GateState, LoggedModels as _, ModelVersion, Models as _, Tx};

pub(super) fn routes(table: Table) -> Table {
    let at = "/mlflow/model-versions";
    table
        .write(
            Method::POST,
            &format!("{at}/create"),
            "MLflow: register a version",
            post(create),
        )
        .read(
            Method::GET,
            &format!("{at}/get"),
            "MLflow: one version",
            get(one),
        )
        .write(
            Method::PATCH,
            &format!("{at}/update"),
            "MLflow: describe a version",
            patch(update),
        )
        .write(
            Method::DELETE,
            &format!("{at}/delete"),
            "MLflow: delete a version",
            delete(remove),
        )
        .read(
            Method::GET,
            &format!("{at}/search"),
            "MLflow: search versions",
            get(search),
        )
        .read(
            Method::GET,
            &format!("{at}/get-download-uri"),
            "MLflow: where a version's files are",
            get(download_uri),
        )
        .write(
            Method::POST,
            &format!("{at}/set-tag"),
            "MLflow: tag a version",
            post(set_tag),
        )
        .write(
            Method::DELETE,
            &format!("{at}/delete-tag"),
            "MLflow: untag a version",
            delete(delete_tag),
        )
}

async fn create(call: Call<CreateVersion>) -> Answer<Value> {
    let change = Change::of(&call)?;
    let asked = &call.message;
    names::model(&asked.name)?;
    required("source", &asked.source)?;
    check_tags(&asked.tags)?;
    let source = match webhooks::is_prompt(&asked.tags) {
        true => source::of_prompt(asked)?,
        false => source::resolve(&call).await?,
    };
    let (artifact, signature) = source::describe(&call, &source).await?;
    let version = ModelVersion {
        artifact,
        signature,
        ..wanted(&call, &change, source)
    };
    let tags = asked.tags.clone();
    let inserted = call.write(move |tx| insert(tx, &change, &version, &tags));
    Ok(Json(json!({ "model_version": inserted.await? })))
}

fn wanted(call: &Call<CreateVersion>, change: &Change, source: Source) -> ModelVersion {
    let asked = &call.message;
    ModelVersion {
        project: change.project.clone(),
        model: asked.name.clone(),
        version: 0,
        created_at: change.now,
        updated_at: change.now,
        description: description(asked.description.as_deref()),
        user_id: call.caller.identity.actor(),
        source: source.uri,
        mlflow_run_id: source.run_id,
        mlflow_model_id: source.model_id,
        run_id: None,
        artifact: None,
        lineage: filled(asked.run_link.as_deref())
            .map_or(Value::Null, |link| json!({ RUN_LINK: link })),
        gate: Value::Null,
        signature: Value::Null,
        gate_state: GateState::None,
        stage: "None".to_owned(),
        status: "READY".to_owned(),
        status_message: String::new(),
        tags: labels(&asked.tags),
    }
}

fn insert(
    tx: &mut Tx<'_>,
    change: &Change,
    version: &ModelVersion,
    tags: &[Pair],
) -> store::Result<Value> {
    change.touch(tx, &version.model)?;
    let number = tx.create_version(version)?;
    let made = ModelVersion {
        version: number,
        ..version.clone()
    };
    if let Some(mut model) = match &made.mlflow_model_id {
        Some(id) => tx.reading(|tx| tx.logged_model(id))?,
        None => None,
    } {
        let tag = convert::logged_model::VERSIONS_TAG;
        let listed = convert::logged_model::with_version(model.tags.get(tag), &made.model, number);
        model.tags.insert(tag.to_owned(), listed);
        tx.unguarded(|tx| tx.update_logged_model(&model))?;
    }
    let after = json!({ "source": made.source, "artifact": made.artifact });
    change.event(
        tx,
        "version.registered",
        format!("model/{}/{number}", made.model),
        after,
    )?;
    let run = made.mlflow_run_id.as_deref();
    let news = News::version(
        &made.model,
        number,
        &made.source,
        run,
        tags,
        &made.description,
    );
    change.tell(tx, Some(&news))?;
    Ok(json!(registered::show_version(tx, made)?))
}

/// The model and the number that a request names.
fn named(name: &str, version: &str) -> Result<(String, u32), Failure> {
    let name = required("name", name)?.to_owned();
    Ok((name, version_number(required("version", version)?)?))
}

async fn one(call: Call<OneVersion>) -> Answer<Value> {
    let (name, number) = named(&call.message.name, &call.message.version)?;
    let project = call.project().to_owned();
    let shown = call
        .read(move |tx| {
            let version = find_version(tx, &project, &name, number)?;
            registered::show_version(tx, version)
        })
        .await?;
    Ok(Json(json!({ "model_version": shown })))
}

async fn update(call: Call<OneVersion>) -> Answer<Value> {
    let OneVersion {
        name,
        version,
        description,
    } = call.message.clone();
    let describe = move |version: &mut ModelVersion, _| {
        // As in MLflow, a description that is left out is taken away.
        version.description = description.clone().unwrap_or_default();
        None
    };
    let shown = alter(&call, &name, &version, describe).await?;
    Ok(Json(json!({ "model_version": shown })))
}

async fn set_tag(call: Call<RegistryTag>) -> Answer<Value> {
    let RegistryTag {
        name,
        version,
        key,
        value,
    } = call.message.clone();
    check_tags(&[Pair::new(required("key", &key)?, &value)])?;
    alter(&call, &name, &version, move |version, prompt| {
        version.tags.insert(key.clone(), value.clone());
        let ModelVersion { model, version, .. } = version;
        Some(News::version_tag(
            prompt,
            model,
            *version,
            &key,
            Some(&value),
        ))
    })
    .await?;
    Ok(Json(json!({})))
}

async fn delete_tag(call: Call<RegistryTag>) -> Answer<Value> {
    let RegistryTag {
        name, version, key, ..
    } = call.message.clone();
    required("key", &key)?;
    alter(&call, &name, &version, move |version, prompt| {
        version.tags.remove(&key);
        let ModelVersion { model, version, .. } = version;
        Some(News::version_tag(prompt, model, *version, &key, None))
    })
    .await?;
    Ok(Json(json!({})))
}

/// One change to one version, told whether it is a prompt's, which says what there is to tell of it.
async fn alter<M>(
    call: &Call<M>,
    name: &str,
    version: &str,
    with: impl Fn(&mut ModelVersion, bool) -> Option<News> + Send + 'static,
) -> Result<Value, Failure> {
    let change = Change::of(call)?;
    let (name, number) = named(name, version)?;
    let shown = call
        .write(move |tx| {
            let mut version = find_version(tx, &change.project, &name, number)?;
            let model = change.touch(tx, &name)?;
            let news = with(&mut version, prompt(&model.tags));
            version.updated_at = change.now;
            tx.update_version(&version)?;
            change.tell(tx, news.as_ref())?;
            registered::show_version(tx, version)
        })
        .await?;
    Ok(json!(shown))
}

async fn remove(call: Call<OneVersion>) -> Answer<Value> {
    let change = Change::of(&call)?;
    let (name, number) = named(&call.message.name, &call.message.version)?;
    call.write(move |tx| {
        find(tx, &change.project, &name)?;
        find_version(tx, &change.project, &name, number)?;
        registered::not_serving(tx, &change.project, &name, Some(number))?;
        tx.delete_version(&change.project, &name, number)?;
        change.touch(tx, &name)?;
        change.event(
            tx,
            "version.deleted",
            format!("model/{name}/{number}"),
            json!({}),
        )
    })
    .await?;
    Ok(Json(json!({})))
}

pub(super) async fn search(call: Call<Search>) -> Answer<Value> {
    let search = registered::search(Subject::Versions, &call.message)?;
    let project = call.project().to_owned();
    let found = call
        .read(move |tx| tx.search_versions(&project, &search))
        .await?;
    // MLflow leaves aliases out of what a search finds.
    let none = BTreeMap::new();
    let versions = found.items.into_iter().map(|one| version(one, &none));
    let versions: Vec<_> = versions.collect();
    Ok(Json(page::answer("model_versions", &versions, found.next)))
}

async fn download_uri(call: Call<OneVersion>) -> Answer<Value> {
    let (name, number) = named(&call.message.name, &call.message.version)?;
    let project = call.project().to_owned();
    let uri = call
        .read(move |tx| {
            let version = find_version(tx, &project, &name, number)?;
            source::location(tx, &project, &version)
        })
        .await?;
    Ok(Json(json!({ "artifact_uri": filled(Some(&uri)) })))
}
