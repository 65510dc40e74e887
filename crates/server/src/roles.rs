//! MLflow's roles and grants as changes: each with its event, and forgotten by the memory of callers before it is answered.

use crate::app::App;
use serde_json::Value;
use store::{
    Events as _, NewEvent, OWN_ROLE, Priority, Role, RolePermission, Roles as _, Tx, own_role,
};

/// What an event says of a change.
pub(crate) struct Note {
    /// What happened.
    pub(crate) kind: &'static str,
    /// The project that it is about.
    pub(crate) project: String,
    /// The role, or the user.
    pub(crate) subject: String,
    /// How it was.
    pub(crate) before: Option<Value>,
    /// How it is.
    pub(crate) after: Option<Value>,
}

impl Note {
    /// Of something that happened to a role.
    pub(crate) fn of(kind: &'static str, role: &Role, after: Option<Value>) -> Self {
        Note {
            kind,
            project: role.project.clone(),
            subject: format!("role/{}", role.name),
            before: None,
            after,
        }
    }
}

/// Does the work and writes its event in one transaction.
pub(crate) async fn change<T: Send + 'static>(
    app: &App,
    actor: String,
    work: impl Fn(&mut Tx<'_>) -> store::Result<(T, Note)> + Send + 'static,
) -> store::Result<T> {
    let at = app.now();
    let done = app.store().write(Priority::Urgent, move |tx| {
        let (made, note) = work(tx)?;
        tx.append_event(&NewEvent {
            project: Some(note.project),
            at,
            actor: actor.clone(),
            kind: note.kind.to_owned(),
            subject: note.subject,
            reason: String::new(),
            before: note.before,
            after: note.after,
        })?;
        Ok(made)
    });
    let made = done.await?;
    app.known().forget();
    Ok(made)
}

/// Whether a role of that name holds the direct grants of a user.
pub(crate) fn is_own(name: &str) -> bool {
    name.starts_with(OWN_ROLE)
}

/// The role that holds what is granted to a user directly, made when there is none.
pub(crate) fn own(tx: &mut Tx<'_>, project: &str, user: i64) -> store::Result<Role> {
    let name = own_role(user);
    let role = match tx.role_by_name(project, &name)? {
        Some(role) => role,
        None => tx.insert_role(&Role {
            id: 0,
            project: project.to_owned(),
            name,
            description: None,
        })?,
    };
    tx.assign_role(user, role.id)?;
    Ok(role)
}

/// Grants a user something directly; false when something is granted to them on that resource.
pub(crate) fn grant(
    tx: &mut Tx<'_>,
    project: &str,
    user: i64,
    (resource_type, pattern): (&str, &str),
    permission: &str,
) -> store::Result<bool> {
    let role = own(tx, project, user)?;
    let added = tx.insert_role_permission(&RolePermission {
        id: 0,
        role: role.id,
        resource_type: resource_type.to_owned(),
        resource_pattern: pattern.to_owned(),
        permission: permission.to_owned(),
    })?;
    Ok(added.is_some())
}

/// The direct grant of a user on a resource.
pub(crate) fn granted(
    tx: &mut Tx<'_>,
    project: &str,
    user: i64,
    (resource_type, pattern): (&str, &str),
) -> store::Result<Option<RolePermission>> {
    let Some(role) = tx.role_by_name(project, &own_role(user))? else {
        return Ok(None);
    };
    let all = tx.role_permissions(role.id)?;
    let same = |one: &RolePermission| {
        one.resource_type == resource_type && one.resource_pattern == pattern
    };
    Ok(all.into_iter().find(same))
}
