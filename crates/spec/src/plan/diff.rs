//! Which fields two shapes differ in.
//!
//! Used by [`super::plan`]; knows JSON and nothing of what it stands for.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// Dotted path inside the resource.
    pub path: String,
    /// What it was; nothing when it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// What it will be; nothing when it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

/// The leaves in which two shapes differ, in the order of their paths; lists are leaves.
pub(super) fn fields(old: &Value, new: &Value) -> Vec<Field> {
    let mut all = Vec::new();
    walk("", present(old), present(new), &mut all);
    all
}

fn present(value: &Value) -> Option<&Value> {
    (!value.is_null()).then_some(value)
}

fn walk(path: &str, old: Option<&Value>, new: Option<&Value>, all: &mut Vec<Field>) {
    if old == new {
        return;
    }
    let (before, after) = (
        old.and_then(Value::as_object),
        new.and_then(Value::as_object),
    );
    let (mixed, nothing) = (
        before.is_some() != old.is_some() || after.is_some() != new.is_some(),
        serde_json::Map::new(),
    );
    if mixed || (before.is_none() && after.is_none()) {
        all.push(Field {
            path: path.to_owned(),
            old: old.cloned(),
            new: new.cloned(),
        });
        return;
    }
    let (before, after) = (before.unwrap_or(&nothing), after.unwrap_or(&nothing));
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let inner = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        walk(&inner, before.get(key), after.get(key), all);
    }
}
