//! Roles that people and tokens hold, and the permissions that routes ask for.
//!
//! The table is closed: a route names one [`Permission`], a permission names the least [`Role`] that has it.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What a token may do, in rising order: each role can do all that the one before it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads everything of a project except secrets.
    Viewer,
    /// Also logs runs, starts pipelines, registers versions.
    Developer,
    /// Also applies project files, promotes and rolls back.
    Operator,
    /// Also makes tokens and changes rights.
    Admin,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Viewer => "viewer",
            Role::Developer => "developer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        })
    }
}

/// A role's name that is none of the four.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown role `{0}`: use viewer, developer, operator or admin")]
pub struct UnknownRole(pub String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(s: &str) -> Result<Self, UnknownRole> {
        Ok(match s {
            "viewer" => Role::Viewer,
            "developer" => Role::Developer,
            "operator" => Role::Operator,
            "admin" => Role::Admin,
            _ => return Err(UnknownRole(s.to_owned())),
        })
    }
}

/// What a route needs. Every route declares exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Liveness and version: anyone who can reach the port.
    Public,
    /// Read runs, metrics, models through a tracking protocol.
    TrackingRead,
    /// Write runs, metrics, artifacts, versions through a tracking protocol.
    TrackingWrite,
    /// See which projects there are, through a tracking protocol: all, or the one that a credential is for.
    Projects,
    /// Read the project's state: status, plans, events, logs.
    Read,
    /// Start or cancel a pipeline: runs code on this machine.
    Execute,
    /// Apply or destroy a project file, promote, roll back: changes what serves.
    Deploy,
    /// See and change one's own account; needs a credential, whatever its project.
    Account,
    /// Make, list and revoke tokens; change rights. Never for one project only.
    Administer,
}

impl Permission {
    /// The least role that has this permission; `None` where no role is needed.
    pub fn least_role(self) -> Option<Role> {
        match self {
            Permission::Public => None,
            Permission::TrackingRead
            | Permission::Projects
            | Permission::Read
            | Permission::Account => Some(Role::Viewer),
            Permission::TrackingWrite | Permission::Execute => Some(Role::Developer),
            Permission::Deploy => Some(Role::Operator),
            Permission::Administer => Some(Role::Admin),
        }
    }

    /// Whether a caller without a token may use it on loopback while the server's setting allows that.
    pub fn open_on_loopback(self) -> bool {
        matches!(
            self,
            Permission::Public
                | Permission::TrackingRead
                | Permission::TrackingWrite
                | Permission::Projects
        )
    }

    /// Whether a person's credential has it at the address of any project, whichever it is for.
    pub fn at_every_project(self) -> bool {
        matches!(self, Permission::Account | Permission::Projects)
    }
}
