//! What is granted to one user directly, on one resource of the project of the address or on all of a type.

use super::{
    authority::{Authority, canonical, denied, level_on, only_if},
    call::Call,
    failure::{Answer, Refuse as _},
    routes::Table,
};
use crate::roles::{self, Note};
use axum::{
    Json,
    routing::{get, post},
};
use guard::{Level, Permission};
use http::Method;
use mlflow::{
    Error, ErrorCode,
    grants::{self as wire, ALL, Asked, text},
};
use serde_json::{Value, json};
use store::{Roles as _, Tx, User, Users as _};

pub(super) fn routes(table: Table) -> Table {
    let (own, at) = (Permission::Account, "/mlflow/users/permissions");
    let table = table.under(
        "3.0",
        Method::GET,
        &format!("{at}/get"),
        own,
        "MLflow: what a user may do with a resource",
        get(look),
    );
    let table = table.under(
        "3.0",
        Method::POST,
        &format!("{at}/grant"),
        own,
        "MLflow: grant a user something",
        post(grant),
    );
    table.under(
        "3.0",
        Method::POST,
        &format!("{at}/revoke"),
        own,
        "MLflow: take a grant back",
        post(revoke),
    )
}

/// The user of that name.
pub(super) fn user(tx: &mut Tx<'_>, name: &str) -> store::Result<User> {
    let missing = || Error::missing(format!("User with username={name} not found"));
    tx.user(name)?.ok_or_else(missing).refuse()
}

/// Refuses what a user of another project would never be asked for.
pub(super) fn belongs(user: &User, project: &str) -> store::Result<()> {
    match &user.project {
        Some(own) if own != project && !user.admin => Err(Error::invalid(format!(
            "User '{}' belongs to project '{own}': what is granted in project '{project}' would not hold",
            user.name
        )))
        .refuse(),
        _ => Ok(()),
    }
}

/// A resource that a request names, and whose grant it is about.
#[derive(Clone)]
struct About {
    project: String,
    username: String,
    resource_type: String,
    resource_id: String,
}

impl About {
    fn of(call: &Call<Asked>) -> Result<Self, Error> {
        let asked = &call.message;
        Ok(About {
            project: call.project().to_owned(),
            username: text("username", asked.username.as_ref())?.to_owned(),
            resource_type: text("resource_type", asked.resource_type.as_ref())?.to_owned(),
            resource_id: text("resource_id", asked.resource_id.as_ref())?.to_owned(),
        })
    }

    /// Whoever manages the resource says what others may do with it; whoever manages the project, of all of a type.
    fn may_change(&self, tx: &mut Tx<'_>, authority: &Authority) -> store::Result<()> {
        wire::not_a_workspace(&self.resource_type).refuse()?;
        wire::check_type(&self.resource_type).refuse()?;
        if authority.manages(&self.project) {
            return Ok(());
        }
        only_if(self.resource_id != ALL)?;
        let pattern = canonical(tx, &self.project, &self.resource_type, &self.resource_id)?;
        let level = level_on(authority, &self.project, &self.resource_type, &pattern);
        only_if(level == Some(Level::Manage))
    }

    fn note(&self, kind: &'static str, pattern: &str, permission: &str) -> Note {
        let said = json!({ "resource_type": self.resource_type, "resource": pattern, "permission": permission });
        let (before, after) = match kind {
            "grant.revoked" => (Some(said), None),
            _ => (None, Some(said)),
        };
        Note {
            kind,
            project: self.project.clone(),
            subject: format!("user/{}", self.username),
            before,
            after,
        }
    }

    fn error(&self, code: ErrorCode, what: &str) -> Error {
        Error::new(
            code,
            format!(
                "Permission for user={} on resource_type={}, resource_id={} {what}.",
                self.username, self.resource_type, self.resource_id
            ),
        )
    }
}

/// The fields that a request lacks are said before anything else.
fn complete(call: &Call<Asked>) -> Result<(About, String), Error> {
    let about = About::of(call)?;
    let permission = text("permission", call.message.permission.as_ref())?.to_owned();
    Ok((about, permission))
}

