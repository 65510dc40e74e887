//! MLflow's roles: bundles of permissions in a project, which is MLflow's workspace, and the users who hold them.
//!
//! They come on top of the one role that every user has here: see `guard::grants`.

use super::{
    authority::{Authority, canonical, denied, only_if},
    call::Call,
    failure::{Answer, Refuse as _},
    grants::{belongs, user},
    routes::Table,
};
use crate::roles::{self, Note};
use axum::{
    Json,
    routing::{MethodRouter, delete, get, patch, post},
};
use guard::{Identity, Permission};
use http::Method;
use mlflow::{
    Error,
    grants::{self as wire, Asked, number, text},
    names,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use store::{Role, RoleAssignment, RolePermission, Roles as _, Tx};

pub(super) fn routes(table: Table) -> Table {
    let (get_it, post_it, patch_it, delete_it) =
        (Method::GET, Method::POST, Method::PATCH, Method::DELETE);
    let rows: [(&Method, &str, &'static str, MethodRouter<_>); 13] = [
        (
            &post_it,
            "roles/create",
            "MLflow: make a role",
            post(create),
        ),
        (&get_it, "roles/get", "MLflow: one role", get(one)),
        (&get_it, "roles/list", "MLflow: all roles", get(list)),
        (
            &patch_it,
            "roles/update",
            "MLflow: rename a role",
            patch(update),
        ),
        (
            &delete_it,
            "roles/delete",
            "MLflow: delete a role",
            delete(remove),
        ),
        (
            &post_it,
            "roles/permissions/add",
            "MLflow: let a role permit something",
            post(add),
        ),
        (
            &get_it,
            "roles/permissions/list",
            "MLflow: what a role permits",
            get(permissions),
        ),
        (
            &patch_it,
            "roles/permissions/update",
            "MLflow: change what a role permits",
            patch(set),
        ),
        (
            &delete_it,
            "roles/permissions/remove",
            "MLflow: take a permission from a role",
            delete(take),
        ),
        (
            &post_it,
            "roles/assign",
            "MLflow: give a user a role",
            post(assign),
        ),
        (
            &delete_it,
            "roles/unassign",
            "MLflow: take a role from a user",
            delete(unassign),
        ),
        (
            &get_it,
            "roles/users/list",
            "MLflow: who holds a role",
            get(holders),
        ),
        (
            &get_it,
            "users/roles/list",
            "MLflow: the roles of a user",
            get(of_user),
        ),
    ];
    rows.into_iter()
        .fold(table, |table, (method, path, what, handler)| {
            table.under(
                "3.0",
                method.clone(),
                &format!("/mlflow/{path}"),
                Permission::Account,
                what,
                handler,
            )
        })
}

/// A role with what it permits.
pub(super) fn shown(tx: &mut Tx<'_>, role: Role) -> store::Result<wire::Role> {
    let permissions = tx.role_permissions(role.id)?;
    Ok(wire::Role {
        id: role.id,
        name: role.name,
        workspace: role.project,
        description: role.description,
        permissions: permissions.into_iter().map(permission).collect(),
    })
}

fn permission(one: RolePermission) -> wire::RolePermission {
    wire::RolePermission {
        id: one.id,
        role_id: one.role,
        resource_type: one.resource_type,
        resource_pattern: one.resource_pattern,
        permission: one.permission,
    }
}

fn assignment(one: &RoleAssignment) -> wire::Assignment {
    wire::Assignment {
        id: one.id,
        user_id: one.user,
        role_id: one.role,
    }
}

/// The role of that number. Whether there is one is not told to who may not see it.
fn role(tx: &mut Tx<'_>, authority: &Authority, id: i64) -> store::Result<Role> {
    let missing = || match authority.all {
        true => Error::missing(format!("Role with id={id} not found")),
        false => denied(),
    };
    tx.role(id)?.ok_or_else(missing).refuse()
}

/// The same, which the caller may see.
fn seen(tx: &mut Tx<'_>, authority: &Authority, id: i64) -> store::Result<Role> {
    let role = role(tx, authority, id)?;
    only_if(authority.sees(&role.project))?;
    Ok(role)
}

/// The same, which the caller may change.
fn managed(tx: &mut Tx<'_>, authority: &Authority, id: i64) -> store::Result<Role> {
    let role = role(tx, authority, id)?;
    only_if(authority.manages(&role.project))?;
    Ok(role)
}

/// What the caller may say, where a role is changed: an admin hears what is wrong with the request before whether there is
/// the role, and everybody else first of all that they may not.
fn manager(tx: &mut Tx<'_>, who: &Identity, id: i64) -> store::Result<Authority> {
    let authority = Authority::of(tx, who)?;
    if !authority.all {
        managed(tx, &authority, id)?;
    }
    Ok(authority)
}

/// A permission of a role that the caller may change, and the role.
fn managed_permission(
    tx: &mut Tx<'_>,
    authority: &Authority,
    id: i64,
) -> store::Result<(Role, RolePermission)> {
    let missing = || match authority.all {
        true => Error::missing(format!("Role permission with id={id} not found")),
        false => denied(),
    };
    let found = tx.role_permission(id)?.ok_or_else(missing).refuse()?;
    let role = role(tx, authority, found.role)?;
    only_if(authority.manages(&role.project))?;
    Ok((role, found))
}

fn check_name(name: &str) -> Result<(), Error> {
    if name.trim().is_empty() {
        return Err(Error::invalid("Role name cannot be empty."));
    }
    if roles::is_own(name) {
        return Err(Error::invalid(format!(
            "Role name '{name}' uses the reserved '{}' prefix, which is held for what is granted to users directly. Choose a different name.",
            store::OWN_ROLE
        )));
    }
    Ok(())
}

/// A text that may be left out.
fn maybe(value: Option<&Value>, wrong: &str) -> Result<Option<String>, Error> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Error::invalid(wrong)),
    }
}

