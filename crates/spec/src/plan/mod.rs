//! What applying a project file would change.
//!
//! [`plan`] compares the shapes that the file wants with those that were applied last; the
//! server stores the latter and executes the changes, the command line shows them. Pure, and
//! about shape alone: which version serves where is for roll-outs, and never stands in a plan.

mod diff;
mod key;
mod render;
mod resources;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use diff::Field;
pub use key::{ResourceKey, ResourceKind};
pub use resources::resources;

use crate::ProjectFile;

/// What should be.
#[derive(Debug, Clone)]
pub struct Desired {
    /// The project as its file has it.
    pub file: ProjectFile,
    /// The commit that the file is of, when it is of one.
    pub commit: Option<String>,
    /// Whether to delete what the file no longer names, beside what the file says itself.
    pub prune: bool,
}

/// What is, as the server recorded it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// How many times the project has been applied; a plan for another generation is stale.
    pub generation: u64,
    /// The shape of each resource when it was last applied.
    pub resources: BTreeMap<ResourceKey, Value>,
}

/// The way from what is to what should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The project.
    pub project: String,
    /// The generation this was made from.
    pub generation: u64,
    /// The commit that the file is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Whether the deletes among the changes are executed.
    pub prune: bool,
    /// What changes, in the order of execution.
    pub changes: Vec<Change>,
}

/// What happens to one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What happens.
    pub action: Action,
    /// To what kind of thing.
    pub kind: ResourceKind,
    /// To which one.
    pub key: ResourceKey,
    /// The same in words: `service delay in prod`.
    pub name: String,
    /// Where the file speaks of it: `services.delay`.
    pub path: String,
    /// What is different, by path inside the resource; of a new one, everything it has.
    pub fields: Vec<Field>,
    /// Why.
    pub reason: String,
    /// Whether this happens only when pruning: true of every delete.
    pub prunable: bool,
}

/// What happens to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is new.
    Create,
    /// Its shape changes.
    Update,
    /// It goes.
    Delete,
}

/// Compares what should be with what is.
///
/// Keys that are not supported yet are refused apart, by [`crate::unsupported`].
pub fn plan(desired: &Desired, observed: &Observed) -> Plan {
    let wanted = resources(&desired.file);
    let mut changes = Vec::new();
    for (key, new) in &wanted {
        let old = observed.resources.get(key);
        let fields = diff::fields(old.unwrap_or(&Value::Null), new);
        if old.is_none() || !fields.is_empty() {
            let action = if old.is_some() {
                Action::Update
            } else {
                Action::Create
            };
            changes.push(change(action, key, fields, &desired.file));
        }
    }
    // Environments in the order of promotion, and then what is gone, dependents first.
    let stage = |change: &Change| {
        let environment = change.key.environment.as_ref();
        desired
            .file
            .environments
            .iter()
            .position(|name| Some(name) == environment)
    };
    changes.sort_by_key(|change| (change.kind, change.key.name.clone(), stage(change)));
    for (key, old) in observed.resources.iter().rev() {
        if !wanted.contains_key(key) {
            let fields = diff::fields(old, &Value::Null);
            changes.push(change(Action::Delete, key, fields, &desired.file));
        }
    }
    Plan {
        project: desired.file.project.clone(),
        generation: observed.generation,
        commit: desired.commit.clone(),
        prune: desired.prune || desired.file.prune,
        changes,
    }
}

fn change(action: Action, key: &ResourceKey, fields: Vec<Field>, file: &ProjectFile) -> Change {
    let reason = match action {
        Action::Create => format!("{} names it and it is not there yet", file.source.name),
        Action::Update => {
            let names: Vec<&str> = fields.iter().map(|field| field.path.as_str()).collect();
            format!("{} differs from what was applied last", names.join(", "))
        }
        Action::Delete => format!("{} no longer names it", file.source.name),
    };
    Change {
        action,
        kind: key.kind,
        name: key.in_words(),
        path: key.file_path(),
        key: key.clone(),
        fields,
        reason,
        prunable: action == Action::Delete,
    }
}

impl Plan {
    /// Whether applying would do nothing: deletes that are not pruned do not count.
    pub fn is_empty(&self) -> bool {
        self.executed().next().is_none()
    }

    /// The changes that applying executes.
    pub fn executed(&self) -> impl Iterator<Item = &Change> {
        self.changes
            .iter()
            .filter(|change| self.prune || !change.prunable)
    }

    /// How many changes of a kind there are.
    pub fn count(&self, action: Action) -> usize {
        self.changes
            .iter()
            .filter(|change| change.action == action)
            .count()
    }

    /// What was shown, as one short text: `apply` sends it back so that exactly this plan is
    /// executed. Not a secret and not proof against forgery.
    pub fn digest(&self) -> String {
        // FNV-1a over the canonical JSON: the same on every machine and version.
        let text = serde_json::to_string(self).unwrap_or_default();
        let step =
            |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
    }

    /// What the server should record once this plan has been executed.
    pub fn applied(&self, desired: &Desired, observed: &Observed) -> Observed {
        let mut resources = if self.prune {
            BTreeMap::new()
        } else {
            observed.resources.clone()
        };
        resources.extend(self::resources(&desired.file));
        Observed {
            generation: observed.generation + 1,
            resources,
        }
    }
}

#[cfg(test)]
mod tests;
