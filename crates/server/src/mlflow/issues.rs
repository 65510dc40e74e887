//! Issues of experiments: create, get, search, change.
//!
//! They are kept as clients tell them. Nothing here looks for any: that would take jobs and a model's API.

use super::{
    access,
    call::{Call, Nothing},
    convert::{self, filled, issue as shown},
    failure::{Answer, Refuse as _},
    find, page,
    routes::Table,
};
use axum::{
    Json,
    routing::{get, patch, post},
};
use guard::Permission;
use http::Method;
use mlflow::{
    Error,
    filter::Subject,
    issues::{Create, Search, Update},
    required,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, str::FromStr};
use store::{Experiments as _, Field, Issue, IssueStatus, Issues as _, Order, Tx};

pub(super) fn routes(table: Table) -> Table {
    let (read, write) = (Permission::TrackingRead, Permission::TrackingWrite);
    let (all, one) = ("/mlflow/issues", "/mlflow/issues/{issue_id}");
    table
        .under(
            "3.0",
            Method::POST,
            all,
            write,
            "MLflow: create an issue",
            post(create),
        )
        .under(
            "3.0",
            Method::POST,
            &format!("{all}/search"),
            read,
            "MLflow: search issues",
            post(search),
        )
        .under(
            "3.0",
            Method::GET,
            one,
            read,
            "MLflow: one issue",
            get(get_one),
        )
        .under(
            "3.0",
            Method::PATCH,
            one,
            write,
            "MLflow: change an issue",
            patch(update),
        )
}

fn may_write<M>(call: &Call<M>) -> Result<(), Error> {
    access::not_a_unit(&call.caller.identity, "tell issues outside of pipelines")
}

/// The word of an enum that a client sent.
fn word<W: FromStr>(field: &str, text: &str, words: &str) -> Result<W, Error> {
    text.parse()
        .map_err(|_| Error::invalid_value(field, text, &format!("use {words}")))
}

fn status(text: &str) -> Result<IssueStatus, Error> {
    word("status", text, "pending, rejected or resolved")
}

fn severity(text: &str) -> Result<store::IssueSeverity, Error> {
    word("severity", text, "not_an_issue, low, medium or high")
}

/// An issue of the project.
fn known(tx: &mut Tx<'_>, project: &str, id: &str) -> store::Result<Issue> {
    tx.issue(project, id)?
        .ok_or_else(|| Error::missing(format!("Issue with ID '{id}' not found")))
        .refuse()
}

async fn create(call: Call<Create>) -> Answer<Value> {
    may_write(&call)?;
    let asked = &call.message;
    let name = required("name", &asked.name)?;
    let description = required("description", &asked.description)?;
    let experiment = required("experiment_id", &asked.experiment_id)?.to_owned();
    let now = call.app.now();
    let new = Issue {
        id: format!("iss-{}", uuid::Uuid::now_v7().simple()),
        project: call.project().to_owned(),
        experiment: String::new(),
        name: name.to_owned(),
        description: description.to_owned(),
        status: match asked.status.as_deref() {
            Some(text) => status(text)?,
            None => IssueStatus::Pending,
        },
        severity: asked.severity.as_deref().map(severity).transpose()?,
        root_causes: asked.root_causes.clone(),
        categories: asked.categories.clone(),
        source_run: filled(asked.source_run_id.as_deref()),
        created_by: filled(asked.created_by.as_deref()),
        created_at: now,
        updated_at: now,
    };
    let made = call
        .log(move |tx| {
            let issue = Issue {
                experiment: find::present_experiment(tx, &new.project, &experiment)?.id,
                ..new.clone()
            };
            if let Some(run) = &issue.source_run {
                find::head(tx, &issue.project, run)?;
            }
            tx.create_issue(&issue)?;
            Ok(issue)
        })
        .await?;
    Ok(Json(json!({ "issue": shown::wire(made, None) })))
}

async fn get_one(call: Call<Nothing>) -> Answer<Value> {
    let (project, id) = (call.project().to_owned(), call.param("issue_id").to_owned());
    let found = call.read(move |tx| known(tx, &project, &id)).await?;
    Ok(Json(json!({ "issue": shown::wire(found, None) })))
}

async fn update(call: Call<Update>) -> Answer<Value> {
    may_write(&call)?;
    let asked = call.message.clone();
    required("issue_id", &asked.issue_id)?;
    let status = asked.status.as_deref().map(status).transpose()?;
    let severity = asked.severity.as_deref().map(severity).transpose()?;
    let (name, description) = (
        filled(asked.name.as_deref()),
        filled(asked.description.as_deref()),
    );
    let (project, id) = (call.project().to_owned(), call.param("issue_id").to_owned());
    let now = call.app.now();
    let changed = call
        .log(move |tx| {
            let old = known(tx, &project, &id)?;
            let issue = Issue {
                status: status.unwrap_or(old.status),
                severity: severity.or(old.severity),
                name: name.clone().unwrap_or_else(|| old.name.clone()),
                description: description
                    .clone()
                    .unwrap_or_else(|| old.description.clone()),
                updated_at: now,
                ..old
            };
            tx.update_issue(&issue)?;
            Ok(issue)
        })
        .await?;
    Ok(Json(json!({ "issue": shown::wire(changed, None) })))
}

/// The worst first, of those the most frequent where traces are counted, of those the newest.
async fn search(call: Call<Search>) -> Answer<Value> {
    let asked = call.message.clone();
    let mut wanted = convert::search::search(
        Subject::Issues,
        filled(asked.filter_string.as_deref()).as_deref(),
        &[],
        asked.max_results,
        asked.page_token.as_deref(),
    )?;
    let counted = asked.include_trace_count.unwrap_or_default();
    let by = |field: &str| Order {
        field: Field::Attribute(field.to_owned()),
        descending: true,
    };
    wanted.order.push(by("severity"));
    wanted.order.extend(counted.then(|| by("traces")));
    let project = call.project().to_owned();
    let experiment = filled(asked.experiment_id.as_deref());
    let (page, counts) = call
        .read(move |tx| {
            let experiment = match &experiment {
                Some(id) if find::is_default(id) => {
                    let default = tx.experiment_by_name(&project, find::DEFAULT)?;
                    Some(default.map_or_else(|| id.clone(), |one| one.id))
                }
                Some(id) => {
                    find::check_experiment_id(id)?;
                    Some(id.clone())
                }
                None => None,
            };
            let page = tx.search_issues(&project, experiment.as_deref(), &wanted)?;
            let counts = match counted {
                true => {
                    let ids: Vec<_> = page.items.iter().map(|one| one.id.clone()).collect();
                    tx.traces_of_issues(&project, &ids)?
                }
                false => BTreeMap::new(),
            };
            Ok((page, counts))
        })
        .await?;
    let count = |issue: &Issue| counted.then(|| counts.get(&issue.id).copied().unwrap_or(0));
    let issues: Vec<_> = page
        .items
        .into_iter()
        .map(|issue| {
            let count = count(&issue);
            shown::wire(issue, count)
        })
        .collect();
    Ok(Json(page::with_token("issues", &issues, page.next)))
}
