//! The names of what a plan changes.
//!
//! Stored by the server beside each applied shape, so the text form must stay as it is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The kinds of things that a file owns, in the order in which they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResourceKind {
    /// The project with its environments.
    Project,
    /// A dataset.
    Dataset,
    /// A registered model.
    Model,
    /// A pipeline.
    Pipeline,
    /// A service in one environment.
    Service,
    /// What is watched of a service in one environment.
    Monitor,
    /// An alert.
    Alert,
}

const KINDS: [(&str, ResourceKind); 7] = [
    ("project", ResourceKind::Project),
    ("dataset", ResourceKind::Dataset),
    ("model", ResourceKind::Model),
    ("pipeline", ResourceKind::Pipeline),
    ("service", ResourceKind::Service),
    ("monitor", ResourceKind::Monitor),
    ("alert", ResourceKind::Alert),
];

/// One thing that a file owns: `pipeline/train`, `service/delay@prod`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceKey {
    /// What it is.
    pub kind: ResourceKind,
    /// Its name in the file.
    pub name: String,
    /// The environment, of services and monitors.
    pub environment: Option<String>,
}

/// The text is not a resource's key.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not the key of a resource, like `service/delay@prod`")]
pub struct KeyError(String);

impl ResourceKey {
    /// Of a thing that is the same in every environment.
    pub fn new(kind: ResourceKind, name: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            environment: None,
        }
    }

    /// Of a thing in one environment.
    pub fn in_environment(kind: ResourceKind, name: &str, environment: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            environment: Some(environment.to_owned()),
        }
    }

    /// For people: `service delay in prod`.
    pub fn in_words(&self) -> String {
        let Self {
            kind,
            name,
            environment,
        } = self;
        match (kind, environment) {
            (ResourceKind::Monitor, Some(environment)) => {
                format!("monitor of {name} in {environment}")
            }
            (_, Some(environment)) => format!("{kind} {name} in {environment}"),
            (_, None) => format!("{kind} {name}"),
        }
    }

    /// Where the file speaks of it.
    pub(super) fn file_path(&self) -> String {
        let name = &self.name;
        match self.kind {
            ResourceKind::Project => "project".to_owned(),
            ResourceKind::Dataset => format!("datasets.{name}"),
            ResourceKind::Model => "pipelines".to_owned(),
            ResourceKind::Pipeline => format!("pipelines.{name}"),
            ResourceKind::Service => format!("services.{name}"),
            ResourceKind::Monitor => format!("services.{name}.monitor"),
            ResourceKind::Alert => format!("alerts.{name}"),
        }
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = KINDS
            .iter()
            .find(|(_, kind)| kind == self)
            .map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl FromStr for ResourceKind {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let kind = KINDS.iter().find(|(name, _)| *name == text);
        kind.map(|(_, kind)| *kind)
            .ok_or_else(|| KeyError(text.to_owned()))
    }
}

impl fmt::Display for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)?;
        match &self.environment {
            Some(environment) => write!(f, "@{environment}"),
            None => Ok(()),
        }
    }
}

impl FromStr for ResourceKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, rest) = text
            .split_once('/')
            .ok_or_else(|| KeyError(text.to_owned()))?;
        let kind = kind.parse()?;
        Ok(match rest.split_once('@') {
            Some((name, environment)) => Self::in_environment(kind, name, environment),
            None => Self::new(kind, rest),
        })
    }
}

impl Serialize for ResourceKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ResourceKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
