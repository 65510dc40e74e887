//! Experiments: create, find, search, change, delete and restore.

use super::{
    access,
    call::Call,
    convert::{self, experiment::wire},
    failure::{Answer, Failure, Refuse as _},
    find, grants, page,
    routes::Table,
};
use axum::{
    Json,
    routing::{get, post},
};
use http::Method;
use jiff::Timestamp;
use mlflow::{
    Error, ErrorCode, artifacts,
    experiments::{ById, ByName, Create, DeleteTag, Found, Search, SearchDatasets, SetTag, Update},
    filter::Subject,
    limits, names, required,
};
use serde_json::{Value, json};
use store::{
    Experiment, Experiments as _, Lifecycle, NewExperiment, RunView, TagChange, Tracking as _,
    TrackingRead as _, Tx,
};

pub(super) fn routes(table: Table) -> Table {
    let at = "/mlflow/experiments";
    table
        .write(
            Method::POST,
            &format!("{at}/create"),
            "MLflow: create an experiment",
            post(create),
        )
        .read(
            Method::GET,
            &format!("{at}/get"),
            "MLflow: one experiment",
            get(by_id),
        )
        .read(
            Method::GET,
            &format!("{at}/get-by-name"),
            "MLflow: one experiment by name",
            get(by_name),
        )
        .read(
            Method::GET,
            &format!("{at}/search"),
            "MLflow: search experiments",
            get(search),
        )
        .read(
            Method::POST,
            &format!("{at}/search"),
            "MLflow: search experiments",
            post(search),
        )
        .read(
            Method::POST,
            &format!("{at}/search-datasets"),
            "MLflow: the datasets of experiments",
            post(datasets),
        )
        .write(
            Method::POST,
            &format!("{at}/update"),
            "MLflow: rename an experiment",
            post(update),
        )
        .write(
            Method::POST,
            &format!("{at}/delete"),
            "MLflow: delete an experiment",
            post(delete),
        )
        .write(
            Method::POST,
            &format!("{at}/restore"),
            "MLflow: restore an experiment",
            post(restore),
        )
        .write(
            Method::POST,
            &format!("{at}/set-experiment-tag"),
            "MLflow: tag an experiment",
            post(set_tag),
        )
        .write(
            Method::POST,
            &format!("{at}/delete-experiment-tag"),
            "MLflow: untag an experiment",
            post(delete_tag),
        )
}

const UNIT: &str = "its experiment is there already";

async fn create(call: Call<Create>) -> Answer<Value> {
    let wanted = wanted(&call)?;
    let keep = grants::of_maker(&call, "experiment");
    let id = call
        .write(move |tx| {
            let made = tx.create_experiment(&wanted).map_err(|error| match error {
                store::Error::Exists { name, .. } => store::Error::caller(Error::exists(format!(
                    "Experiment(name={name}) already exists."
                ))),
                other => other,
            })?;
            keep(tx, &made)?;
            Ok(made)
        })
        .await?;
    grants::changed(&call);
    Ok(Json(json!({ "experiment_id": id })))
}

fn wanted(call: &Call<Create>) -> Result<NewExperiment, Error> {
    access::not_a_unit(&call.caller.identity, UNIT)?;
    let Create {
        name,
        artifact_location,
        tags,
    } = &call.message;
    required("name", name)?;
    limits::at_most("name", name, limits::EXPERIMENT_NAME)?;
    for tag in tags {
        check_tag(&tag.key, &tag.value)?;
    }
    let location = convert::filled(artifact_location.as_deref());
    if let Some(location) = &location {
        artifacts::check_experiment_location(location)?;
    }
    Ok(NewExperiment {
        project: call.project().to_owned(),
        name: name.clone(),
        artifact_location: location.unwrap_or_else(|| artifacts::experiment_root("{id}")),
        created_at: call.app.now(),
        tags: convert::labels(tags),
    })
}

