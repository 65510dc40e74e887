//! MLflow's users: made and removed by admins, seen and given another password by themselves, too.
//!
//! A user that is made here may do what a developer may, in the project of the address that it was made at.

use super::{
    call::{Call, Nothing},
    failure::{Answer, Failure},
    roles,
    routes::Table,
};
use crate::users::{self, Fault, New};
use axum::{
    Json,
    routing::{MethodRouter, delete, get, patch, post},
};
use guard::{Identity, Permission, Role as OurRole};
use http::Method;
use mlflow::{
    Error, ErrorCode,
    grants::{Held, Role},
    users::{About, Listed, User},
};
use serde_json::{Value, json};
use store::{Roles as _, Tx, Users as _};

pub(super) fn routes(table: Table) -> Table {
    let (own, admin) = (Permission::Account, Permission::Administer);
    let rows: [(
        &str,
        Method,
        &str,
        Permission,
        &'static str,
        MethodRouter<_>,
    ); 9] = [
        (
            "2.0",
            Method::POST,
            "create",
            admin,
            "MLflow: make a user",
            post(create),
        ),
        ("2.0", Method::GET, "get", own, "MLflow: one user", get(one)),
        (
            "2.0",
            Method::GET,
            "list",
            admin,
            "MLflow: all users",
            get(list),
        ),
        (
            "2.0",
            Method::GET,
            "current",
            own,
            "MLflow: the user who asks",
            get(current),
        ),
        (
            "3.0",
            Method::GET,
            "current/permissions",
            own,
            "MLflow: one's own rights",
            get(own_rights),
        ),
        (
            "3.0",
            Method::GET,
            "permissions/list",
            own,
            "MLflow: a user's rights",
            get(rights),
        ),
        (
            "2.0",
            Method::PATCH,
            "update-password",
            own,
            "MLflow: change a password",
            patch(password),
        ),
        (
            "2.0",
            Method::PATCH,
            "update-admin",
            admin,
            "MLflow: give all rights",
            patch(set_admin),
        ),
        (
            "2.0",
            Method::DELETE,
            "delete",
            admin,
            "MLflow: remove a user",
            delete(remove),
        ),
    ];
    rows.into_iter().fold(
        table,
        |table, (version, method, path, needs, what, handler)| {
            table.under(
                version,
                method,
                &format!("/mlflow/users/{path}"),
                needs,
                what,
                handler,
            )
        },
    )
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Store(store::Error::NotFound { name, .. }) => unknown(&name).into(),
            Fault::Store(store::Error::Exists { name, .. }) => {
                Error::exists(format!("User (username={name}) already exists.")).into()
            }
            Fault::Store(error) => error.into(),
            Fault::Stopped => {
                Error::new(ErrorCode::TemporarilyUnavailable, fault.to_string()).into()
            }
            Fault::Name(_) | Fault::Password(_) => Error::invalid(fault.to_string()).into(),
        }
    }
}

fn unknown(name: &str) -> Error {
    Error::missing(format!("User with username={name} not found"))
}

fn needed<'m, T>(field: &str, value: &'m Option<T>) -> Result<&'m T, Error> {
    value.as_ref().ok_or_else(|| Error::missing_value(field))
}

fn shown(user: store::User) -> User {
    User {
        id: user.id,
        username: user.name,
        is_admin: user.admin,
    }
}

/// The name of the caller, if that is a user.
fn own_name<M>(call: &Call<M>) -> Option<&str> {
    match &call.caller.identity {
        Identity::User { name, .. } => Some(name),
        _ => None,
    }
}

/// Lets users see and change themselves, and admins everybody.
fn self_or_admin<M>(call: &Call<M>, name: &str) -> Result<(), Error> {
    if own_name(call) == Some(name) || call.caller.identity.is_admin() {
        return Ok(());
    }
    Err(Error::denied(
        "Permission denied: this is another user's account",
    ))
}

async fn find<M>(call: &Call<M>, name: &str) -> Result<store::User, Failure> {
    let wanted = name.to_owned();
    let found = call.read(move |tx| tx.user(&wanted)).await?;
    Ok(found.ok_or_else(|| unknown(name))?)
}

async fn create(call: Call<About>) -> Answer<Value> {
    let asked = call.message.clone();
    let (name, password) = (
        needed("username", &asked.username)?.clone(),
        needed("password", &asked.password)?.clone(),
    );
    let new = New {
        name,
        role: OurRole::Developer,
        project: Some(call.project().to_owned()),
    };
    let made = users::create(&call.app, call.caller.identity.actor(), new, password).await?;
    Ok(Json(json!({ "user": shown(made) })))
}