fn role_id(call: &Call<Asked>) -> Result<i64, Error> {
    number("role_id", call.message.role_id.as_ref())
}

async fn create(call: Call<Asked>) -> Answer<Value> {
    let asked = &call.message;
    let workspace = text("workspace", asked.workspace.as_ref());
    let (workspace, who) = (workspace.map(str::to_owned), call.caller.identity.clone());
    let (name, description) = (asked.name.clone(), asked.description.clone());
    let work = move |tx: &mut Tx<'_>| {
        let authority = Authority::of(tx, &who)?;
        // Who may not is told so whatever else is wrong.
        if !authority.all {
            only_if(authority.manages(&workspace.clone().refuse()?))?;
        }
        let name = text("name", name.as_ref()).refuse()?;
        let workspace = workspace.clone().refuse()?;
        check_name(name).refuse()?;
        if workspace.trim().is_empty() {
            return Err(Error::invalid("Workspace cannot be empty.")).refuse();
        }
        names::project(&workspace)
            .map_err(|error| Error::invalid(error.message))
            .refuse()?;
        let wrong = "Role description must be a string or null.";
        let made = tx.insert_role(&Role {
            id: 0,
            project: workspace,
            name: name.to_owned(),
            description: maybe(description.as_ref(), wrong).refuse()?,
        });
        let made = made.map_err(|error| taken(error, name))?;
        let note = Note::of("role.created", &made, None);
        Ok((shown(tx, made)?, note))
    };
    let made = roles::change(&call.app, call.caller.identity.actor(), work).await?;
    Ok(Json(json!({ "role": made })))
}

fn taken(error: store::Error, name: &str) -> store::Error {
    match error {
        store::Error::Exists { .. } => {
            store::Error::caller(Error::exists(format!("Role (name={name}) already exists.")))
        }
        other => other,
    }
}

async fn one(call: Call<Asked>) -> Answer<Value> {
    let (id, who) = (role_id(&call)?, call.caller.identity.clone());
    let found = call
        .read(move |tx| {
            let authority = Authority::of(tx, &who)?;
            let role = seen(tx, &authority, id)?;
            shown(tx, role)
        })
        .await?;
    Ok(Json(json!({ "role": found })))
}

async fn list(call: Call<Asked>) -> Answer<Value> {
    let asked = call.message.workspace.clone().unwrap_or_default();
    let names = asked.as_array().cloned().unwrap_or_default();
    let names: Vec<String> = names
        .iter()
        .map(|name| name.as_str().unwrap_or_default().trim().to_owned())
        .collect();
    let who = call.caller.identity.clone();
    let found = call
        .read(move |tx| {
            let authority = Authority::of(tx, &who)?;
            let wanted: BTreeSet<&str> = names.iter().map(String::as_str).collect();
            only_if(
                authority.all
                    || (!wanted.is_empty() && wanted.iter().all(|name| authority.sees(name))),
            )?;
            if wanted.contains("") {
                let empty = "Parameter 'workspace' must be a non-empty string when provided.";
                return Err(Error::invalid(empty)).refuse();
            }
            let all = tx.roles()?.into_iter();
            all.filter(|role| wanted.is_empty() || wanted.contains(role.project.as_str()))
                .map(|role| shown(tx, role))
                .collect::<store::Result<Vec<_>>>()
        })
        .await?;
    Ok(Json(json!({ "roles": found })))
}