fn check_tag(key: &str, value: &str) -> Result<(), Error> {
    names::entry("key", key)?;
    limits::at_most("key", key, limits::KEY)?;
    limits::at_most("value", value, limits::EXPERIMENT_TAG_VALUE)
}

pub(super) async fn by_id(call: Call<ById>) -> Answer<Value> {
    required("experiment_id", &call.message.experiment_id)?;
    default_if(&call, find::is_default(&call.message.experiment_id)).await?;
    let (project, id) = (
        call.project().to_owned(),
        call.message.experiment_id.clone(),
    );
    let found = call
        .read(move |tx| find::experiment(tx, &project, &id))
        .await?;
    Ok(Json(json!({ "experiment": wire(found) })))
}

async fn by_name(call: Call<ByName>) -> Answer<Value> {
    let name = required("experiment_name", &call.message.experiment_name)?.to_owned();
    default_if(&call, name == find::DEFAULT).await?;
    let project = call.project().to_owned();
    let wanted = name.clone();
    let found = call
        .read(move |tx| tx.experiment_by_name(&project, &wanted))
        .await?;
    let found = found
        .ok_or_else(|| Error::missing(format!("Could not find experiment with name '{name}'")))?;
    Ok(Json(json!({ "experiment": wire(found) })))
}

/// Makes the project's default experiment when a request is about it and it is not there yet.
pub(super) async fn default_if<M>(call: &Call<M>, asked: bool) -> Result<(), Failure> {
    let project = call.project().to_owned();
    let wanted = project.clone();
    if !asked
        || call
            .read(move |tx| tx.unguarded(|tx| tx.experiment_by_name(&wanted, find::DEFAULT)))
            .await?
            .is_some()
    {
        return Ok(());
    }
    let now = call.app.now();
    call.write(move |tx| find::ensure_default(tx, &project, now))
        .await
}

async fn search(call: Call<Search>) -> Answer<Found> {
    default_if(&call, true).await?;
    let asked = &call.message;
    let search = convert::search::search(
        Subject::Experiments,
        asked.filter.as_deref(),
        &asked.order_by,
        asked.max_results,
        asked.page_token.as_deref(),
    )?;
    let view = convert::search::view(asked.view_type.as_deref())?;
    let project = call.project().to_owned();
    let found = call
        .read(move |tx| tx.search_experiments(&project, view, &search))
        .await?;
    Ok(Json(Found {
        experiments: found.items.into_iter().map(wire).collect(),
        next_page_token: page::token(found.next),
    }))
}

pub(super) async fn datasets(call: Call<SearchDatasets>) -> Answer<Value> {
    let ids = call.message.experiment_ids.clone();
    if ids.is_empty() || ids.len() > limits::DATASETS_OF {
        return Err(Error::invalid(format!(
            "SearchDatasets request must specify at least one experiment_id, and at most {}. Received {}.",
            limits::DATASETS_OF,
            ids.len()
        ))
        .into());
    }
    let project = call.project().to_owned();
    let found = call
        .read(move |tx| {
            let own = super::runs::own(tx, &project, &ids)?;
            tx.datasets_of(&own)
        })
        .await?;
    let summaries: Vec<_> = found
        .into_iter()
        .map(convert::experiment::dataset)
        .collect();
    Ok(Json(page::answer("dataset_summaries", &summaries, None)))
}

async fn update(call: Call<Update>) -> Answer<Value> {
    let name = required(
        "new_name",
        call.message.new_name.as_deref().unwrap_or_default(),
    )?
    .to_owned();
    limits::at_most("name", &name, limits::EXPERIMENT_NAME)?;
    change(&call, &call.message.experiment_id, move |_, experiment| {
        if experiment.lifecycle != Lifecycle::Active {
            let error = Error::new(
                ErrorCode::InvalidState,
                "Cannot rename a non-active experiment.",
            );
            return Err(error).refuse();
        }
        experiment.name.clone_from(&name);
        Ok(())
    })
    .await
}

