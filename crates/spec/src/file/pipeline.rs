//! `pipelines`: what runs, when, with what, and what comes of it.
//!
//! The executor and the triggers read it.

use std::collections::HashSet;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{Register, Scalar, Step};
use crate::names::NameKind;
use crate::quantity::Cron;
use crate::read::{Node, Read, Reader, Section};

/// One pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    /// What starts a run besides a person.
    #[serde(default)]
    pub triggers: Triggers,
    /// Values given to every step as `MAINSPAN_PARAM_<NAME>`, changeable for one run.
    #[serde(default)]
    pub params: IndexMap<String, Scalar>,
    /// The Python environment of the steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python: Option<Python>,
    /// A container image for the steps in place of `python`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Names of secrets given to these steps only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Hosts the steps may reach, and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Vec<String>>,
    /// The steps by name; what they read and write orders them.
    pub steps: IndexMap<String, Step>,
    /// Which output becomes a version of a model, and under what condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register: Option<Register>,
}

/// What starts a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Triggers {
    /// Branches whose new commits start a run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub push: Vec<String>,
    /// When to run, as cron has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Cron>,
    /// Alerts that start a run when they begin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<String>,
}

/// A Python environment, pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Python {
    /// Which interpreters will do, like `>=3.10`; any when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The file of pinned and hashed requirements, relative to the project file.
    pub lock: String,
}

impl Pipeline {
    pub(crate) const KEYS: &[&str] = &[
        "triggers", "params", "python", "image", "secrets", "network", "steps", "register",
    ];

    /// The step that writes an output, and its name.
    pub fn writer(&self, output: &str) -> Option<(&str, &Step)> {
        let writes = |(_, step): &(&String, &Step)| step.writes.iter().any(|name| name == output);
        self.steps
            .iter()
            .find(writes)
            .map(|(name, step)| (name.as_str(), step))
    }

    /// The steps that must be done before `step` starts: writers of what it reads, then `needs`,
    /// each once, in the order of the file.
    pub fn upstream<'a>(&'a self, step: &'a Step) -> Vec<&'a str> {
        let needs: HashSet<&String> = step.needs.iter().collect();
        let reads: HashSet<&String> = step.reads.iter().collect();
        let before = |(name, other): &(&String, &Step)| {
            needs.contains(name) || other.writes.iter().any(|output| reads.contains(output))
        };
        let each = self.steps.iter().filter(before);
        each.map(|(name, _)| name.as_str()).collect()
    }

    /// The datasets that the steps read: what they read and no step writes.
    pub fn datasets(&self) -> Vec<&str> {
        let mut all: Vec<&str> = Vec::new();
        for read in self.steps.values().flat_map(|step| &step.reads) {
            if self.writer(read).is_none() && !all.contains(&read.as_str()) {
                all.push(read);
            }
        }
        all
    }
}

impl Read for Pipeline {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        let section = Section::open(reader, node, path, Self::KEYS)?;
        let steps = section.required_named(reader, "steps", NameKind::Identifier);
        Some(Self {
            triggers: section.or(reader, "triggers", Triggers::default()),
            params: section.named(reader, "params", NameKind::Identifier),
            python: section.optional(reader, "python"),
            image: section.optional(reader, "image"),
            secrets: section.or(reader, "secrets", Vec::new()),
            network: section.optional(reader, "network"),
            register: section.optional(reader, "register"),
            steps: steps?,
        })
    }
}

impl Triggers {
    pub(crate) const KEYS: &[&str] = &["push", "schedule", "alerts"];
}

impl Read for Triggers {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        let section = Section::open(reader, node, path, Self::KEYS)?;
        Some(Self {
            push: section.or(reader, "push", Vec::new()),
            schedule: section.optional(reader, "schedule"),
            alerts: section.or(reader, "alerts", Vec::new()),
        })
    }
}

impl Python {
    pub(crate) const KEYS: &[&str] = &["version", "lock"];
}

impl Read for Python {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        let section = Section::open(reader, node, path, Self::KEYS)?;
        let version: Option<String> = section.optional(reader, "version");
        let lock = section.required::<super::step::FilePath>(reader, "lock");
        if let Some(version) = &version {
            let fine = |c: char| c.is_ascii_digit() || ".<>=!~,* ".contains(c);
            if !version.chars().all(fine) {
                let span = reader.places[&section.path("version")];
                reader.wrong(span, "this is not a range of Python versions; write it like `>=3.10` or `>=3.10,<3.13`");
            }
        }
        Some(Self {
            version,
            lock: lock?.0,
        })
    }
}
