//! Roles and grants of MLflow's authentication: what may be said of which resource, and how answers show it.

use crate::error::{Error, ErrorCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Types of resources, whether single ones can be named, and whether a server of ours holds people to what is granted.
const TYPES: [(&str, bool, bool); 18] = [
    ("assessment", false, false),
    ("experiment", true, true),
    ("gateway_endpoint", true, false),
    ("gateway_model_definition", true, false),
    ("gateway_secret", true, false),
    ("logged_model", false, false),
    ("mcp_server", true, false),
    ("mcp_server_version", false, false),
    ("prompt", true, true),
    ("prompt_version", false, false),
    ("registered_model", true, true),
    ("registered_model_version", false, false),
    ("review_queue", false, false),
    ("run", false, false),
    ("scorer", true, true),
    ("scorer_version", false, false),
    ("trace", false, false),
    (WORKSPACE, false, true),
];
/// The type that stands for a whole project.
pub const WORKSPACE: &str = "workspace";
/// The pattern of all resources of a type.
pub const ALL: &str = "*";
const PERMISSIONS: [&str; 6] = ["READ", "USE", "EDIT", "MANAGE", "NO_PERMISSIONS", "DENY"];
const ON_RESOURCES: [&str; 5] = ["DENY", "EDIT", "MANAGE", "READ", "USE"];
const ON_WORKSPACES: [&str; 2] = ["MANAGE", "USE"];

fn tuple(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    format!("({})", quoted.join(", "))
}

fn known(resource_type: &str) -> Result<(bool, bool), Error> {
    let found = TYPES.iter().find(|(name, ..)| *name == resource_type);
    found
        .map(|(_, single, held)| (*single, *held))
        .ok_or_else(|| {
            let names: Vec<&str> = TYPES.iter().map(|(name, ..)| *name).collect();
            Error::invalid(format!(
                "Invalid resource type '{resource_type}'. Valid resource types are: {}",
                tuple(&names)
            ))
        })
}

/// Checks that there is such a type of resources.
///
/// # Errors
/// INVALID_PARAMETER_VALUE.
pub fn check_type(resource_type: &str) -> Result<(), Error> {
    known(resource_type).map(drop)
}

/// Checks that a permission can be given on a type of resources.
///
/// # Errors
/// INVALID_PARAMETER_VALUE.
pub fn check_permission(permission: &str, resource_type: &str) -> Result<(), Error> {
    if !PERMISSIONS.contains(&permission) {
        return Err(Error::invalid(format!(
            "Invalid permission '{permission}'. Valid permissions are: {}",
            tuple(&PERMISSIONS)
        )));
    }
    check_type(resource_type)?;
    let (allowed, what): (&[&str], &str) = match resource_type {
        WORKSPACE => (&ON_WORKSPACES, "Workspace-wide"),
        _ => (&ON_RESOURCES, "Resource-level"),
    };
    if allowed.contains(&permission) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Invalid permission '{permission}' for resource_type='{resource_type}'. {what} grants accept only: {}.",
        tuple(allowed)
    )))
}

/// Checks that something can be said of single resources of a type.
///
/// # Errors
/// INVALID_PARAMETER_VALUE.
pub fn check_pattern(pattern: &str, resource_type: &str) -> Result<(), Error> {
    let (single, _) = known(resource_type)?;
    if single || pattern == ALL {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Invalid resource_pattern '{pattern}' for resource_type='{resource_type}'. This resource type supports only wildcard ('*') grants."
    )))
}

/// Refuses what nobody would be held to.
///
/// # Errors
/// NOT_IMPLEMENTED.
pub fn check_held(resource_type: &str) -> Result<(), Error> {
    let (_, held) = known(resource_type)?;
    if held {
        return Ok(());
    }
    let names: Vec<&str> = TYPES
        .iter()
        .filter(|(.., held)| *held)
        .map(|(name, ..)| *name)
        .collect();
    Err(Error::new(
        ErrorCode::NotImplemented,
        format!(
            "Mainspan does not enforce grants on '{resource_type}', so it keeps none: use one of {}",
            tuple(&names)
        ),
    ))
}

/// Refuses the type of whole projects where a user is granted something directly.
///
/// # Errors
/// INVALID_PARAMETER_VALUE.
pub fn not_a_workspace(resource_type: &str) -> Result<(), Error> {
    if resource_type != WORKSPACE {
        return Ok(());
    }
    Err(Error::invalid(
        "resource_type 'workspace' is not supported by the per-user permission convenience APIs. Use a role for workspace-wide grants.",
    ))
}

