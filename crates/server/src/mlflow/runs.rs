//! Runs: create, get, change, search, delete and restore.

use super::{
    access,
    call::Call,
    convert::{self, filled, labels, run::wire, time},
    experiments::default_if,
    failure::Answer,
    find, page,
    routes::Table,
};
use axum::{
    Json,
    routing::{get, post},
};
use http::Method;
use mlflow::{
    Error, artifacts,
    filter::Subject,
    limits, names, required,
    runs::{ById, Create, Found, Search, Update, run_id},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Display};
use store::{
    Experiment, Experiments as _, Lifecycle, TagChange, TrackedRun, Tracking as _,
    TrackingRead as _,
};

pub(super) fn routes(table: Table) -> Table {
    let at = "/mlflow/runs";
    table
        .write(
            Method::POST,
            &format!("{at}/create"),
            "MLflow: start a run",
            post(create),
        )
        .read(
            Method::GET,
            &format!("{at}/get"),
            "MLflow: one run",
            get(one),
        )
        .write(
            Method::POST,
            &format!("{at}/update"),
            "MLflow: change a run's status, end or name",
            post(update),
        )
        .read(
            Method::POST,
            &format!("{at}/search"),
            "MLflow: search runs",
            post(search),
        )
        .write(
            Method::POST,
            &format!("{at}/delete"),
            "MLflow: delete a run",
            post(delete),
        )
        .write(
            Method::POST,
            &format!("{at}/restore"),
            "MLflow: restore a run",
            post(restore),
        )
}

/// The tag that carries a run's name.
pub(super) const NAME_TAG: &str = "mlflow.runName";

async fn create(call: Call<Create>) -> Answer<Value> {
    let mut run = wanted(&call)?;
    access::stamp(&call.caller.identity, &mut run.tags);
    let (identity, now) = (call.caller.identity.clone(), call.app.now());
    let made = call
        .log_quickly(move |tx| {
            let mut run = run.clone();
            if find::is_default(&run.experiment_id) {
                find::ensure_default(tx, &run.project, now)?;
            }
            let experiment = find::active_experiment(tx, &run.project, &run.experiment_id)?;
            access::new_run(tx, &identity, &run, &experiment)?;
            place(&mut run, experiment);
            tx.create_tracked_run(&run)?;
            Ok(run)
        })
        .await?;
    Ok(Json(
        json!({ "run": mlflow::runs::Run { outputs: None, ..wire(made) } }),
    ))
}

/// The run that a request asks for, but for its place.
fn wanted(call: &Call<Create>) -> Result<TrackedRun, Error> {
    let Create {
        experiment_id,
        user_id,
        run_name,
        start_time,
        tags,
    } = &call.message;
    // The tags that come with a run may have any name, as in MLflow.
    for (index, tag) in tags.iter().enumerate() {
        let field = format_args!("tags[{index}].key");
        required(field, &tag.key)?;
        limits::at_most(field, &tag.key, limits::KEY)?;
    }
    let mut tags = labels(tags);
    let (asked, tagged) = (filled(run_name.as_deref()), tags.get(NAME_TAG).cloned());
    if let (Some(asked), Some(tagged)) = (&asked, &tagged)
        && asked != tagged
    {
        return Err(Error::invalid(format!(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values (run_name='{asked}', mlflow.runName='{tagged}')."
        )));
    }
    let id = uuid::Uuid::now_v7();
    let name = asked
        .or(tagged)
        .unwrap_or_else(|| names::made_up(id.as_u64_pair().1));
    tags.insert(NAME_TAG.to_owned(), name.clone());
    Ok(TrackedRun {
        run_id: id.simple().to_string(),
        experiment_id: experiment_id.clone(),
        project: call.project().to_owned(),
        name,
        user_id: user_id.clone().unwrap_or_default(),
        status: "RUNNING".to_owned(),
        start_time: time("start_time", start_time.unwrap_or_default())?,
        end_time: None,
        artifact_uri: String::new(),
        lifecycle: Lifecycle::Active,
        deleted_at: None,
        parent: None,
        tags,
        params: BTreeMap::new(),
        metrics: Vec::new(),
        inputs: Vec::new(),
        outputs: Vec::new(),
    })
}

fn place(run: &mut TrackedRun, experiment: Experiment) {
    run.artifact_uri = artifacts::below(
        &experiment.artifact_location,
        &format!("{}/artifacts", run.run_id),
    );
    run.experiment_id = experiment.id;
}