async fn update(call: Call<Asked>) -> Answer<Value> {
    let (id, who) = (role_id(&call)?, call.caller.identity.clone());
    let asked = call.message.clone();
    let work = move |tx: &mut Tx<'_>| {
        let authority = Authority::of(tx, &who)?;
        let before = managed(tx, &authority, id)?;
        if asked.name.is_none() && asked.description.is_none() {
            return Err(Error::invalid(
                "At least one of 'name' or 'description' must be provided to update a role.",
            ))
            .refuse();
        }
        let name = maybe(asked.name.as_ref(), "Role name cannot be empty.").refuse()?;
        if let Some(name) = &name {
            check_name(name).refuse()?;
        }
        let wrong = "Role description must be a string.";
        let description = maybe(asked.description.as_ref(), wrong).refuse()?;
        let role = Role {
            name: name.unwrap_or_else(|| before.name.clone()),
            description: description.or_else(|| before.description.clone()),
            ..before.clone()
        };
        tx.update_role(&role)
            .map_err(|error| taken(error, &role.name))?;
        let after = json!({ "name": role.name, "description": role.description });
        let note = Note::of("role.changed", &before, Some(after));
        Ok((shown(tx, role)?, note))
    };
    let changed = roles::change(&call.app, call.caller.identity.actor(), work).await?;
    Ok(Json(json!({ "role": changed })))
}

async fn remove(call: Call<Asked>) -> Answer<Value> {
    let (id, who) = (role_id(&call)?, call.caller.identity.clone());
    let work = move |tx: &mut Tx<'_>| {
        let authority = Authority::of(tx, &who)?;
        let role = managed(tx, &authority, id)?;
        tx.delete_role(id)?;
        Ok(((), Note::of("role.deleted", &role, None)))
    };
    roles::change(&call.app, call.caller.identity.actor(), work).await?;
    Ok(Json(json!({})))
}

async fn add(call: Call<Asked>) -> Answer<Value> {
    let (id, who) = (role_id(&call)?, call.caller.identity.clone());
    let asked = call.message.clone();
    let work = move |tx: &mut Tx<'_>| {
        let authority = manager(tx, &who, id)?;
        let kind = text("resource_type", asked.resource_type.as_ref()).refuse()?;
        let pattern = text("resource_pattern", asked.resource_pattern.as_ref()).refuse()?;
        let word = text("permission", asked.permission.as_ref()).refuse()?;
        wire::check_permission(word, kind).refuse()?;
        wire::check_pattern(pattern, kind).refuse()?;
        wire::check_held(kind).refuse()?;
        let role = managed(tx, &authority, id)?;
        let pattern = canonical(tx, &role.project, kind, pattern)?;
        let made = tx.insert_role_permission(&RolePermission {
            id: 0,
            role: id,
            resource_type: kind.to_owned(),
            resource_pattern: pattern.clone(),
            permission: word.to_owned(),
        })?;
        let there = || {
            Error::exists(format!(
                "Role permission (role_id={id}, resource_type={kind}, resource_pattern={pattern}) already exists."
            ))
        };
        let made = permission(made.ok_or_else(there).refuse()?);
        let note = Note::of("role.permitted", &role, Some(json!(made)));
        Ok((made, note))
    };
    let made = roles::change(&call.app, call.caller.identity.actor(), work).await?;
    Ok(Json(json!({ "role_permission": made })))
}

async fn permissions(call: Call<Asked>) -> Answer<Value> {
    let (id, who) = (role_id(&call)?, call.caller.identity.clone());
    let found = call
        .read(move |tx| {
            let authority = Authority::of(tx, &who)?;
            let role = seen(tx, &authority, id)?;
            Ok(shown(tx, role)?.permissions)
        })
        .await?;
    Ok(Json(json!({ "role_permissions": found })))
}

fn permission_id(call: &Call<Asked>) -> Result<i64, Error> {
    let asked = call.message.role_permission_id.as_ref();
    number("role_permission_id", asked)
}

async fn set(call: Call<Asked>) -> Answer<Value> {
    let (id, who) = (permission_id(&call)?, call.caller.identity.clone());
    let word = text("permission", call.message.permission.as_ref())?.to_owned();
    let work = move |tx: &mut Tx<'_>| {
        let authority = Authority::of(tx, &who)?;
        let (role, before) = managed_permission(tx, &authority, id)?;
        wire::check_permission(&word, &before.resource_type).refuse()?;
        tx.set_role_permission(id, &word)?;
        let before = permission(before);
        let made = wire::RolePermission {
            permission: word.clone(),
            ..before.clone()
        };
        let note = Note {
            before: Some(json!(before)),
            ..Note::of("role.permitted", &role, Some(json!(made)))
        };
        Ok((made, note))
    };
    let made = roles::change(&call.app, call.caller.identity.actor(), work).await?;
    Ok(Json(json!({ "role_permission": made })))
}

