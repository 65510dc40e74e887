//! Workspaces, which are projects: requests, answers and names.

use crate::{Error, names};
use serde::{Deserialize, Serialize};

/// `POST workspaces`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Create {
    /// What it is called.
    pub name: String,
    /// What is said of it.
    #[serde(flatten)]
    pub said: Said,
}

/// What can be said of a workspace, and `PATCH workspaces/{workspace_name}`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    /// For people.
    pub description: Option<String>,
    /// Where its files are to be.
    pub default_artifact_root: Option<String>,
    /// When and where its old traces are to go.
    pub trace_archival_config: Option<Archival>,
}

/// When and where old traces are to go.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Archival {
    /// Where.
    pub location: Option<String>,
    /// After how long.
    pub retention: Option<String>,
}

/// A workspace as answers show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names of the protocol say it")]
pub struct Workspace {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl Said {
    /// Whether nothing is said at all.
    pub fn is_nothing(&self) -> bool {
        let archival = self.trace_archival_config.as_ref();
        let archival = archival.is_some_and(|it| it.location.is_some() || it.retention.is_some());
        self.description.is_none() && self.default_artifact_root.is_none() && !archival
    }

    /// Refuses places of a workspace's own: all bytes are where the server keeps them. Empty texts, by which MLflow clears
    /// such a place, change nothing.
    ///
    /// # Errors
    /// INVALID_PARAMETER_VALUE naming the field.
    pub fn check(&self) -> Result<(), Error> {
        let archival = self.trace_archival_config.clone().unwrap_or_default();
        for (field, value, why) in [
            (
                "default_artifact_root",
                &self.default_artifact_root,
                "files of all workspaces are kept by the server",
            ),
            (
                "trace_archival_config.location",
                &archival.location,
                "traces are kept by the server",
            ),
            (
                "trace_archival_config.retention",
                &archival.retention,
                "traces are kept by the server",
            ),
        ] {
            if let Some(value) = value.as_ref().filter(|value| !value.trim().is_empty()) {
                return Err(Error::invalid_value(field, value, why));
            }
        }
        Ok(())
    }
}

/// What a deletion does with what is in a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It is refused when there is anything.
    Restrict,
    /// All of it goes.
    Cascade,
}

impl Deletion {
    /// Reads the mode of a request; none is `RESTRICT`.
    ///
    /// # Errors
    /// INVALID_PARAMETER_VALUE for another word, and for `SET_DEFAULT`: what is in a project stays in it.
    pub fn read(mode: Option<&str>) -> Result<Self, Error> {
        match mode {
            None | Some("RESTRICT") => Ok(Deletion::Restrict),
            Some("CASCADE") => Ok(Deletion::Cascade),
            Some("SET_DEFAULT") => Err(Error::invalid(
                "Deletion mode 'SET_DEFAULT' is not served: what is in a workspace stays in it. Use RESTRICT or CASCADE",
            )),
            Some(other) => Err(Error::invalid_value(
                "mode",
                other,
                "use RESTRICT or CASCADE",
            )),
        }
    }
}

/// Words of addresses, which no workspace is called.
const RESERVED: [&str; 4] = ["workspaces", "api", "ajax-api", "static-files"];

/// Checks the name of a workspace, which both MLflow's clients and addresses of projects must take.
///
/// # Errors
/// INVALID_PARAMETER_VALUE when one of them does not.
pub fn check_name(name: &str) -> Result<(), Error> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fine = (2..=63).contains(&name.len())
        && name.chars().all(inner)
        && !name.ends_with('-')
        && !RESERVED.contains(&name);
    if fine && names::project(name).is_ok() {
        return Ok(());
    }
    Err(Error::invalid_value(
        "name",
        name,
        "a workspace's name is 2 to 63 lower-case letters, digits and '-', starting with a letter and not ending with '-'",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn workspace_names() {
        for (name, fine) in [
            ("flights", true),
            ("a-1", true),
            ("ab", true),
            ("a", false),
            ("1a", false),
            ("a-", false),
            ("-a", false),
            ("a_b", false),
            ("Flights", false),
            ("api", false),
            (&"x".repeat(63), true),
            (&"x".repeat(64), false),
        ] {
            assert_eq!(check_name(name).is_ok(), fine, "{name}");
        }
    }

    #[test]
    fn what_may_be_said() {
        for (json, nothing, fine) in [
            (json!({}), true, true),
            (json!({ "trace_archival_config": {} }), true, true),
            (json!({ "description": "" }), false, true),
            (json!({ "default_artifact_root": " " }), false, true),
            (json!({ "default_artifact_root": "s3://b" }), false, false),
            (
                json!({ "trace_archival_config": { "retention": "3d" } }),
                false,
                false,
            ),
            (
                json!({ "trace_archival_config": { "location": "s3://b" } }),
                false,
                false,
            ),
        ] {
            let said: Said = serde_json::from_value(json.clone()).unwrap();
            assert_eq!(
                (said.is_nothing(), said.check().is_ok()),
                (nothing, fine),
                "{json}"
            );
        }
    }

    #[test]
    fn deletions() {
        assert_eq!(Deletion::read(None), Ok(Deletion::Restrict));
        assert_eq!(Deletion::read(Some("CASCADE")), Ok(Deletion::Cascade));
        assert!(Deletion::read(Some("SET_DEFAULT")).is_err());
        assert!(Deletion::read(Some("cascade")).is_err());
    }
}
