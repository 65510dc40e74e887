//! Logging to a run: metrics, parameters, tags, one by one and in batches. Each is harmless when it comes twice.

use super::{
    access,
    call::Call,
    convert::metric::point,
    failure::{Answer, Refuse as _},
    find,
    routes::Table,
    runs::{NAME_TAG, check_tag, rename},
};
use axum::{Json, routing::post};
use guard::Identity;
use http::Method;
use mlflow::{
    Error, ErrorCode, limits, names, required,
    runs::{DeleteTag, LogBatch, LogMetric, LogPair, run_id},
    tag::Pair,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
};
use store::{
    LoggedModels as _, MetricPoint, RunHead, TagChange, Tracking as _, TrackingRead as _, Tx,
};

pub(super) fn routes(table: Table) -> Table {
    let at = "/mlflow/runs";
    table
        .write(
            Method::POST,
            &format!("{at}/log-metric"),
            "MLflow: log a metric",
            post(log_metric),
        )
        .write(
            Method::POST,
            &format!("{at}/log-parameter"),
            "MLflow: log a parameter",
            post(log_parameter),
        )
        .write(
            Method::POST,
            &format!("{at}/log-batch"),
            "MLflow: log metrics, parameters and tags",
            post(log_batch),
        )
        .write(
            Method::POST,
            &format!("{at}/set-tag"),
            "MLflow: tag a run",
            post(set_tag),
        )
        .write(
            Method::POST,
            &format!("{at}/delete-tag"),
            "MLflow: untag a run",
            post(delete_tag),
        )
}

/// What one request logs, checked.
#[derive(Clone, Default)]
struct Entries {
    points: Vec<MetricPoint>,
    params: Vec<(String, String)>,
    tags: Vec<TagChange>,
}

async fn log_metric(call: Call<LogMetric>) -> Answer<Value> {
    let asked = &call.message;
    let id = run_id(asked.run_id.as_deref(), asked.run_uuid.as_deref())?.to_owned();
    let points = vec![point(&asked.metric, "")?];
    log(
        &call,
        id,
        Entries {
            points,
            ..Entries::default()
        },
    )
    .await
}

async fn log_parameter(call: Call<LogPair>) -> Answer<Value> {
    let asked = &call.message;
    let id = run_id(asked.run_id.as_deref(), asked.run_uuid.as_deref())?.to_owned();
    let params = vec![param(&asked.key, &asked.value, "key")?];
    log(
        &call,
        id,
        Entries {
            params,
            ..Entries::default()
        },
    )
    .await
}

async fn set_tag(call: Call<LogPair>) -> Answer<Value> {
    let asked = &call.message;
    let id = run_id(asked.run_id.as_deref(), asked.run_uuid.as_deref())?.to_owned();
    let tags = vec![tag(&call.caller.identity, &asked.key, &asked.value, "key")?];
    log(
        &call,
        id,
        Entries {
            tags,
            ..Entries::default()
        },
    )
    .await
}

async fn log_batch(call: Call<LogBatch>) -> Answer<Value> {
    let id = required("run_id", &call.message.run_id)?.to_owned();
    let entries = batch(&call.caller.identity, &call.message)?;
    log(&call, id, entries).await
}

fn batch(who: &Identity, asked: &LogBatch) -> Result<Entries, Error> {
    let LogBatch {
        metrics,
        params,
        tags,
        ..
    } = asked;
    limits::batch(metrics.len(), params.len(), tags.len())?;
    unique(params)?;
    let points = metrics
        .iter()
        .enumerate()
        .map(|(n, metric)| point(metric, format_args!("metrics[{n}].")));
    let params = params
        .iter()
        .enumerate()
        .map(|(n, pair)| param(&pair.key, &pair.value, format_args!("params[{n}].key")));
    let tags = tags
        .iter()
        .enumerate()
        .map(|(n, pair)| tag(who, &pair.key, &pair.value, format_args!("tags[{n}].key")));
    Ok(Entries {
        points: points.collect::<Result<_, Error>>()?,
        params: params.collect::<Result<_, Error>>()?,
        tags: tags.collect::<Result<_, Error>>()?,
    })
}

fn unique(params: &[Pair]) -> Result<(), Error> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for pair in params {
        *seen.entry(&pair.key).or_default() += 1;
    }
    let twice: Vec<_> = seen
        .iter()
        .filter(|(_, count)| **count > 1)
        .map(|(key, _)| format!("'{key}'"))
        .collect();
    if twice.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Duplicate parameter keys have been submitted: [{}]. Please ensure the request contains only one param value per param key.",
        twice.join(", ")
    )))
}