async fn take(call: Call<Asked>) -> Answer<Value> {
    let (id, who) = (permission_id(&call)?, call.caller.identity.clone());
    let work = move |tx: &mut Tx<'_>| {
        let authority = Authority::of(tx, &who)?;
        let (role, before) = managed_permission(tx, &authority, id)?;
        tx.delete_role_permission(id)?;
        let note = Note {
            before: Some(json!(permission(before))),
            ..Note::of("role.forbade", &role, None)
        };
        Ok(((), note))
    };
    roles::change(&call.app, call.caller.identity.actor(), work).await?;
    Ok(Json(json!({})))
}

/// The user and the role that a request names.
fn pair(call: &Call<Asked>) -> Result<(String, i64), Error> {
    let name = text("username", call.message.username.as_ref())?.to_owned();
    Ok((name, role_id(call)?))
}

async fn assign(call: Call<Asked>) -> Answer<Value> {
    let ((name, id), who) = (pair(&call)?, call.caller.identity.clone());
    let work = move |tx: &mut Tx<'_>| {
        let authority = manager(tx, &who, id)?;
        let target = user(tx, &name)?;
        let role = managed(tx, &authority, id)?;
        belongs(&target, &role.project)?;
        if roles::is_own(&role.name) && role.name != store::own_role(target.id) {
            return Err(Error::invalid(format!(
                "Role '{}' holds what is granted to another user directly",
                role.name
            )))
            .refuse();
        }
        let there = || {
            Error::exists(format!(
                "User role assignment (user_id={}, role_id={id}) already exists",
                target.id
            ))
        };
        let made = tx.assign_role(target.id, id)?.ok_or_else(there).refuse()?;
        let note = Note::of("role.assigned", &role, Some(json!({ "user": name })));
        Ok((assignment(&made), note))
    };
    let made = roles::change(&call.app, call.caller.identity.actor(), work).await?;
    Ok(Json(json!({ "assignment": made })))
}

async fn unassign(call: Call<Asked>) -> Answer<Value> {
    let ((name, id), who) = (pair(&call)?, call.caller.identity.clone());
    let work = move |tx: &mut Tx<'_>| {
        manager(tx, &who, id)?;
        let target = user(tx, &name)?;
        let held = tx.unassign_role(target.id, id)?;
        if !held {
            return Err(Error::missing(format!(
                "User role assignment (user_id={}, role_id={id}) not found",
                target.id
            )))
            .refuse();
        }
        // As it is now: who would lose the project by this keeps the role.
        let authority = Authority::of(tx, &who)?;
        let role = managed(tx, &authority, id)?;
        let note = Note {
            before: Some(json!({ "user": name })),
            ..Note::of("role.unassigned", &role, None)
        };
        Ok(((), note))
    };
    roles::change(&call.app, call.caller.identity.actor(), work).await?;
    Ok(Json(json!({})))
}

async fn holders(call: Call<Asked>) -> Answer<Value> {
    let (id, who) = (role_id(&call)?, call.caller.identity.clone());
    let found = call
        .read(move |tx| {
            let authority = Authority::of(tx, &who)?;
            managed(tx, &authority, id)?;
            tx.role_users(id)
        })
        .await?;
    let all: Vec<_> = found.iter().map(assignment).collect();
    Ok(Json(json!({ "assignments": all })))
}

/// The roles of a user that the caller may see, with what they permit: one's own, and those of projects one manages.
pub(super) fn visible(
    tx: &mut Tx<'_>,
    who: &Identity,
    name: &str,
) -> store::Result<Vec<wire::Role>> {
    let authority = Authority::of(tx, who)?;
    let own = authority.all || authority.name.as_deref() == Some(name);
    let target = match own {
        true => user(tx, name)?,
        // Whether there is such a user is not told to who may not know.
        false => user(tx, name).map_err(|_| store::Error::caller(denied()))?,
    };
    let held = tx.user_roles(target.id)?;
    let seen: Vec<Role> = held
        .into_iter()
        .filter(|role| own || authority.manages(&role.project))
        .collect();
    only_if(own || !seen.is_empty())?;
    seen.into_iter().map(|role| shown(tx, role)).collect()
}

async fn of_user(call: Call<Asked>) -> Answer<Value> {
    let name = text("username", call.message.username.as_ref())?.to_owned();
    let who = call.caller.identity.clone();
    let found = call.read(move |tx| visible(tx, &who, &name)).await?;
    Ok(Json(json!({ "roles": found })))
}