/// Checks the key of one tag.
pub(super) fn check_tag(key: &str, field: impl Display + Copy) -> Result<(), Error> {
    names::entry(field, key)?;
    limits::at_most(field, key, limits::KEY)
}

pub(super) async fn one(call: Call<ById>) -> Answer<Value> {
    let id = run_id(
        call.message.run_id.as_deref(),
        call.message.run_uuid.as_deref(),
    )?
    .to_owned();
    let project = call.project().to_owned();
    let run = call.read(move |tx| find::run(tx, &project, &id)).await?;
    Ok(Json(json!({ "run": wire(run) })))
}

async fn update(call: Call<Update>) -> Answer<Value> {
    let asked = call.message.clone();
    let id = run_id(asked.run_id.as_deref(), asked.run_uuid.as_deref())?.to_owned();
    let end = asked.end_time.map(|at| time("end_time", at)).transpose()?;
    let (project, identity) = (call.project().to_owned(), call.caller.identity.clone());
    let run = call
        .log_quickly(move |tx| {
            access::writable_run(tx, &identity, &project, &id)?;
            let mut run = find::run(tx, &project, &id)?;
            if let Some(status) = asked.status {
                convert::run::word(status).clone_into(&mut run.status);
            }
            run.end_time = end.or(run.end_time);
            if let Some(name) = filled(asked.run_name.as_deref()) {
                rename(tx, &mut run, &name)?;
            }
            tx.update_tracked_run(&run)?;
            Ok(run)
        })
        .await?;
    Ok(Json(json!({ "run_info": convert::run::info(&run) })))
}

/// Gives a run a name, and the tag that shows it. The caller stores the run.
pub(super) fn rename(
    tx: &mut store::Tx<'_>,
    run: &mut TrackedRun,
    name: &str,
) -> store::Result<()> {
    name.clone_into(&mut run.name);
    let tag = TagChange {
        key: NAME_TAG.to_owned(),
        value: Some(name.to_owned()),
    };
    tx.tag_tracked_run(&run.run_id, &[tag])
}

pub(super) async fn search(call: Call<Search>) -> Answer<Found> {
    let asked = &call.message;
    let search = convert::search::search(
        Subject::Runs,
        asked.filter.as_deref(),
        &asked.order_by,
        asked.max_results,
        asked.page_token.as_deref(),
    )?;
    let view = convert::search::view(asked.run_view_type.as_deref())?;
    let (project, asked) = (call.project().to_owned(), asked.experiment_ids.clone());
    default_if(&call, asked.iter().any(|id| find::is_default(id))).await?;
    let found = call
        .read(move |tx| {
            let experiments = own(tx, &project, &asked)?;
            tx.search_tracked_runs(&experiments, view, &search)
        })
        .await?;
    Ok(Json(Found {
        runs: found.items.into_iter().map(wire).collect(),
        next_page_token: page::token(found.next),
    }))
}

/// Those of the experiments that the project has; the others find nothing.
pub(super) fn own(
    tx: &mut store::Tx<'_>,
    project: &str,
    ids: &[String],
) -> store::Result<Vec<String>> {
    let mut own = Vec::with_capacity(ids.len());
    for id in ids {
        find::check_experiment_id(id)?;
        let found = if find::is_default(id) {
            tx.experiment_by_name(project, find::DEFAULT)?
        } else {
            tx.experiment(project, id)?
        };
        own.extend(found.map(|experiment| experiment.id));
    }
    Ok(own)
}

async fn delete(call: Call<ById>) -> Answer<Value> {
    let now = call.app.now();
    life(&call, Lifecycle::Deleted, Some(now)).await
}

async fn restore(call: Call<ById>) -> Answer<Value> {
    life(&call, Lifecycle::Active, None).await
}

async fn life(
    call: &Call<ById>,
    lifecycle: Lifecycle,
    deleted_at: Option<jiff::Timestamp>,
) -> Answer<Value> {
    let id = required("run_id", call.message.run_id.as_deref().unwrap_or_default())?.to_owned();
    let (project, identity) = (call.project().to_owned(), call.caller.identity.clone());
    call.log(move |tx| {
        access::changeable_run(tx, &identity, &project, &id)?;
        let mut run = find::run(tx, &project, &id)?;
        (run.lifecycle, run.deleted_at) = (lifecycle, deleted_at);
        tx.update_tracked_run(&run)
    })
    .await?;
    Ok(Json(json!({})))
}
