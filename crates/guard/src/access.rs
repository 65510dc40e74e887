//! May this caller do that? One pure decision, asked by every route.

use crate::{
    grants::Rights,
    identity::Identity,
    role::{Permission, Role},
};

/// The server's settings that bear on access.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Callers without a token on loopback may use tracking.
    pub anonymous_tracking: bool,
    /// The control port listens on loopback only.
    pub loopback: bool,
}

/// Why a caller was turned away.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// A credential is needed and none was sent: 401.
    #[error(
        "this needs a token: pass `Authorization: Bearer <token>`, or use the `mainspan` command on the server's machine"
    )]
    Unauthenticated,
    /// The credential does not go that far: 403.
    #[error("this needs the role {needed}, and `{actor}` has {has}")]
    Role {
        /// The least role that would do.
        needed: Role,
        /// Who asked.
        actor: String,
        /// What they have.
        has: String,
    },
    /// Something in the project is denied to the user, and the route shows or changes all of it: 403.
    #[error(
        "`{actor}` is denied a part of project `{project}`, so only MLflow's protocol answers, which leaves that part out"
    )]
    Part {
        /// Who asked.
        actor: String,
        /// The project.
        project: String,
    },
    /// The credential is for another project: 403.
    #[error("`{actor}` is for project `{own}`, not for `{asked}`")]
    Project {
        /// Who asked.
        actor: String,
        /// The project of the credential.
        own: String,
        /// The project that was asked for.
        asked: String,
    },
}

/// Decides whether `identity` has `permission` on `project` (`None`: not about one project).
///
/// # Errors
/// [`Denied`] says which of credential, role or project is missing.
pub fn decide(
    identity: &Identity,
    permission: Permission,
    project: Option<&str>,
    policy: Policy,
) -> Result<(), Denied> {
    let Some(needed) = permission.least_role() else {
        return Ok(());
    };
    // Rights are the whole server's, whatever project's address they are changed at.
    let project = project.filter(|_| permission != Permission::Administer);
    match identity {
        Identity::Anonymous => {
            if permission.open_on_loopback() && policy.anonymous_tracking && policy.loopback {
                Ok(())
            } else {
                Err(Denied::Unauthenticated)
            }
        }
        Identity::Token {
            role, project: own, ..
        }
        | Identity::User {
            role, project: own, ..
        } => {
            if !permission.at_every_project() {
                same_project(identity, own.as_deref(), project)?;
            }
            if *role >= needed {
                Ok(())
            } else {
                Err(lacks(identity, needed, &role.to_string()))
            }
        }
        Identity::Unit { project: own, .. } => tracking_only(
            identity,
            permission,
            needed,
            own,
            project,
            "tracking of its own run only",
        ),
        Identity::Ticket { project: own, .. } => tracking_only(
            identity,
            permission,
            needed,
            own,
            project,
            "one request of tracking",
        ),
    }
}

/// The same for a user with grants in the project. Whatever they are, every record that the request touches must pass them,
/// which is all that stands between a viewer and what a route of tracking changes.
///
/// # Errors
/// As [`decide`].
pub fn decide_with(
    identity: &Identity,
    permission: Permission,
    project: &str,
    policy: Policy,
    rights: &Rights,
) -> Result<(), Denied> {
    let decided = decide(identity, permission, Some(project), policy);
    match permission {
        Permission::TrackingWrite if matches!(decided, Err(Denied::Role { .. })) => Ok(()),
        Permission::Read | Permission::Execute | Permission::Deploy if rights.denies() => {
            Err(Denied::Part {
                actor: identity.actor(),
                project: project.to_owned(),
            })
        }
        _ => decided,
    }
}

fn tracking_only(
    identity: &Identity,
    permission: Permission,
    needed: Role,
    own: &str,
    asked: Option<&str>,
    has: &str,
) -> Result<(), Denied> {
    if permission.open_on_loopback() && asked.is_some() {
        same_project(identity, Some(own), asked)
    } else {
        Err(lacks(identity, needed, has))
    }
}

fn same_project(identity: &Identity, own: Option<&str>, asked: Option<&str>) -> Result<(), Denied> {
    match (own, asked) {
        (Some(own), Some(asked)) if own != asked => Err(Denied::Project {
            actor: identity.actor(),
            own: own.to_owned(),
            asked: asked.to_owned(),
        }),
        (Some(own), None) => Err(Denied::Project {
            actor: identity.actor(),
            own: own.to_owned(),
            asked: "every project".to_owned(),
        }),
        _ => Ok(()),
    }
}

