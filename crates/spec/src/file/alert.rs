//! `alerts`: named conditions over alarms.
//!
//! The watch evaluates them; pipelines name them as triggers.

use serde::{Deserialize, Serialize};

use crate::read::{Node, Read, Reader, Section};

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// A condition in CEL over `services.<service>.<environment>.alarm`.
    pub when: String,
}

impl Alert {
    pub(crate) const KEYS: &[&str] = &["when"];
}

impl Read for Alert {
    fn read(reader: &mut Reader, node: &Node, path: &str) -> Option<Self> {
        let section = Section::open(reader, node, path, Self::KEYS)?;
        Some(Self {
            when: section.required(reader, "when")?,
        })
    }
}
