//! Workspaces: the projects of this server, as MLflow's clients list, make, describe and delete them.
//!
//! Callers with a credential for one project see that one; making, describing and deleting is for admins. What a project
//! file was applied to is not deleted here.

use super::{
    call::{Call, Nothing},
    failure::{Answer, Failure, Refuse as _},
    page,
    routes::Table,
};
use crate::http::DEFAULT_PROJECT;
use axum::{
    Json,
    extract::RawQuery,
    routing::{delete, get, patch, post},
};
use guard::{Identity, Permission};
use http::{Method, StatusCode};
use mlflow::{
    Error, ErrorCode, required,
    workspaces::{Create, Deletion, Said, Workspace as Wire, check_name},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use store::{Events as _, NewEvent, Projects as _, Tx, Workspace, Workspaces as _};

pub(super) fn routes(table: Table) -> Table {
    let (look, admin) = (Permission::Projects, Permission::Administer);
    let all = "/mlflow/workspaces";
    let one = "/mlflow/workspaces/{workspace_name}";
    table
        .under(
            "3.0",
            Method::GET,
            all,
            look,
            "MLflow: the projects that the caller may enter",
            get(list),
        )
        .under(
            "3.0",
            Method::POST,
            all,
            admin,
            "MLflow: make a project",
            post(create),
        )
        .under(
            "3.0",
            Method::GET,
            one,
            look,
            "MLflow: what is said of a project",
            get(get_one),
        )
        .under(
            "3.0",
            Method::PATCH,
            one,
            admin,
            "MLflow: describe a project",
            patch(update),
        )
        .under(
            "3.0",
            Method::DELETE,
            one,
            admin,
            "MLflow: delete a project",
            delete(remove),
        )
}

/// The one project that the caller may enter; none where it may enter all.
fn own(who: &Identity) -> Option<&str> {
    match who {
        Identity::Anonymous => None,
        Identity::Token { project, .. } | Identity::User { project, .. } => project.as_deref(),
        Identity::Ticket { project, .. } | Identity::Unit { project, .. } => Some(project),
    }
}

fn shown(name: &str, said: Option<&Workspace>) -> Wire {
    Wire {
        name: name.to_owned(),
        description: said.and_then(|said| said.description.clone()),
    }
}

fn missing(name: &str) -> Error {
    Error::missing(format!("Workspace '{name}' not found"))
}

/// All projects; that of MLflow's bare root is always there.
fn known(tx: &mut Tx<'_>) -> store::Result<BTreeSet<String>> {
    let mut names = tx.known_projects()?;
    names.insert(DEFAULT_PROJECT.to_owned());
    Ok(names)
}

/// Refuses a name that no project has, and says why where none can.
fn must_be_known(tx: &mut Tx<'_>, name: &str) -> store::Result<()> {
    if known(tx)?.contains(name) {
        return Ok(());
    }
    check_name(name).refuse()?;
    Err(missing(name)).refuse()
}

async fn list(call: Call<Nothing>) -> Answer<Value> {
    let own = own(&call.caller.identity).map(str::to_owned);
    let found = call
        .read(move |tx| {
            let mut names = known(tx)?;
            names.retain(|name| own.as_ref().is_none_or(|own| own == name));
            let said = tx.workspaces()?;
            let said = |name: &str| said.iter().find(|one| one.project == name);
            Ok(names
                .iter()
                .map(|name| shown(name, said(name)))
                .collect::<Vec<_>>())
        })
        .await?;
    Ok(Json(page::answer("workspaces", &found, None)))
}

async fn get_one(call: Call<Nothing>) -> Answer<Value> {
    let name = call.param("workspace_name").to_owned();
    if let Some(own) = own(&call.caller.identity).filter(|own| *own != name) {
        let why = format!("this credential is for the workspace '{own}', not for '{name}'");
        return Err(Error::denied(why).into());
    }
    let found = call
        .read(move |tx| {
            must_be_known(tx, &name)?;
            Ok(shown(&name, tx.workspace(&name)?.as_ref()))
        })
        .await?;
    Ok(Json(json!({ "workspace": found })))
}

/// Writes the event of a change.
fn said<M>(
    call: &Call<M>,
    kind: &'static str,
    name: &str,
) -> impl Fn(&mut Tx<'_>, Option<Value>, Option<Value>) -> store::Result<()> + Send + use<M> {
    let (at, actor) = (call.app.now(), call.caller.identity.actor());
    let project = name.to_owned();
    move |tx, before, after| {
        let event = NewEvent {
            project: Some(project.clone()),
            at,
            actor: actor.clone(),
            kind: kind.to_owned(),
            subject: format!("project/{project}"),
            reason: "asked for by a client of MLflow".to_owned(),
            before,
            after,
        };
        tx.append_event(&event).map(drop)
    }
}

async fn create(call: Call<Create>) -> Result<(StatusCode, Json<Value>), Failure> {
    let asked = call.message.clone();
    let name = required("name", &asked.name)?.to_owned();
    if name == DEFAULT_PROJECT {
        return Err(reserved("created").into());
    }
    check_name(&name)?;
    asked.said.check()?;
    let (say, now) = (said(&call, "project.created", &name), call.app.now());
    let made = call
        .write(move |tx| {
            if tx.known_projects()?.contains(&name) {
                let taken = format!("Workspace '{name}' already exists.");
                return Err(Error::exists(taken)).refuse();
            }
            let made = Workspace {
                project: name.clone(),
                description: asked.said.description.clone(),
                created_at: now,
                updated_at: now,
            };
            tx.put_workspace(&made)?;
            say(tx, None, Some(json!(shown(&name, Some(&made)))))?;
            Ok(shown(&name, Some(&made)))
        })
        .await?;
    Ok((StatusCode::CREATED, Json(json!({ "workspace": made }))))
}

fn reserved(what: &str) -> Error {
    Error::invalid(format!(
        "The '{DEFAULT_PROJECT}' workspace is reserved and cannot be {what}"
    ))
}

async fn update(call: Call<Said>) -> Answer<Value> {
    let asked = call.message.clone();
    if asked.is_nothing() {
        return Err(Error::invalid("Workspace update must have at least one key").into());
    }
    asked.check()?;
    let name = call.param("workspace_name").to_owned();
    let (say, now) = (said(&call, "project.described", &name), call.app.now());
    let changed = call
        .write(move |tx| {
            must_be_known(tx, &name)?;
            let old = tx.workspace(&name)?;
            let before = shown(&name, old.as_ref());
            let Some(description) = asked.description.clone() else {
                return Ok(before);
            };
            let new = Workspace {
                project: name.clone(),
                description: Some(description),
                created_at: old.map_or(now, |old| old.created_at),
                updated_at: now,
            };
            tx.put_workspace(&new)?;
            let after = shown(&name, Some(&new));
            say(tx, Some(json!(before)), Some(json!(after)))?;
            Ok(after)
        })
        .await?;
    Ok(Json(json!({ "workspace": changed })))
}

async fn remove(RawQuery(query): RawQuery, call: Call<Nothing>) -> Result<StatusCode, Failure> {
    let name = call.param("workspace_name").to_owned();
    if name == DEFAULT_PROJECT {
        return Err(reserved("deleted").into());
    }
    let query = query.unwrap_or_default();
    let mode = url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "mode");
    let mode = Deletion::read(mode.as_ref().map(|(_, mode)| mode.as_ref()))?;
    let say = said(&call, "project.deleted", &name);
    call.write(move |tx| {
        must_be_known(tx, &name)?;
        deletable(tx, &name, mode)?;
        let before = shown(&name, tx.workspace(&name)?.as_ref());
        tx.delete_project(&name)?;
        say(tx, Some(json!(before)), None)
    })
    .await?;
    call.app.known().forget();
    Ok(StatusCode::NO_CONTENT)
}

/// Refuses to delete what still holds something, and whatever a project file was applied to.
fn deletable(tx: &mut Tx<'_>, name: &str, mode: Deletion) -> store::Result<()> {
    let refused = |why: String| {
        // MLflow's INVALID_STATE is a status that its client tries again for minutes, and then shows without the reason.
        let why = format!("Cannot delete workspace '{name}': {why}");
        Err(Error::new(ErrorCode::ResourceConflict, why)).refuse()
    };
    if tx.project(name)?.is_some() {
        return refused(
            "a project file was applied to it. `mainspan destroy` removes it with all it runs"
                .to_owned(),
        );
    }
    let contents = tx.contents(name)?;
    if mode == Deletion::Cascade || contents.is_empty() {
        return Ok(());
    }
    let contents: Vec<_> = contents
        .iter()
        .map(|(what, count)| format!("{count} {what}"))
        .collect();
    refused(format!(
        "it still contains {}. Remove them before deleting the workspace, or use the mode CASCADE",
        contents.join(", ")
    ))
}
