//! Who may say what others may do: admins everywhere, whoever manages a project in it, and whoever manages a single resource
//! about that one. Looked up in the transaction that says it.

use super::{failure::Refuse as _, find};
use crate::http::rights_of;
use guard::{Identity, Level, Rights, Role, grants};
use mlflow::{Error, grants as wire};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use store::{Roles as _, Thing, Tx, User, Users as _};

/// What a caller may say of others.
pub(super) struct Authority {
    /// Everything.
    pub(super) all: bool,
    /// The caller's own name, if that is a user.
    pub(super) name: Option<String>,
    role: Option<Role>,
    project: Option<String>,
    rights: BTreeMap<String, Arc<Rights>>,
    /// Projects in which the caller holds a role of MLflow's.
    present: BTreeSet<String>,
}

impl Authority {
    /// What the caller of this request may say.
    pub(super) fn of(tx: &mut Tx<'_>, who: &Identity) -> store::Result<Self> {
        let (Identity::Token { role, project, .. } | Identity::User { role, project, .. }) = who
        else {
            return Ok(Authority::none());
        };
        let mut own = Authority {
            all: who.is_admin(),
            role: Some(*role),
            project: project.clone(),
            ..Authority::none()
        };
        if let Identity::User { name, .. } = who
            && let Some(user) = tx.user(name)?
        {
            own.rights = rights_of(&user, &tx.grants(user.id)?);
            let roles = tx.user_roles(user.id)?;
            own.present = roles.into_iter().map(|role| role.project).collect();
            own.name = Some(user.name);
        }
        Ok(own)
    }

    fn none() -> Self {
        Authority {
            all: false,
            name: None,
            role: None,
            project: None,
            rights: BTreeMap::new(),
            present: BTreeSet::new(),
        }
    }

    /// What a user may do in a project.
    pub(super) fn of_user(tx: &mut Tx<'_>, user: &User) -> store::Result<Self> {
        let (role, project) = match user.admin {
            true => (Some(Role::Admin), None),
            false => (user.role.parse().ok(), user.project.clone()),
        };
        Ok(Authority {
            all: user.admin,
            role,
            project,
            rights: rights_of(user, &tx.grants(user.id)?),
            ..Authority::none()
        })
    }

    /// Whether all of a project is the caller's to manage.
    pub(super) fn manages(&self, project: &str) -> bool {
        let own = self.project.as_deref() == Some(project);
        self.all
            || (own && self.role == Some(Role::Admin))
            || self.rights.get(project).is_some_and(|own| own.manages())
    }

    /// Whether roles of a project are the caller's to see.
    pub(super) fn sees(&self, project: &str) -> bool {
        self.manages(project) || self.present.contains(project)
    }

    /// What the caller is on a resource of a project; none without any right there, and where it is denied.
    pub(super) fn level(&self, project: &str, thing: Thing<'_>) -> Option<Level> {
        if self.manages(project) {
            return Some(Level::Manage);
        }
        if self.project.as_ref().is_some_and(|own| own != project) {
            return None;
        }
        match self.rights.get(project) {
            Some(rights) => rights.level(thing),
            None => self.role.map(Level::of_role),
        }
    }
}

/// A refusal, as MLflow words it.
pub(super) fn denied() -> Error {
    Error::denied("Permission denied")
}

/// Goes on where the caller may.
pub(super) fn only_if(may: bool) -> store::Result<()> {
    match may {
        true => Ok(()),
        false => Err(denied()).refuse(),
    }
}

/// A resource in the one form in which it is kept and compared: `0` is the project's own default experiment.
pub(super) fn canonical(
    tx: &mut Tx<'_>,
    project: &str,
    resource_type: &str,
    pattern: &str,
) -> store::Result<String> {
    let unfit = |why: &str| {
        Err(Error::invalid(format!(
            "Invalid resource '{pattern}' for resource_type='{resource_type}': {why}"
        )))
        .refuse()
    };
    match resource_type {
        _ if pattern == wire::ALL => Ok(pattern.to_owned()),
        "experiment" => experiment(tx, project, pattern),
        "scorer" => match pattern.split_once('/') {
            Some((id, name)) if grants::scorer(&format!("0/{name}")).is_some() => {
                Ok(format!("{}/{name}", experiment(tx, project, id)?))
            }
            _ => unfit("expected '<experiment_id>/<scorer_name>'"),
        },
        _ if pattern.is_empty() => unfit("it has no name"),
        _ => Ok(pattern.to_owned()),
    }
}

fn experiment(tx: &mut Tx<'_>, project: &str, id: &str) -> store::Result<String> {
    if find::is_default(id) {
        return Ok(find::experiment(tx, project, id)?.id);
    }
    find::check_experiment_id(id)?;
    Ok(id
        .parse::<i64>()
        .map_or_else(|_| id.to_owned(), |id| id.to_string()))
}

/// The level on a resource of that kind, all of a kind included.
pub(super) fn level_on(
    authority: &Authority,
    project: &str,
    resource_type: &str,
    pattern: &str,
) -> Option<Level> {
    let number = |text: &str| text.parse().unwrap_or(i64::MIN);
    match resource_type {
        "experiment" => authority.level(project, Thing::Experiment(number(pattern))),
        "registered_model" => authority.level(project, Thing::Model(pattern)),
        "prompt" => authority.level(project, Thing::Prompt(pattern)),
        "scorer" => {
            let (experiment, name) =
                grants::scorer(pattern).unwrap_or((i64::MIN, pattern.to_owned()));
            authority.level(project, Thing::Scorer(experiment, &name))
        }
        _ => None,
    }
}