/// A request about roles or grants. What its fields are is checked one by one, in the order in which they are needed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// Whom.
    pub username: Option<Value>,
    /// Which role, by its number.
    pub role_id: Option<Value>,
    /// Which permission of a role, by its number.
    pub role_permission_id: Option<Value>,
    /// The project; several in a query.
    pub workspace: Option<Value>,
    /// The role's name.
    pub name: Option<Value>,
    /// For people.
    pub description: Option<Value>,
    /// The type of the resource.
    pub resource_type: Option<Value>,
    /// The resource of a role's permission, or `*`.
    pub resource_pattern: Option<Value>,
    /// The resource of a direct grant, or `*`.
    pub resource_id: Option<Value>,
    /// What is permitted.
    pub permission: Option<Value>,
}

/// A text that has to be there.
///
/// # Errors
/// INVALID_PARAMETER_VALUE naming the field.
pub fn text<'a>(field: &str, value: Option<&'a Value>) -> Result<&'a str, Error> {
    let value = value.ok_or_else(|| Error::missing_value(field))?;
    value
        .as_str()
        .ok_or_else(|| Error::invalid(format!("Parameter '{field}' must be a string.")))
}

/// A number that has to be there, as such or as a text.
///
/// # Errors
/// INVALID_PARAMETER_VALUE naming the field.
pub fn number(field: &str, value: Option<&Value>) -> Result<i64, Error> {
    let value = value.ok_or_else(|| Error::missing_value(field))?;
    let read = match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_i64(),
    };
    read.ok_or_else(|| {
        let shown = match value {
            Value::String(text) => format!("'{text}'"),
            other => other.to_string(),
        };
        Error::invalid(format!(
            "Parameter '{field}' must be an integer. Got: {shown}"
        ))
    })
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Number.
    pub id: i64,
    /// Name, unique in the project.
    pub name: String,
    /// The project.
    pub workspace: String,
    /// For people.
    pub description: Option<String>,
    /// What it permits.
    pub permissions: Vec<RolePermission>,
}

/// What a role permits on a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolePermission {
    /// Number.
    pub id: i64,
    /// The role's number.
    pub role_id: i64,
    /// The type of the resource.
    pub resource_type: String,
    /// The resource, or `*`.
    pub resource_pattern: String,
    /// What is permitted.
    pub permission: String,
}

/// That a user holds a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Number.
    pub id: i64,
    /// The user's number.
    pub user_id: i64,
    /// The role's number.
    pub role_id: i64,
}

/// One permission that a user has by a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The role's number.
    pub role_id: i64,
    /// The role's name.
    pub role_name: String,
    /// The project.
    pub workspace: String,
    /// The type of the resource.
    pub resource_type: String,
    /// The resource, or `*`.
    pub resource_pattern: String,
    /// What is permitted.
    pub permission: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_can_be_said_of_what() {
        for (kind, pattern, permission, fine) in [
            ("experiment", "5", "READ", true),
            ("experiment", "*", "DENY", true),
            ("experiment", "5", "NO_PERMISSIONS", false),
            ("experiment", "5", "read", false),
            ("workspace", "*", "USE", true),
            ("workspace", "*", "MANAGE", true),
            ("workspace", "*", "EDIT", false),
            ("workspace", "*", "DENY", false),
            ("workspace", "default", "USE", false),
            ("run", "*", "READ", true),
            ("run", "5", "READ", false),
            ("model", "*", "READ", false),
        ] {
            let checked =
                check_permission(permission, kind).and_then(|()| check_pattern(pattern, kind));
            assert_eq!(checked.is_ok(), fine, "{kind} {pattern} {permission}");
        }
    }

    #[test]
    fn what_nobody_is_held_to_is_not_taken() {
        let held: Vec<&str> = TYPES
            .iter()
            .map(|(name, ..)| *name)
            .filter(|name| check_held(name).is_ok())
            .collect();
        let all = ["experiment", "prompt", "registered_model", "scorer"];
        assert_eq!(held, [&all[..], &["workspace"]].concat());
        let refused = check_held("run").unwrap_err();
        assert_eq!(refused.error_code, ErrorCode::NotImplemented);
    }

    #[test]
    fn numbers_come_in_both_ways() {
        for (value, expect) in [
            (json!(7), Some(7)),
            (json!("7"), Some(7)),
            (json!("x"), None),
            (json!(7.5), None),
            (json!([7]), None),
        ] {
            assert_eq!(number("role_id", Some(&value)).ok(), expect, "{value}");
        }
        assert!(number("role_id", None).is_err());
    }
}