fn lacks(identity: &Identity, needed: Role, has: &str) -> Denied {
    Denied::Role {
        needed,
        actor: identity.actor(),
        has: has.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: Policy = Policy {
        anonymous_tracking: true,
        loopback: true,
    };

    fn token(role: Role, project: Option<&str>) -> Identity {
        Identity::Token {
            name: "t".into(),
            role,
            project: project.map(Into::into),
        }
    }

    fn user(role: Role, project: Option<&str>) -> Identity {
        Identity::User {
            name: "u".into(),
            role,
            project: project.map(Into::into),
        }
    }

    #[test]
    fn grants_open_and_close_routes() {
        use Permission::*;
        let rights = |role, pattern: &str, permission: &str| {
            let grant = store::Grant {
                project: "a".into(),
                resource_type: "experiment".into(),
                resource_pattern: pattern.into(),
                permission: permission.into(),
            };
            Rights::fold("a", role, [&grant])
        };
        for (role, own, granted, permission, allowed) in [
            (Role::Viewer, "a", "EDIT", TrackingWrite, true),
            (Role::Viewer, "b", "EDIT", TrackingWrite, false),
            (Role::Viewer, "a", "EDIT", Execute, false),
            (Role::Viewer, "a", "EDIT", Administer, false),
            (Role::Developer, "a", "EDIT", Execute, true),
            (Role::Developer, "a", "DENY", TrackingRead, true),
            (Role::Developer, "a", "DENY", Read, false),
            (Role::Developer, "a", "DENY", Execute, false),
            (Role::Operator, "a", "DENY", Deploy, false),
            (Role::Admin, "a", "DENY", Deploy, true),
        ] {
            let user = user(role, Some(own));
            let got = decide_with(
                &user,
                permission,
                "a",
                LOOPBACK,
                &rights(role, "5", granted),
            );
            assert_eq!(
                got.is_ok(),
                allowed,
                "{role} of {own} with {granted}: {permission:?}: {got:?}"
            );
        }
    }

    #[test]
    fn the_table() {
        use Permission::*;
        let ticket = Identity::Ticket {
            actor: "t".into(),
            project: "a".into(),
        };
        let unit = Identity::Unit {
            project: "a".into(),
            run: "r".into(),
            mlflow_run: "m".into(),
        };
        let closed = Policy {
            anonymous_tracking: false,
            loopback: true,
        };
        let wide = Policy {
            anonymous_tracking: true,
            loopback: false,
        };
        let cases: &[(&Identity, Permission, Option<&str>, Policy, bool)] = &[
            (&Identity::Anonymous, Public, None, wide, true),
            (
                &Identity::Anonymous,
                TrackingWrite,
                Some("a"),
                LOOPBACK,
                true,
            ),
            (
                &Identity::Anonymous,
                TrackingWrite,
                Some("a"),
                closed,
                false,
            ),
            (&Identity::Anonymous, TrackingRead, Some("a"), wide, false),
            (&Identity::Anonymous, Read, Some("a"), LOOPBACK, false),
            (&Identity::Anonymous, Execute, Some("a"), LOOPBACK, false),
            (&token(Role::Viewer, None), Read, Some("a"), wide, true),
            (&token(Role::Viewer, None), Execute, Some("a"), wide, false),
            (
                &token(Role::Developer, Some("a")),
                Execute,
                Some("a"),
                wide,
                true,
            ),
            (
                &token(Role::Developer, Some("a")),
                Execute,
                Some("b"),
                wide,
                false,
            ),
            (&token(Role::Developer, Some("a")), Read, None, wide, false),
            (
                &token(Role::Developer, None),
                Deploy,
                Some("a"),
                wide,
                false,
            ),
            (&token(Role::Operator, None), Deploy, Some("a"), wide, true),
            (&token(Role::Operator, None), Administer, None, wide, false),
            (&token(Role::Admin, None), Administer, None, wide, true),
            (
                &token(Role::Admin, Some("a")),
                Administer,
                Some("a"),
                wide,
                false,
            ),
            (&token(Role::Admin, None), Administer, Some("a"), wide, true),
            (
                &token(Role::Viewer, Some("a")),
                Account,
                Some("b"),
                wide,
                true,
            ),
            (&Identity::Anonymous, Account, None, LOOPBACK, false),
            (&Identity::Anonymous, Projects, Some("a"), LOOPBACK, true),
            (&Identity::Anonymous, Projects, Some("a"), wide, false),
            (
                &token(Role::Viewer, Some("a")),
                Projects,
                Some("b"),
                wide,
                true,
            ),
            (&unit, Projects, Some("a"), wide, true),
            (&unit, Projects, Some("b"), wide, false),
            (&user(Role::Viewer, Some("a")), Account, None, wide, true),
            (
                &user(Role::Viewer, Some("a")),
                TrackingWrite,
                Some("a"),
                wide,
                false,
            ),
            (
                &user(Role::Developer, Some("a")),
                TrackingWrite,
                Some("a"),
                wide,
                true,
            ),
            (
                &user(Role::Developer, Some("a")),
                TrackingRead,
                Some("b"),
                wide,
                false,
            ),
            (&user(Role::Admin, None), Administer, None, wide, true),
            (&ticket, TrackingWrite, Some("a"), wide, true),
            (&ticket, TrackingRead, Some("b"), wide, false),
            (&ticket, Account, Some("a"), wide, false),
            (&ticket, Read, Some("a"), wide, false),
            (&unit, Account, Some("a"), wide, false),
            (&unit, TrackingWrite, Some("a"), wide, true),
            (&unit, TrackingWrite, Some("b"), wide, false),
            (&unit, Read, Some("a"), wide, false),
            (&unit, Execute, Some("a"), wide, false),
            (&unit, TrackingRead, None, wide, false),
        ];
        for (identity, permission, project, policy, allowed) in cases {
            let got = decide(identity, *permission, *project, *policy);
            assert_eq!(
                got.is_ok(),
                *allowed,
                "{identity:?} {permission:?} {project:?}: {got:?}"
            );
        }
    }
}