async fn grant(call: Call<Asked>) -> Answer<Value> {
    let (about, permission) = complete(&call)?;
    let who = call.caller.identity.clone();
    let work = move |tx: &mut Tx<'_>| {
        let authority = Authority::of(tx, &who)?;
        about.may_change(tx, &authority)?;
        let target = user(tx, &about.username)?;
        wire::check_pattern(&about.resource_id, &about.resource_type).refuse()?;
        wire::check_permission(&permission, &about.resource_type).refuse()?;
        wire::check_held(&about.resource_type).refuse()?;
        belongs(&target, &about.project)?;
        let pattern = canonical(tx, &about.project, &about.resource_type, &about.resource_id)?;
        let on = (about.resource_type.as_str(), pattern.as_str());
        if !roles::grant(tx, &about.project, target.id, on, &permission)? {
            let there = about.error(ErrorCode::ResourceAlreadyExists, "already exists");
            return Err(there).refuse();
        }
        Ok(((), about.note("grant.made", &pattern, &permission)))
    };
    roles::change(&call.app, call.caller.identity.actor(), work).await?;
    Ok(Json(json!({})))
}

async fn revoke(call: Call<Asked>) -> Answer<Value> {
    let about = About::of(&call)?;
    let who = call.caller.identity.clone();
    let work = move |tx: &mut Tx<'_>| {
        let authority = Authority::of(tx, &who)?;
        about.may_change(tx, &authority)?;
        let target = user(tx, &about.username)?;
        let pattern = canonical(tx, &about.project, &about.resource_type, &about.resource_id)?;
        let on = (about.resource_type.as_str(), pattern.as_str());
        let missing = || about.error(ErrorCode::ResourceDoesNotExist, "not found");
        let found = roles::granted(tx, &about.project, target.id, on)?;
        let found = found.ok_or_else(missing).refuse()?;
        tx.delete_role_permission(found.id)?;
        Ok(((), about.note("grant.revoked", &pattern, &found.permission)))
    };
    roles::change(&call.app, call.caller.identity.actor(), work).await?;
    Ok(Json(json!({})))
}

async fn look(call: Call<Asked>) -> Answer<Value> {
    let resource_type = text("resource_type", call.message.resource_type.as_ref())?;
    wire::not_a_workspace(resource_type)?;
    let about = About::of(&call)?;
    let who = call.caller.identity.clone();
    let level = call
        .read(move |tx| {
            let authority = Authority::of(tx, &who)?;
            let own = authority.name.as_deref() == Some(about.username.as_str());
            only_if(own || authority.manages(&about.project))?;
            let target = user(tx, &about.username)?;
            wire::check_type(&about.resource_type).refuse()?;
            wire::check_held(&about.resource_type).refuse()?;
            effective(tx, &target, &about)
        })
        .await?;
    let allowed = matches!(level, "USE" | "EDIT" | "MANAGE");
    Ok(Json(json!({ "allowed": allowed, "permission": level })))
}

/// What a user may do with a resource, in MLflow's word.
fn effective(tx: &mut Tx<'_>, target: &User, about: &About) -> store::Result<&'static str> {
    if belongs(target, &about.project).is_err() {
        return Ok("NO_PERMISSIONS");
    }
    let rights = Authority::of_user(tx, target)?;
    let pattern = canonical(tx, &about.project, &about.resource_type, &about.resource_id)?;
    let level = level_on(&rights, &about.project, &about.resource_type, &pattern);
    Ok(level.map_or("DENY", Level::word))
}

/// Grants the maker of something what they need to go on with it, where their role alone would not let them.
pub(super) fn of_maker<M>(
    call: &Call<M>,
    resource_type: &'static str,
) -> impl Fn(&mut Tx<'_>, &str) -> store::Result<()> + Send + 'static {
    let lacks = call.caller.rights().is_some_and(|own| !own.edits());
    let (project, name) = (call.project().to_owned(), call.caller.identity.actor());
    move |tx, made| {
        if !lacks {
            return Ok(());
        }
        let maker = tx.user(&name)?.ok_or_else(denied).refuse()?;
        roles::grant(tx, &project, maker.id, (resource_type, made), "MANAGE").map(drop)
    }
}

/// Forgets what callers were known to be granted: something that grants may be about has come, gone, or got another name.
pub(super) fn changed<M>(call: &Call<M>) {
    call.app.known().forget();
}