fn param(key: &str, value: &str, field: impl Display) -> Result<(String, String), Error> {
    names::entry(field, key)?;
    limits::at_most("Param key", key, limits::KEY)?;
    Ok((
        key.to_owned(),
        limits::cut(value, limits::PARAM_VALUE).to_owned(),
    ))
}

fn tag(
    who: &Identity,
    key: &str,
    value: &str,
    field: impl Display + Copy,
) -> Result<TagChange, Error> {
    check_tag(key, field)?;
    access::tag(who, key)?;
    Ok(TagChange {
        key: key.to_owned(),
        value: Some(limits::cut(value, limits::RUN_TAG_VALUE).to_owned()),
    })
}

async fn log<M>(call: &Call<M>, id: String, entries: Entries) -> Answer<Value> {
    let (project, identity) = (call.project().to_owned(), call.caller.identity.clone());
    call.log_quickly(move |tx| {
        let run = access::writable_run(tx, &identity, &project, &id)?;
        put(tx, &run, &entries)
    })
    .await?;
    Ok(Json(json!({})))
}

fn put(tx: &mut Tx<'_>, run: &RunHead, entries: &Entries) -> store::Result<()> {
    let id = &run.run_id;
    known_models(tx, &run.project, &entries.points)?;
    if !entries.params.is_empty() {
        let keys: Vec<&str> = entries.params.iter().map(|(key, _)| key.as_str()).collect();
        let known = tx.run_params(id, &keys)?;
        unchanged(id, &known, &entries.params).refuse()?;
        tx.log_params(id, &entries.params)?;
    }
    tx.log_metrics(id, &entries.points)?;
    // A run keeps its name when the tag that shows it is emptied.
    let unnamed = |tag: &&TagChange| tag.key == NAME_TAG && tag.value.as_deref() == Some("");
    let tags: Vec<TagChange> = entries
        .tags
        .iter()
        .filter(|tag| !unnamed(tag))
        .cloned()
        .collect();
    tx.tag_tracked_run(id, &tags)?;
    let name = entries
        .tags
        .iter()
        .rev()
        .find(|tag| tag.key == NAME_TAG)
        .and_then(|tag| tag.value.clone());
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        let mut run = find::run(tx, &run.project, id)?;
        rename(tx, &mut run, &name)?;
        tx.update_tracked_run(&run)?;
    }
    Ok(())
}

/// Points are measured on logged models that there are.
fn known_models(tx: &mut Tx<'_>, project: &str, points: &[MetricPoint]) -> store::Result<()> {
    let models: BTreeSet<&str> = points
        .iter()
        .filter_map(|point| point.model_id.as_deref())
        .collect();
    for id in models {
        if tx
            .logged_model(id)?
            .is_none_or(|model| model.project != project)
        {
            let message = format!(
                "Logged model with ID '{id}' not found: log its metrics after it was created"
            );
            return Err(Error::new(ErrorCode::BadRequest, message)).refuse();
        }
    }
    Ok(())
}

/// A parameter never changes its value.
fn unchanged(
    run: &str,
    known: &BTreeMap<String, String>,
    params: &[(String, String)],
) -> Result<(), Error> {
    for (key, value) in params {
        if let Some(old) = known.get(key).filter(|old| *old != value) {
            return Err(Error::invalid(format!(
                "Changing param values is not allowed. Param with key='{key}' was already logged with value='{old}' for run ID='{run}'. Attempted logging new value '{value}'."
            )));
        }
    }
    Ok(())
}

async fn delete_tag(call: Call<DeleteTag>) -> Answer<Value> {
    let (id, key) = (
        required("run_id", &call.message.run_id)?.to_owned(),
        required("key", &call.message.key)?.to_owned(),
    );
    access::tag(&call.caller.identity, &key)?;
    let (project, identity) = (call.project().to_owned(), call.caller.identity.clone());
    call.log(move |tx| {
        access::writable_run(tx, &identity, &project, &id)?;
        if tx.run_tag(&id, &key)?.is_none() {
            return Err(Error::missing(format!(
                "No tag with name: {key} in run with id {id}"
            )))
            .refuse();
        }
        tx.tag_tracked_run(
            &id,
            &[TagChange {
                key: key.clone(),
                value: None,
            }],
        )
    })
    .await?;
    Ok(Json(json!({})))
}
