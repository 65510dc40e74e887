//! The figures that a condition is evaluated with.
//!
//! Filled by whoever has them; names are given as segments, so that a metric may hold dots.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A double, whatever it was before.
    Number(f64),
    /// A text.
    Text(String),
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(truth) => truth.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => write!(f, "\"{text}\""),
        }
    }
}

/// Figures by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Values(BTreeMap<Vec<String>, Value>);

impl Values {
    /// No figures.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a name a figure: `values.set(&["evaluate", "mae"], 11.2)`.
    pub fn set(&mut self, name: &[&str], value: impl Into<Value>) -> &mut Self {
        self.0.insert(
            name.iter().map(|&part| part.to_owned()).collect(),
            value.into(),
        );
        self
    }

    /// The figure of a name.
    pub fn get(&self, name: &[String]) -> Option<&Value> {
        self.0.get(name)
    }

    /// Whether any name starts with this one.
    pub fn has_root(&self, root: &str) -> bool {
        self.0
            .keys()
            .any(|name| name.first().is_some_and(|first| first == root))
    }
}

/// A name as it is written in a condition.
pub(super) fn written(name: &[String]) -> String {
    let mut text = String::new();
    for (index, part) in name.iter().enumerate() {
        let plain = part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !part.starts_with(|c: char| c.is_ascii_digit());
        if plain {
            text.push_str(if index > 0 { "." } else { "" });
            text.push_str(part);
        } else {
            text.push_str(&format!("[\"{part}\"]"));
        }
    }
    text
}