async fn one(call: Call<About>) -> Answer<Value> {
    let name = needed("username", &call.message.username)?;
    self_or_admin(&call, name)?;
    Ok(Json(json!({ "user": shown(find(&call, name).await?) })))
}

async fn list(call: Call<Nothing>) -> Answer<Value> {
    let users = call.read(|tx| {
        tx.users()?
            .into_iter()
            .map(|user| listed(tx, user))
            .collect()
    });
    let users: Vec<Listed> = users.await?;
    Ok(Json(json!({ "users": users })))
}

fn listed(tx: &mut Tx<'_>, user: store::User) -> store::Result<Listed> {
    let held = tx.user_roles(user.id)?;
    let roles = held.into_iter().map(|role| roles::shown(tx, role));
    Ok(Listed {
        roles: roles.collect::<store::Result<_>>()?,
        user: shown(user),
    })
}

fn myself<M>(call: &Call<M>) -> Result<&str, Error> {
    own_name(call).ok_or_else(|| Error::missing("the caller is no user: a token has no account"))
}

async fn current(call: Call<Nothing>) -> Answer<Value> {
    let user = find(&call, myself(&call)?).await?;
    Ok(Json(json!({ "user": shown(user), "is_basic_auth": true })))
}

/// What a user has by the roles that the caller may see.
async fn rights_of<M>(call: &Call<M>, name: String) -> Answer<Value> {
    let who = call.caller.identity.clone();
    let work = move |tx: &mut Tx<'_>| {
        let roles = roles::visible(tx, &who, &name)?;
        let admin = tx.user(&name)?.is_some_and(|user| user.admin);
        Ok((admin, roles))
    };
    let (admin, roles) = call.read(work).await?;
    let held: Vec<Held> = roles.into_iter().flat_map(held).collect();
    Ok(Json(json!({ "is_admin": admin, "permissions": held })))
}

fn held(role: Role) -> impl Iterator<Item = Held> {
    let Role {
        id,
        name,
        workspace,
        permissions,
        ..
    } = role;
    permissions.into_iter().map(move |one| Held {
        role_id: id,
        role_name: name.clone(),
        workspace: workspace.clone(),
        resource_type: one.resource_type,
        resource_pattern: one.resource_pattern,
        permission: one.permission,
    })
}

async fn own_rights(call: Call<Nothing>) -> Answer<Value> {
    let name = myself(&call)?.to_owned();
    rights_of(&call, name).await
}

async fn rights(call: Call<About>) -> Answer<Value> {
    let name = needed("username", &call.message.username)?.clone();
    rights_of(&call, name).await
}

async fn password(call: Call<About>) -> Answer<Value> {
    let asked = call.message.clone();
    let name = needed("username", &asked.username)?;
    let password = needed("password", &asked.password)?.clone();
    self_or_admin(&call, name)?;
    if own_name(&call) == Some(name) {
        assert_current(&call, name, &password).await?;
    }
    users::set_password(&call.app, call.caller.identity.actor(), name, password).await?;
    Ok(Json(json!({})))
}

/// Whoever changes their own password says the one until now, so that an open page is not enough.
async fn assert_current(call: &Call<About>, name: &str, new: &str) -> Result<(), Failure> {
    let current = call.message.current_password.as_deref().unwrap_or_default();
    if current.is_empty() {
        let message = "Current password is required when changing your own password.";
        return Err(Error::invalid(message).into());
    }
    let hash = find(call, name).await?.hash;
    let passwords = call.app.passwords();
    if !passwords.is(name, current, &hash).await? {
        return Err(Error::invalid("Current password does not match.").into());
    }
    if current == new {
        return Err(Error::invalid("New password must differ from the current password.").into());
    }
    Ok(())
}

async fn set_admin(call: Call<About>) -> Answer<Value> {
    let name = needed("username", &call.message.username)?;
    let admin = *needed("is_admin", &call.message.is_admin)?;
    users::set_admin(&call.app, call.caller.identity.actor(), name, admin).await?;
    Ok(Json(json!({})))
}

async fn remove(call: Call<About>) -> Answer<Value> {
    let name = needed("username", &call.message.username)?;
    if own_name(&call) == Some(name) {
        let message =
            "Users cannot delete their own account. Ask another admin to delete this user instead.";
        return Err(Error::new(ErrorCode::BadRequest, message).into());
    }
    users::remove(&call.app, call.caller.identity.actor(), name).await?;
    Ok(Json(json!({})))
}