async fn delete(call: Call<ById>) -> Answer<Value> {
    let now = call.app.now();
    change(&call, &call.message.experiment_id, move |tx, experiment| {
        only(experiment, Lifecycle::Active)?;
        experiment.lifecycle = Lifecycle::Deleted;
        runs_follow(tx, experiment, now)
    })
    .await
}

async fn restore(call: Call<ById>) -> Answer<Value> {
    let now = call.app.now();
    change(&call, &call.message.experiment_id, move |tx, experiment| {
        only(experiment, Lifecycle::Deleted)?;
        experiment.lifecycle = Lifecycle::Active;
        runs_follow(tx, experiment, now)
    })
    .await
}

/// One change to one experiment.
async fn change<M>(
    call: &Call<M>,
    id: &str,
    with: impl Fn(&mut Tx<'_>, &mut Experiment) -> store::Result<()> + Send + 'static,
) -> Answer<Value> {
    access::not_a_unit(&call.caller.identity, UNIT)?;
    let id = required("experiment_id", id)?.to_owned();
    let (project, now) = (call.project().to_owned(), call.app.now());
    call.write(move |tx| {
        let mut experiment = find::experiment(tx, &project, &id)?;
        with(tx, &mut experiment)?;
        experiment.updated_at = now;
        tx.update_experiment(&experiment)
    })
    .await?;
    Ok(Json(json!({})))
}

fn only(experiment: &Experiment, lifecycle: Lifecycle) -> store::Result<()> {
    if experiment.lifecycle == lifecycle {
        return Ok(());
    }
    Err(Error::missing(format!(
        "No Experiment with id={} exists",
        experiment.id
    )))
    .refuse()
}

/// Runs are deleted and restored with their experiment.
fn runs_follow(tx: &mut Tx<'_>, experiment: &Experiment, now: Timestamp) -> store::Result<()> {
    let deleted_at = (experiment.lifecycle == Lifecycle::Deleted).then_some(now);
    let mut search = store::Search {
        limit: 1000,
        ..store::Search::default()
    };
    loop {
        let page =
            tx.search_tracked_runs(std::slice::from_ref(&experiment.id), RunView::All, &search)?;
        for mut run in page.items {
            (run.lifecycle, run.deleted_at) = (experiment.lifecycle, deleted_at);
            tx.update_tracked_run(&run)?;
        }
        search.after = page.next;
        if search.after.is_none() {
            return Ok(());
        }
    }
}

async fn set_tag(call: Call<SetTag>) -> Answer<Value> {
    let SetTag {
        experiment_id,
        key,
        value,
    } = &call.message;
    check_tag(required("key", key)?, value)?;
    tag(
        &call,
        experiment_id,
        TagChange {
            key: key.clone(),
            value: Some(value.clone()),
        },
    )
    .await
}

async fn delete_tag(call: Call<DeleteTag>) -> Answer<Value> {
    let key = required("key", &call.message.key)?.to_owned();
    tag(
        &call,
        &call.message.experiment_id,
        TagChange { key, value: None },
    )
    .await
}

async fn tag<M>(call: &Call<M>, id: &str, change: TagChange) -> Answer<Value> {
    access::not_a_unit(&call.caller.identity, UNIT)?;
    let (project, id) = (
        call.project().to_owned(),
        required("experiment_id", id)?.to_owned(),
    );
    call.write(move |tx| {
        let experiment = find::active_experiment(tx, &project, &id)?;
        if change.value.is_none() && !experiment.tags.contains_key(&change.key) {
            let missing = Error::missing(format!(
                "No tag with name: {} in experiment with id {id}",
                change.key
            ));
            return Err(missing).refuse();
        }
        tx.tag_experiment(&experiment.id, std::slice::from_ref(&change))
    })
    .await?;
    Ok(Json(json!({})))
}
